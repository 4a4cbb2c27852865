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
/// `registry/namespace/model/tag`.
const DEPTH: usize = 4;

/// Looks through `manifests/registry/namespace/model/tag`, each of which names blobs by their digest.
pub(super) fn find((index, root): (usize, &Root), limits: Limits, all: &mut Places) {
    let mut entries = 0;
    let mut folders = vec![(root.path.join("manifests"), Vec::<String>::new())];
    while let Some((folder, parts)) = folders.pop() {
        let Ok(reading) = std::fs::read_dir(&folder) else { continue };
        for entry in reading.flatten() {
            entries += 1;
            if entries > limits.entries_max {
                let told = format!("more than {} files are not looked at", limits.entries_max);
                all.skipped.push((folder, told));
                return;
            }
            // Links are not followed: Ollama makes none here.
            let Ok(kind) = entry.file_type() else { continue };
            let part = entry.file_name().to_string_lossy().into_owned();
            let parts = [parts.as_slice(), &[part]].concat();
            if kind.is_dir() && parts.len() < DEPTH {
                folders.push((entry.path(), parts));
            } else if kind.is_file() && parts.len() == DEPTH {
                tag((index, root), &entry.path(), &name(&parts), all);
            }
        }
    }
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
