use axum::http::{HeaderMap, HeaderName, Method, header};

use crate::{
    cors,
    host::name_of,
    problem::{Kind, Problem},
};

/// Refuses what another site's page asks of this server with its visitor's browser.
///
/// A request that changes something must come from our own pages, from the address bar or from a program
/// without a browser. Reads are refused too where another site's script or tag makes them; following a link
/// from there is allowed. Pages of `allowed_origins` may do what programs may. `Host` must have been checked before.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    allowed_origins: &[String],
) -> Result<Asker, Problem> {
    let refused = || {
        let detail = "Another site's page made this request; open this server's own pages instead.";
        Err(Problem::new(Kind::ForeignOrigin, detail))
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let site = text(headers, &SEC_FETCH_SITE);
    if let Some(origin) = origins.next() {
        // A page that withholds its referrer sends `null` to its own server too; the browser still tells whose
        // page it was.
        let withheld = origin == "null" && site == Some("same-origin");
        let own = withheld || origin.to_str().is_ok_and(|origin| is_own(origin, headers));
        let more = origins.next().is_some();
        if !own && !more && origin.to_str().is_ok_and(|origin| cors::allows(origin, allowed_origins)) {
            return Ok(Asker::OtherSite);
        }
        if !own || more {
            return refused();
        }
    }
    let read = matches!(*method, Method::GET | Method::HEAD);
    match site {
        None | Some("same-origin" | "none") => Ok(Asker::Own),
        Some(_) if read && text(headers, &SEC_FETCH_MODE) == Some("navigate") => Ok(Asker::Link),
        Some(_) => refused(),
    }
}

/// Who made a request, as far as a browser tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Our own pages, the address bar, or a program without a browser.
    Own,
    /// A link on another site's page was followed.
    Link,
    /// A script of a site whose pages may ask.
    OtherSite,
}

/// Tells whether `origin` (`scheme://host[:port]`) is where this very request was sent to.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some(host) = text(headers, &header::HOST) else { return false };
    let same_name = name_of(authority).is_some_and(|name| name_of(host) == Some(name));
    same_name && port_of(authority, default_port) == port_of(host, default_port)
}

fn port_of(authority: &str, default: u16) -> Option<u16> {
    match authority.rsplit_once(']').map_or(authority, |(_, rest)| rest).rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None => Some(default),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: &Method, pairs: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:7878".parse().unwrap());
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        check(method, &headers, &[]).is_ok()
    }

    #[test]
    fn our_pages_and_plain_programs_may_write() {
        assert!(allowed(&Method::POST, &[]));
        assert!(allowed(&Method::POST, &[("origin", "http://localhost:7878")]));
        assert!(allowed(&Method::DELETE, &[("sec-fetch-site", "same-origin")]));
        assert!(allowed(&Method::POST, &[("sec-fetch-site", "none")]));
        assert!(allowed(&Method::POST, &[("origin", "null"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn other_sites_may_not() {
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:8080",
            "http://127.0.0.1:7878",
            "https://localhost",
            "file://",
            "http://localhost:7878@evil.example",
            "",
        ] {
            assert!(!allowed(&Method::POST, &[("origin", origin)]), "{origin}");
            assert!(!allowed(&Method::GET, &[("origin", origin)]), "{origin}");
        }
        assert!(!allowed(&Method::POST, &[("sec-fetch-site", "cross-site")]));
        assert!(!allowed(&Method::POST, &[("sec-fetch-site", "same-site")]));
        assert!(!allowed(&Method::POST, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
        assert!(!allowed(&Method::POST, &[("origin", "http://localhost:7878"), ("origin", "http://evil")]));
    }

    #[test]
    fn a_link_from_elsewhere_may_be_followed_but_not_fetched() {
        let site = ("sec-fetch-site", "cross-site");
        assert!(allowed(&Method::GET, &[site, ("sec-fetch-mode", "navigate")]));
        assert!(!allowed(&Method::GET, &[site, ("sec-fetch-mode", "no-cors")]));
        assert!(!allowed(&Method::GET, &[site]));
    }

    #[test]
    fn a_site_that_is_allowed_is_told_apart() {
        let check = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:7878".parse().unwrap());
            for (name, value) in pairs {
                headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            check(&Method::POST, &headers, &["https://app.example".to_owned()]).ok()
        };
        let site = ("sec-fetch-site", "cross-site");
        assert_eq!(check(&[("origin", "https://app.example"), site]), Some(Asker::OtherSite));
        assert_eq!(check(&[("origin", "http://localhost:7878")]), Some(Asker::Own));
        assert_eq!(check(&[("origin", "https://other.example"), site]), None);
        assert_eq!(check(&[("origin", "https://app.example"), ("origin", "https://app.example")]), None);
        assert_eq!(check(&[site]), None, "without its name it is any site");
    }

    #[test]
    fn the_default_port_may_be_left_out() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "library.home.arpa".parse().unwrap());
        headers.insert(header::ORIGIN, "https://library.home.arpa:443".parse().unwrap());
        assert!(check(&Method::POST, &headers, &[]).is_ok());
    }
}
