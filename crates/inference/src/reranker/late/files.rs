use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::{
    decoder::Linear,
    embedder::LoadError,
    model::{self, Files, Model, json},
    weights::{Access, Weights},
};

/// What the files of a checkpoint say, in the layout of Stanford's ColBERT or in that of PyLate, which is
/// sentence-transformers'.
///
/// Sources: `colbert/infra/config/settings.py` and `colbert/modeling` of stanford-futuredata/ColBERT 0.2.22;
/// `pylate/models/colbert.py` of lightonai/pylate 3.0.
#[derive(Debug)]
pub(super) struct Settings {
    /// The file of the last matrix; beside the encoder's where there is none.
    linear: Option<PathBuf>,
    pub(super) query_mark: Option<String>,
    pub(super) document_mark: Option<String>,
    /// How many tokens queries are filled up to, if they are.
    pub(super) query_tokens: Option<usize>,
    pub(super) sees_filling: bool,
    /// Words of documents that are not compared.
    pub(super) skipped: Vec<String>,
}

/// Whether a model compares texts token by token. What cannot be read says nothing.
pub(crate) fn is_late(model: &Model) -> bool {
    layout(model).is_ok_and(|layout| layout.is_some())
}

/// Whose layout a folder has.
enum Layout<'a> {
    Stanford(&'a Path),
    /// With the name of the folder that the matrix lies in.
    PyLate(&'a Path, String),
}

fn layout(model: &Model) -> Result<Option<Layout<'_>>, LoadError> {
    let Files::Safetensors(folder) = &model.files else { return Ok(None) };
    let Some(config) = &folder.config else { return Ok(None) };
    if let Some(modules) = file(&model.path, "modules.json")? {
        let text = |module: &Json, name: &str| {
            module.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let modules: Vec<(String, String)> = modules
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| (text(one, "type"), text(one, "path")))
            .collect();
        // With vectors of whole texts, pooling stands between the two.
        return Ok(match modules.as_slice() {
            [(first, _), (second, path)] if first.ends_with(".Transformer") && second.ends_with(".Dense") => {
                Some(Layout::PyLate(&model.path, path.clone()))
            }
            _ => None,
        });
    }
    let architecture = config.pointer("/architectures/0").and_then(Json::as_str);
    Ok((architecture == Some("HF_ColBERT")).then_some(Layout::Stanford(&model.path)))
}

impl Settings {
    /// Reads them, if it is such a model.
    pub(super) fn of(model: &Model) -> Result<Option<Self>, LoadError> {
        match layout(model)? {
            None => Ok(None),
            Some(Layout::Stanford(folder)) => {
                Self::stanford(&file(folder, "artifact.metadata")?.unwrap_or_default()).map(Some)
            }
            Some(Layout::PyLate(folder, dense)) => Self::pylate(folder, &dense).map(Some),
        }
    }

    fn stanford(own: &Json) -> Result<Self, LoadError> {
        for (name, known) in [("similarity", "cosine"), ("interaction", "colbert")] {
            if let Some(other) = own.get(name).and_then(Json::as_str).filter(|found| *found != known) {
                return Err(unsupported(format!("{name} {other:?}")));
            }
        }
        let mark =
            |name: &str, usual: &str| Some(own.get(name).and_then(Json::as_str).unwrap_or(usual).to_owned());
        let skips = truth(own, "mask_punctuation").unwrap_or(true);
        Ok(Self {
            linear: None,
            query_mark: mark("query_token_id", "[unused0]"),
            document_mark: mark("doc_token_id", "[unused1]"),
            query_tokens: Some(query_tokens(own, "query_maxlen")?),
            sees_filling: truth(own, "attend_to_mask_tokens").unwrap_or(false),
            skipped: if skips { punctuation() } else { Vec::new() },
        })
    }

    fn pylate(folder: &Path, dense: &str) -> Result<Self, LoadError> {
        // The name of a folder beside, and nothing that leads elsewhere.
        if dense.is_empty() || dense.contains(['/', '\\', ':']) || dense.starts_with('.') {
            return Err(unsupported(format!("a matrix in {dense:?}")));
        }
        let dense = folder.join(dense);
        let config = file(&dense, "config.json")?.unwrap_or_default();
        let activation = config.get("activation_function").and_then(Json::as_str).unwrap_or("Identity");
        if !activation.ends_with("Identity") {
            return Err(unsupported(format!("{activation} behind the last matrix")));
        }
        if truth(&config, "use_residual") == Some(true) {
            return Err(unsupported("a matrix whose input is added to its output".to_owned()));
        }
        let beside = file(folder, "sentence_bert_config.json")?.unwrap_or_default();
        if truth(&beside, "do_lower_case") == Some(true) {
            return Err(unsupported("small letters before the tokenizer".to_owned()));
        }
        let own = file(folder, "config_sentence_transformers.json")?.unwrap_or_default();
        if own.get("default_prompt_name").is_some_and(Json::is_string) {
            return Err(unsupported("a prompt before each text".to_owned()));
        }
        let mark = |name: &str, usual: &str| {
            let mark = own.get(name).and_then(Json::as_str).unwrap_or(usual);
            (!mark.is_empty()).then(|| mark.to_owned())
        };
        let fills = truth(&own, "do_query_expansion").unwrap_or(true);
        let words = own.get("skiplist_words").and_then(Json::as_array);
        let words = words.map(|words| words.iter().filter_map(Json::as_str).map(str::to_owned).collect());
        Ok(Self {
            linear: Some(dense.join("model.safetensors")),
            query_mark: mark("query_prefix", "[Q] "),
            document_mark: mark("document_prefix", "[D] "),
            query_tokens: fills.then(|| query_tokens(&own, "query_length")).transpose()?,
            sees_filling: truth(&own, "attend_to_expansion_tokens").unwrap_or(false),
            skipped: words.unwrap_or_else(punctuation),
        })
    }

    /// Finds the last matrix, and tells how many numbers come out of it.
    pub(super) fn linear(
        &self,
        model: &Model,
        width: usize,
        access: Access,
    ) -> Result<(Linear, usize), LoadError> {
        let weights = match &self.linear {
            None => Weights::open(model, access),
            Some(path) => {
                let opened = model::open(path).map_err(|error| LoadError::File {
                    file: path.strip_prefix(&model.path).unwrap_or(path).display().to_string(),
                    source: std::io::Error::other(error),
                })?;
                Weights::open(&opened, access)
            }
        };
        let linear = weights.and_then(|weights| {
            let rows = weights.shape(LINEAR).and_then(|shape| shape.first().copied()).unwrap_or(0);
            Linear::load(&weights, LINEAR.trim_end_matches(".weight"), rows, width)
                .map(|linear| (linear, rows))
        });
        let (linear, rows) = linear.map_err(|error| LoadError::Encoder(error.into()))?;
        if rows == 0 { Err(unsupported("vectors without numbers".to_owned())) } else { Ok((linear, rows)) }
    }
}

/// What the matrix is called here.
const LINEAR: &str = "token_output.weight";

/// Of `artifact.metadata`, which may hold what it was trained with, too.
const BYTES_MAX: u64 = 1 << 20;

/// As both train and search where nothing else is said.
const QUERY_TOKENS: u64 = 32;

fn query_tokens(own: &Json, name: &str) -> Result<usize, LoadError> {
    let count = own.get(name).and_then(Json::as_u64).unwrap_or(QUERY_TOKENS);
    let count = usize::try_from(count).ok().filter(|count| (1..=1 << 16).contains(count));
    count.ok_or_else(|| unsupported(format!("{name} as it is said there")))
}

fn truth(own: &Json, name: &str) -> Option<bool> {
    own.get(name).and_then(Json::as_bool)
}

/// ASCII's, which is Python's `string.punctuation`.
fn punctuation() -> Vec<String> {
    (0..=127_u8).filter(u8::is_ascii_punctuation).map(|byte| char::from(byte).to_string()).collect()
}

fn file(folder: &Path, name: &str) -> Result<Option<Json>, LoadError> {
    json::read(&folder.join(name), BYTES_MAX)
        .map_err(|source| LoadError::File { file: name.to_owned(), source })
}

pub(super) fn unsupported(what: String) -> LoadError {
    LoadError::Unsupported { what }
}
