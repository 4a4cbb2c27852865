//! Models on other engines, asked over the wire that each of them speaks.
//!
//! A person has a vLLM, a llama.cpp server, an Ollama or a vendor's API, and names it in [`Settings`]; [`Remote`] is its client. One
//! [`Request`] is written in the words of whichever [`Wire`] that is, and one kind of [`Event`] comes back from all of them.
//!
//! ```no_run
//! use athenaeum_providers::{Conversation, Event, Input, Message, Remote, Request, Settings, Wire};
//!
//! # async fn ask() -> Result<(), athenaeum_providers::Error> {
//! let remote = Remote::new(Settings::new("qwen3", "http://127.0.0.1:8000", Wire::Vllm))?;
//! let conversation = Conversation::new([Message::new("user", "How long does sourdough rise?")]);
//! let mut reply = remote.ask(Request::new(Input::Conversation(conversation))).await?;
//! while let Some(event) = reply.next().await {
//!     match event? {
//!         Event::Text(text) => println!("{text}"),
//!         Event::End(end) => println!("{:?} tokens", end.generated_tokens),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Remote::ask`] sends again what an engine could not take, waits no longer than the settings and the request say, and never sends
//! anything twice that an engine has begun to answer. [`RemoteEmbedder`] makes vectors behind the port `core::Embed`.
//!
//! **Invariants:** what a wire has no word for is refused before anything is sent, never left out; an answer ends in an
//! [`Event::End`] or an error, never in silence; whatever an engine sends, no more of it is held than one piece, and nothing of it
//! panics; a [`Token`] goes to the address that the settings name, and into no text.

mod address;
mod body;
mod connection;
mod embedder;
mod error;
mod event;
mod reading;
mod refusal;
mod remote;
mod reply;
mod request;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;

pub use athenaeum_outbound::{Proxy, Token};
pub use embedder::RemoteEmbedder;
pub use error::{Error, Place};
pub use event::{End, Event, Reason};
pub use remote::Remote;
pub use reply::Reply;
pub use request::{Call, Conversation, Form, Input, Message, Part, Request, Setting, ToolChoice};
pub use settings::{Settings, Wire};
