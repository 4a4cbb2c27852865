//! Everything that goes through [`athenaeum_ingest::read`], from bytes on the disk to conversations.

mod athenaeum;
mod chatgpt;
mod claude;
#[cfg(unix)]
mod external;
mod formats;
mod harness;
mod hostile;
mod sources;
