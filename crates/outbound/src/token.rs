//! What is said to others and must not be shown.

use std::fmt;

use url::Url;

/// A secret that says who asks. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A server that other machines are reached by. Its address is never shown: there may be a password in it.
#[derive(Clone)]
pub struct Proxy(pub(crate) reqwest::Proxy);

impl Token {
    /// Takes a secret; white space around it is none of it. `None` where nothing is left.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (!secret.is_empty()).then(|| Self(secret.to_owned()))
    }

    /// Returns it, for the header that carries it and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl Proxy {
    /// Takes the address of a proxy, `http://` or `https://`, in which a name and a password may be. This machine itself
    /// is not reached by it. `None` for what is no such address.
    #[must_use]
    pub fn new(address: &str) -> Option<Self> {
        let url: Url = address.parse().ok()?;
        let proxy = matches!(url.scheme(), "http" | "https").then(|| reqwest::Proxy::all(url).ok())??;
        Some(Self(proxy.no_proxy(reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1"))))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown() {
        let secret = Token::new(" s3cret\n").unwrap();
        assert_eq!((secret.expose(), Token::new(" \t")), ("s3cret", None));
        assert!(!format!("{secret:?}").contains("s3cret"));
        let proxy = Proxy::new("http://me:s3cret@proxy.test:8080").unwrap();
        assert!(!format!("{proxy:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_no_address_of_a_proxy_is_none() {
        for address in ["", "proxy.test", "socks5://proxy.test", "file:///proxy"] {
            assert!(Proxy::new(address).is_none(), "{address}");
        }
    }
}
