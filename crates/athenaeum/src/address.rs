use std::{io::ErrorKind, net::SocketAddr};

use athenaeum_tenancy::Keys;
use tokio::net::TcpListener;

use crate::Error;

/// Listens; port 0 takes any that is free. Where other machines can reach the address, `keys` are asked for from now on.
///
/// # Errors
///
/// [`Error::NoKeys`] for an address that other machines could reach where there is no key that opens, [`Error::Taken`]
/// where another program listens, [`Error::Listen`] for whatever else the system says.
pub async fn listen(addr: SocketAddr, keys: &Keys) -> Result<TcpListener, Error> {
    if !is_private(addr) {
        if !keys.can_open() {
            return Err(Error::NoKeys(addr));
        }
        keys.require();
    }
    bind(addr).await
}

/// Tells whether [`listen`] would find the address free now.
///
/// # Errors
///
/// [`Error::Taken`] and [`Error::Listen`].
pub async fn address_is_free(addr: SocketAddr) -> Result<(), Error> {
    bind(addr).await.map(drop)
}

/// Tells whether only this machine can reach an address.
pub(crate) fn is_private(addr: SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::Taken(addr),
        _ => Error::Listen { addr, source },
    })
}

#[cfg(test)]
mod tests {
    use athenaeum_tenancy::Register;

    use super::*;

    #[tokio::test]
    async fn without_keys_only_this_machine_is_answered() {
        let keys = Keys::none();
        for refused in ["0.0.0.0:0", "192.168.1.4:0", "[::]:0", "[2001:db8::1]:0"] {
            let error = listen(refused.parse().unwrap(), &keys).await.unwrap_err();
            assert!(matches!(error, Error::NoKeys(_)), "{refused}: {error}");
        }
        let taken = listen("127.0.0.1:0".parse().unwrap(), &keys).await.unwrap();
        assert!(!keys.are_required());
        let error = listen(taken.local_addr().unwrap(), &keys).await.unwrap_err();
        assert!(matches!(error, Error::Taken(_)), "{error}");
    }

    #[tokio::test]
    async fn with_a_key_others_are_answered_and_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::in_folder(folder.path());
        let everywhere = "0.0.0.0:0".parse().unwrap();
        register.add("laptop", None).await.unwrap();
        let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
        listen(everywhere, &keys).await.unwrap();
        register.revoke("laptop").await.unwrap();
        let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
        assert!(matches!(listen(everywhere, &keys).await, Err(Error::NoKeys(_))), "none that opens");
    }
}
