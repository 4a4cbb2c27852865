//! Asking servers: where a request may lead, what goes along with it, and what answers mean.

use std::{net::IpAddr, time::Duration};

use athenaeum_outbound::{
    caused_by, is_unproved,
    reqwest::{
        self, Client, Response, StatusCode,
        dns::{Addrs, Name, Resolve, Resolving},
        header::{self, HeaderMap, HeaderValue},
    },
};
use serde::de::DeserializeOwned;
use url::{Host, Origin, Url};

use super::{Error, Settings, Token, address};

/// Clients for the web, with the rules that every request of a pull keeps.
pub(super) struct Net {
    /// Connects to whatever address a name stands for.
    any: Client,
    /// Connects to addresses of the Internet only.
    public: Client,
    is_public: fn(IpAddr) -> bool,
    /// Names are looked up by the proxy, and its address is no server's.
    proxied: bool,
    /// Those of any network that may be asked; `None` for all.
    named: Option<[Origin; 2]>,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    /// What it is, as people call it.
    pub(super) what: &'a str,
    pub(super) token: Option<&'a Token>,
    pub(super) accept: Option<&'static str>,
    /// The byte to begin with, and the version that it has to be of.
    pub(super) from: Option<(u64, &'a str)>,
}

/// An error, and whether the same request may succeed later.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) again: Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    No,
    Yes,
    /// A few times, and more often where something had come already: then there was a connection.
    Few,
    /// The server says when.
    After(Duration),
}

// === impl Net ===

impl Net {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        Self::judging(settings, address::is_public)
    }

    fn judging(settings: &Settings, is_public: fn(IpAddr) -> bool) -> Result<Self, Error> {
        let client = || {
            // Redirects are followed here, by our own rules.
            let client = athenaeum_outbound::client(true, settings.proxy.as_ref())?;
            let client = client.connect_timeout(settings.connect_timeout).read_timeout(settings.idle_timeout);
            Ok::<_, Error>(client)
        };
        Ok(Self {
            any: client()?.build().map_err(Error::Client)?,
            public: client()?.dns_resolver(PublicOnly(is_public)).build().map_err(Error::Client)?,
            is_public,
            proxied: settings.proxy.is_some(),
            named: settings.internet_only.then(|| [settings.hub.origin(), settings.ollama_registry.origin()]),
        })
    }

    /// Asks, follows redirects that may be followed, and returns an answer that says yes.
    ///
    /// The address asked for first was named by a person, so it may be of any network. Where a server of the Internet
    /// leads on, it may only lead to others of the Internet, else strangers could make this machine ask its
    /// neighbours. What says who we are goes to the first server only.
    pub(super) async fn get(&self, request: &Request<'_>) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        let mut token = request.token;
        let mut started_at_home = false;
        for hop in 0..=REDIRECTS_MAX {
            let confined = match hop {
                0 => self.named.as_ref().is_some_and(|named| !named.contains(&url.origin())),
                _ => !started_at_home,
            };
            if confined && let Some(reason) = self.leads_home(&url) {
                let error = match hop {
                    0 => Error::OwnNetwork { host: host(&url) },
                    _ => redirect(request.url, &url, reason),
                };
                return Err(Failure::no(error));
            }
            let client = if confined && !self.proxied { &self.public } else { &self.any };
            let sent = client.get(url.clone()).headers(headers(request, token)).send().await;
            let response = sent.map_err(|error| unreachable(request.url, &url, error))?;
            if hop == 0 {
                let peer = response.remote_addr().filter(|_| !self.proxied);
                started_at_home = self.leads_home(&url).is_some()
                    || peer.is_some_and(|address| !(self.is_public)(address.ip()));
            }
            if !is_redirect(response.status()) {
                return answered(response, request);
            }
            let next = next(&url, response.headers()).map_err(Failure::no)?;
            if next.origin() != url.origin() {
                token = None;
            }
            url = next;
        }
        Err(Failure::no(redirect(request.url, &url, "it leads on and on")))
    }

    /// Asks for JSON of at most `bytes_max` bytes, and also returns the headers that came with it.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        bytes_max: usize,
    ) -> Result<(T, HeaderMap), Failure> {
        let mut response = self.get(request).await?;
        let mut text = Vec::new();
        let not_understood = |reason: String| {
            let what = request.what.to_owned();
            Failure::no(Error::Answer { host: host(request.url), what, reason })
        };
        while let Some(piece) =
            response.chunk().await.map_err(|error| unreachable(request.url, request.url, error))?
        {
            text.extend_from_slice(&piece);
            if text.len() > bytes_max {
                return Err(not_understood(format!("it is longer than {bytes_max} bytes")));
            }
        }
        let value = serde_json::from_slice(&text).map_err(|error| not_understood(error.to_string()))?;
        Ok((value, std::mem::take(response.headers_mut())))
    }

    /// Whether what is said to a server can be read on the way: it is, unless the connection is secure or does not leave
    /// this machine.
    pub(super) fn is_in_clear(url: &Url) -> bool {
        let stays_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        url.scheme() != "https" && !stays_here
    }

    /// Says why an address, by its own words, leads into a network that is not the Internet.
    fn leads_home(&self, url: &Url) -> Option<&'static str> {
        // The parser that reads addresses here is the one that connections are made by.
        let address = match url.host()? {
            Host::Ipv4(address) => IpAddr::from(address),
            Host::Ipv6(address) => IpAddr::from(address),
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let is_local = name == "localhost" || name.ends_with(".localhost");
                return (is_local && !(self.is_public)(IpAddr::from([127, 0, 0, 1]))).then_some(AT_HOME);
            }
        };
        (!(self.is_public)(address)).then_some(AT_HOME)
    }
}

impl Failure {
    fn no(error: Error) -> Self {
        Self { error, again: Again::No }
    }
}

const REDIRECTS_MAX: usize = 8;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
const AT_HOME: &str = "a server of the Internet may not lead into this machine's own network";

/// Looks names up, and keeps what is of the Internet. The connection is made to the very addresses that were judged.
struct PublicOnly(fn(IpAddr) -> bool);

/// A name stands for nothing but addresses that are not of the Internet.
#[derive(Debug, thiserror::Error)]
#[error("{AT_HOME}")]
struct NotPublic;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let is_public = self.0;
        Box::pin(async move {
            let all: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let there_are_some = !all.is_empty();
            let public: Vec<_> = all.into_iter().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() && there_are_some {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn headers(request: &Request<'_>, token: Option<&Token>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Bytes are counted, resumed and checked as they are published.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(accept) = request.accept {
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    }
    if let Some(token) = token
        && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose()))
    {
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    if let Some((from, version)) = request.from {
        headers.insert(
            header::RANGE,
            HeaderValue::try_from(format!("bytes={from}-"))
                .unwrap_or_else(|_| HeaderValue::from_static("bytes=0-")),
        );
        if let Ok(version) = HeaderValue::try_from(version)
            && !version.is_empty()
        {
            headers.insert(header::IF_RANGE, version);
        }
    }
    headers
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns where a redirect leads, if that may be followed.
fn next(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let unreadable =
        |reason: &str| Error::Answer { host: host(from), what: shown(from), reason: reason.to_owned() };
    let location =
        headers.get(header::LOCATION).ok_or_else(|| unreadable("it leads on, but not where to"))?;
    let location = location.to_str().map_err(|_| unreadable("it leads to no address"))?;
    let to = from.join(location).map_err(|_| unreadable("it leads to no address"))?;
    let reason = match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => None,
        ("https", "http") => Some("the connection would no longer be secure"),
        _ => Some("only http and https are"),
    };
    let reason = reason.or_else(|| to.host_str().is_none().then_some("it names no server"));
    let has_name = !to.username().is_empty() || to.password().is_some();
    match reason.or(has_name.then_some("there is a name or a password in it")) {
        Some(reason) => Err(redirect(from, &to, reason)),
        None => Ok(to),
    }
}

fn redirect(from: &Url, to: &Url, reason: &'static str) -> Error {
    Error::Redirect { from: shown(from), to: shown(to), reason }
}

/// Sorts answers into those to go on with and those that are errors.
fn answered(response: Response, request: &Request<'_>) -> Result<Response, Failure> {
    let status = response.status();
    if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
        || (status == StatusCode::RANGE_NOT_SATISFIABLE && request.from.is_some())
    {
        return Ok(response);
    }
    let (host, what) = (host(request.url), request.what.to_owned());
    let said = said(response.headers());
    let error = match status.as_u16() {
        401 => Error::Unauthorized { host, what, said },
        403 if request.token.is_some() => Error::Forbidden { host, what, said },
        403 | 451 => Error::Withheld { host, what, said },
        404 | 410 => Error::NotFound { host, what, said },
        status => Error::Unwell { host, status, said },
    };
    let again = match status.as_u16() {
        408 | 425 | 429 | 500 | 502..=504 | 520..=530 => match retry_after(response.headers()) {
            Some(wait) => Again::After(wait.min(RETRY_AFTER_MAX)),
            None => Again::Yes,
        },
        _ => Again::No,
    };
    Err(Failure { error, again })
}

/// Reads how long a server asks to be left alone; a date instead of seconds counts as nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Returns what the hub says in words, tamed and cut.
fn said(headers: &HeaderMap) -> String {
    let said = headers.get("x-error-message").and_then(|message| message.to_str().ok()).unwrap_or_default();
    said.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn unreachable(asked: &Url, url: &Url, error: reqwest::Error) -> Failure {
    // Addresses that one is led to are signed: what they say must not end up in logs.
    let (host, source) = (host(url), error.without_url());
    if caused_by::<NotPublic>(&source) {
        return Failure::no(redirect(asked, url, AT_HOME));
    }
    if is_unproved(&source) {
        return Failure::no(Error::Unproved { host, source });
    }
    match (source.is_builder(), source.is_connect()) {
        (true, _) => Failure::no(Error::Unreachable { host, source }),
        (_, true) => Failure { error: Error::Unreachable { host, source }, again: Again::Few },
        _ => Failure { error: Error::Broken { host, source }, again: Again::Yes },
    }
}

/// Makes of an error in the middle of an answer one that says whose.
pub(super) fn broken(url: &Url, error: reqwest::Error) -> Failure {
    unreachable(url, url, error)
}

pub(super) fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// Returns an address without what may be a key in it.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // It fails only for addresses that cannot have one.
    let _ = url.set_password(None);
    url.to_string()
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

#[cfg(test)]
mod tests;
