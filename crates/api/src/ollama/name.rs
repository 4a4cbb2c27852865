//! What models are called in this format: each has a tag.

use athenaeum_inference::{
    catalog::Entry,
    model::SafePath,
    pull::{OllamaSource, Source},
};

use crate::problem::{Kind, Problem};

/// Returns a name with a tag; `latest` where it has none.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// Returns what a model is listed as: what it was fetched or copied as, where that is known, so that whoever fetched it
/// finds it again; else what it is called here.
pub(super) fn listed(entry: &Entry) -> String {
    let recorded = entry.record.as_ref().and_then(|record| match &record.name {
        Some(name) => Some(name.clone()),
        None => match record.source.split_once(':')? {
            ("ollama", name) => Some(name.to_owned()),
            ("hf", name) if !name.contains('@') => Some(format!("hf.co/{name}")),
            _ => None,
        },
    });
    tagged(&recorded.unwrap_or_else(|| entry.name.clone()))
}

/// Says whether that is one of a model's names in full.
pub(super) fn is_called(entry: &Entry, name: &str) -> bool {
    let name = tagged(name);
    let known = [listed(entry), tagged(&entry.name)];
    known.contains(&name) || entry.aliases.iter().any(|alias| tagged(alias) == name)
}

/// Returns what an answer calls its model: as whoever asked called it, where that leaves no doubt. Models on other engines are
/// called in one way only.
pub(super) fn answering(entry: Option<&Entry>, asked: &str) -> String {
    match entry {
        Some(entry) if !is_called(entry, asked) => listed(entry),
        _ => asked.to_owned(),
    }
}

/// Returns where a model is fetched from that is called so.
pub(super) fn source(name: &str) -> Result<Source, Problem> {
    let bare = name.trim().trim_start_matches("https://").trim_start_matches("http://");
    let parts: Vec<&str> = bare.split('/').collect();
    let source = match parts.as_slice() {
        [host, owner, repository] if ["hf.co", "huggingface.co"].contains(host) => {
            format!("hf:{owner}/{}", repository.strip_suffix(":latest").unwrap_or(repository))
        }
        [host, namespace, model] if ["registry.ollama.ai", "ollama.com"].contains(host) => {
            format!("ollama:{namespace}/{model}")
        }
        [_] | [_, _] => format!("ollama:{bare}"),
        _ => String::new(),
    };
    source.parse().map_err(|_| {
        let detail = format!(
            "{:?} is no name of a model to fetch: MODEL, MODEL:TAG and OWNER/MODEL:TAG are of Ollama's registry, and \
             hf.co/OWNER/REPOSITORY:QUANTIZATION of Hugging Face's hub.",
            name.chars().take(100).collect::<String>()
        );
        Problem::new(Kind::BadRequest, detail).about("model")
    })
}

/// Returns the name of the folder in which a model is kept that is to be called so.
pub(super) fn kept_as(called: &str) -> Result<String, Problem> {
    let wrong = || Problem::parameter("destination", "a name such as MODEL, MODEL:TAG or OWNER/MODEL:TAG");
    let source = format!("ollama:{called}").parse();
    let Ok(Source::Ollama(OllamaSource { namespace, model, tag })) = source else { return Err(wrong()) };
    let parts = [namespace, model, tag];
    let usual = ["library", "", "latest"];
    let parts = parts.iter().zip(usual).filter(|(part, usual)| part != usual).map(|(part, _)| part.as_str());
    let name = SafePath::from_name(&parts.collect::<Vec<_>>().join("-"));
    Ok(name.map_err(|_| wrong())?.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_without_a_tag_get_one() {
        for (name, expected) in [
            ("tiny", "tiny:latest"),
            ("qwen3:0.6b", "qwen3:0.6b"),
            ("org/name", "org/name:latest"),
            ("host:80/name", "host:80/name:latest"),
        ] {
            assert_eq!(tagged(name), expected);
        }
    }

    #[test]
    fn names_lead_to_where_models_are_published() {
        for (name, expected) in [
            ("qwen3", "ollama:qwen3:latest"),
            ("qwen3:0.6b", "ollama:qwen3:0.6b"),
            ("me/mine:1b", "ollama:me/mine:1b"),
            ("registry.ollama.ai/library/qwen3:0.6b", "ollama:qwen3:0.6b"),
            ("hf.co/org/repo:Q4_K_M", "hf:org/repo:Q4_K_M"),
            ("https://huggingface.co/org/repo", "hf:org/repo"),
            ("hf.co/org/repo:latest", "hf:org/repo"),
        ] {
            assert_eq!(source(name).unwrap().to_string(), expected, "{name}");
        }
        for name in
            ["", "/", "a/b/c/d", "other.host/a/b", "../x", "..", "a:b:c", "a b", "127.0.0.1:80/a/b", "a\\b"]
        {
            assert!(source(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_folder(name in r"([a-z]|\.\.|/|:|\\|%2e|\x00|\PC|latest|library){0,10}") {
            if let Ok(kept) = kept_as(&name) {
                prop_assert!(SafePath::from_name(&kept).is_ok(), "{kept:?}");
            }
            if let Ok(source) = source(&name) {
                let is_an_address = matches!(source, Source::Address { .. });
                prop_assert!(!is_an_address);
            }
        }
    }
}
