//! Our own format: one conversation a line, everything that [`Conversation`] can hold. Written by
//! `athenaeum export --format json` and by external parsers; described in `docs/formats/import-jsonl.md`.

mod wire;

use athenaeum_core::Conversation;

use self::wire::Line;
pub(crate) use self::wire::VERSION;
use crate::{
    context::Context,
    format::{Fit, Format, Reject, Shape, has_keys},
    sample::Sample,
};

pub(crate) const FORMAT: Format =
    Format { provider: None, name: "Athenaeum JSON lines", shape: Shape::Record { recognise, parse } };

/// Writes a conversation as one line (without the line break) of the format that [`read`](crate::read) takes
/// back: reading the line gives an equal conversation, except that empty optional texts come back as `None`.
pub fn to_json_line(conversation: &Conversation) -> String {
    // A struct of strings and numbers has no way to fail; an infinite temperature is written as null.
    serde_json::to_string(&Line::from(conversation)).unwrap_or_default()
}

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    Fit::strong(first.get(wire::MARK).is_some() && has_keys(first, &["provider", "messages"]))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    let line: Line<'_> = serde_json::from_str(text)?;
    let conversation = line.into_conversation(context, text)?;
    context.emit(conversation);
    Ok(())
}
