//! Conversations that programs have with the models of this machine, kept as conversations.
//!
//! Programs send the whole conversation with every request and name nothing. So it is known by what was said: a request
//! that goes on from what is kept is an update of that conversation, one that leaves it somewhere is another branch of it.

mod path;

use std::{collections::HashMap, sync::Arc};

use athenaeum_archive::{Archive, Error};
use athenaeum_core::{Conversation, Message, Provider, Role, Timestamp};
use athenaeum_tenancy::Scope;
use tokio::sync::Mutex;

use path::Said;
pub(crate) use path::Twins;

/// Keeps conversations in an archive. Cheap to clone; clones take turns.
#[derive(Debug, Clone)]
pub struct Chats {
    archive: Archive,
    /// Each reads what is kept, and writes more.
    turn: Arc<Mutex<()>>,
}

/// What was asked and answered at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The conversation as it was sent, without the instructions that it begins with.
    pub messages: Vec<Message>,
    /// What was answered; several were given side by side, and the first of them is the one that counts.
    pub answers: Vec<Message>,
    /// The instructions that it begins with.
    pub system_prompt: Option<String>,
    /// Who answered.
    pub model: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Limit on generated tokens.
    pub max_tokens: Option<i64>,
    /// When it was asked.
    pub asked_at: Timestamp,
}

/// What conversations with models of this machine are filed under.
pub(crate) fn provider() -> Option<Provider> {
    "athenaeum".parse().ok()
}

impl Chats {
    /// Keeps them in this archive.
    pub fn new(archive: Archive) -> Self {
        Self { archive, turn: Arc::default() }
    }

    /// Keeps an exchange, so that it is listed and found when this returns. Keeping it again changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Archive::keep`].
    pub async fn keep(&self, scope: &Scope, exchange: &Exchange) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        // The first one last, so that it is what the conversation goes on from.
        for answer in exchange.answers.iter().rev() {
            self.keep_one(scope, exchange, answer).await?;
        }
        Ok(())
    }

    async fn keep_one(&self, scope: &Scope, exchange: &Exchange, answer: &Message) -> Result<(), Error> {
        let path: Vec<Message> = exchange.messages.iter().chain([answer]).cloned().collect();
        let Some((name, provider)) = beginning(&path).zip(provider()) else { return Ok(()) };
        let kept = match self.archive.find_by_source(scope, &provider, &name).await? {
            Some(id) => Some(self.archive.conversation(scope, id).await?),
            None => None,
        };
        let empty = Conversation { created_at: Some(exchange.asked_at), ..Conversation::new(provider, name) };
        let before = kept.map_or(empty, of_archive);
        if let Some(after) = merge(before, exchange, path) {
            self.archive.keep(scope, after).await?;
        }
        Ok(())
    }
}

/// What a conversation is called that begins so: by all up to its first answer.
fn beginning(path: &[Message]) -> Option<String> {
    let mut said = Said::default();
    for message in path {
        said = said.and(message);
        if message.role == Role::Assistant {
            return Some(said.name());
        }
    }
    None
}

fn of_archive(kept: athenaeum_archive::Conversation) -> Conversation {
    let about = kept.summary;
    Conversation {
        title: about.title,
        model: about.model,
        created_at: about.created_at,
        updated_at: about.updated_at,
        system_prompt: kept.system_prompt,
        temperature: kept.temperature,
        max_tokens: kept.max_tokens,
        user_id: about.user_id,
        messages: kept.messages.into_iter().map(|stored| stored.message).collect(),
        ..Conversation::new(about.provider, about.external_id)
    }
}

/// Adds what of `path` is not kept yet; `None` where all is as it was. What is kept stays.
fn merge(mut kept: Conversation, exchange: &Exchange, path: Vec<Message>) -> Option<Conversation> {
    let mut places: HashMap<Said, usize> = HashMap::new();
    for (place, said) in Said::all(&kept.messages).into_iter().enumerate() {
        places.entry(said).or_insert(place);
    }
    let (mut said, mut on_path, mut grew) = (Said::default(), Vec::new(), false);
    // When the rest was said, nobody told.
    let new = path.iter().rposition(|message| message.role == Role::Assistant).unwrap_or_default();
    let new =
        path[..new].iter().rposition(|message| message.role == Role::Assistant).map_or(0, |last| last + 1);
    for (index, message) in path.into_iter().enumerate() {
        said = said.and(&message);
        let place = *places.entry(said).or_insert_with(|| {
            grew = true;
            let parent = on_path.last().and_then(|last| u32::try_from(*last).ok());
            let created_at = message.created_at.or((index >= new).then_some(exchange.asked_at));
            let external_id = Some(said.name());
            kept.messages.push(Message { parent, created_at, external_id, ..message });
            kept.messages.len() - 1
        });
        on_path.push(place);
    }
    let mut moved = false;
    let mut on = vec![false; kept.messages.len()];
    on_path.iter().for_each(|place| on[*place] = true);
    for (message, on) in kept.messages.iter_mut().zip(on) {
        moved |= message.off_branch == on;
        message.off_branch = !on;
    }
    if !grew && !moved {
        return None;
    }
    // Never before what is kept, or it would be taken for an older copy.
    let later = kept.updated_at.map(|time| time.as_micros().saturating_add(1)).unwrap_or_default();
    kept.updated_at = Some(Timestamp::from_micros(later.max(Timestamp::now().as_micros())));
    if kept.title.is_none() {
        kept.title = kept.messages.iter().find(|message| message.role == Role::User).and_then(title);
    }
    kept.model = exchange.model.clone().or(kept.model);
    kept.system_prompt = exchange.system_prompt.clone().or(kept.system_prompt);
    (kept.temperature, kept.max_tokens) = (exchange.temperature, exchange.max_tokens);
    kept.raw_json = raw(&kept, &on_path);
    Some(kept)
}

/// The first line of what was asked, cut to what fits a list.
fn title(message: &Message) -> Option<String> {
    let text = message.content();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let cut: String = line.chars().take(TITLE_CHARS).collect();
    Some(if cut.len() < line.len() { format!("{}…", cut.trim_end()) } else { cut })
}

const TITLE_CHARS: usize = 80;

fn raw(kept: &Conversation, on_path: &[usize]) -> String {
    let messages = on_path.iter().filter_map(|place| kept.messages.get(*place));
    let messages: Vec<_> = messages
        .map(|message| {
            let calls = message.tool_calls.iter().map(|call| {
                serde_json::json!({
                    "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                })
            });
            let calls: Vec<_> = calls.collect();
            let mut said =
                serde_json::json!({ "role": message.role.as_str(), "content": path::text(message) });
            if !calls.is_empty() {
                said["tool_calls"] = calls.into();
            }
            said
        })
        .collect();
    let system = kept.system_prompt.as_ref();
    let system = system.map(|text| serde_json::json!({ "role": "system", "content": text }));
    let messages: Vec<_> = system.into_iter().chain(messages).collect();
    serde_json::json!({ "model": kept.model, "messages": messages }).to_string()
}
