use athenaeum_archive as archive;
use rmcp::{model::Tool, schemars};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Asker, Mcp, resources::uri, schema_of};
use crate::{params::Params, problem::Problem, search};

pub(super) const NAME: &str = "search";
pub(super) const KNOWN: &[&str] = &[
    "query",
    "limit",
    "cursor",
    "sort",
    "conversation",
    "provider",
    "model",
    "role",
    "after",
    "before",
    "has",
    "hidden",
];

pub(super) fn tool() -> Tool {
    let Value::Object(input) = input() else { unreachable!("an object is written below") };
    Tool::new(NAME, DESCRIPTION, input)
        .with_title("Search the library")
        .with_raw_output_schema(schema_of::<Found>())
}

const DESCRIPTION: &str = "\
Finds messages in the person's past conversations, best first. All words must occur, in any form; \"quoted words\" \
stand next to each other; also a OR b, -word, beginning*, title:word, provider:claude, role:user, after:2024-05, \
before:7d, has:code. No query is an error. An empty query with filters lists what they leave, newest first. \
Read a result with `open`.";

fn input() -> Value {
    let several = |about: &str| {
        json!({ "description": about, "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "maxItems": 32 },
        ] })
    };
    json!({
        "type": "object",
        "properties": {
            "query": { "type": "string", "description": "Words to find, in the query language." },
            "limit": {
                "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT,
                "description": "Most results to return.",
            },
            "cursor": { "type": "string", "description": "next_cursor of the page before, with all else the same." },
            "sort": {
                "type": "string", "enum": ["relevance", "recent"], "default": "relevance",
                "description": "Best first, or newest first.",
            },
            "conversation": { "type": "string", "description": "Only in the conversation with this id." },
            "provider": several("Only conversations of these services: chatgpt, claude, gemini, …"),
            "model": several("Only what these models wrote; a trailing * stands for any ending: gpt-4*"),
            "role": {
                "description": "Only what these wrote.",
                "anyOf": [
                    { "enum": ROLES },
                    { "type": "array", "items": { "enum": ROLES } },
                ],
            },
            "after": {
                "type": "string",
                "description": "Written then or later, UTC: 2024, 2024-05, 2024-05-17, 2024-05-17T08:30:00Z, 7d, today.",
            },
            "before": { "type": "string", "description": "Written then or earlier; as after." },
            "has": {
                "description": "Only messages that have all of these.",
                "anyOf": [
                    { "enum": THINGS },
                    { "type": "array", "items": { "enum": THINGS } },
                ],
            },
            "hidden": {
                "type": "boolean", "default": false,
                "description": "Also messages that the service does not show, such as custom instructions.",
            },
        },
        "additionalProperties": false,
    })
}

/// What a search found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Found {
    /// The messages, in the order asked for.
    results: Vec<Hit>,
    /// How many messages match.
    total: u64,
    /// False where counting stopped at `total`: there are more.
    total_is_exact: bool,
    /// What was understood differently than typed, or left out.
    notices: Vec<String>,
    /// Call again with it as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// One message, or a conversation whose title matches.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Hit {
    /// The conversation, for `open`.
    id: String,
    /// The message, for `open`; null where only the title matches.
    message: Option<i64>,
    /// The message's number in its conversation, from 1; null where only the title matches.
    number: Option<u32>,
    title: Option<String>,
    /// The service that held the conversation.
    provider: String,
    /// The model that wrote it, or that the conversation names.
    model: Option<String>,
    /// Who wrote it.
    role: String,
    /// When it was written, or, where the source does not tell, when the conversation began.
    date: Option<String>,
    /// The passage around the best match.
    snippet: String,
    /// It stands in a branch that was edited or regenerated away.
    other_branch: bool,
    /// The resource that begins with it.
    uri: String,
    /// Its page for people; null where no pages are served.
    url: Option<String>,
}

pub(super) async fn run(mcp: &Mcp, asker: &Asker, params: &Params) -> Result<Found, Problem> {
    let request = archive::SearchRequest {
        limit: params.number("limit", 1..=LIMIT_MAX, LIMIT)?,
        ..search::request(params, "query")?
    };
    let found = mcp.archive.search(&asker.scope, &request).await?;
    let (total, total_is_exact) = match found.total {
        archive::Total::Exactly(count) => (count, true),
        archive::Total::AtLeast(count) => (count, false),
    };
    let mut notices: Vec<String> = found.notices.into_iter().map(|notice| notice.0).collect();
    if found.hits.is_empty() && is_empty(mcp, asker).await? {
        notices
            .push("The library is empty; `athenaeum import PATH` fills it from exported chats.".to_owned());
    }
    Ok(Found {
        results: found.hits.into_iter().map(|hit| Hit::new(hit, asker)).collect(),
        total,
        total_is_exact,
        notices,
        next_cursor: found.next.map(|cursor| cursor.0),
    })
}

async fn is_empty(mcp: &Mcp, asker: &Asker) -> Result<bool, Problem> {
    let page = mcp.archive.conversations(&asker.scope, &archive::Filters::default(), None, 1).await?;
    Ok(page.items.is_empty())
}

impl Found {
    /// Writes the same for those who read text.
    pub(super) fn text(&self) -> String {
        let at_least = if self.total_is_exact { "" } else { "At least " };
        let mut text = match (self.results.len(), self.total) {
            (0, 0) => "Nothing matches. Fewer or other words may; `word*` finds beginnings.\n".to_owned(),
            (shown, total) => format!("{at_least}{total} match; here are {shown}.\n"),
        };
        for notice in &self.notices {
            text.push_str(&format!("Note: {notice}\n"));
        }
        for (at, hit) in self.results.iter().enumerate() {
            hit.write(at + 1, &mut text);
        }
        if let Some(cursor) = &self.next_cursor {
            text.push_str(&format!("\nThere are more: call search again with cursor \"{cursor}\".\n"));
        }
        text
    }
}

impl Hit {
    fn new(hit: archive::Hit, asker: &Asker) -> Self {
        let about = &hit.conversation;
        let number = hit.message.map(|_| hit.position.saturating_add(1));
        let path = match hit.message {
            Some(message) => format!("/messages/{}", message.0),
            None => format!("/conversations/{}", about.id),
        };
        Self {
            id: about.id.to_string(),
            message: hit.message.map(|id| id.0),
            number,
            title: about.title.clone(),
            provider: about.provider.as_str().to_owned(),
            model: hit.model.or_else(|| about.model.clone()),
            role: hit.role.as_str().to_owned(),
            date: hit.created_at.or(about.created_at).map(|time| time.to_string()),
            snippet: hit.snippet.text,
            other_branch: hit.off_branch,
            uri: uri(about.id, number.unwrap_or(0), 0),
            url: asker.pages.as_ref().map(|pages| format!("{pages}{path}")),
        }
    }

    fn write(&self, at: usize, text: &mut String) {
        let title = self.title.as_deref().unwrap_or("Untitled conversation");
        let day = self.date.as_deref().and_then(|date| date.get(..10)).unwrap_or("undated");
        text.push_str(&format!("\n{at}. {title} · {} · {day}", self.provider));
        if let Some(number) = self.number {
            text.push_str(&format!(" · message {number} by {}", self.role));
        }
        if self.other_branch {
            text.push_str(" · other branch");
        }
        text.push('\n');
        for line in self.snippet.lines() {
            text.push_str(&format!("   > {line}\n"));
        }
        match self.message {
            Some(message) => {
                text.push_str(&format!("   open with message {message} (conversation {})", self.id));
            }
            None => text.push_str(&format!("   open with id {}", self.id)),
        }
        if let Some(url) = &self.url {
            text.push_str(&format!(" · {url}"));
        }
        text.push('\n');
    }
}

const ROLES: [&str; 4] = ["user", "assistant", "system", "tool"];
const THINGS: [&str; 3] = ["code", "attachment", "tool"];

/// Results on a page. A model reads all of them, so there are fewer than on a screen.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 50;
