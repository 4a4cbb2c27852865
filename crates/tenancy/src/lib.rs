//! Who may see what. Every store call takes a [`Scope`], and only this crate can make one.
//!
//! ```
//! let scope = athenaeum_tenancy::local();
//! assert_eq!(scope.tenant().as_str(), "local");
//! ```
//!
//! A single-user installation has one tenant, `local`, and [`local`] is its door. Keys, roles, quotas and audit
//! join here with the first shared installation.
//!
//! **Invariant:** a [`Scope`] has no public constructor, no `Default` and no `From`; whoever holds one was
//! handed it by this crate.

mod scope;

#[cfg(feature = "testing")]
pub use scope::for_test;
pub use scope::{Scope, TenantId, local};
