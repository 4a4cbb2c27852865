use std::{
    io,
    path::{Path, PathBuf},
};

use athenaeum_outbound::{TlsError, reqwest};

use crate::{
    model::{self, Sha256, UnsafePath},
    shelf,
};

/// Why a model was not fetched. What has come stays for the next time, unless it is said to be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Error {
    #[error("no secure connection can be made")]
    Tls(#[from] TlsError),
    #[error("no client for the web can be made")]
    Client(#[source] reqwest::Error),
    #[error(
        "the token would go to {host} for all to read, because its address begins with http://; set models.hub to one that \
         begins with https://, or take models.hub_token and HF_TOKEN away"
    )]
    TokenInClear { host: String },
    #[error("{host} cannot be reached; check the connection, the address, and the setting models.proxy")]
    Unreachable { host: String, source: reqwest::Error },
    #[error(
        "{host} does not prove that it is {host}; where its certificate is your own, make the system trust it"
    )]
    Unproved { host: String, source: reqwest::Error },
    #[error("the connection to {host} broke, or nothing came for too long")]
    Broken { host: String, source: reqwest::Error },
    #[error("{host} answers {status}{}; try again later", told(said))]
    Unwell { host: String, status: u16, said: String },
    #[error(
        "{host} wants to know who asks for {what}{}; take a token from your account there, and set models.hub_token or \
         HF_TOKEN (where the name is mistyped, the hub says the same)",
        told(said)
    )]
    Unauthorized { host: String, what: String, said: String },
    #[error(
        "{host} does not give {what} to this token{}; ask for access on its page, and see that the token may read it",
        told(said)
    )]
    Forbidden { host: String, what: String, said: String },
    #[error("{host} does not give {what}{}", told(said))]
    Withheld { host: String, what: String, said: String },
    #[error("{host} has no {what}{}; check the name", told(said))]
    NotFound { host: String, what: String, said: String },
    #[error("{from} leads to {to}, which is not followed: {reason}")]
    Redirect { from: String, to: String, reason: &'static str },
    #[error(
        "{host} is of this machine's own network, where only those who sit at the machine may fetch from; there, \
         `athenaeum models pull` does"
    )]
    OwnNetwork { host: String },
    #[error("what {host} says about {what} cannot be understood: {reason}")]
    Answer { host: String, what: String, reason: String },
    #[error(transparent)]
    Name(#[from] UnsafePath),
    #[error("{repository} has no {wanted}; there is {}", listed(there))]
    NoSuchFile { repository: String, wanted: String, there: Vec<String> },
    #[error("{repository} holds several models; name one after a colon: {}", listed(there))]
    Several { repository: String, there: Vec<String> },
    #[error("{source_name} holds no model of a kind that is known: {reason}")]
    NoModel { source_name: String, reason: String },
    #[error("{file} is not what it should be: it has {found} bytes instead of {expected}; it was removed")]
    Length { file: String, expected: u64, found: u64 },
    #[error(
        "{file} is not what it should be: its SHA-256 is {found}, not {expected}; what had come of it was removed. \
         Fetch it again; where that does not help, what is published is damaged or was tampered with"
    )]
    Checksum { file: String, expected: Sha256, found: Sha256 },
    #[error("{file} changed {times} times while it was being fetched; try again later")]
    Changing { file: String, times: u32 },
    #[error("{file} is not a model but {what}; see whether the address is that of the file itself")]
    Other { file: String, what: &'static str },
    #[error("what came is whole, but cannot be used as a model, and was removed")]
    NotAModel(#[source] Box<model::Error>),
    #[error(transparent)]
    Shelf(#[from] shelf::Error),
    #[error("{what} {} failed", path.display())]
    Disk { what: &'static str, path: PathBuf, source: io::Error },
    #[error("a part of the program ended unexpectedly; please report this")]
    Panicked,
}

impl Error {
    /// Makes of a system's error one that says what was done to which file.
    pub(crate) fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { what, path, source }
    }
}

fn told(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" (it says: {said})") }
}

fn listed(there: &[String]) -> String {
    match there.split_at_checked(LISTED_MAX) {
        Some((some, more)) if !more.is_empty() => format!("{} and {} more", some.join(", "), more.len()),
        _ if there.is_empty() => "none".to_owned(),
        _ => there.join(", "),
    }
}

const LISTED_MAX: usize = 40;
