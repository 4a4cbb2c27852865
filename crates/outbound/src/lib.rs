//! Connections to other machines: how they are made, and what it means when they break.
//!
//! The one owner of the HTTP client and its TLS. Whoever asks other machines begins with a [`client`], sets what is its own on the
//! builder, and follows redirects, asks again and gives up by rules of its own:
//!
//! ```
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = athenaeum_outbound::client(true, None)?.connect_timeout(Duration::from_secs(5)).build()?;
//! let request = client.get("https://example.org/").build()?;
//! assert_eq!(request.url().scheme(), "https");
//! # Ok(()) }
//! ```
//!
//! **Invariants:** nothing is asked that the caller did not ask: no redirect is followed, nothing is sent twice, no proxy is taken
//! from the environment; secrets and addresses of proxies stand in no text.

mod token;

use std::{error::Error, io, sync::Arc};

use reqwest::{Client, ClientBuilder, redirect, retry};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

pub use reqwest;
pub use token::{Proxy, Token};

/// Connections cannot be made secure on this system: its certificates cannot be read.
#[derive(Debug)]
pub struct TlsError(rustls::Error);

/// Begins a client that does nothing by itself. Reading the certificates that this system trusts takes some milliseconds, so they
/// are read only where a connection `may_be_secure`: without, none to `https` or to a proxy can be made.
///
/// # Errors
///
/// [`TlsError`], where the certificates cannot be read.
pub fn client(may_be_secure: bool, proxy: Option<&Proxy>) -> Result<ClientBuilder, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.and_then(|tls| match may_be_secure {
        true => tls.with_platform_verifier(),
        false => Ok(tls.with_root_certificates(RootCertStore::empty())),
    });
    let client = Client::builder()
        .tls_backend_preconfigured(tls.map_err(TlsError)?.with_no_client_auth())
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .user_agent(concat!("athenaeum/", env!("CARGO_PKG_VERSION")));
    Ok(match proxy {
        None => client.no_proxy(),
        Some(proxy) => client.proxy(proxy.0.clone()),
    })
}

/// Whether a connection broke because the other side could not prove who it is, or spoke no TLS that is safe: the same may not
/// be tried again.
pub fn is_unproved(error: &reqwest::Error) -> bool {
    caused_by::<rustls::Error>(error)
}

/// Whether an error was caused by one of a kind. The system's errors do not count what they carry as their cause.
pub fn caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&cause| cause.source()).any(|cause| {
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<E>() || carried.is_some_and(<dyn Error + Send + Sync>::is::<E>)
    })
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this system's certificates cannot be read")
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Lost;

    impl std::fmt::Display for Lost {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("lost")
        }
    }

    impl Error for Lost {}

    #[test]
    fn a_cause_is_found_however_deep_it_is() {
        let unproved = || rustls::Error::General("who are you?".to_owned());
        assert!(caused_by::<Lost>(&Lost) && caused_by::<Lost>(&io::Error::other(Lost)));
        assert!(caused_by::<rustls::Error>(&TlsError(unproved())));
        assert!(caused_by::<rustls::Error>(&io::Error::other(unproved())));
        assert!(!caused_by::<Lost>(&io::Error::other("lost")) && !caused_by::<Lost>(&TlsError(unproved())));
    }
}
