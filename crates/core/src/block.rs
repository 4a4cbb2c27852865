/// One piece of a message: its text, what kind of text it is, and a label where the kind has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// Decides how the text is shown; every kind is kept and searched.
    pub kind: BlockKind,
    /// The text to the letter. Never contains what the source did not.
    pub text: String,
    /// Language of code, name of a tool or file, title of a canvas, source type of an unknown block.
    pub label: Option<String>,
}

impl Block {
    /// Makes a plain text (Markdown) block.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: BlockKind::Text, text: text.into(), label: None }
    }

    /// Makes a block of `kind` without a label.
    pub fn new(kind: BlockKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), label: None }
    }

    /// Adds the label; an empty one counts as none.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        let label = label.into();
        self.label = (!label.is_empty()).then_some(label);
        self
    }
}

/// What a [`Block`] is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BlockKind {
    /// What was said, as Markdown.
    Text,
    /// A program or shell input; the label is its language.
    Code,
    /// Reasoning that the provider showed beside the answer.
    Thinking,
    /// Arguments handed to a tool, mostly JSON; the label is the tool's name.
    ToolUse,
    /// What a tool gave back; the label is the tool's name where the source says it.
    ToolResult,
    /// Text extracted from an attached file; the label is the file's name.
    Attachment,
    /// A document edited beside the chat (canvas, artifact); the label is its title.
    Canvas,
    /// Speech as text.
    Transcript,
    /// A passage quoted from a web page or source; the label is its title or address.
    Quote,
    /// A kind that this version does not know; the label is the source's type, the text its JSON.
    Unknown,
}

impl BlockKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Code,
        Self::Thinking,
        Self::ToolUse,
        Self::ToolResult,
        Self::Attachment,
        Self::Canvas,
        Self::Transcript,
        Self::Quote,
        Self::Unknown,
    ];

    /// Returns the stable lower-case name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Code => "code",
            Self::Thinking => "thinking",
            Self::ToolUse => "tool_use",
            Self::ToolResult => "tool_result",
            Self::Attachment => "attachment",
            Self::Canvas => "canvas",
            Self::Transcript => "transcript",
            Self::Quote => "quote",
            Self::Unknown => "unknown",
        }
    }

    /// Finds the kind by its stable name; a name from a newer version is [`BlockKind::Unknown`].
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in BlockKind::ALL {
            assert_eq!(BlockKind::from_name(kind.as_str()), kind);
        }
        assert_eq!(BlockKind::from_name("hologram"), BlockKind::Unknown);
    }
}
