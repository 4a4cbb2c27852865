//! Everything that goes through [`athenaeum_ingest::read`], from bytes on the disk to conversations.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "clippy.toml spares tests, but not what they share; values read better where they are made"
)]

mod archives;
mod athenaeum;
mod chatgpt;
mod claude;
mod documents;
#[cfg(unix)]
mod external;
mod formats;
mod harness;
mod hostile;
mod sources;
