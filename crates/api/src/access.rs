//! Who asks: the one place where a request's key is looked for, whatever the route and the transport.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use athenaeum_tenancy::{Caller, Keys, Refusal};
use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use futures_util::{StreamExt as _, stream::unfold};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use http_body_util::{BodyStream, StreamBody};

use crate::{
    Settings,
    limits::network_of,
    problem::{Kind, Problem},
};

/// The keys, and how often somebody may show a wrong one. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    keys: Keys,
    attempts: Arc<Attempts>,
}

/// What a request shows to be let in.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    Key(&'a str),
    /// Headers that carry different keys, or one that cannot be read.
    Contradiction,
}

impl Access {
    /// Lets in whom `keys` let in.
    pub fn new(keys: Keys, settings: &Settings) -> Self {
        Self { keys, attempts: Arc::new(Attempts::new(settings)) }
    }

    /// Tells who sent these headers, from the address `client`. `own` says that no other site's page made the request:
    /// only then a session counts, for the browser adds it by itself.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        own: bool,
    ) -> Result<Caller, Problem> {
        let shown = match shown(headers) {
            Shown::Key(key) => Some(key),
            Shown::Nothing => None,
            Shown::Contradiction if self.keys.are_required() => return Err(contradiction()),
            Shown::Contradiction => None,
        };
        if shown.is_none() && own {
            for token in sessions(headers) {
                if let Ok(caller) = self.keys.admit_session(token).await {
                    return Ok(caller);
                }
            }
        }
        let found = self.keys.admit(shown).await;
        let told = match &found {
            Ok(caller) => caller.key_name(),
            Err(Refusal::Wrong) => None,
            Err(refusal) => return Err(problem_of(refusal)),
        };
        if found.is_err() || told.is_some() {
            self.attempts.count(client, told)?;
        }
        found.map_err(|refusal| problem_of(&refusal))
    }

    /// Begins a session for whoever shows the right key. `None` for a wrong one.
    pub(crate) async fn sign_in(&self, key: &str, client: Option<IpAddr>) -> Result<Option<String>, Problem> {
        self.attempts.count(client, None)?;
        match self.keys.begin_session(key).await {
            Ok(token) => Ok(Some(token.as_str().to_owned())),
            Err(Refusal::Wrong) => Ok(None),
            Err(refusal) => Err(problem_of(&refusal)),
        }
    }

    pub(crate) fn sign_out(&self, caller: &Caller) {
        self.keys.end_session(caller);
    }
}

/// Cuts `response` off when its caller may go on no longer. Those that are complete already are passed through.
pub(crate) fn until_revoked(response: Response, caller: &Caller) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let revoked = Box::pin(caller.revoked());
    response.map(|body| {
        let frames = unfold(Some((BodyStream::new(body), revoked)), |state| async move {
            let (mut body, mut revoked) = state?;
            tokio::select! {
                biased;
                // An error and not an end: nobody must take a part for the whole.
                () = &mut revoked => Some((Err(axum::Error::new(io::Error::other("the key ended"))), None)),
                frame = body.next() => frame.map(|frame| (frame, Some((body, revoked)))),
            }
        });
        Body::new(StreamBody::new(frames))
    })
}

/// Finds the key in `Authorization: Bearer`, `x-api-key` (Anthropic's clients) and `api-key` (Azure's). Where several
/// are sent they must be the same, so that no two parts of a system can each heed another. Other schemes of
/// `Authorization` are for whatever stands in front of this server.
fn shown(headers: &HeaderMap) -> Shown<'_> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| match value.to_str() {
        Ok(text) => {
            let (scheme, key) = text.split_once(' ').unwrap_or((text, ""));
            scheme.eq_ignore_ascii_case("bearer").then_some(Ok(key))
        }
        Err(_) => Some(Err(())),
    });
    let bare = KEY_HEADERS.into_iter().flat_map(|name| headers.get_all(name));
    let bare = bare.map(|value| value.to_str().map_err(|_| ()));
    let mut shown = Shown::Nothing;
    for key in bearer.chain(bare) {
        shown = match (shown, key.map(str::trim)) {
            (shown, Ok("")) => shown,
            (Shown::Nothing, Ok(key)) => Shown::Key(key),
            (Shown::Key(known), Ok(key)) if known == key => Shown::Key(known),
            _ => return Shown::Contradiction,
        };
    }
    shown
}

/// Finds what may be tokens of sessions. Several cookies can have one name, where another program on this host set one.
fn sessions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == SESSION_COOKIE).map(|(_, token)| token).take(4)
}

fn problem_of(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Missing => Problem::new(
            Kind::Unauthorized,
            "Send a key as `Authorization: Bearer KEY` or `x-api-key: KEY`; `athenaeum keys add NAME` makes one.",
        ),
        Refusal::Unreadable(error) => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "nobody is let in");
            let detail = "The keys cannot be read, so nobody is let in; the server's log has the reason.";
            Problem::new(Kind::Busy, detail).retry_after(Duration::from_secs(5))
        }
        _ => Problem::new(Kind::Unauthorized, "The key does not open this server."),
    }
}

fn contradiction() -> Problem {
    let detail = "The headers Authorization, x-api-key and api-key carry different keys, or one that cannot be read; send \
                  one.";
    Problem::new(Kind::Unauthorized, detail)
}

/// Where a key may stand by itself.
const KEY_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];

/// The cookie that holds a session.
pub(crate) const SESSION_COOKIE: &str = "athenaeum_session";

/// How often each address may show a key that is not known to be right.
///
/// A key that has opened from an address passes whatever else comes from there: one program with an old key must not
/// lock out its neighbours. All others count, right or wrong, so that who guesses does not learn from being let in.
struct Attempts {
    cells: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    known: Mutex<HashSet<(IpAddr, Arc<str>)>>,
}

impl Attempts {
    fn new(settings: &Settings) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(settings.wrong_keys_per_minute))
            .allow_burst(at_least_one(settings.wrong_keys_burst));
        Self { cells: RateLimiter::keyed(quota), clock: DefaultClock::default(), known: Mutex::default() }
    }

    /// Counts an attempt, unless `opened` is the name of a key that has opened from here before.
    fn count(&self, client: Option<IpAddr>, opened: Option<&str>) -> Result<(), Problem> {
        let client = client.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), network_of);
        let pair = opened.map(|name| (client, Arc::from(name)));
        if pair.as_ref().is_some_and(|pair| self.known().contains(pair)) {
            return Ok(());
        }
        if self.cells.len() > ADDRESSES_KEPT {
            self.cells.retain_recent();
            self.cells.shrink_to_fit();
        }
        if let Err(refusal) = self.cells.check_key(&client) {
            let wait = refusal.wait_time_from(self.clock.now()).max(Duration::from_secs(1));
            let detail =
                "Too many wrong keys came from this address; the Retry-After header tells when to come back.";
            return Err(Problem::new(Kind::WrongKeys, detail).retry_after(wait));
        }
        if let Some(pair) = pair {
            let mut known = self.known();
            if known.len() >= ADDRESSES_KEPT {
                known.clear();
            }
            known.insert(pair);
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<(IpAddr, Arc<str>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Addresses beyond this number are looked through for ones at rest.
const ADDRESSES_KEPT: usize = 1_000;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn check(pairs: &[(&'static str, &str)], expected: &Shown<'_>) {
        assert_eq!(&shown(&headers(pairs)), expected, "{pairs:?}");
    }

    #[test]
    fn a_key_is_found_wherever_clients_put_it() {
        check(&[], &Shown::Nothing);
        check(&[("authorization", "Bearer k")], &Shown::Key("k"));
        check(&[("authorization", "bearer  k ")], &Shown::Key("k"));
        check(&[("x-api-key", "k")], &Shown::Key("k"));
        check(&[("api-key", "k")], &Shown::Key("k"));
        check(&[("authorization", "Bearer k"), ("x-api-key", "k")], &Shown::Key("k"));
        check(&[("authorization", "Basic dTpw"), ("x-api-key", "k")], &Shown::Key("k"));
        check(&[("authorization", "Basic dTpw")], &Shown::Nothing);
        check(&[("authorization", "Bearer ")], &Shown::Nothing);
        check(&[("authorization", "Bearer")], &Shown::Nothing);
        check(&[("authorization", "Bearer "), ("x-api-key", "k")], &Shown::Key("k"));
    }

    #[test]
    fn headers_that_disagree_open_nothing() {
        check(&[("authorization", "Bearer a"), ("x-api-key", "b")], &Shown::Contradiction);
        check(&[("x-api-key", "a"), ("api-key", "b")], &Shown::Contradiction);
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], &Shown::Contradiction);
        check(&[("x-api-key", "é")], &Shown::Contradiction);
        check(&[("authorization", "Bearer é"), ("x-api-key", "k")], &Shown::Contradiction);
    }

    #[test]
    fn sessions_are_found_among_other_cookies() {
        let found = |cookies: &'static str| {
            let headers = headers(&[("cookie", cookies)]);
            sessions(&headers).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(found("a=b; athenaeum_session=one;athenaeum_session=two"), ["one", "two"]);
        assert!(found("xathenaeum_session=one; athenaeum_session").is_empty());
    }

    #[test]
    fn who_guesses_waits_and_who_is_known_does_not() {
        let settings = Settings { wrong_keys_burst: 3, wrong_keys_per_minute: 1, ..Settings::default() };
        let attempts = Attempts::new(&settings);
        let client = |text: &str| Some(text.parse().unwrap());
        attempts.count(client("10.0.0.1"), Some("laptop")).unwrap();
        attempts.count(client("10.0.0.1"), None).unwrap();
        attempts.count(client("10.0.0.1"), None).unwrap();
        let refusal = attempts.count(client("10.0.0.1"), None).unwrap_err().respond(None, None);
        assert_eq!(refusal.status(), 429);
        assert!(refusal.headers().contains_key("retry-after"));
        assert!(attempts.count(client("10.0.0.1"), Some("phone")).is_err(), "a right guess tells nothing");
        attempts.count(client("10.0.0.1"), Some("laptop")).unwrap();
        attempts.count(client("10.0.0.2"), Some("phone")).unwrap();
    }
}
