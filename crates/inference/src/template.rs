//! Chat templates: from a conversation to the text that a model has been taught to read.
//!
//! ```
//! use athenaeum_inference::template::{Conversation, Message, Template};
//!
//! let template = Template::new(
//!     "{% for message in messages %}[{{ message.role }}] {{ message.content }}{{ eos_token }}\n{% endfor %}\
//!      {% if add_generation_prompt %}[assistant]{% endif %}",
//!     "<s>",
//!     "</s>",
//! )?;
//! let conversation = Conversation::new([Message::new("user", "What is a codex?")]);
//! assert_eq!(template.render(&conversation)?, "[user] What is a codex?</s>\n[assistant]");
//! # Ok::<(), athenaeum_inference::template::Error>(())
//! ```
//!
//! A template is a program that came with the model, from strangers. It is run by minijinja as `transformers` runs
//! it by Jinja (`trim_blocks`, `lstrip_blocks`, `raise_exception`, `strftime_now`, `tojson` as Python prints it,
//! `{% generation %}`, `break` and `continue`), and within [`Limits`]: steps, text, work and depth.
//!
//! [`Template::render`] gives what the template makes of a conversation as it is; [`Template::prompt`] first changes
//! what the template has no place for ([`Capabilities`]), and tells of it. [`Template::named`] has templates of
//! well-known families for models that bring none.
//!
//! **Invariant:** no template makes it panic, run on, or take memory without bound; it gives text or a reason.

mod bounds;
mod capabilities;
mod conversation;
mod engine;
mod error;
mod firefunction;
mod go;
mod json;
mod meter;
mod named;
mod prompt;
mod python;
mod source;
mod tojson;

use std::sync::OnceLock;

pub use self::{
    capabilities::Capabilities,
    conversation::{Conversation, Message, part, place},
    error::Error,
    json::Json,
    prompt::{Change, Prompt},
};

/// A chat template that has been read and found sound.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    language: Language,
    bos: String,
    eos: String,
    limits: Limits,
    capabilities: OnceLock<Capabilities>,
}

/// What a template is written in.
#[derive(Debug, Clone)]
enum Language {
    /// With the text that is given to the engine.
    Jinja(String),
    Go(go::Program),
}

/// How much one rendering may take; the defaults are far beyond any conversation that fits a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions of the template.
    pub steps: u64,
    /// Bytes written, into the prompt and into variables.
    pub text_bytes: u64,
    /// Bytes looked at, moved or made, beyond 4,096 for each byte of the conversation. Bounds time and memory.
    pub work_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 10_000_000, text_bytes: 64 << 20, work_bytes: 512 << 20 }
    }
}

/// Longer than any known template, by a factor of ten.
const SOURCE_BYTES_MAX: usize = 1 << 20;

impl Template {
    /// Reads a Jinja template; `bos` and `eos` are the texts of the model's tokens that begin and end all.
    ///
    /// # Errors
    /// [`Error::Syntax`] with the line; [`Error::TooMuch`] for more than a mebibyte.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self, Error> {
        not_too_long(source)?;
        let prepared = source::prepared(source)?;
        engine::check(&prepared)?;
        Ok(Self::made(source, Language::Jinja(prepared), bos, eos))
    }

    /// Reads a template as Ollama keeps them beside its models, in the language of Go's `text/template`.
    ///
    /// # Errors
    /// As [`Template::new`]; `define`, `template` and `block` are not read.
    pub fn go(source: &str) -> Result<Self, Error> {
        not_too_long(source)?;
        let program = go::Program::parse(source)?;
        Ok(Self::made(source, Language::Go(program), "", ""))
    }

    fn made(source: &str, language: Language, bos: &str, eos: &str) -> Self {
        Self {
            source: source.to_owned(),
            language,
            bos: bos.to_owned(),
            eos: eos.to_owned(),
            limits: Limits::default(),
            capabilities: OnceLock::new(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether it writes `marker` where a part of a message is a picture, and keeps the text behind it.
    pub(crate) fn shows_pictures(&self, marker: &str) -> bool {
        const TEXT: &str = "Quxuser";
        let text = Json::object([("type", Json::from("text")), ("text", Json::from(TEXT))]);
        let count = |parts: Vec<Json>| {
            let conversation = Conversation::new([Message::new("user", Json::array(parts))]);
            let text = self.render(&conversation).ok().filter(|text| text.contains(TEXT))?;
            Some(text.matches(marker).count())
        };
        match (count(vec![text.clone()]), count(vec![part(0), text])) {
            (Some(without), Some(with)) => with == without + 1,
            _ => false,
        }
    }

    /// As it came.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills the template in with the conversation as it is.
    ///
    /// Takes a thread of its own for the time it runs, for the depth of its stack.
    ///
    /// # Errors
    /// [`Error::Refused`] where the template says no, [`Error::Failed`] where it cannot do what it is told to,
    /// [`Error::TooMuch`] where it is more than [`Limits`].
    pub fn render(&self, conversation: &Conversation) -> Result<String, Error> {
        let text = match &self.language {
            Language::Go(program) => program.render(conversation, self.limits)?,
            Language::Jinja(source) => {
                let own = firefunction::with_its_variables(source, conversation);
                let (context, input) = own.as_ref().unwrap_or(conversation).context(&self.bos, &self.eos);
                engine::render(&engine::Job {
                    source,
                    limits: self.limits,
                    context,
                    input,
                    now: conversation.now,
                })?
            }
        };
        if conversation.continue_final_message { continued(text, conversation) } else { Ok(text) }
    }
}

fn not_too_long(source: &str) -> Result<(), Error> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Error::TooMuch { what: "bytes of template", limit: SOURCE_BYTES_MAX as u64 });
    }
    Ok(())
}

/// The prompt up to the end of what the last message says.
fn continued(mut text: String, conversation: &Conversation) -> Result<String, Error> {
    let impossible = |reason: &str| Error::NotAConversation { reason: reason.to_owned() };
    if conversation.add_generation_prompt {
        return Err(impossible("the model can continue its last message, or begin a new one, but not both"));
    }
    let last = conversation.messages.last().and_then(Message::text);
    let last = last.ok_or_else(|| impossible("there is no last message to be continued"))?;
    let at = text.rfind(last.trim()).ok_or_else(|| {
        impossible("the template does not show the last message as it is, so it cannot be continued")
    })?;
    // Templates trim what was said, or they do not.
    let rest = last.trim_start();
    let whole = text.get(at..at + rest.len()) == Some(rest);
    text.truncate(at + if whole { rest.len() } else { last.trim().len() });
    Ok(text)
}
