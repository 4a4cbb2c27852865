//! The client of one engine.

use athenaeum_outbound::reqwest::Client;

use crate::{Error, Settings};

/// Makes the client of one engine. A request, and the key with it, is for the engine that the person named; what is asked again,
/// and when, is decided here.
pub(crate) fn client(settings: &Settings, is_secure: bool) -> Result<Client, Error> {
    let proxy = settings.proxy.as_ref();
    let client = athenaeum_outbound::client(is_secure || proxy.is_some(), proxy)
        .map_err(|error| Error::Client(Box::new(error)))?;
    client.connect_timeout(settings.connect).build().map_err(|error| Error::Client(Box::new(error)))
}
