//! Models on other engines, asked over the wire that each of them speaks.

mod error;
mod event;
mod request;
mod settings;

pub use error::Error;
pub use event::{End, Event, Reason};
pub use request::{Call, Conversation, Form, Input, Message, Part, Request, Setting, ToolChoice};
pub use settings::{Key, Settings, Wire};
