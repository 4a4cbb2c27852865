use std::{io::ErrorKind, net::SocketAddr};

use tokio::net::TcpListener;

use crate::Error;

/// Listens on a loopback address; port 0 takes any that is free.
///
/// # Errors
///
/// [`Error::NotLoopback`] for an address that other machines could reach, [`Error::Taken`] where another
/// program listens, [`Error::Listen`] for whatever else the system says.
pub async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    if !addr.ip().to_canonical().is_loopback() {
        return Err(Error::NotLoopback(addr));
    }
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::Taken(addr),
        _ => Error::Listen { addr, source },
    })
}

/// Tells whether [`listen`] would succeed now.
///
/// # Errors
///
/// Those of [`listen`].
pub async fn address_is_free(addr: SocketAddr) -> Result<(), Error> {
    listen(addr).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_machine_is_answered() {
        for refused in ["0.0.0.0:0", "192.168.1.4:0", "[::]:0", "[2001:db8::1]:0"] {
            let error = listen(refused.parse().unwrap()).await.unwrap_err();
            assert!(matches!(error, Error::NotLoopback(_)), "{refused}: {error}");
        }
        let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let error = listen(taken.local_addr().unwrap()).await.unwrap_err();
        assert!(matches!(error, Error::Taken(_)), "{error}");
    }
}
