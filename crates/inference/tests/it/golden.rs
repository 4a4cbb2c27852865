//! What the decoder computes with the synthetic models, against what llama.cpp and transformers compute with them.
//! `tests/golden/make.py` made the values and says how; `docs/models.md` has the table of results.

use std::{fs, path::Path};

use athenaeum_inference::{
    cache::{Cache, PAGE, Page},
    decoder::{Decoder, Row, Want, Work, architecture},
    kernels::{self, Format, Pool},
    model::{
        self,
        gguf::{self, TensorType, Writer},
        safetensors::Dtype,
    },
    synthetic::{self, Recipe},
    weights::Access,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

/// How far a logit may be from the golden value, as a part of the root of the logits' mean square: where activations
/// are not rounded (F32, F16, BF16, and all formats once dequantized);
const TOLERANCE: f32 = 1e-4;
/// and where llama.cpp takes GELU from a table of 16-bit floats.
const TOLERANCE_GELU: f32 = 5e-3;
/// Formats whose activations are rounded to 8 bits: as a part of how far llama.cpp itself is, with its own rounding.
const TOLERANCE_ROUNDED: f32 = 1.5;

const CONTEXT: usize = 512;
/// Tokens that are computed at once; no divisor of anything.
const BATCH: usize = 49;

#[derive(Deserialize)]
struct About {
    sequence: Vec<u32>,
    positions: Vec<usize>,
    ids: Vec<usize>,
}

#[derive(Deserialize)]
struct Golden {
    /// By position, by token.
    logits: Vec<Vec<f32>>,
    root_mean_square: Vec<f32>,
    best: Vec<usize>,
    greedy: Option<Greedy>,
}

#[derive(Deserialize)]
struct Greedy {
    prompt: Vec<u32>,
    text: Vec<u32>,
    /// The least distance of the best logit to the second best.
    margin: f32,
    /// How llama.cpp's text fares with llama.cpp itself.
    usual: Option<Usual>,
}

/// What is left of a text where llama.cpp computes attention as it does unless told otherwise.
#[derive(Deserialize)]
struct Usual {
    /// By how much the text's tokens miss being the best ones, at most.
    missed: f32,
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// A model with one sequence of its own.
struct Running {
    decoder: Decoder,
    cache: Cache,
    pages: Vec<Page>,
    work: Work,
    pool: Pool,
}

impl Running {
    fn open(path: &Path) -> Self {
        let model = model::open(path).unwrap();
        let decoder =
            Decoder::load(&model, Access::Read, CONTEXT).unwrap_or_else(|error| panic!("{error:?}"));
        let count = CONTEXT / PAGE;
        let cache = Cache::new(decoder.cache_shape(Format::F32), count).unwrap();
        // Out of order, as they are after some use.
        let pages = (0..count as u32).map(|page| Page(page * 5 % count as u32)).collect();
        Self { decoder, cache, pages, work: Work::default(), pool: Pool::new(1) }
    }

    /// Returns the logits of every token, a row each.
    fn logits(&mut self, tokens: &[u32], start: usize) -> Vec<f32> {
        let rows: Vec<Row> = (start..)
            .zip(tokens)
            .map(|(at, &token)| Row { token, position: at as u32, sequence: 0, want: Want::Logits })
            .collect();
        let mut logits = Vec::new();
        for rows in rows.chunks(BATCH) {
            let Self { decoder, cache, pages, work, pool } = self;
            logits.extend_from_slice(decoder.forward(rows, &[pages], cache, work, pool).logits);
        }
        logits
    }

    /// Returns what follows a prompt, token by token.
    fn greedy(&mut self, prompt: &[u32], count: usize) -> Vec<u32> {
        let mut logits = self.logits(prompt, 0);
        let mut text = Vec::new();
        while text.len() < count {
            let next = best(&logits[logits.len() - synthetic::TOKENS..]);
            text.push(next as u32);
            logits = self.logits(&[next as u32], prompt.len() + text.len() - 1);
        }
        text
    }

    /// Returns by how much the text's tokens miss being the best ones, at most: 0 if greedy text is the same, since
    /// what a token gives does not depend on what it is computed with.
    fn missed(&mut self, Greedy { prompt, text, .. }: &Greedy) -> f32 {
        let logits = self.logits(&[prompt.as_slice(), text].concat(), 0);
        let rows = logits.chunks_exact(synthetic::TOKENS).skip(prompt.len() - 1);
        let missed = rows.zip(text).map(|(row, token)| row[best(row)] - row[*token as usize]);
        missed.fold(0.0, f32::max)
    }

    /// Returns how far the logits of the sequence are from the golden ones, at most.
    fn worst(&mut self, golden: &Golden) -> f32 {
        let about: About = read("about.json");
        let logits = self.logits(&about.sequence, 0);
        let mut worst = 0.0_f32;
        for (index, position) in about.positions.iter().enumerate() {
            let row = &logits[position * synthetic::TOKENS..][..synthetic::TOKENS];
            for (id, logit) in about.ids.iter().zip(&golden.logits[index]) {
                worst = worst.max((row[*id] - logit).abs());
            }
            // The rest of the row, as one number; and its largest, which may differ only if it was nearly as large.
            let square = (row.iter().map(|logit| logit * logit).sum::<f32>() / row.len() as f32).sqrt();
            worst = worst.max((square - golden.root_mean_square[index]).abs());
            worst = worst.max((row[best(row)] - row[golden.best[index]]) / 2.0);
        }
        worst
    }
}

fn best(logits: &[f32]) -> usize {
    (0..logits.len()).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
}

/// The same model with all of its weights in F32.
pub(crate) fn dequantized(bytes: &[u8]) -> Vec<u8> {
    let file = gguf::File::from_bytes(bytes).unwrap();
    let mut writer = file.metadata.iter().fold(Writer::new(), |writer, (key, value)| writer.set(key, value));
    for tensor in &file.tensors {
        let bytes = &bytes[tensor.offset as usize..][..tensor.bytes as usize];
        let mut numbers = vec![0.0; tensor.elements as usize];
        let format = Format::from_ggml(tensor.tensor_type.number()).unwrap();
        kernels::dequantize(format, bytes, &mut numbers).unwrap();
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        writer = writer.tensor(tensor.name.clone(), TensorType::F32, tensor.dims(), numbers);
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    bytes
}

/// What llama.cpp makes of a file as it is.
#[derive(Deserialize)]
struct Native {
    /// The largest distance of a logit from the golden one, of all logits of the sequence.
    worst: f32,
    /// Its text, where that hangs on its rounding.
    greedy: Option<Greedy>,
}

/// Computes a model, tells how far it is from the golden values, and adds it to the failures if that is too far.
/// `tolerance`: as logits are.
#[expect(clippy::print_stdout, reason = "the table of docs/models.md comes from here")]
fn compare(
    what: &str,
    path: &Path,
    golden: &Golden,
    texts: &[&Greedy],
    tolerance: f32,
    failures: &mut Vec<String>,
) {
    let mut running = Running::open(path);
    let worst = running.worst(golden);
    let mut told = format!("{what}: {worst:.1e} of {tolerance:.1e}");
    let (mut is_same, mut is_nearer) = (false, false);
    for text in texts {
        let missed = running.missed(text);
        told += &format!(", greedy missed {missed:.1e}, margin {:.1e}", text.margin);
        is_same |= missed == 0.0;
        if let Some(usual) = &text.usual {
            told += &format!(", llama.cpp itself {:.1e}", usual.missed);
            is_nearer |= missed < usual.missed;
        }
    }
    println!("{told}");
    let is_as_listed = if UNLIKE.contains(&what) { !is_same && is_nearer } else { is_same };
    if worst > tolerance || !is_as_listed {
        failures.push(told);
    }
}

/// Files whose text is not llama.cpp's: two tokens are as good as equal somewhere, and the order of sums decides. We are
/// nearer to that text than llama.cpp is, once it computes attention as it does unless told otherwise. Changing the order
/// may add to this list, or take from it; `docs/models.md` tells how much is at stake.
const UNLIKE: &[&str] = &["llama IQ2_XS", "olmo3 Q8_0", "olmo3 Q4_K_M"];

fn check(name: &str) {
    let recipe = synthetic::find(name).unwrap();
    let all: serde_json::Map<String, Json> = read(&format!("{name}.json"));
    let golden = |name: &str| -> Golden { serde_json::from_value(all[name].clone()).unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let exact = golden("exact");
    let greedy = exact.greedy.as_ref().unwrap();
    let mut failures = Vec::new();
    let scale = exact.root_mean_square.iter().copied().fold(0.0, f32::max);
    let tolerance = scale * if recipe.norm_less_one { TOLERANCE_GELU } else { TOLERANCE };
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let path = folder.path().join(dtype.to_string());
        synthetic::folder(recipe, dtype, &path).unwrap();
        if dtype == Dtype::F16 {
            modernise(&path.join("config.json"));
        }
        let what = format!("{name} checkpoint {dtype}");
        let golden = golden("checkpoint");
        let greedy = golden.greedy.as_ref().unwrap_or(greedy);
        compare(&what, &path, &golden, &[greedy], scale * TOLERANCE, &mut failures);
    }
    for (storage_name, storage) in synthetic::storages(recipe) {
        let path = folder.path().join("model.gguf");
        let bytes = synthetic::gguf(recipe, *storage).unwrap();
        let own = all.contains_key(*storage_name).then(|| golden(storage_name));
        let golden = own.as_ref().unwrap_or(&exact);
        let greedy = golden.greedy.as_ref().unwrap();
        let what = format!("{name} {storage_name}");
        fs::write(&path, &bytes).unwrap();
        if ["F32", "F16", "BF16"].contains(storage_name) {
            compare(&what, &path, golden, &[greedy], tolerance, &mut failures);
        } else {
            let native: Native = serde_json::from_value(all["native"][*storage_name].clone()).unwrap();
            let rounded = TOLERANCE_ROUNDED * native.worst;
            // One of its texts is enough: without its rounding, and with it. Ours differs from both by the order of sums.
            let texts: Vec<&Greedy> = [greedy].into_iter().chain(&native.greedy).collect();
            compare(&what, &path, golden, &texts, rounded, &mut failures);
            fs::write(&path, dequantized(&bytes)).unwrap();
            compare(&format!("{what} dequantized"), &path, golden, &[greedy], tolerance, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Tells positions as transformers 5 writes them.
fn modernise(path: &Path) {
    let mut config: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let fields = config.as_object_mut().unwrap();
    let mut scaling = fields.remove("rope_scaling").filter(|scaling| !scaling.is_null()).unwrap_or(json!({}));
    scaling["rope_theta"] = fields.remove("rope_theta").unwrap();
    fields.remove("sliding_window_pattern");
    if let Some(local) = fields.remove("rope_local_base_freq") {
        let layers = fields["num_hidden_layers"].as_u64().unwrap();
        let kind = |layer| if layer % 6 < 5 { "sliding_attention" } else { "full_attention" };
        fields.insert("layer_types".to_owned(), (0..layers).map(kind).collect());
        let limited = json!({ "rope_type": "default", "rope_theta": local });
        scaling = json!({ "full_attention": scaling, "sliding_attention": limited });
    }
    fields.insert("rope_parameters".to_owned(), scaling);
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn text_is_the_same_token_by_token() {
    let golden: serde_json::Map<String, Json> = read("llama.json");
    for (storage_name, key) in [("F32", "exact"), ("Q8_0", "exact"), ("Q4_K_M", "Q4_K_M")] {
        let Golden { greedy, .. } = serde_json::from_value(golden[key].clone()).unwrap();
        let Greedy { prompt, text, .. } = greedy.unwrap();
        let recipe = synthetic::find("llama").unwrap();
        let (_, storage) = synthetic::STORAGES.iter().find(|(name, _)| *name == storage_name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, synthetic::gguf(recipe, *storage).unwrap()).unwrap();
        assert_eq!(Running::open(&path).greedy(&prompt, text.len()), text, "{storage_name}");
    }
}

macro_rules! models {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        const TESTED: &[&str] = &[$($name),*];
    };
}

models! {
    llama: "llama",
    llama3: "llama3",
    llama_linear: "llama-linear",
    mistral: "mistral",
    mixtral: "mixtral",
    qwen2: "qwen2",
    qwen2_yarn: "qwen2-yarn",
    qwen2moe: "qwen2moe",
    qwen3: "qwen3",
    qwen3moe: "qwen3moe",
    gemma: "gemma",
    gemma2: "gemma2",
    gemma3: "gemma3",
    phi3: "phi3",
    phi3_long: "phi3-long",
    phi4_mini: "phi4-mini",
    smollm3: "smollm3",
    granite: "granite",
    granitemoe: "granitemoe",
    granitemoe_shared: "granitemoe-shared",
    olmo: "olmo",
    olmo2: "olmo2",
    olmo3: "olmo3",
    olmoe: "olmoe",
}

#[test]
fn every_architecture_has_golden_values() {
    for Recipe { name, architecture, model_type, .. } in synthetic::ALL {
        assert!(TESTED.contains(name), "{name} is not tested");
        let row = architecture::of_gguf(architecture).unwrap();
        assert!(architecture::of_model_type(model_type).is_some(), "{model_type}");
        assert!(architecture::ALL.contains(row));
    }
    for row in architecture::ALL {
        let tested =
            |recipe: &Recipe| recipe.architecture == row.name || row.model_types.contains(&recipe.model_type);
        assert!(synthetic::ALL.iter().any(tested), "{} has no synthetic model", row.name);
    }
}
