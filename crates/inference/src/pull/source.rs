use std::{fmt, str::FromStr};

use url::Url;

use crate::model::{InvalidSha256, Sha256};

/// Where a model is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A repository of Hugging Face's hub, or of a mirror of it.
    Hub(HubSource),
    /// A model of Ollama's registry, or of one that speaks like it.
    Ollama(OllamaSource),
    /// A file at an address.
    Address {
        /// The address, `http` or `https`, without a name and password in it.
        url: Url,
        /// What the file's checksum has to be; `None` where only the length can be checked.
        sha256: Option<Sha256>,
    },
}

/// `hf:owner/repository@revision:file-or-quantization`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSource {
    /// `owner/repository`.
    pub repository: String,
    /// A branch, a tag or a commit; `None` for the usual branch.
    pub revision: Option<String>,
    /// The path of a file, or a quantization such as `Q4_K_M`; `None` to choose what people mostly want.
    pub choice: Option<String>,
}

/// `ollama:namespace/model:tag`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OllamaSource {
    /// Whose it is; `library` where none was named.
    pub namespace: String,
    /// Its name.
    pub model: String,
    /// Which one of that name; `latest` where none was named.
    pub tag: String,
}

/// Why a text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum InvalidSource {
    #[error(
        "{0:?} does not say where the model is: give hf:OWNER/REPOSITORY, ollama:NAME or an address that begins with \
         https://"
    )]
    Unknown(String),
    #[error(
        "{0:?} names no repository of the hub: hf:OWNER/REPOSITORY does, with :FILE or :QUANTIZATION after it"
    )]
    Repository(String),
    #[error("{0:?} names no model of the registry: ollama:NAME does, with :TAG after it")]
    Ollama(String),
    #[error("{0:?} is no address of a file")]
    Address(String),
    #[error("an address with a name and a password in it is not taken; set models.hub_token for the hub")]
    Password,
    #[error("the address ends in {0:?}, but only #sha256=CHECKSUM may stand there")]
    Fragment(String),
    #[error("the checksum at the end of the address is none")]
    Checksum(#[source] InvalidSha256),
}

/// What owners, repositories, branches, models and tags are called, and not longer than people call them.
macro_rules! word {
    () => {
        "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}"
    };
}

impl Source {
    /// What texts that name a source look like, as a regular expression of JSON schemas: each that fits is read. Left out
    /// are spaces around it, capitals in what comes before the first colon, and addresses that few people would write;
    /// they are read as well.
    pub const PATTERN: &str = concat!(
        "^(",
        concat!(
            "(hf|huggingface):",
            word!(),
            "/",
            word!(),
            "(@",
            word!(),
            "(/",
            word!(),
            r")*)?(:\S{1,100})?"
        ),
        // Without `hf:` no further slash may come.
        concat!("|", word!(), "/", word!(), "(@", word!(), r")?(:[^\s/]{1,100})?"),
        concat!("|ollama:(", word!(), "/)?", word!(), "(:", word!(), ")?"),
        // An address whose path ends in a name.
        r"|https?://([A-Za-z0-9]+(-[A-Za-z0-9]+)*\.)*[A-Za-z]{2,63}(:[0-9]{1,4})?(/[^\s?#\\]*)?",
        r"/[A-Za-z0-9_][^\s?#/\\]*(\?[^\s#]*)?(#sha256[=:][0-9a-f]{64})?",
        ")$",
    );
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let text = text.trim();
        let scheme = text.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        match scheme.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
            Some(("hf" | "huggingface", rest)) => hub(rest),
            Some(("ollama", rest)) => ollama(rest),
            Some(("http" | "https", _)) => address(text),
            _ if text.split('/').count() == 2 && !text.contains("://") => hub(text),
            _ => Err(InvalidSource::Unknown(text.to_owned())),
        }
    }
}

fn hub(text: &str) -> Result<Source, InvalidSource> {
    let invalid = || InvalidSource::Repository(text.to_owned());
    let (place, choice) = match text.split_once(':') {
        Some((place, choice)) => (place, Some(choice.to_owned())),
        None => (text, None),
    };
    let (repository, revision) = match place.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision.to_owned())),
        None => (place, None),
    };
    let (owner, name) = repository.split_once('/').ok_or_else(invalid)?;
    let fits = is_word(owner)
        && is_word(name)
        && revision.as_ref().is_none_or(|revision| revision.split('/').all(is_word))
        && choice.as_ref().is_none_or(|choice| !choice.is_empty() && choice.len() <= 400);
    match fits {
        true => Ok(Source::Hub(HubSource { repository: repository.to_owned(), revision, choice })),
        false => Err(invalid()),
    }
}

fn ollama(text: &str) -> Result<Source, InvalidSource> {
    let (path, tag) = text.split_once(':').unwrap_or((text, "latest"));
    let (namespace, model) = path.split_once('/').unwrap_or(("library", path));
    match [namespace, model, tag].into_iter().all(is_word) {
        true => {
            let [namespace, model, tag] = [namespace, model, tag].map(str::to_owned);
            Ok(Source::Ollama(OllamaSource { namespace, model, tag }))
        }
        false => Err(InvalidSource::Ollama(text.to_owned())),
    }
}

fn address(text: &str) -> Result<Source, InvalidSource> {
    let invalid = || InvalidSource::Address(text.to_owned());
    let mut url = Url::parse(text).map_err(|_| invalid())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidSource::Password);
    }
    match url.host_str().ok_or_else(invalid)? {
        "huggingface.co" | "www.huggingface.co" | "hf.co" => return hub_page(&url).ok_or_else(invalid)?,
        "ollama.com" | "www.ollama.com" => return ollama_page(&url).ok_or_else(invalid)?,
        _ => {}
    }
    let sha256 = match url.fragment() {
        None | Some("") => None,
        Some(fragment) => {
            let sum = fragment.strip_prefix("sha256=").or_else(|| fragment.strip_prefix("sha256:"));
            let sum = sum.ok_or_else(|| InvalidSource::Fragment(format!("#{fragment}")))?;
            Some(sum.parse().map_err(InvalidSource::Checksum)?)
        }
    };
    url.set_fragment(None);
    match file_name(&url) {
        Some(_) => Ok(Source::Address { url, sha256 }),
        None => Err(invalid()),
    }
}

/// Reads what the hub's pages are called: `/owner/name`, and `blob`, `resolve` or `tree` with a revision beneath it.
fn hub_page(url: &Url) -> Option<Result<Source, InvalidSource>> {
    let parts: Vec<String> = url.path_segments()?.filter(|part| !part.is_empty()).map(decoded).collect();
    let (repository, rest) = parts.split_at_checked(2)?;
    let text = match rest {
        [] => repository.join("/"),
        [kind, revision, path @ ..] if ["blob", "resolve", "tree"].contains(&kind.as_str()) => {
            let choice = if path.is_empty() { String::new() } else { format!(":{}", path.join("/")) };
            format!("{}@{revision}{choice}", repository.join("/"))
        }
        _ => return None,
    };
    Some(hub(&text))
}

/// Reads what Ollama's pages are called: `/library/model:tag` and `/namespace/model:tag`.
fn ollama_page(url: &Url) -> Option<Result<Source, InvalidSource>> {
    let parts: Vec<String> = url.path_segments()?.filter(|part| !part.is_empty()).map(decoded).collect();
    let [namespace, model] = parts.as_slice() else { return None };
    Some(ollama(&format!("{namespace}/{model}")))
}

/// Returns what the file at an address is called there.
pub(super) fn file_name(url: &Url) -> Option<String> {
    url.path_segments()?.next_back().map(decoded).filter(|name| !name.is_empty())
}

/// Takes back what stands for other bytes in a part of an address; what is no text then stays as it is.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let digit = |at: usize| others.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, digit(0).zip(digit(1))) {
            (b'%', Some((high, low))) => {
                bytes.push((high * 16 + low) as u8);
                rest = &others[2..];
            }
            _ => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| part.to_owned())
}

/// What owners, repositories, branches, models and tags are called.
fn is_word(word: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=200).contains(&word.len()) && !word.starts_with('.') && word.bytes().all(is_usual)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(HubSource { repository, revision, choice }) => {
                write!(f, "hf:{repository}")?;
                revision.iter().try_for_each(|revision| write!(f, "@{revision}"))?;
                choice.iter().try_for_each(|choice| write!(f, ":{choice}"))
            }
            Self::Ollama(OllamaSource { namespace, model, tag }) if namespace == "library" => {
                write!(f, "ollama:{model}:{tag}")
            }
            Self::Ollama(OllamaSource { namespace, model, tag }) => {
                write!(f, "ollama:{namespace}/{model}:{tag}")
            }
            // What follows the question mark may be a key.
            Self::Address { url, sha256 } => {
                let mut url = url.clone();
                url.set_query(None);
                url.fmt(f)?;
                sha256.iter().try_for_each(|sum| write!(f, "#sha256={sum}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, string::string_regex};

    use super::*;

    fn check(text: &str, expected: &str) {
        let told = match text.parse::<Source>() {
            Ok(source) => source.to_string(),
            Err(error) => format!("{error:?}"),
        };
        assert!(told.starts_with(expected), "{text}: {told}");
    }

    #[test]
    fn sources_are_understood() {
        check("hf:owner/repo", "hf:owner/repo");
        check("owner/repo:Q4_K_M", "hf:owner/repo:Q4_K_M");
        check("HF:owner/repo@v1:a/b.gguf", "hf:owner/repo@v1:a/b.gguf");
        check("https://huggingface.co/owner/repo", "hf:owner/repo");
        check("https://huggingface.co/owner/repo/tree/main", "hf:owner/repo@main");
        check(
            "https://hf.co/owner/repo/resolve/main/a%20b.gguf?download=true",
            "hf:owner/repo@main:a b.gguf",
        );
        check("ollama:llama3.2", "ollama:llama3.2:latest");
        check("ollama:me/mine:1b", "ollama:me/mine:1b");
        check("https://ollama.com/library/llama3.2:1b", "ollama:llama3.2:1b");
        check("https://example.org/m.gguf?key=secret", "https://example.org/m.gguf");
        let sum = Sha256::of(b"").to_string();
        let with_sum = format!("http://example.org/m.gguf#sha256={sum}");
        check(&with_sum, &with_sum);
    }

    #[test]
    fn what_names_no_source_is_told() {
        check("llama3.2:1b", "Unknown");
        check("", "Unknown");
        check("file:///etc/passwd", "Unknown");
        check("ftp://example.org/m.gguf", "Unknown");
        check("hf:owner", "Repository");
        check("hf:owner/../x", "Repository");
        check("hf:owner/repo@../x", "Repository");
        check("hf:owner/repo:", "Repository");
        check("ollama:../../x", "Ollama");
        check("ollama:a/b/c:d", "Ollama");
        check("ollama:", "Ollama");
        check("https://user:password@example.org/m.gguf", "Password");
        check("https://example.org/", "Address");
        check("https:///", "Address");
        check("https://example.org/m.gguf#part", "Fragment");
        check("https://example.org/m.gguf#sha256=12", "Checksum");
    }

    /// One parser reads addresses, and it is the one that connects: none of these can mean two hosts.
    #[test]
    fn a_host_is_what_browsers_take_it_for() {
        let host = |text: &str| match text.parse::<Source>() {
            Ok(Source::Address { url, .. }) => url.host_str().unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(host("http://127.1/x"), "127.0.0.1");
        assert_eq!(host("http://0x7f000001/x"), "127.0.0.1");
        assert_eq!(host("http://[::ffff:127.0.0.1]/x"), "[::ffff:7f00:1]");
        assert_eq!(host("http://good.example\\@127.0.0.1/x"), "good.example");
    }

    proptest! {
        #[test]
        fn what_looks_like_a_source_is_read(text in string_regex(Source::PATTERN.trim_matches(['^', '$'])).unwrap()) {
            let read = text.parse::<Source>();
            prop_assert!(read.is_ok(), "{} {:?}", text, read);
        }

        #[test]
        fn any_text_is_taken_or_refused(text in r"(hf:|ollama:|https?://|\PC|[a-z]|/|@|:|#|%|\.\.){0,12}") {
            let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            match text.parse::<Source>() {
                Ok(Source::Address { url, .. }) => {
                    prop_assert!(url.path_segments().unwrap().all(|part| part != ".." && part != "."));
                }
                // What is told is what can be typed again, and no part of an address leads up.
                Ok(source) => {
                    prop_assert_eq!(source.to_string().parse::<Source>(), Ok(source.clone()));
                    let path = match source {
                        Source::Hub(hub) => format!("{}/{}", hub.repository, hub.revision.unwrap_or("main".to_owned())),
                        Source::Ollama(it) => format!("{}/{}/{}", it.namespace, it.model, it.tag),
                        Source::Address { .. } => unreachable!(),
                    };
                    prop_assert!(path.split('/').all(is_plain), "{}", path);
                }
                Err(_) => {}
            }
        }
    }
}
