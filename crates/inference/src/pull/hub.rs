//! Hugging Face's hub: which files a repository has, and which of them are a model.
//!
//! Of the hub's interface, these are used: `GET /api/models/REPOSITORY/revision/REVISION`, whose `sha` is the commit;
//! `GET /api/models/REPOSITORY/tree/COMMIT?recursive=true`, a list in pages (`Link: <…>; rel="next"`) that tells paths,
//! sizes and, of what is kept outside of Git, the SHA-256 as `lfs.oid`; and `GET /REPOSITORY/resolve/COMMIT/PATH`, which
//! leads to the file.

mod choice;

use athenaeum_outbound::reqwest::header::HeaderMap;
use serde::Deserialize;
use url::Url;

use super::{
    Error, HubSource, Source,
    fetch::{Fetching, Patience},
    net::{Net, Request, host, shown},
    plan::{Plan, Wanted},
};
use crate::model::{SafePath, Sha256};
use choice::Choice;

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    path: String,
    bytes: u64,
    sha256: Option<Sha256>,
}

pub(super) async fn plan(wanted: &HubSource, fetching: &Fetching<'_>) -> Result<Plan, Error> {
    let base = &fetching.settings.hub;
    if fetching.settings.hub_token.is_some() && Net::is_in_clear(base) {
        return Err(Error::TokenInClear { host: host(base) });
    }
    let repository: Vec<&str> = wanted.repository.split('/').collect();
    let branch = wanted.revision.as_deref().unwrap_or("main");
    let url = below(base, &[&["api", "models"], repository.as_slice(), &["revision", branch]].concat())?;
    let commit: Commit = ask(&url, &wanted.repository, fetching).await?.0;
    let commit = commit.sha.filter(|sha| sha.len() == 40 && sha.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let commit = commit.ok_or_else(|| Error::Answer {
        host: host(base),
        what: wanted.repository.clone(),
        reason: "it tells no commit".to_owned(),
    })?;
    let files = list(base, &repository, &commit, fetching).await?;
    let Choice { name, files, main, notes } = choice::choose(wanted, &files)?;
    let files = files.into_iter().map(|(file, path)| {
        let parts: Vec<&str> = file.path.split('/').collect();
        let url = below(base, &[repository.as_slice(), &["resolve", &commit], &parts].concat())?;
        Ok(Wanted { path, url, bytes: Some(file.bytes), sha256: file.sha256, with_token: true })
    });
    let source = Source::Hub(wanted.clone()).to_string();
    Ok(Plan {
        name,
        source,
        files: files.collect::<Result<_, Error>>()?,
        main,
        notes,
        revision: Some(commit),
    })
}

#[derive(Debug, Deserialize)]
struct Commit {
    sha: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

/// Lists all files of a commit.
async fn list(
    base: &Url,
    repository: &[&str],
    commit: &str,
    fetching: &Fetching<'_>,
) -> Result<Vec<Listed>, Error> {
    let what = repository.join("/");
    let mut url = below(base, &[&["api", "models"], repository, &["tree", commit]].concat())?;
    url.set_query(Some("recursive=true"));
    let mut files = Vec::new();
    for _ in 0..PAGES_MAX {
        let (page, headers): (Vec<Entry>, HeaderMap) = ask(&url, &what, fetching).await?;
        for entry in page.into_iter().filter(|entry| entry.kind == "file") {
            let sha256 = match &entry.lfs {
                None => None,
                Some(lfs) => Some(lfs.oid.parse().map_err(|_| Error::Answer {
                    host: host(base),
                    what: entry.path.clone(),
                    reason: "its checksum is none".to_owned(),
                })?),
            };
            let bytes = entry.lfs.as_ref().map_or(entry.size, |lfs| lfs.size);
            files.push(Listed { path: entry.path, bytes, sha256 });
        }
        match following(&url, &headers)? {
            Some(next) => url = next,
            None => return Ok(files),
        }
    }
    Err(Error::NoModel { source_name: what, reason: format!("it has more than {PAGES_MAX} pages of files") })
}

const PAGES_MAX: usize = 64;
/// A page has a thousand files at most.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// Asks the hub for JSON, with patience.
async fn ask<T: serde::de::DeserializeOwned>(
    url: &Url,
    what: &str,
    fetching: &Fetching<'_>,
) -> Result<(T, HeaderMap), Error> {
    let token = fetching.settings.hub_token.as_ref();
    let request = Request { url, what, token, accept: Some("application/json"), from: None };
    fetching.json(&request, PAGE_BYTES_MAX, &mut Patience::default()).await
}

/// Returns the page after this one, as `Link: <address>; rel="next"` names it (RFC 8288).
fn following(url: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
    let links = headers.get_all("link").iter().filter_map(|link| link.to_str().ok());
    let mut links = links.flat_map(|links| links.split(','));
    let next = links.find_map(|link| {
        let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
        rest.split(';').any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next")).then_some(address)
    });
    let Some(next) = next else { return Ok(None) };
    let elsewhere = |to: String| Error::Redirect {
        from: shown(url),
        to,
        reason: "the pages of a list are on one server",
    };
    let next = url.join(next).map_err(|_| elsewhere(next.to_owned()))?;
    // The token goes along.
    if next.origin() == url.origin() { Ok(Some(next)) } else { Err(elsewhere(shown(&next))) }
}

/// Returns the address of something below another, each part written as one.
pub(super) fn below(base: &Url, parts: &[&str]) -> Result<Url, Error> {
    let mut url = base.clone();
    let no_base = || Error::Answer {
        host: shown(base),
        what: "its address".to_owned(),
        reason: "nothing can lie below it".to_owned(),
    };
    url.path_segments_mut().map_err(|()| no_base())?.pop_if_empty().extend(parts);
    Ok(url)
}

/// Takes a path of the repository for one in our folder.
fn safe(path: &str) -> Result<SafePath, Error> {
    Ok(path.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_on_the_same_server() {
        let url = Url::parse("https://hub.example/api/models/o/r/tree/c?recursive=true").unwrap();
        let check = |link: &str| {
            let headers =
                HeaderMap::from_iter([(athenaeum_outbound::reqwest::header::LINK, link.parse().unwrap())]);
            following(&url, &headers)
                .map(|next| next.map(|next| next.to_string()))
                .map_err(|error| error.to_string())
        };
        let next = "https://hub.example/api/models/o/r/tree/c?cursor=x";
        assert_eq!(check(&format!("<{next}>; rel=\"next\"")), Ok(Some(next.to_owned())));
        assert_eq!(
            check(&format!("</first>; rel=\"first\", <{next}>; rel=\"next\"")),
            Ok(Some(next.to_owned()))
        );
        assert_eq!(check("</x>; rel=\"prev\""), Ok(None));
        assert!(check("<https://other.example/x>; rel=\"next\"").unwrap_err().contains("one server"));
        assert!(check("<http://hub.example/x>; rel=\"next\"").is_err());
    }

    #[test]
    fn parts_of_addresses_stay_parts() {
        let base = Url::parse("https://mirror.example/hf/").unwrap();
        let url = below(&base, &["o", "r", "resolve", "a/b", "x y?.gguf"]).unwrap();
        assert_eq!(url.as_str(), "https://mirror.example/hf/o/r/resolve/a%2Fb/x%20y%3F.gguf");
    }
}
