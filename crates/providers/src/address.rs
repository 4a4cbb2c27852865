//! Where an engine's addresses lie.

use url::Url;

use crate::{Error, Settings, Wire, body::Kind};

/// What all addresses of an engine begin with; it ends in a slash.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// Where OpenAI's addresses lie (`…/v1/`); Ollama's (`…/api/`).
    api: Url,
    /// Where the engine itself lies.
    root: Url,
}

impl Address {
    pub(crate) fn of(settings: &Settings) -> Result<Self, Error> {
        let not = |reason| Error::Address { name: settings.name.clone(), url: shown(&settings.url), reason };
        let url: Url = settings.url.trim().parse().map_err(|_| not("it is no address"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(not("it does not begin with http:// or https:// and a server's name"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not("there is a name or a password in it, and a key has a setting of its own"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(not("there is a ? or a # in it"));
        }
        let path = url.path().trim_end_matches('/');
        let (root, api) = match settings.wire {
            Wire::Ollama => {
                let root = ["/api", "/v1"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
                (root, format!("{root}/api/"))
            }
            // Vendors count differently, and some of them write more behind it.
            _ if path.split('/').any(is_version) => {
                (path.strip_suffix("/v1").unwrap_or(path), format!("{path}/"))
            }
            _ => (path, format!("{path}/v1/")),
        };
        let with = |path: &str| {
            let mut url = url.clone();
            url.set_path(path);
            url
        };
        Ok(Self { api: with(&api), root: with(&format!("{root}/")) })
    }

    /// Returns where a kind of request is sent to.
    pub(crate) fn of_kind(&self, kind: Kind) -> Url {
        match kind {
            Kind::Chat => self.api("chat/completions"),
            Kind::Texts => self.api("completions"),
            Kind::Completion => under(&self.root, "completion"),
            Kind::OllamaChat => self.api("chat"),
            Kind::OllamaGenerate => self.api("generate"),
        }
    }

    pub(crate) fn api(&self, end: &str) -> Url {
        under(&self.api, end)
    }

    /// Whether connections to it are secure.
    pub(crate) fn is_secure(&self) -> bool {
        self.api.scheme() == "https"
    }

    pub(crate) fn host(&self) -> String {
        match (self.api.host_str(), self.api.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        }
    }
}

fn under(base: &Url, end: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{end}", base.path()));
    url
}

/// `v1`, `v4`, `v1beta`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns an address without what may be a secret in it.
fn shown(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    match url[..end].rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => url[..end].to_owned(),
    }
}
