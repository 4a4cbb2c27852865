//! What is remembered: kept when somebody says so, and found again in a later conversation.

use athenaeum_archive::memories::{Origin, Wanted};
use athenaeum_core::MemoryId;
use athenaeum_retrieval::memory::{Offer, Recalled, Taken};
use rmcp::{model::Tool, schemars};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Asker, Mcp, schema_of};
use crate::{
    Api,
    params::Params,
    problem::{Kind, Problem},
};

pub(super) const REMEMBER: &str = "remember";
pub(super) const RECALL: &str = "recall";
pub(super) const KNOWN: &[&str] = &["text", "if_surprising", "conversation", "message"];
pub(super) const RECALL_KNOWN: &[&str] = &["query", "limit", "cold"];

pub(super) fn tools() -> [Tool; 2] {
    let input = |input| match input {
        Value::Object(input) => input,
        _ => serde_json::Map::new(),
    };
    let remember = Tool::new(REMEMBER, REMEMBER_DESCRIPTION, input(remember_input()));
    let recall = Tool::new(RECALL, RECALL_DESCRIPTION, input(recall_input()));
    [
        remember.with_title("Remember").with_raw_output_schema(schema_of::<Remembered>()),
        recall.with_title("Recall").with_raw_output_schema(schema_of::<Recollection>()),
    ]
}

const REMEMBER_DESCRIPTION: &str = "\
Keeps a sentence or two about the person for later conversations: when they ask for it, or when they say something that \
will matter again, such as a preference, a decision or a date. It is kept on their machine, once however often it is said, \
and they can list and forget it.";

const RECALL_DESCRIPTION: &str = "\
Finds what was remembered about the person, by word and by meaning, best first. For what they said in conversations use \
search.";

fn remember_input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "text": { "type": "string", "description": "What to remember: whole sentences that are understood alone." },
            "if_surprising": {
                "type": "boolean", "default": false,
                "description": "Keeps it only where it is far from all that is remembered.",
            },
            "conversation": { "type": "string", "description": "Id of the conversation that it comes from, as search gives it." },
            "message": { "type": "integer", "description": "The message that it comes from, as search gives it." },
        },
        "required": ["text"],
        "additionalProperties": false,
    })
}

fn recall_input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query": { "type": "string", "description": "What to look for; without it, the newest memories." },
            "limit": { "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 10 },
            "cold": {
                "type": "boolean", "default": false,
                "description": "Looks also among those that were of no use for long.",
            },
        },
        "additionalProperties": false,
    })
}

/// What became of something that was to be remembered.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Remembered {
    /// It is remembered.
    kept: bool,
    /// It was not before.
    new: bool,
    /// Its id; null where it is not kept.
    id: Option<String>,
    /// How much of a surprise it was, 0 to 1.
    surprise: f64,
}

/// What was found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Recollection {
    /// The best first, or the newest where nothing was looked for.
    memories: Vec<Remembrance>,
}

/// Something that is remembered.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Remembrance {
    /// Its id.
    id: String,
    /// What.
    text: String,
    /// When it came, RFC 3339.
    remembered_at: String,
    /// The conversation that it comes from, for `open`.
    conversation: Option<String>,
    /// The message that it comes from, for `open`.
    message: Option<i64>,
    /// What it was ranked by; null where nothing was looked for.
    score: Option<f64>,
}

pub(super) async fn remember(mcp: &Mcp, asker: &Asker, params: &Params) -> Result<Remembered, Problem> {
    let text = params.one("text")?.unwrap_or_default();
    let conversation = params.one("conversation")?.map(str::parse).transpose();
    let message = params.one("message")?.map(str::parse).transpose();
    let offer = Offer {
        text: text.to_owned(),
        origin: Origin {
            conversation: conversation
                .map_err(|_| Problem::parameter("conversation", "the id of a conversation, a UUID"))?,
            message: message.map_err(|_| Problem::parameter("message", "the number of a message"))?,
        },
        perplexity: None,
        asked_for: !params.flag("if_surprising")?,
    };
    let taken = api(mcp)?.memory().await?.remember(&asker.scope, offer).await?;
    Ok(match taken {
        Taken::Kept(kept) => Remembered {
            kept: true,
            new: kept.is_new,
            id: Some(kept.memory.id.to_string()),
            surprise: kept.memory.surprise.score,
        },
        Taken::Passed(surprise) => Remembered { kept: false, new: false, id: None, surprise: surprise.score },
    })
}

pub(super) async fn recall(mcp: &Mcp, asker: &Asker, params: &Params) -> Result<Recollection, Problem> {
    let limit = params.number("limit", 1..=LIMIT_MAX, 10)?;
    let wanted = if params.flag("cold")? { Wanted::All } else { Wanted::default() };
    let memory = api(mcp)?.memory().await?;
    let memories = match params.one("query")?.filter(|query| !query.trim().is_empty()) {
        Some(query) if query.len() > QUERY_BYTES_MAX => {
            return Err(Problem::parameter("query", format!("up to {QUERY_BYTES_MAX} bytes")));
        }
        Some(query) => {
            let found = memory.recall(&asker.scope, query, &wanted, limit, true).await?;
            found.into_iter().map(|Recalled { memory, score, .. }| of(memory, Some(score))).collect()
        }
        None => {
            let page = memory.memories().list(&asker.scope, &wanted, None, limit).await?;
            page.items.into_iter().map(|memory| of(memory, None)).collect()
        }
    };
    Ok(Recollection { memories })
}

fn api(mcp: &Mcp) -> Result<&Api, Problem> {
    let nothing = || Problem::new(Kind::Unsupported, "This server was set up to remember nothing.");
    mcp.remembers.as_ref().ok_or_else(nothing)
}

fn of(memory: athenaeum_archive::memories::Memory, score: Option<f64>) -> Remembrance {
    Remembrance {
        id: MemoryId::to_string(&memory.id),
        remembered_at: memory.remembered_at.to_string(),
        conversation: memory.origin.conversation.map(|id| id.to_string()),
        message: memory.origin.message.map(|id| id.0),
        text: memory.text,
        score,
    }
}

impl Remembered {
    /// Writes it for a model to read.
    pub(super) fn text(&self) -> String {
        match (self.kept, self.new) {
            (true, true) => "It is remembered.".to_owned(),
            (true, false) => "It was remembered before.".to_owned(),
            (false, _) => format!(
                "It is not kept: a surprise of {:.2} is too little. Without if_surprising it is kept.",
                self.surprise
            ),
        }
    }
}

impl Recollection {
    /// Writes it for a model to read.
    pub(super) fn text(&self) -> String {
        if self.memories.is_empty() {
            return "Nothing of that is remembered. `search` looks through the conversations.".to_owned();
        }
        let line = |memory: &Remembrance| {
            let day = memory.remembered_at.get(..10).unwrap_or_default();
            format!("- {} ({day}, {})\n", memory.text.replace('\n', " "), memory.id)
        };
        self.memories.iter().map(line).collect()
    }
}

const LIMIT_MAX: usize = 50;

const QUERY_BYTES_MAX: usize = 4096;
