//! Who may see what. Every store call takes a [`Scope`], and only this crate can make one.
//!
//! ```
//! let scope = athenaeum_tenancy::local();
//! assert_eq!(scope.tenant().as_str(), "local");
//! ```
//!
//! A single-user installation has one tenant, `local`, and [`local`] is its door. Whoever comes over the network shows
//! a key: a [`Register`] keeps them in the data folder, and [`Keys`] turn what is shown into a [`Caller`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_tenancy::{Keys, Refusal, Register};
//!
//! let folder = tempfile::tempdir()?;
//! let added = Register::in_folder(folder.path()).add("laptop", None).await?;
//! let keys = Keys::open(folder.path(), Vec::new()).await?;
//! assert_eq!(keys.admit(Some(&added.secret)).await?.key_name(), Some("laptop"));
//! assert!(matches!(keys.admit(Some("guessed")).await, Err(Refusal::Wrong)));
//! assert!(matches!(keys.admit(None).await, Err(Refusal::Missing)));
//! # Ok(()) }
//! ```
//!
//! A [`Room`] is a part of a tenant's belongings that stands apart, such as what one session keeps ([`Scope::room`],
//! `docs/decisions/0430`).
//!
//! Secrets are shown once and kept as hashes (`docs/decisions/0155`); what runs for a key ends when the key does
//! ([`Caller::revoked`]). Roles, quotas and audit join here with the first shared installation.
//!
//! **Invariants:** a [`Scope`] has no public constructor, no `Default` and no `From`; whoever holds one was handed it by
//! this crate. No secret is written anywhere, nor shown by any `Debug`. Once a key is asked for, no request passes
//! without one until the program ends, whatever becomes of the file.

mod caller;
mod error;
mod keys;
mod register;
mod room;
mod scope;
mod secret;
mod sessions;

pub use caller::Caller;
pub use error::Error;
pub use keys::{Keys, Refusal};
pub use register::{Added, Key, Register, Standing};
pub use room::{InvalidRoom, Room};
#[cfg(any(test, feature = "testing"))]
pub use scope::for_test;
pub use scope::{Scope, TenantId, local};
pub use secret::GivenKey;
pub use sessions::SessionToken;
