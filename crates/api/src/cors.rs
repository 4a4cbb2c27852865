//! What other sites' pages may ask and read (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    response::Response,
};

use crate::host::{is_loopback, name_of};

/// How a page of another site is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// By its name, or as a page of this machine.
    Named,
    /// As everybody is: then nothing that the browser adds by itself may count, and it is told so.
    Anybody,
}

/// Tells whether pages of `origin` may ask.
pub(crate) fn allows(origin: &str, allowed_origins: &[String]) -> bool {
    allowed(origin, allowed_origins).is_some()
}

/// Tells whether the browser asks what it may ask, on behalf of a page of another site.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers such a question. Nothing is done by it; [`permit`] adds what is permitted, which may be nothing.
pub(crate) fn preflight(headers: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // By name: a `*` would leave out Authorization, and all of them where credentials come along.
    if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if headers.contains_key(PRIVATE_NETWORK_ASKED) {
        answer.insert(PRIVATE_NETWORK_ALLOWED, HeaderValue::from_static("true"));
    }
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets the page that `asked` read an answer, and takes every permission out of the answer where it may not.
pub(crate) fn permit(asked: &HeaderMap, allowed_origins: &[String], answer: &mut HeaderMap) {
    if allowed_origins.is_empty() && !answer.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS) {
        return;
    }
    answer.append(header::VARY, HeaderValue::from_static("origin"));
    let origin = only(asked, &header::ORIGIN);
    let text = origin.and_then(|origin| origin.to_str().ok());
    let (Some(origin), Some(allowed)) = (origin, text.and_then(|text| allowed(text, allowed_origins))) else {
        for name in [
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::ACCESS_CONTROL_MAX_AGE,
            PRIVATE_NETWORK_ALLOWED,
        ] {
            answer.remove(name);
        }
        return;
    };
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    let origin = match allowed {
        Allowed::Named => {
            answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            origin.clone()
        }
        Allowed::Anybody => HeaderValue::from_static("*"),
    };
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}

fn allowed(origin: &str, allowed_origins: &[String]) -> Option<Allowed> {
    let named = |entry: &String| {
        let entry = entry.trim_end_matches('/');
        entry.eq_ignore_ascii_case(origin) || (entry == THIS_MACHINE && is_of_this_machine(origin))
    };
    if allowed_origins.iter().any(named) {
        return Some(Allowed::Named);
    }
    allowed_origins.iter().any(|entry| entry == "*").then_some(Allowed::Anybody)
}

/// `http://localhost`, `https://127.0.0.1:3000`, `http://[::1]:8080`, ….
fn is_of_this_machine(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let name = authority.filter(|authority| !authority.contains(['/', '?', '#'])).and_then(name_of);
    name.is_some_and(|name| is_loopback(&name))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The entry that stands for all pages of this machine.
const THIS_MACHINE: &str = "localhost";

/// Every method that a route here has, and that needs to be asked for.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");

/// Headers of answers that pages may read besides those that all may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-correlation-id, x-athenaeum-warnings, retry-after, location, etag, www-authenticate, content-disposition",
);

/// Pages of the open net ask this before they ask a machine at home (<https://wicg.github.io/private-network-access/>).
const PRIVATE_NETWORK_ASKED: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK_ALLOWED: HeaderName = HeaderName::from_static("access-control-allow-private-network");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: &str, allowed_origins: &[&str], expected: Option<Allowed>) {
        let allowed_origins: Vec<String> = allowed_origins.iter().map(|&entry| entry.to_owned()).collect();
        assert_eq!(allowed(origin, &allowed_origins), expected, "{origin} in {allowed_origins:?}");
    }

    #[test]
    fn origins_are_allowed_by_name() {
        check("https://app.example", &["https://app.example"], Some(Allowed::Named));
        check("https://app.example", &["HTTPS://app.example/"], Some(Allowed::Named));
        check("app://obsidian.md", &["https://app.example", "app://obsidian.md"], Some(Allowed::Named));
        check("https://app.example:8443", &["https://app.example"], None);
        check("http://app.example", &["https://app.example"], None);
        check("https://evil.app.example", &["https://app.example"], None);
        check("null", &["https://app.example", "localhost"], None);
        check("", &["localhost"], None);
        check("https://app.example", &[], None);
        check("https://app.example", &["*"], Some(Allowed::Anybody));
        check("https://app.example", &["*", "https://app.example"], Some(Allowed::Named));
    }

    #[test]
    fn pages_of_this_machine_are_one_entry() {
        for own in [
            "http://localhost",
            "http://localhost:8080",
            "http://127.0.0.1",
            "https://127.0.0.1:3000",
            "http://[::1]",
            "http://[::1]:3000",
        ] {
            check(own, &["localhost"], Some(Allowed::Named));
        }
        for other in [
            "http://web.mydomain.example",
            "http://notlocalhost",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://evil.example#localhost",
            "http://localhost/x",
            "file://localhost",
            "ftp://localhost",
            "http://0.0.0.0",
            "http://10.0.0.1",
        ] {
            check(other, &["localhost"], None);
        }
    }
}
