//! The words of Athenaeum: what a conversation is, what a message is, what a time is.
//!
//! ```
//! use athenaeum_core::{Block, Conversation, Message, Provider, Role};
//!
//! let mut conversation = Conversation::new(Provider::CHATGPT, "c-1");
//! conversation.title = Some("Sourdough".into());
//! conversation.messages.push(Message::new(Role::User, vec![Block::text("How long does it rise?")]));
//! assert_eq!(conversation.messages[0].content(), "How long does it rise?");
//! ```
//!
//! A [`Conversation`] is what a parser makes and the archive keeps. Its [`Message`]s hold [`Block`]s, because
//! one reply may be thought, tool call, result and answer at once. [`Timestamp`] is a microsecond in UTC.
//!
//! [`vector`] has the words of search by meaning, and the port behind which vectors are kept; [`Embed`] is the port of
//! what makes them: texts in, vectors out, by whichever model the program hands in; [`Rerank`] that of what reads question and
//! texts together.
//!
//! **Invariant:** this crate does no I/O, reads no clock, and knows no wire format. Its types do not derive
//! `Serialize`: whoever writes bytes owns a type for them.

mod block;
mod conversation;
mod embed;
mod id;
mod problem;
mod provider;
mod rerank;
mod timestamp;
pub mod vector;

pub use block::{Block, BlockKind};
pub use conversation::{Attachment, Conversation, Message, Role, ToolCall};
pub use embed::{Embed, EmbedError, Embedded, Embedding, EmbeddingModel, TextKind};
pub use id::{ChunkId, ConversationId, DocumentId, ImportId, InvalidId, MemoryId, MessageId, SessionId};
pub use problem::{Problem, Severity};
pub use provider::{InvalidProvider, Provider};
pub use rerank::{Rerank, RerankError, Scoring};
pub use timestamp::{InvalidTimestamp, Timestamp};
