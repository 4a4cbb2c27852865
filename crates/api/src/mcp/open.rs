use athenaeum_core::{ConversationId, MessageId};
use rmcp::{model::Tool, schemars};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Asker, Mcp,
    reading::{Page, Place, read},
    resources::uri,
    schema_of,
};
use crate::{
    params::Params,
    problem::{Kind, Problem},
};

pub(super) const NAME: &str = "open";
pub(super) const KNOWN: &[&str] = &["id", "message", "start", "offset", "max_characters"];

pub(super) fn tool() -> Tool {
    let Value::Object(input) = input() else { unreachable!("an object is written below") };
    Tool::new(NAME, DESCRIPTION, input)
        .with_title("Open a conversation")
        .with_raw_output_schema(schema_of::<Opened>())
}

const DESCRIPTION: &str = "\
Reads a conversation as Markdown: with `id` from its beginning, with `message` the passage around that message. Long \
ones come in pages; nothing is left out, and each page says how to read on.";

fn input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "description": "The conversation's id, from a search. Or name a message." },
            "message": {
                "type": "integer",
                "description": "A message's id, from a search: opens its conversation a little before it.",
            },
            "start": {
                "type": "integer", "minimum": 0,
                "description": "Number of the message to begin with, from 1; 0 is the head with title and facts.",
            },
            "offset": {
                "type": "integer", "minimum": 0, "default": 0,
                "description": "Characters of that message to pass over, to go on inside a long one.",
            },
            "max_characters": {
                "type": "integer", "minimum": CHARACTERS_MIN, "maximum": CHARACTERS_MAX, "default": CHARACTERS,
                "description": "Length of a page.",
            },
        },
        "additionalProperties": false,
    })
}

/// A page of a conversation.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Opened {
    id: String,
    title: Option<String>,
    /// The service that held it.
    provider: String,
    /// When it began.
    date: Option<String>,
    /// Messages in all, those of other branches included.
    message_count: u32,
    /// Number of the first message on this page; 0 is the head.
    first: u32,
    /// Number of the last message on this page.
    last: u32,
    /// The page.
    markdown: String,
    /// Where the next page begins; null at the end.
    next: Option<Next>,
    /// The resource that begins where this page does.
    uri: String,
    /// The conversation's page for people; null where no pages are served.
    url: Option<String>,
    #[serde(skip)]
    around: bool,
}

/// What to call `open` with to read on, beside the same id.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Next {
    start: u32,
    offset: usize,
}

pub(super) async fn run(mcp: &Mcp, asker: &Asker, params: &Params) -> Result<Opened, Problem> {
    let length = params.number("max_characters", CHARACTERS_MIN..=CHARACTERS_MAX, CHARACTERS)?;
    let id = params.one("id")?.map(conversation).transpose()?;
    let message = params.one("message")?.map(message).transpose()?;
    let start = params.one("start")?.map(|_| params.number("start", 0..=u32::MAX as usize, 0)).transpose()?;
    let offset = params.number("offset", 0..=usize::MAX, 0)?;
    let (id, around) = match (id, message) {
        (None, None) => {
            return Err(Problem::new(
                Kind::BadRequest,
                "Name what to open: id, or message; `search` finds both.",
            ));
        }
        (Some(id), None) => (id, None),
        (id, Some(message)) => {
            let (conversation, position) = mcp.archive.locate(&asker.scope, message).await?;
            if id.is_some_and(|id| id != conversation) {
                let detail =
                    format!("Message {} stands in conversation {conversation}, not in that.", message.0);
                return Err(Problem::new(Kind::BadRequest, detail));
            }
            (conversation, Some(position))
        }
    };
    let place = match (start, around) {
        (Some(start), _) => Place::At { start: u32::try_from(start).unwrap_or(u32::MAX), offset },
        (None, Some(_)) if offset > 0 => {
            return Err(Problem::parameter(
                "offset",
                "a number only beside start, which says of which message",
            ));
        }
        (None, Some(position)) => Place::Around(position),
        (None, None) => Place::At { start: 0, offset },
    };
    let page = read(mcp, asker, id, place, length).await?;
    Ok(Opened::new(page, asker, around.is_some() && start.is_none()))
}

/// Reads a conversation's id.
pub(super) fn conversation(text: &str) -> Result<ConversationId, Problem> {
    text.parse().map_err(|_| Problem::parameter("id", "a conversation's id (a UUID), as `search` tells it"))
}

fn message(text: &str) -> Result<MessageId, Problem> {
    let id = text.parse().map(MessageId);
    id.map_err(|_| Problem::parameter("message", "a message's id (a whole number), as `search` tells it"))
}

impl Opened {
    fn new(page: Page, asker: &Asker, around: bool) -> Self {
        let about = &page.head.summary;
        Self {
            id: about.id.to_string(),
            title: about.title.clone(),
            provider: about.provider.as_str().to_owned(),
            date: about.created_at.map(|time| time.to_string()),
            message_count: about.message_count,
            first: page.first,
            last: page.last,
            next: page.next.map(|(start, offset)| Next { start, offset }),
            uri: uri(about.id, page.first, page.offset),
            url: asker.pages.as_ref().map(|pages| format!("{pages}/conversations/{}", about.id)),
            markdown: page.markdown,
            around,
        }
    }

    /// Writes the same for those who read text.
    pub(super) fn text(&self) -> String {
        let mut text = self.markdown.clone();
        text.push_str("\n---\n");
        let title = self.title.as_deref().unwrap_or("Untitled conversation");
        text.push_str(&format!(
            "Messages {} to {} of {} in \"{title}\" (conversation {}).",
            self.first.max(1).min(self.last.max(1)),
            self.last,
            self.message_count,
            self.id
        ));
        if self.around && self.first > 1 {
            text.push_str(&format!(" What came before: open with id {} and a smaller start.", self.id));
        }
        match &self.next {
            Some(Next { start, offset: 0 }) => {
                text.push_str(&format!(" To read on: open with id {} and start {start}.", self.id));
            }
            Some(Next { start, offset }) => text.push_str(&format!(
                " Message {start} goes on: open with id {}, start {start} and offset {offset}.",
                self.id
            )),
            None => text.push_str(" This is the end."),
        }
        if let Some(url) = &self.url {
            text.push_str(&format!(" Page: {url}"));
        }
        text.push('\n');
        text
    }
}

/// Length of a page, in characters: about 5,000 tokens of English, which models and their clients take easily.
const CHARACTERS: usize = 20_000;
const CHARACTERS_MIN: usize = 1_000;
const CHARACTERS_MAX: usize = 200_000;
