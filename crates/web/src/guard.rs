//! What every page says to the browser, and which requests may change something.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use athenaeum_tenancy::Caller;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::error::Error;

/// Nothing but our own files; nothing inline; no frame around us; forms only to ourselves.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

tokio::task_local! {
    /// Whether the page that is being made is for somebody who showed a key.
    static SIGNED_IN: bool;
}

/// Tells the frame of a page whether there is somebody to sign out.
pub(crate) fn signed_in() -> bool {
    SIGNED_IN.try_with(|signed_in| *signed_in).unwrap_or_default()
}

/// Adds the headers that all answers carry. Pages show private text: no cache keeps them beyond this browser.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    let signed_in = caller.is_some_and(|caller| caller.key_name().is_some());
    let mut response = SIGNED_IN.scope(signed_in, next.run(request)).await;
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let caching = HeaderValue::from_static("private, no-cache");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(caching);
    response
}

static TOKEN: LazyLock<String> = LazyLock::new(|| {
    // Two differently keyed SipHashes; the keys come from the system's source of randomness.
    let half = || RandomState::new().hash_one("form token");
    format!("{:016x}{:016x}", half(), half())
});

/// Returns what our own forms carry. Another site can send a form here but cannot read this from a page.
///
/// One per run of the program and no cookie: see `docs/decisions/0070-forms-without-cookies.md`.
pub(crate) fn token() -> &'static str {
    &TOKEN
}

/// Checks that a form came from one of our own pages: by the browser's word and by the form's token.
///
/// # Errors
///
/// A refusal that tells a person with an old page what to do.
pub(crate) fn check_form(headers: &HeaderMap, token_sent: &str) -> Result<(), Error> {
    check_site(headers)?;
    let same = token_sent.len() == TOKEN.len()
        && token_sent.bytes().zip(TOKEN.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0;
    if same {
        return Ok(());
    }
    let sentence = "This page is from before the library was restarted. Go back, reload it and try again.";
    Err(Error::refused(StatusCode::FORBIDDEN, sentence))
}

/// Refuses what another site's page sends.
///
/// # Errors
///
/// `403` where `Sec-Fetch-Site` tells of another site, or `Origin` of another host than `Host`.
pub(crate) fn check_site(headers: &HeaderMap) -> Result<(), Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    let own_site = matches!(site, None | Some("same-origin" | "none"));
    let own_origin = match text("origin") {
        None => true,
        // `Referrer-Policy: no-referrer` makes browsers withhold the origin of forms, even to ourselves; then
        // their word on the site has to be there.
        Some("null") => site == Some("same-origin"),
        Some(origin) => origin.split_once("://").map(|(_, host)| host) == text("host"),
    };
    if own_site && own_origin {
        return Ok(());
    }
    Err(Error::refused(StatusCode::FORBIDDEN, "This form was sent by another site, so nothing was done."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)], token: &str, allowed: bool) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(check_form(&headers, token).is_ok(), allowed, "{headers:?} {token}");
    }

    #[test]
    fn only_our_own_forms_are_heard() {
        let own = token();
        let host = ("host", "127.0.0.1:7878");
        check(&[host], own, true);
        check(&[host, ("origin", "http://127.0.0.1:7878"), ("sec-fetch-site", "same-origin")], own, true);
        check(&[host, ("origin", "null"), ("sec-fetch-site", "same-origin")], own, true);
        check(&[host, ("origin", "null")], own, false);
        check(&[host, ("origin", "https://evil.org")], own, false);
        check(&[host, ("origin", "http://127.0.0.1:9999")], own, false);
        check(&[host, ("sec-fetch-site", "cross-site")], own, false);
        check(&[host, ("sec-fetch-site", "same-site")], own, false);
        check(&[host], "", false);
        check(&[host], "00000000000000000000000000000000", false);
        assert_eq!(own.len(), 32);
    }
}
