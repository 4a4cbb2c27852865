//! Ollama's registry: a manifest names the layers of a model, each by the digest of its bytes.
//!
//! Of the registry's interface, these are used: `GET /v2/NAMESPACE/MODEL/manifests/TAG`, a Docker manifest of version 2,
//! and `GET /v2/NAMESPACE/MODEL/blobs/DIGEST`, which leads to the bytes.

use serde::Deserialize;

use super::{
    Error, OllamaSource, Source,
    fetch::{Fetching, Patience},
    hub::below,
    net::{Request, host},
    plan::{Plan, Wanted},
};
use crate::model::{SafePath, Sha256};

#[derive(Debug, Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

pub(super) async fn plan(wanted: &OllamaSource, fetching: &Fetching<'_>) -> Result<Plan, Error> {
    let base = &fetching.settings.ollama_registry;
    let OllamaSource { namespace, model, tag } = wanted;
    let source = Source::Ollama(wanted.clone()).to_string();
    let url = below(base, &["v2", namespace, model, "manifests", tag])?;
    let request = Request { url: &url, what: &source, token: None, accept: Some(MANIFEST), from: None };
    let asked = fetching.json(&request, MANIFEST_BYTES_MAX, &mut Patience::default()).await;
    let (manifest, _): (Manifest, _) = asked?;
    let name: SafePath = match namespace.as_str() {
        "library" => format!("{model}-{tag}").parse()?,
        _ => format!("{namespace}-{model}-{tag}").parse()?,
    };
    let (mut files, mut notes): (Vec<Wanted>, Vec<String>) = (Vec::new(), Vec::new());
    let mut main = None;
    for Layer { media_type, digest, size } in manifest.layers {
        let sha256 = Sha256::from_digest(&digest).ok_or_else(|| Error::Answer {
            host: host(base),
            what: source.clone(),
            reason: "it names a layer by no proper digest".to_owned(),
        })?;
        let Some(kind) = kind(&media_type) else {
            notes.push(format!("a layer of the kind {} was left out", media_type.escape_debug()));
            continue;
        };
        let path = called(kind, &name, &files)?;
        if kind == Kind::Model {
            main = Some(path.clone());
        }
        let url = below(base, &["v2", namespace, model, "blobs", &digest])?;
        files.push(Wanted { path, url, bytes: Some(size), sha256: Some(sha256), with_token: false });
    }
    if files.iter().filter(|file| file.path.as_str().ends_with(".gguf")).count() != 1 {
        let reason = "its manifest does not name one GGUF file (models in the cloud have none)".to_owned();
        return Err(Error::NoModel { source_name: source, reason });
    }
    // What is small comes first.
    files.sort_by_key(|file| file.bytes);
    Ok(Plan { name, source, revision: None, files, main, notes })
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The weights, in GGUF.
    Model,
    /// What goes beside them, under a name of its own.
    Beside(&'static str, &'static str),
}

/// Says what a layer is; `None` for kinds that are not known.
fn kind(media_type: &str) -> Option<Kind> {
    let kind = media_type.strip_prefix("application/vnd.ollama.image.")?;
    Some(match kind.split(';').next()?.trim() {
        "model" => Kind::Model,
        "template" => Kind::Beside("ollama-template", "txt"),
        "system" => Kind::Beside("ollama-system", "txt"),
        "params" => Kind::Beside("ollama-params", "json"),
        "messages" => Kind::Beside("ollama-messages", "json"),
        "license" => Kind::Beside("LICENSE", "txt"),
        // GGUF files, too, but none that could be run alone.
        "projector" => Kind::Beside("projector", "bin"),
        "adapter" => Kind::Beside("adapter", "bin"),
        _ => return None,
    })
}

/// Returns a name for a layer that none of `files` has.
fn called(kind: Kind, name: &SafePath, files: &[Wanted]) -> Result<SafePath, Error> {
    let (stem, ending) = match kind {
        Kind::Model => (name.as_str(), "gguf"),
        Kind::Beside(stem, ending) => (stem, ending),
    };
    let first = format!("{stem}.{ending}");
    let further = (2..).map(|number: u32| format!("{stem}-{number}.{ending}"));
    let is_free = |path: &String| files.iter().all(|file| file.path.as_str() != path);
    let path = std::iter::once(first).chain(further).find(is_free).unwrap_or_default();
    Ok(path.parse()?)
}
