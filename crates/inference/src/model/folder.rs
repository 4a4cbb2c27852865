use std::{
    collections::{HashMap, HashSet},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Error, Files, gguf,
    json::{self, Unique},
    safetensors::{self, File, Tensor},
    source::Opened,
};

/// A folder as Hugging Face lays it out, or a single safetensors file.
#[derive(Debug)]
pub struct Folder {
    /// The safetensors files, in the order of their names.
    pub shards: Vec<(PathBuf, File)>,
    /// `config.json`, where there is one.
    pub config: Option<Value>,
    /// What `tokenizer.json` says its kind is (`BPE`), or the file that stands for it (`tokenizer.model`).
    pub tokenizer: Option<String>,
    /// The chat template, from whichever of its three places.
    pub chat_template: Option<String>,
}

/// Why a folder is not taken, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Refusal {
    #[error("there is neither a .gguf file nor a .safetensors file in it; name the folder of one model")]
    NoModel,
    #[error("it holds {0} models; name one of its files")]
    ManyModels(usize),
    #[error("there is no config.json beside the .safetensors files; download the whole repository")]
    NoConfig,
    #[error("{file} cannot be understood; download it again")]
    Json {
        file: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("model.safetensors.index.json names the file {file:?}, which is no name of a file beside it")]
    ShardName { file: String },
    #[error("{file} is missing or cannot be read; download it into the same folder")]
    Shard {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file} cannot be used")]
    ShardRefused {
        file: String,
        #[source]
        source: Box<safetensors::Refusal>,
    },
    #[error("the tensor {name:?} is in {first} and in {second}; download both again")]
    DuplicateTensor { name: String, first: String, second: String },
    #[error("the tensor {name:?} should be in {file}, and is not; download both index and file again")]
    MissingTensor { name: String, file: String },
    #[error("it holds more than {0} files; name the folder of one model")]
    TooManyFiles(usize),
}

const CONFIG_BYTES_MAX: u64 = 8 << 20;
const INDEX_BYTES_MAX: u64 = 100_000_000;
const TOKENIZER_BYTES_MAX: u64 = 256 << 20;
const ENTRIES_MAX: usize = 10_000;
const INDEX: &str = "model.safetensors.index.json";

/// Opens the one model of a folder.
pub(super) fn open(path: &Path) -> Result<Files, Error> {
    let refused = |source| Error::Folder { path: path.to_owned(), source };
    let names = names(path)?;
    let safetensors: Vec<&String> = names.iter().filter(|name| name.ends_with(".safetensors")).collect();
    if safetensors.is_empty() && !names.iter().any(|name| name == INDEX) {
        let first_parts = names.iter().filter(|name| {
            name.ends_with(".gguf") && gguf::part_name(name).is_none_or(|(_, number, _)| number == 1)
        });
        let files: Vec<&String> = first_parts.collect();
        let [file] = files.as_slice() else {
            let found = files.len();
            return Err(refused(if found == 0 { Refusal::NoModel } else { Refusal::ManyModels(found) }));
        };
        let path = path.join(file);
        let model = gguf::Model::open(&path);
        return model.map(Files::Gguf).map_err(|source| Error::Gguf { path, source: Box::new(source) });
    }
    hugging_face(path, &names).map(Files::Safetensors).map_err(refused)
}

/// Opens a safetensors file on its own.
pub(super) fn single(path: &Path) -> Result<Folder, Error> {
    let opened = Opened::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
    let file = File::read(&opened)
        .map_err(|source| Error::Safetensors { path: path.to_owned(), source: Box::new(source) })?;
    let shards = vec![(path.to_owned(), file)];
    Ok(Folder { shards, config: None, tokenizer: None, chat_template: None })
}

impl Folder {
    /// Goes through the tensors of all files.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.shards.iter().flat_map(|(_, file)| &file.tensors)
    }

    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        let config = self.config.as_ref().and_then(Value::as_object).into_iter().flatten();
        let config = config.map(|(name, value)| (name.clone(), shortened(value)));
        let headers = self.shards.first().map(|(_, file)| file.metadata.clone()).unwrap_or_default();
        config.chain(headers).collect()
    }

    pub(super) fn metadata_json(&self) -> serde_json::Map<String, Value> {
        let headers = self.shards.first().map_or(&[][..], |(_, file)| &file.metadata);
        let headers = headers.iter().map(|(name, value)| (name.clone(), Value::from(value.clone())));
        let config = self.config.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        headers.chain(config).collect()
    }
}

fn shortened(value: &Value) -> String {
    match value {
        Value::Array(values) if values.len() > 8 => format!("[{} values]", values.len()),
        Value::Object(values) if values.len() > 8 => format!("{{{} names}}", values.len()),
        other => other.to_string(),
    }
}

fn names(path: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
        if names.len() > ENTRIES_MAX {
            let source = Refusal::TooManyFiles(ENTRIES_MAX);
            return Err(Error::Folder { path: path.to_owned(), source });
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn hugging_face(path: &Path, names: &[String]) -> Result<Folder, Refusal> {
    let config: Value = file(path, "config.json", CONFIG_BYTES_MAX)?.ok_or(Refusal::NoConfig)?;
    let index: Option<Index> = file(path, INDEX, INDEX_BYTES_MAX)?;
    let mut shards = Vec::new();
    let wanted = match &index {
        Some(index) => index.files()?,
        // Repositories that hold one model in several layouts keep the usual one under this name.
        None if names.iter().any(|name| name == "model.safetensors") => vec!["model.safetensors".to_owned()],
        None => names.iter().filter(|name| name.ends_with(".safetensors")).cloned().collect(),
    };
    for name in wanted {
        let shard = path.join(&name);
        let opened = Opened::open(&shard).map_err(|source| Refusal::Shard { file: name.clone(), source })?;
        let file = File::read(&opened)
            .map_err(|source| Refusal::ShardRefused { file: name, source: Box::new(source) })?;
        shards.push((shard, file));
    }
    check_tensors(&shards, index.as_ref())?;
    let (tokenizer, chat_template) = (tokenizer(path, names)?, chat_template(path)?);
    Ok(Folder { shards, config: Some(config), tokenizer, chat_template })
}

/// Checks that each tensor is in one file only, and in the one that the index names.
fn check_tensors(shards: &[(PathBuf, File)], index: Option<&Index>) -> Result<(), Refusal> {
    let mut places: HashMap<&str, String> = HashMap::new();
    for (path, file) in shards {
        let shard = path.file_name().unwrap_or_default().to_string_lossy();
        for tensor in &file.tensors {
            if let Some(first) = places.insert(&tensor.name, shard.clone().into_owned()) {
                let (name, second) = (tensor.name.clone(), shard.into_owned());
                return Err(Refusal::DuplicateTensor { name, first, second });
            }
        }
    }
    for (name, file) in index.map_or(&[][..], |index| &index.weight_map.0) {
        if places.get(name.as_str()).is_none_or(|place| place != file) {
            return Err(Refusal::MissingTensor { name: name.clone(), file: file.clone() });
        }
    }
    Ok(())
}

/// Which file holds which tensor.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: Unique<String>,
}

impl Index {
    /// Lists the files, each once, sorted; names that lead elsewhere are refused.
    fn files(&self) -> Result<Vec<String>, Refusal> {
        let files: HashSet<&String> = self.weight_map.0.iter().map(|(_, file)| file).collect();
        let mut files: Vec<String> = files.into_iter().cloned().collect();
        files.sort_unstable();
        let is_plain =
            |file: &String| file.ends_with(".safetensors") && !file.contains(['/', '\\', ':', '\0']);
        match files.iter().find(|file| !is_plain(file)) {
            Some(file) => Err(Refusal::ShardName { file: file.clone() }),
            None => Ok(files),
        }
    }
}

fn tokenizer(path: &Path, names: &[String]) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Tokenizer {
        model: Kind,
    }
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let tokenizer: Option<Tokenizer> = file(path, "tokenizer.json", TOKENIZER_BYTES_MAX)?;
    let other = || {
        ["tokenizer.model", "vocab.txt", "vocab.json"]
            .into_iter()
            .find(|name| names.iter().any(|n| n == name))
    };
    Ok(match tokenizer {
        // Older files leave the kind out where it can be told from what is there.
        Some(tokenizer) => Some(tokenizer.model.kind.unwrap_or_else(|| "tokenizer.json".to_owned())),
        None => other().map(str::to_owned),
    })
}

fn chat_template(path: &Path) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Holder {
        chat_template: Option<Value>,
    }
    match Opened::open(&path.join("chat_template.jinja")) {
        Ok(opened) => {
            let read = opened
                .into_file(CONFIG_BYTES_MAX)
                .and_then(|file| io::read_to_string(file.take(CONFIG_BYTES_MAX)));
            return read.map(Some).map_err(|source| Refusal::Json { file: "chat_template.jinja", source });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(Refusal::Json { file: "chat_template.jinja", source }),
    }
    for name in ["chat_template.json", "tokenizer_config.json"] {
        let holder: Option<Holder> = file(path, name, CONFIG_BYTES_MAX)?;
        if let Some(template) = holder.and_then(|holder| holder.chat_template) {
            return Ok(template_text(&template));
        }
    }
    Ok(None)
}

/// A template is a text, or several with names, of which `default` is meant unless one asks for another.
fn template_text(template: &Value) -> Option<String> {
    let text = |value: &Value| value.get("template").and_then(Value::as_str).map(str::to_owned);
    match template {
        Value::String(text) => Some(text.clone()),
        Value::Array(templates) => {
            let default =
                templates.iter().find(|one| one.get("name").and_then(Value::as_str) == Some("default"));
            default.or(templates.first()).and_then(text)
        }
        _ => None,
    }
}

fn file<T: serde::de::DeserializeOwned>(
    path: &Path,
    name: &'static str,
    bytes_max: u64,
) -> Result<Option<T>, Refusal> {
    json::read(&path.join(name), bytes_max).map_err(|source| Refusal::Json { file: name, source })
}
