use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, Uri, header, uri::Authority};

use crate::problem::{Kind, Problem};

/// Refuses requests that were sent to a name which is not this server's.
///
/// A page of another site can make its own name resolve to 127.0.0.1 (DNS rebinding) and then counts as the
/// same origin in the browser; the `Host` header still tells the other name. Ports do not matter. In `allowed_hosts`,
/// `0.0.0.0` and `::` stand for every address in digits: no name resolves to those, so none can be rebound.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, allowed_hosts: &[String]) -> Result<(), Problem> {
    let refused = |detail: &str| Err(Problem::new(Kind::ForeignHost, detail));
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return refused("Exactly one Host header is needed.");
    };
    let Some(host) = value.to_str().ok().and_then(name_of) else {
        return refused("The Host header cannot be read.");
    };
    if !is_allowed(&host, allowed_hosts) {
        return refused(
            "Call this server by localhost or its loopback address, or add the name to allowed_hosts.",
        );
    }
    let target = uri.authority().map(|authority| name_of(authority.as_str()));
    match target {
        Some(target) if target.as_ref() != Some(&host) => {
            refused("The request target names another host than the Host header.")
        }
        _ => Ok(()),
    }
}

/// Returns the name or address in `host[:port]`, in lower case, without brackets and final dot. `None` where
/// the text is not of that form.
pub(crate) fn name_of(text: &str) -> Option<String> {
    let absurd = text.len() > 260 || text.bytes().any(|byte| byte == b'@' || byte <= b' ' || byte >= 0x7f);
    if absurd {
        return None;
    }
    let authority: Authority = text.parse().ok()?;
    let port = text.rsplit_once(']').map_or(text, |(_, rest)| rest).split_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return None;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

/// Tells whether a name that [`name_of`] returned is this machine's own, wherever it is asked.
pub(crate) fn is_loopback(host: &str) -> bool {
    let loopback_v4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let loopback_v6 = host.parse::<Ipv6Addr>().is_ok_and(|address| {
        address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
    });
    host == "localhost" || loopback_v4 || loopback_v6
}

fn is_allowed(host: &str, allowed_hosts: &[String]) -> bool {
    let address = host.parse::<IpAddr>().ok().filter(|address| !address.to_canonical().is_unspecified());
    let is_unspecified = |name: &str| name.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    let matches = |allowed: &String| match is_unspecified(allowed) {
        true => address.is_some(),
        false => allowed.eq_ignore_ascii_case(host),
    };
    is_loopback(host) || allowed_hosts.iter().any(matches)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn allowed(hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        check(&Uri::from_static("/"), &headers, &["Library.home.arpa".to_owned()]).is_ok()
    }

    proptest! {
        #[test]
        fn whatever_passes_is_ours(host in "[a-z0-9.:\\[\\]@%-]{0,24}") {
            if allowed(&[&host]) {
                let name = name_of(&host).unwrap();
                let loopback = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
                prop_assert!(name == "localhost" || name == "library.home.arpa" || loopback, "{}", host);
            }
        }
    }

    #[test]
    fn own_names_pass_with_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:7878",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:7878",
            "[::ffff:127.0.0.1]:1",
            "library.home.arpa:443",
        ] {
            assert!(allowed(&[host]), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "",
            "evil.example",
            "evil.example:7878",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "[::1",
            "::1",
            "localhost:port",
            "localhost:99999",
            "localhost:1:2",
            "localhost:",
            "user@localhost",
            "localhost evil.example",
            "localhost,evil.example",
            "localhost/",
            "localhost\\evil",
            "locälhost",
            "localhost..",
        ] {
            assert!(!allowed(&[host]), "{host}");
        }
        assert!(!allowed(&[]));
        assert!(!allowed(&["localhost", "localhost"]));
        assert!(!allowed(&[&"a".repeat(10_000)]));
    }

    #[test]
    fn addresses_in_digits_pass_where_all_are_listened_on() {
        let allowed = |host: &str, listed: &str| is_allowed(&name_of(host).unwrap(), &[listed.to_owned()]);
        for host in ["192.168.1.4:7878", "10.0.0.1", "[2001:db8::1]:7878"] {
            assert!(
                allowed(host, "0.0.0.0") && allowed(host, "::") && !allowed(host, "192.168.1.5"),
                "{host}"
            );
        }
        assert!(allowed("192.168.1.4", "192.168.1.4"));
        for host in ["evil.example", "10.0.0.1.evil.example", "0.0.0.0", "[::]", "10.1", "0x0a000001"] {
            assert!(!allowed(host, "::"), "{host}");
        }
    }

    #[test]
    fn a_target_with_another_authority_is_refused() {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:7878"))]);
        assert!(check(&Uri::from_static("http://localhost:7878/x"), &headers, &[]).is_ok());
        assert!(check(&Uri::from_static("http://evil.example/x"), &headers, &[]).is_err());
    }
}
