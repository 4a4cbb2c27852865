//! `POST /api/show`.

use athenaeum_inference::{
    catalog::Entry,
    model::{self, Files, Model, gguf},
};
use athenaeum_providers::Remote;
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    asking::{self, NAME},
    beside::Beside,
    conversation::ANY_TEXT,
    details::{Details, capabilities, capabilities_elsewhere, modified_at},
    name::{listed, tagged},
};
use crate::{
    Api,
    contract::Contract,
    json::fresh,
    parameters::{Parameter, Takes, Warning},
    problem::{Kind, Problem},
    serving::in_background,
};

/// What a request may say.
pub(crate) const PARAMETERS: &[Parameter] = &[
    NAME[0],
    NAME[1],
    Parameter::new("verbose", Takes::Bool, "Tells long lists and all tensors as well."),
    Parameter::without_effect("system", ANY_TEXT, "the model is shown as it is"),
    Parameter::without_effect("template", ANY_TEXT, "the model is shown as it is"),
    Parameter::without_effect("options", Takes::Map(&Takes::Any), "the model is shown as it is"),
];

/// What a model is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Shown)]
pub(crate) struct Shown {
    #[serde(skip_serializing_if = "String::is_empty")]
    license: String,
    /// As it would be written to make the model anew.
    modelfile: String,
    /// Options that came with the model, one a line.
    #[serde(skip_serializing_if = "String::is_empty")]
    parameters: String,
    /// What the model is told first.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    /// How a conversation becomes text, in Jinja.
    #[serde(skip_serializing_if = "String::is_empty")]
    template: String,
    details: Details,
    /// What the model's file says of itself.
    #[schema(value_type = Object)]
    model_info: Map<String, Value>,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tensors: Vec<Tensor>,
    /// What it can do: `completion`, `vision`, `tools`, `thinking`, `insert`, `embedding`.
    capabilities: Vec<&'static str>,
    /// When its files were last written, RFC 3339.
    modified_at: String,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// A part of a model's numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Tensor)]
pub(crate) struct Tensor {
    name: String,
    /// How its numbers are stored.
    #[serde(rename = "type")]
    kind: String,
    shape: Vec<u64>,
}

/// Describe a model
#[utoipa::path(
    post,
    path = "/api/show",
    operation_id = "ollamaShow",
    tag = "ollama",
    responses((status = 200, description = "The model.", body = Shown)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let read = super::read(&api, &headers, request, PARAMETERS).await?;
    let name = asking::model(&read)?;
    contract.settle(&read.warnings)?;
    if let Some(remote) = api.models.elsewhere(Some(&name)).await? {
        let shown = elsewhere(&remote, read.warnings.clone());
        return contract.warned(fresh(StatusCode::OK, &shown)?, &read.warnings);
    }
    let entry = api.models.find(Some(&name)).await?;
    let (verbose, warnings) = (read.flag("verbose").unwrap_or(false), read.warnings.clone());
    let shown = in_background(move || shown(&entry, verbose, warnings)).await??;
    contract.warned(fresh(StatusCode::OK, &shown)?, &read.warnings)
}

fn shown(entry: &Entry, verbose: bool, warnings: Vec<Warning>) -> Result<Shown, Problem> {
    let model = model::open(&entry.path).map_err(|error| {
        tracing::warn!(%error, "a model that was here cannot be opened");
        let detail =
            format!("The model {} cannot be opened any more; the server's log has the reason.", entry.name);
        Problem::new(Kind::Unprocessable, detail).about("model")
    })?;
    let template = entry.summary.chat_template.clone().unwrap_or_default();
    let beside = Beside::read(entry);
    let tensors = if verbose { model.tensors() } else { Vec::new() };
    let tensors = tensors.into_iter().map(|tensor| Tensor {
        name: tensor.name,
        kind: tensor.tensor_type,
        shape: tensor.shape,
    });
    Ok(Shown {
        license: entry.summary.licence.clone().unwrap_or_default(),
        modelfile: modelfile(entry, &template),
        parameters: beside.parameters(),
        system: beside.system,
        template,
        details: Details::of(entry),
        model_info: info(&model, entry, verbose),
        tensors: tensors.collect(),
        capabilities: capabilities(entry),
        modified_at: modified_at(entry),
        warnings,
    })
}

/// A model on another engine: what the settings tell of it.
fn elsewhere(remote: &Remote, warnings: Vec<Warning>) -> Shown {
    Shown {
        license: String::new(),
        modelfile: format!("FROM {}\n", tagged(&remote.settings().name)),
        parameters: String::new(),
        system: None,
        template: String::new(),
        details: Details::elsewhere(remote),
        model_info: Map::new(),
        tensors: Vec::new(),
        capabilities: capabilities_elsewhere(remote),
        modified_at: jiff::Timestamp::UNIX_EPOCH.to_string(),
        warnings,
    }
}

/// Writes a model as a Modelfile. Where its files lie is nobody's business but the server's.
fn modelfile(entry: &Entry, template: &str) -> String {
    let from = format!("FROM {}\n", listed(entry));
    if template.is_empty() { from } else { format!("{from}TEMPLATE \"\"\"{template}\"\"\"\n") }
}

/// Returns the metadata of a model: lists of more than a few values only where all is asked for.
fn info(model: &Model, entry: &Entry, verbose: bool) -> Map<String, Value> {
    /// As Ollama does.
    const SHOWN_MAX: u64 = 5;
    let mut info = Map::new();
    match &model.files {
        Files::Gguf(files) => {
            for (key, value) in files.metadata().iter().filter(|(key, _)| *key != "tokenizer.chat_template") {
                let value = match value {
                    gguf::Value::Array(array) if !verbose && array.len() > SHOWN_MAX => Value::Null,
                    gguf::Value::Array(array) => {
                        let elements = (0..array.len()).map(|index| element(array, index));
                        elements.collect()
                    }
                    value => value.to_json(),
                };
                info.insert(key.to_owned(), value);
            }
        }
        Files::Safetensors(folder) => {
            let config = folder.config.as_ref().and_then(Value::as_object);
            info.extend(config.cloned().unwrap_or_default());
            let architecture = entry.summary.architecture.clone();
            info.insert("general.architecture".to_owned(), architecture.into());
        }
    }
    info.insert("general.parameter_count".to_owned(), entry.summary.parameters.into());
    info
}

fn element(array: &gguf::Array, index: u64) -> Value {
    match array.get(index) {
        Some(value) => value.to_json(),
        None => {
            array.nested(index).map_or(Value::Null, |nested| gguf::Value::Array(nested.clone()).to_json())
        }
    }
}
