//! Connections: how they are made, and what it means when they break.

use std::{io, sync::Arc};

use reqwest::Client;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::{Error, Settings};

/// Makes the client of one engine. Reading the certificates that this system trusts takes some milliseconds, so they are read only
/// where a connection can be secure.
pub(crate) fn client(settings: &Settings, is_secure: bool) -> Result<Client, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Client(Box::new(error)))?;
    let tls = if is_secure || settings.proxy.is_some() {
        tls.with_platform_verifier().map_err(|error| Error::Client(Box::new(error)))?
    } else {
        tls.with_root_certificates(RootCertStore::empty())
    };
    let client = Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        // A request is for the engine that the person named, and so is the key.
        .redirect(reqwest::redirect::Policy::none())
        // What is asked again, and when, is decided here.
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("athenaeum/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect);
    let client = match &settings.proxy {
        None => client.no_proxy(),
        Some(proxy) => client.proxy(proxy.0.clone()),
    };
    client.build().map_err(|error| Error::Client(Box::new(error)))
}

/// Whether an error was caused by one of a kind. The system's errors do not count what they carry as their cause.
pub(crate) fn caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |cause| cause.source()).any(|cause| {
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<E>() || carried.is_some_and(<dyn std::error::Error + Send + Sync>::is::<E>)
    })
}
