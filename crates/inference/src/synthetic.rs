//! Small models of random weights in the real structure of each architecture: what tests and references both compute.
//!
//! A model is named by its [`Recipe`]; [`gguf`] and [`folder`] write the same one as either kind of file. Everything
//! follows from the recipe's name, bit for bit and on every machine, so that golden values can be kept for models that
//! are not kept themselves.
//!
//! Weights are small whole numbers times powers of two. F32, F16, BF16 and Q8_0 hold them exactly, and so share their
//! golden values. Other formats get random blocks, of which every bit pattern is one that files may hold.

mod blocks;
pub mod late;
mod random;
mod recipes;
mod tensors;
pub mod vision;
mod vocabulary;

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::{Value as Json, json};

use crate::model::{
    gguf::{TensorType, Writer},
    safetensors::{self, Dtype},
};
pub use recipes::{ALL, Experts, HeadNorm, Norms, Number, Recipe, Scaling, find};
use tensors::{Place, Tensor};
pub use vocabulary::{BOS, EOS, TOKENS};

/// How matrices are stored; vectors, norms and the routers of experts are F32, as converters have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// Most of them.
    pub most: TensorType,
    /// Those of values, and those that lead out of feed-forward parts.
    pub better: TensorType,
    /// Embeddings and outputs.
    pub ends: TensorType,
}

impl Storage {
    /// All in one type.
    const fn all(tensor_type: TensorType) -> Self {
        Self { most: tensor_type, better: tensor_type, ends: tensor_type }
    }

    /// All in one type but the ends, which are Q8_0: random ends would leave no token likelier than others, and greedy
    /// text to chance.
    const fn layers(tensor_type: TensorType) -> Self {
        Self { most: tensor_type, better: tensor_type, ends: TensorType::Q8_0 }
    }
}

/// Every storage of which there are golden values, by name: the first six for all models, the rest for the first.
pub const STORAGES: &[(&str, Storage)] = &[
    ("F32", Storage::all(TensorType::F32)),
    ("F16", Storage::all(TensorType::F16)),
    ("BF16", Storage::all(TensorType::BF16)),
    ("Q8_0", Storage::all(TensorType::Q8_0)),
    ("Q4_0", Storage::layers(TensorType::Q4_0)),
    ("Q4_K_M", Storage { better: TensorType::Q6_K, ..Storage::layers(TensorType::Q4_K) }),
    ("Q4_1", Storage::layers(TensorType::Q4_1)),
    ("Q5_0", Storage::layers(TensorType::Q5_0)),
    ("Q5_1", Storage::layers(TensorType::Q5_1)),
    ("Q2_K", Storage::layers(TensorType::Q2_K)),
    ("Q3_K", Storage::layers(TensorType::Q3_K)),
    ("Q4_K", Storage::layers(TensorType::Q4_K)),
    ("Q5_K", Storage::layers(TensorType::Q5_K)),
    ("Q6_K", Storage::layers(TensorType::Q6_K)),
    ("IQ4_NL", Storage::layers(TensorType::IQ4_NL)),
    ("IQ4_XS", Storage::layers(TensorType::IQ4_XS)),
    ("MXFP4", Storage::layers(TensorType::MXFP4)),
    ("IQ1_S", Storage::layers(TensorType::IQ1_S)),
    ("IQ1_M", Storage::layers(TensorType::IQ1_M)),
    ("IQ2_XXS", Storage::layers(TensorType::IQ2_XXS)),
    ("IQ2_XS", Storage::layers(TensorType::IQ2_XS)),
    ("IQ2_S", Storage::layers(TensorType::IQ2_S)),
    ("IQ3_XXS", Storage::layers(TensorType::IQ3_XXS)),
    ("IQ3_S", Storage::layers(TensorType::IQ3_S)),
    ("TQ1_0", Storage::layers(TensorType::TQ1_0)),
    ("TQ2_0", Storage::layers(TensorType::TQ2_0)),
    ("Q4_0_whole", Storage::all(TensorType::Q4_0)),
    ("Q4_K_whole", Storage::all(TensorType::Q4_K)),
    ("Q6_K_whole", Storage::all(TensorType::Q6_K)),
];

/// How many of [`STORAGES`] there are golden values of for every model.
pub const STORAGES_OF_ALL: usize = 6;

/// Lists the storages of which there are golden values for a model.
pub fn storages(recipe: &Recipe) -> &'static [(&'static str, Storage)] {
    if recipe.name == ALL[0].name { STORAGES } else { &STORAGES[..STORAGES_OF_ALL] }
}

/// Writes a recipe's model as a GGUF file.
///
/// # Errors
///
/// If the storage has a type for which no blocks are made, as [`io::ErrorKind::Unsupported`].
pub fn gguf(recipe: &Recipe, storage: Storage) -> io::Result<Vec<u8>> {
    let mut writer = vocabulary::keys(recipes::keys(recipe, Writer::new()));
    for tensor in tensors::of(recipe) {
        let tensor_type = match () {
            _ if !tensor.is_matrix() => TensorType::F32,
            _ if tensor.is_end() => storage.ends,
            _ if tensor.matters_more() => storage.better,
            _ => storage.most,
        };
        let data = blocks::of(&tensor, tensor_type).ok_or(io::ErrorKind::Unsupported)?;
        let dims: Vec<u64> = tensor.shape.iter().rev().map(|dim| *dim as u64).collect();
        writer = writer.tensor(tensor.name.clone(), tensor_type, &dims, data);
    }
    for (name, factors) in recipes::factors(recipe) {
        let data: Vec<u8> = factors.iter().flat_map(|factor| factor.to_le_bytes()).collect();
        writer = writer.tensor(name, TensorType::F32, &[factors.len() as u64], data);
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Writes a recipe's model as a folder in Hugging Face's layout, its safetensors in two files; makes the folder.
///
/// # Errors
///
/// If files cannot be written, or `dtype` is not F32, F16 or BF16.
pub fn folder(recipe: &Recipe, dtype: Dtype, into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    let put = |name: &str, json: &Json| fs::write(into.join(name), serde_json::to_vec_pretty(json)?);
    let mut config = recipes::config(recipe);
    config["torch_dtype"] = json!(match dtype {
        Dtype::F32 => "float32",
        Dtype::F16 => "float16",
        _ => "bfloat16",
    });
    put("config.json", &config)?;
    put("tokenizer.json", &vocabulary::tokenizer_json())?;
    put("tokenizer_config.json", &vocabulary::tokenizer_config())?;
    let pieces = pieces(recipe);
    let mut weight_map = BTreeMap::new();
    let half = pieces.len() / 2;
    for (part, pieces) in [&pieces[..half], &pieces[half..]].into_iter().enumerate() {
        let file = format!("model-{:05}-of-00002.safetensors", part + 1);
        let data: Vec<Vec<u8>> = pieces
            .iter()
            .map(|piece| blocks::plain(&piece.numbers, dtype).ok_or(io::ErrorKind::Unsupported))
            .collect::<Result<_, _>>()?;
        let numbers: Vec<safetensors::Numbers<'_>> = pieces
            .iter()
            .zip(&data)
            .map(|(Piece { name, shape, .. }, data)| safetensors::Numbers { name, dtype, shape, data })
            .collect();
        let mut bytes = Vec::new();
        safetensors::write(&[("format", "pt")], &numbers, &mut bytes).map_err(io::Error::other)?;
        fs::write(into.join(&file), bytes)?;
        weight_map.extend(pieces.iter().map(|piece| (piece.name.clone(), file.clone())));
    }
    put("model.safetensors.index.json", &json!({ "metadata": {}, "weight_map": weight_map }))
}

/// Writes a reranker of Qwen3's kind as a folder: the recipe `qwen3`, with tokens for its answers and the marks of its chat.
///
/// # Errors
///
/// If files cannot be written.
pub fn reranker(into: &Path) -> io::Result<()> {
    let recipe = find("qwen3").ok_or(io::ErrorKind::NotFound)?;
    folder(recipe, Dtype::F32, into)?;
    let put = |name: &str, json: &Json| fs::write(into.join(name), serde_json::to_vec_pretty(json)?);
    put("tokenizer.json", &vocabulary::tokenizer_json_of_reranker())?;
    put(
        "tokenizer_config.json",
        &json!({ "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>" }),
    )
}

/// A tensor as Hugging Face's checkpoints have it.
struct Piece {
    name: String,
    shape: Vec<u64>,
    numbers: Vec<f32>,
}

fn pieces(recipe: &Recipe) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for tensor in tensors::of(recipe) {
        let numbers = tensor.numbers();
        let shape = |from: usize| tensor.shape.iter().skip(from).map(|dim| *dim as u64).collect::<Vec<u64>>();
        match &tensor.place {
            Place::Whole(name) => pieces.push(Piece { name: name.clone(), shape: shape(0), numbers }),
            Place::Row(name) => {
                pieces.push(Piece { name: name.clone(), shape: [vec![1], shape(0)].concat(), numbers });
            }
            Place::PerExpert(pattern) => {
                let one = numbers.len() / tensor.shape[0];
                pieces.extend(numbers.chunks_exact(one).enumerate().map(|(expert, numbers)| Piece {
                    name: pattern.replace('@', &expert.to_string()),
                    shape: shape(1),
                    numbers: numbers.to_vec(),
                }));
            }
            Place::Stacked(name) => match pieces.iter_mut().find(|piece| piece.name == *name) {
                None => pieces.push(Piece { name: name.clone(), shape: shape(0), numbers }),
                // The gate's rows are there; those of the other matrix go below them, expert by expert.
                Some(piece) => stack(piece, &tensor, &numbers),
            },
        }
    }
    pieces
}

fn stack(piece: &mut Piece, tensor: &Tensor, numbers: &[f32]) {
    let experts = if tensor.shape.len() > 2 { tensor.shape[0] } else { 1 };
    let one = numbers.len() / experts;
    let pairs = piece.numbers.chunks_exact(one).zip(numbers.chunks_exact(one));
    piece.numbers = pairs.flat_map(|(first, second)| [first, second].concat()).collect();
    let rows = piece.shape.len() - 2;
    piece.shape[rows] *= 2;
}
