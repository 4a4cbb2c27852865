use athenaeum_archive::StoredMessage;
use athenaeum_core::{Attachment, Block, BlockKind, Message, Role, Timestamp};
use serde::{Deserialize, Serialize};

/// What a page tells of its conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// Shows that the page is one of ours.
    pub(crate) token: String,
    /// What the conversation is called by the page; it keeps the name for good.
    pub(crate) conversation: String,
    /// What the model was told to be.
    #[serde(default)]
    pub(crate) system: String,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: Option<i64>,
    /// The turns that the page shows, the first one first.
    pub(crate) path: Vec<Turn>,
}

/// A turn, by its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    pub(crate) id: String,
    /// What was said, where that is not kept yet.
    pub(crate) said: Option<Said>,
}

/// What was said.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Said {
    /// `user` or `assistant`.
    pub(crate) role: String,
    pub(crate) text: String,
    /// What the model said to itself.
    pub(crate) reasoning: String,
    /// Files that were shown to the model, as text.
    pub(crate) files: Vec<File>,
    /// Pictures that were shown to the model. What they showed is not kept.
    pub(crate) pictures: Vec<Picture>,
    pub(crate) model: Option<String>,
    /// Why the answer ended.
    pub(crate) reason: Option<String>,
    /// Tokens of the answer.
    pub(crate) tokens: Option<i64>,
    /// When, in milliseconds since 1970.
    pub(crate) at: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) media_type: String,
    /// Bytes of its file.
    pub(crate) bytes: Option<u64>,
}

/// What a page calls a message: by the name that a page gave it, or by the archive's where it came from elsewhere.
pub(crate) fn name_of(stored: &StoredMessage) -> String {
    stored.message.external_id.clone().unwrap_or_else(|| format!("@{}", stored.id))
}

impl Said {
    /// Makes it a message of the current branch. `None` where it has no role that a page can give.
    pub(crate) fn message(&self, now: Timestamp) -> Option<Message> {
        let role = Role::from_name(&self.role).filter(|role| matches!(role, Role::User | Role::Assistant))?;
        let mut blocks = Vec::new();
        if !self.reasoning.is_empty() {
            blocks.push(Block::new(BlockKind::Thinking, self.reasoning.clone()));
        }
        if !self.text.is_empty() {
            blocks.push(Block::text(self.text.clone()));
        }
        let file =
            |file: &File| Block::new(BlockKind::Attachment, file.text.clone()).labelled(file.name.clone());
        blocks.extend(self.files.iter().map(file));
        let mut message = Message::new(role, blocks);
        message.attachments.extend(self.pictures.iter().map(|picture| Attachment {
            name: Some(picture.name.clone()).filter(|name| !name.is_empty()),
            media_type: Some(picture.media_type.clone()),
            size: picture.bytes,
            ..Attachment::default()
        }));
        message.created_at = Some(self.time(now));
        message.finish_reason.clone_from(&self.reason);
        if role == Role::Assistant {
            message.model.clone_from(&self.model);
            message.tokens = self.tokens.filter(|tokens| *tokens > 0);
        }
        Some(message)
    }

    /// A browser's clock counts within a day; it may be off, and nothing is kept before or after its time for that.
    fn time(&self, now: Timestamp) -> Timestamp {
        let micros = self.at.map_or(now.as_micros(), |millis| millis.saturating_mul(1_000));
        Timestamp::from_micros(micros.clamp(now.as_micros().saturating_sub(DAY_MICROS), now.as_micros()))
    }

    /// Reads a message back.
    pub(crate) fn of(message: &Message) -> Self {
        let mut said = Self {
            role: message.role.as_str().to_owned(),
            model: message.model.clone(),
            reason: message.finish_reason.clone(),
            tokens: message.tokens,
            at: message.created_at.map(|time| time.as_micros() / 1_000),
            ..Self::default()
        };
        let pictures = message.attachments.iter().filter_map(|attachment| {
            let media_type = attachment.media_type.clone().filter(|kind| kind.starts_with("image/"))?;
            Some(Picture {
                name: attachment.name.clone().unwrap_or_default(),
                media_type,
                bytes: attachment.size,
            })
        });
        said.pictures.extend(pictures);
        let add = |to: &mut String, text: &str| {
            if !to.is_empty() {
                to.push_str("\n\n");
            }
            to.push_str(text);
        };
        for block in &message.blocks {
            match block.kind {
                BlockKind::Thinking => add(&mut said.reasoning, &block.text),
                BlockKind::Attachment => {
                    let name = block.label.clone().unwrap_or_default();
                    said.files.push(File { name, text: block.text.clone() });
                }
                BlockKind::Code => {
                    let language = block.label.as_deref().unwrap_or_default();
                    add(&mut said.text, &format!("```{language}\n{}\n```", block.text));
                }
                _ => add(&mut said.text, &block.text),
            }
        }
        said
    }
}

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_read_back() {
        let picture = |name: &str| Picture {
            name: name.to_owned(),
            media_type: "image/png".to_owned(),
            bytes: Some(2_000),
        };
        let said = Said {
            role: "user".to_owned(),
            text: "What is this?".to_owned(),
            files: vec![File { name: "a.txt".to_owned(), text: "a".to_owned() }],
            pictures: vec![picture("shot.png"), picture("")],
            at: Some(1_700_000_000_000),
            ..Said::default()
        };
        let message = said.message(Timestamp::from_micros(1_700_000_000_000_000)).unwrap();
        let back = Said::of(&message);
        assert_eq!((&back.text, &back.pictures, back.at), (&said.text, &said.pictures, said.at));
        assert_eq!(back.files.len(), 1);
        // What other sources attached, and is no picture, is none here either.
        let mut message = message;
        message
            .attachments
            .push(Attachment { media_type: Some("application/pdf".to_owned()), ..Attachment::default() });
        assert_eq!(Said::of(&message).pictures.len(), 2);
    }
}
