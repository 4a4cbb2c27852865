use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Limits, Place, Places, Root};
use crate::model::json;

/// What a tag stands for; most of it is of no interest here.
#[derive(Debug, Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

const MANIFEST_BYTES_MAX: u64 = 1 << 20;
const MODEL: &str = "application/vnd.ollama.image.model";
/// What makes rows of pictures for it.
const PROJECTOR: &str = "application/vnd.ollama.image.projector";
/// `registry/namespace/model/tag`.
const DEPTH: usize = 4;

/// Looks through `manifests/registry/namespace/model/tag`, each of which names blobs by their digest.
pub(super) fn find((index, root): (usize, &Root), limits: Limits, all: &mut Places) {
    let done = each_tag(&root.path, limits, &mut |manifest, parts| {
        tag((index, root), manifest, &name(parts), all);
    });
    if let Err(folder) = done {
        let told = format!("more than {} files are not looked at", limits.entries_max);
        all.skipped.push((folder, told));
    }
}

/// Lists the files that tags name beside a model's as what makes rows of pictures for it.
pub(crate) fn projectors(root: &Path, model: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Where there are too many, those that were come upon.
    let _ = each_tag(root, Limits::default(), &mut |manifest, _| {
        let Ok(Some(Manifest { layers })) = json::read::<Manifest>(manifest, MANIFEST_BYTES_MAX) else {
            return;
        };
        let of = |media_type: &'static str| {
            let layers = layers.iter().filter(move |layer| layer.media_type == media_type);
            layers.filter_map(|layer| blob(root, &layer.digest))
        };
        if of(MODEL).any(|path| path == model) {
            found.extend(of(PROJECTOR));
        }
    });
    found.sort();
    found.dedup();
    found
}

/// Goes through all tags: their manifests, and `[registry, namespace, model, tag]`.
///
/// # Errors
///
/// The folder in which it ended because there are too many files.
fn each_tag(root: &Path, limits: Limits, then: &mut dyn FnMut(&Path, &[String])) -> Result<(), PathBuf> {
    let mut entries = 0;
    let mut folders = vec![(root.join("manifests"), Vec::<String>::new())];
    while let Some((folder, parts)) = folders.pop() {
        let Ok(reading) = std::fs::read_dir(&folder) else { continue };
        for entry in reading.flatten() {
            entries += 1;
            if entries > limits.entries_max {
                return Err(folder);
            }
            // Links are not followed: Ollama makes none here.
            let Ok(kind) = entry.file_type() else { continue };
            let part = entry.file_name().to_string_lossy().into_owned();
            let parts = [parts.as_slice(), &[part]].concat();
            if kind.is_dir() && parts.len() < DEPTH {
                folders.push((entry.path(), parts));
            } else if kind.is_file() && parts.len() == DEPTH {
                then(&entry.path(), &parts);
            }
        }
    }
    Ok(())
}

/// Lists what one tag stands for.
fn tag((index, root): (usize, &Root), manifest: &Path, name: &str, all: &mut Places) {
    let layers = match json::read::<Manifest>(manifest, MANIFEST_BYTES_MAX) {
        Ok(manifest) => manifest.map(|manifest| manifest.layers).unwrap_or_default(),
        Err(error) => return all.skipped.push((manifest.to_owned(), error.to_string())),
    };
    for layer in layers.iter().filter(|layer| layer.media_type == MODEL) {
        match blob(&root.path, &layer.digest) {
            Some(path) => all.places.push(Place { name: name.to_owned(), path, root: index }),
            None => {
                all.skipped.push((manifest.to_owned(), "it names a blob by no proper digest".to_owned()));
            }
        }
    }
}

/// Returns the file of a digest; only `sha256:` and 64 hexadecimal digits can name one.
fn blob(root: &Path, digest: &str) -> Option<PathBuf> {
    let hex = digest.strip_prefix("sha256:")?;
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| root.join("blobs").join(format!("sha256-{hex}")))
}

/// `model:tag`, as Ollama calls it: what goes without saying is left out.
fn name(parts: &[String]) -> String {
    match parts {
        [registry, namespace, model, tag] if registry == "registry.ollama.ai" && namespace == "library" => {
            format!("{model}:{tag}")
        }
        [registry, namespace, model, tag] if registry == "registry.ollama.ai" => {
            format!("{namespace}/{model}:{tag}")
        }
        [registry, namespace, model, tag] => format!("{registry}/{namespace}/{model}:{tag}"),
        other => other.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_name_blobs() {
        let hex = "0123456789abcdef".repeat(4);
        let path = blob(Path::new("/m"), &format!("sha256:{hex}")).unwrap();
        assert_eq!(path, PathBuf::from(format!("/m/blobs/sha256-{hex}")));
        for wrong in [
            "sha256:../../etc/passwd",
            &format!("sha256:{}", hex.to_uppercase()),
            &hex,
            &format!("sha256:{hex}0"),
            "",
        ] {
            assert_eq!(blob(Path::new("/m"), wrong), None, "{wrong}");
        }
    }
}
