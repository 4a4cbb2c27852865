use std::{fmt, sync::Arc};

use crate::room::{self, Room};

/// The right to read and write one tenant's belongings. Cheap to clone.
///
/// It cannot be made outside this crate:
///
/// ```compile_fail
/// use athenaeum_tenancy::Scope;
/// let forged = Scope { tenant: todo!() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    tenant: TenantId,
}

impl Scope {
    /// Returns the tenant whose belongings this scope opens.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns the scope of a room of this tenant: what is kept under it is found by whoever shows it, and by nobody else,
    /// the tenant's own scope included. `None` where this scope is a room's itself: who was let into one room is not let
    /// into the others.
    pub fn room(&self, room: &Room) -> Option<Self> {
        (!self.is_room())
            .then(|| Self { tenant: TenantId(Arc::from(room.tenant_name(self.tenant.as_str()))) })
    }

    /// Returns the scope of the room that is stored under this name, which is [`TenantId::as_str`] of a room's scope. `None`
    /// where it is no room, or none of this tenant.
    pub fn room_named(&self, name: &str) -> Option<Self> {
        let own = !self.is_room() && room::is_name_of(name, self.tenant.as_str());
        own.then(|| Self { tenant: TenantId(Arc::from(name)) })
    }

    /// Tells whether this is a room's.
    pub fn is_room(&self) -> bool {
        self.tenant.as_str().contains(room::BEGINS)
    }
}

/// Returns the scope of the one tenant of a single-user installation.
///
/// Programs call this for whoever runs them; a server calls it for requests that it has checked to come from
/// this machine.
pub fn local() -> Scope {
    Scope { tenant: TenantId(Arc::from("local")) }
}

/// Names a tenant: 1 to 64 of a-z, 0-9, `-`, `_`; or a room of one: the tenant's name, `@` and up to 97 more of these, `.` and
/// `+`. Safe as a file name, also where case does not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Returns the name to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A second tenant, so that isolation can be tested before tenants can be created.
///
/// Only behind the `testing` feature: no release program turns it on.
#[cfg(any(test, feature = "testing"))]
pub fn for_test(tenant: &str) -> Scope {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    assert!(
        !tenant.is_empty() && tenant.len() <= 64 && tenant.bytes().all(allowed),
        "not a tenant: {tenant}"
    );
    Scope { tenant: TenantId(Arc::from(tenant)) }
}
