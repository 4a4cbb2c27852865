//! Which files of a repository are the model that somebody means.

use super::{Error, HubSource, Listed, safe};
use crate::model::{SafePath, gguf};

/// What was chosen.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) name: SafePath,
    /// Files, and where each is to lie.
    pub(super) files: Vec<(&'a Listed, SafePath)>,
    pub(super) main: Option<SafePath>,
    pub(super) notes: Vec<String>,
}

/// Chooses a file that was named, a quantization that was named, the usual one of several, or the folder of
/// safetensors.
pub(super) fn choose<'a>(wanted: &HubSource, files: &'a [Listed]) -> Result<Choice<'a>, Error> {
    let ggufs = gguf_models(files);
    if let Some(choice) = &wanted.choice {
        if let Some(file) = files.iter().find(|file| file.path == *choice) {
            return match ggufs.iter().find(|model| model.files.iter().any(|one| one.path == file.path)) {
                Some(model) => of_gguf(model),
                None if choice.ends_with(".safetensors") && !choice.contains('/') && !has_config(files) => {
                    of_file(file)
                }
                None if choice.ends_with(".safetensors") && !choice.contains('/') => of_folder(wanted, files),
                None => Err(no_such(wanted, choice, &ggufs)),
            };
        }
        let fitting: Vec<&Gguf<'_>> = ggufs.iter().filter(|model| model.is_called(choice)).collect();
        return match fitting.as_slice() {
            [model] => of_gguf(model),
            [] => Err(no_such(wanted, choice, &ggufs)),
            several => Err(Error::Several {
                repository: format!("{} with {choice}", wanted.repository),
                there: several.iter().map(|model| model.first().path.clone()).collect(),
            }),
        };
    }
    match ggufs.as_slice() {
        [] => of_folder(wanted, files),
        [model] => of_gguf(model),
        several => {
            let usual: Vec<&Gguf<'_>> = several.iter().filter(|model| model.is_called(USUAL)).collect();
            let [model] = usual.as_slice() else {
                return Err(Error::Several {
                    repository: wanted.repository.clone(),
                    there: several.iter().map(|model| model.first().path.clone()).collect(),
                });
            };
            let mut choice = of_gguf(model)?;
            choice.notes.push(format!(
                "of {} GGUF models in {}, the one in {USUAL} was taken; name another after a colon",
                several.len(),
                wanted.repository
            ));
            Ok(choice)
        }
    }
}

/// What most people take: half a byte a weight, with little loss.
const USUAL: &str = "Q4_K_M";

/// A model in one GGUF file or in several.
struct Gguf<'a> {
    /// Its path without the number of the part and the ending.
    stem: &'a str,
    /// In the order of the parts.
    files: Vec<&'a Listed>,
    parts: u64,
}

impl<'a> Gguf<'a> {
    fn first(&self) -> &'a Listed {
        self.files[0]
    }

    /// Whether its name has `quantization` in it as a word: `Q4_K` is not in `Q4_K_M`.
    fn is_called(&self, quantization: &str) -> bool {
        let (path, word) = (self.stem.to_ascii_lowercase(), quantization.to_ascii_lowercase());
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        path.match_indices(&word).any(|(at, _)| {
            let (before, after) = (&path[..at], &path[at + word.len()..]);
            // Some write MODEL_Q4_K_M, so an underscore may stand before.
            !before.ends_with(|c: char| c.is_ascii_alphanumeric()) && !after.starts_with(is_inside)
        })
    }
}

/// Lists the GGUF models, parts put together. Projectors for pictures are none.
fn gguf_models(files: &[Listed]) -> Vec<Gguf<'_>> {
    let mut models: Vec<Gguf<'_>> = Vec::new();
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        if !name.ends_with(".gguf") || name.to_ascii_lowercase().contains("mmproj") {
            continue;
        }
        let (stem, parts) = match gguf::part_name(&file.path) {
            Some((stem, _, parts)) => (stem, parts),
            None => (file.path.trim_end_matches(".gguf"), 1),
        };
        match models.iter_mut().find(|model| model.stem == stem && model.parts == parts) {
            Some(model) => model.files.push(file),
            None => models.push(Gguf { stem, files: vec![file], parts }),
        }
    }
    for model in &mut models {
        model.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    models
}

fn of_gguf<'a>(model: &Gguf<'a>) -> Result<Choice<'a>, Error> {
    if model.files.len() as u64 != model.parts {
        return Err(Error::NoModel {
            source_name: model.stem.to_owned(),
            reason: format!("only {} of its {} parts are there", model.files.len(), model.parts),
        });
    }
    let files = model.files.iter().map(|file| Ok((*file, safe(&file.path)?.to_name())));
    let files = files.collect::<Result<Vec<_>, Error>>()?;
    let main = files.first().map(|(_, path)| path.clone());
    Ok(Choice { name: safe(model.stem)?.to_name(), files, main, notes: Vec::new() })
}

fn of_file(file: &Listed) -> Result<Choice<'_>, Error> {
    let path = safe(&file.path)?;
    let name = safe(path.as_str().trim_end_matches(".safetensors"))?;
    Ok(Choice { name, files: vec![(file, path.clone())], main: Some(path), notes: Vec::new() })
}

fn has_config(files: &[Listed]) -> bool {
    files.iter().any(|file| file.path == "config.json")
}

/// Takes the folder as a whole: weights, configuration, tokenizer, and what encoders have beside them.
fn of_folder<'a>(wanted: &HubSource, files: &'a [Listed]) -> Result<Choice<'a>, Error> {
    let no_model =
        |reason: &str| Error::NoModel { source_name: wanted.repository.clone(), reason: reason.to_owned() };
    let top = || files.iter().filter(|file| !file.path.contains('/'));
    let weights: Vec<&Listed> = top().filter(|file| file.path.ends_with(".safetensors")).collect();
    if weights.is_empty() {
        return Err(no_model("there is neither a .gguf nor a .safetensors file in it"));
    }
    if !has_config(files) {
        return Err(no_model("there is no config.json beside the .safetensors files"));
    }
    // Some repositories have the same model in one file and in several.
    let has_index = top().any(|file| file.path == INDEX);
    let single = weights.iter().copied().find(|file| file.path == "model.safetensors").filter(|_| !has_index);
    let is_part = |file: &Listed| file.path.starts_with("model-") && file.path.contains("-of-");
    let has_parts = weights.iter().any(|file| is_part(file));
    let weights = weights.into_iter().filter(|file| match single {
        Some(single) => file.path == single.path,
        None => !has_parts || is_part(file),
    });
    let beside = files.iter().filter(|file| {
        BESIDE.contains(&file.path.as_str())
            || (!file.path.contains('/') && file.path.to_ascii_uppercase().starts_with("LICEN"))
    });
    let index = top().filter(|file| file.path == INDEX);
    let chosen = beside.chain(index).chain(weights).map(|file| Ok((file, safe(&file.path)?)));
    let chosen = chosen.collect::<Result<Vec<_>, Error>>()?;
    let name = wanted.repository.rsplit('/').next().unwrap_or(&wanted.repository);
    Ok(Choice { name: safe(name)?, files: chosen, main: None, notes: Vec::new() })
}

const INDEX: &str = "model.safetensors.index.json";

/// Small files that belong to a model, where they are there.
const BESIDE: [&str; 21] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "chat_template.jinja",
    "chat_template.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "1_Dense/config.json",
    "1_Dense/model.safetensors",
    "artifact.metadata",
];

fn no_such(wanted: &HubSource, choice: &str, ggufs: &[Gguf<'_>]) -> Error {
    Error::NoSuchFile {
        repository: wanted.repository.clone(),
        wanted: choice.to_owned(),
        there: ggufs.iter().map(|model| model.first().path.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files before, what was chosen or why nothing was after.
    fn check(choice: Option<&str>, paths: &[&str], expected: &str) {
        let listed = |path: &&str| Listed { path: (*path).to_owned(), bytes: 1, sha256: None };
        let files: Vec<Listed> = paths.iter().map(listed).collect();
        let wanted = HubSource {
            repository: "owner/repo".to_owned(),
            revision: None,
            choice: choice.map(str::to_owned),
        };
        let told = match choose(&wanted, &files) {
            Ok(Choice { name, files, main, .. }) => {
                let files: Vec<String> = files.iter().map(|(_, path)| path.to_string()).collect();
                let main = main.map_or_else(|| "the folder".to_owned(), |main| main.to_string());
                format!("{name}: {} by {main}", files.join(" "))
            }
            Err(error) => error.to_string(),
        };
        assert!(told.starts_with(expected), "{choice:?} of {paths:?}: {told}");
    }

    #[test]
    fn what_people_mean_is_chosen() {
        let some = ["README.md", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-Q8_0.gguf", "mmproj-m-f16.gguf"];
        check(None, &some, "m-Q4_K_M: m-Q4_K_M.gguf by m-Q4_K_M.gguf");
        check(Some("q8_0"), &some, "m-Q8_0: m-Q8_0.gguf");
        check(Some("m-Q4_K_S.gguf"), &some, "m-Q4_K_S: ");
        check(
            Some("Q4_K"),
            &some,
            "owner/repo has no Q4_K; there is m-Q4_K_M.gguf, m-Q4_K_S.gguf, m-Q8_0.gguf",
        );
        check(Some("README.md"), &some, "owner/repo has no README.md");
        check(None, &["a.Q8_0.gguf"], "a.Q8_0: ");
        check(None, &["a-f16.gguf", "a-q8_0.gguf"], "owner/repo holds several models");
        check(None, &["README.md"], "owner/repo holds no model");
        check(Some("Q4_0"), &["a_Q4_0.gguf", "b_Q4_0.gguf"], "owner/repo with Q4_0 holds several");
    }

    #[test]
    fn parts_come_together() {
        let parts = ["Q4/m-00002-of-00002.gguf", "Q4/m-00001-of-00002.gguf", "Q8/m-00001-of-00003.gguf"];
        let whole = "m: m-00001-of-00002.gguf m-00002-of-00002.gguf by m-00001-of-00002.gguf";
        check(Some("Q4"), &parts, whole);
        check(Some("Q4/m-00002-of-00002.gguf"), &parts, whole);
        check(
            Some("Q8"),
            &parts,
            "Q8/m holds no model of a kind that is known: only 1 of its 3 parts are there",
        );
    }

    #[test]
    fn folders_come_whole_and_without_what_is_not_needed() {
        let common =
            ["config.json", "tokenizer.json", "LICENSE", "README.md", "pytorch_model.bin", "onnx/model.onnx"];
        let with = |more: &[&'static str]| [&common[..], more].concat();
        check(
            None,
            &with(&["model.safetensors", "1_Pooling/config.json"]),
            "repo: config.json tokenizer.json LICENSE 1_Pooling/config.json model.safetensors by the folder",
        );
        check(
            None,
            &with(&[
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                INDEX,
                "consolidated.safetensors",
            ]),
            "repo: config.json tokenizer.json LICENSE model.safetensors.index.json model-00001-of-00002.safetensors \
             model-00002-of-00002.safetensors by the folder",
        );
        check(
            None,
            &["model.safetensors"],
            "owner/repo holds no model of a kind that is known: there is no config.json",
        );
        check(Some("x.safetensors"), &["x.safetensors"], "x: x.safetensors by x.safetensors");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        check(None, &["../../x.gguf"], "\"../../x.gguf\" is not taken");
        check(None, &["a\\..\\x.gguf"], "\"a\\\\..\\\\x.gguf\" is not taken");
    }
}
