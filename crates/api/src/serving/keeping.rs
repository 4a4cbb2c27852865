use athenaeum_core::{Attachment, Block, BlockKind, Message, Role, Timestamp, ToolCall};
use athenaeum_inference::{engine::Reason, template};
use athenaeum_retrieval::{Chats, Exchange};
use athenaeum_tenancy::Scope;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::{Choice, Ended, Input, Said, Talk};

/// Where a conversation is kept, and for whom.
#[derive(Debug)]
pub(crate) struct Keeping {
    chats: Chats,
    scope: Scope,
}

/// A conversation that is kept when its answer is given, and as far as that came where nobody waits for the rest.
#[derive(Debug)]
pub(super) struct Kept {
    chats: Chats,
    scope: Scope,
    exchange: Exchange,
    /// What the answer goes on from, where the request began it.
    begun: String,
    choices: Vec<Heard>,
    writing: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    choice: Choice,
    tokens: i64,
    reason: Option<&'static str>,
}

impl Keeping {
    pub(crate) fn new(chats: Chats, scope: Scope) -> Self {
        Self { chats, scope }
    }

    /// Notes what is asked, where that is a conversation.
    pub(super) fn begin(
        self,
        input: &Input,
        model: &str,
        temperature: Option<f64>,
        max: Option<usize>,
    ) -> Option<Kept> {
        let Input::Conversation(conversation) = input else { return None };
        let turns = conversation.messages.iter();
        let mut messages: Vec<Message> = turns.map(|turn| message(conversation, turn)).collect();
        let mut begun = String::new();
        if conversation.continue_final_message
            && let Some(last) = messages.pop_if(|message| message.role == Role::Assistant)
        {
            begun = last.content();
        }
        let said = messages.iter().position(|message| message.role != Role::System).unwrap_or(messages.len());
        let system: Vec<String> = messages.drain(..said).map(|message| message.content()).collect();
        let exchange = Exchange {
            messages,
            answers: Vec::new(),
            system_prompt: Some(system.join("\n\n")).filter(|text| !text.is_empty()),
            model: Some(model.to_owned()),
            temperature,
            max_tokens: max.and_then(|max| i64::try_from(max).ok()),
            asked_at: Timestamp::now(),
        };
        let Self { chats, scope } = self;
        Some(Kept { chats, scope, exchange, begun, choices: Vec::new(), writing: None })
    }
}

impl Kept {
    /// Notes what is said.
    pub(super) fn hear(&mut self, choice: usize, said: &Said) {
        if self.choices.len() <= choice {
            self.choices.resize_with(choice + 1, Heard::default);
        }
        let Some(heard) = self.choices.get_mut(choice) else { return };
        match said {
            Said::Progress { .. } | Said::Begun { .. } => {}
            Said::Token { events, .. } => {
                heard.tokens += 1;
                events.iter().for_each(|event| heard.choice.hear(event.clone()));
            }
            Said::Ended(ended) => {
                ended.events.iter().for_each(|event| heard.choice.hear(event.clone()));
                // Other engines tell only now how many there were.
                heard.tokens =
                    heard.tokens.max(i64::try_from(ended.end.generated_tokens).unwrap_or(i64::MAX));
                heard.reason = Some(reason(ended));
            }
        }
    }

    /// Begins to write it; what begun is written, whoever waits for it.
    pub(super) fn write(&mut self) {
        let choices = std::mem::take(&mut self.choices);
        let choices = choices.into_iter().filter(|heard| heard.reason.is_some() || !heard.choice.is_empty());
        let model = self.exchange.model.as_ref();
        self.exchange.answers = choices.map(|heard| heard.message(&self.begun, model)).collect();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.writing.is_some() || self.exchange.answers.is_empty() {
            return;
        }
        let (chats, scope, exchange) = (self.chats.clone(), self.scope.clone(), self.exchange.clone());
        let write = async move {
            if let Err(error) = chats.keep(&scope, &exchange).await {
                tracing::error!(error = %super::models::whole(&error), "a conversation cannot be kept");
            }
        };
        self.writing = Some(runtime.spawn(write.in_current_span()));
    }

    /// Waits until it is written. Whoever stops waiting can wait again.
    pub(super) async fn written(&mut self) {
        if let Some(writing) = &mut self.writing {
            let _ = writing.await;
        }
    }
}

/// Nobody waits for the rest: what was said is kept all the same.
impl Drop for Kept {
    fn drop(&mut self) {
        self.write();
    }
}

impl Heard {
    fn message(self, begun: &str, model: Option<&String>) -> Message {
        let Choice { text, reasoning, calls, .. } = self.choice;
        let text = format!("{begun}{text}");
        let mut blocks = Vec::new();
        if !reasoning.is_empty() {
            blocks.push(Block::new(BlockKind::Thinking, reasoning));
        }
        if !text.is_empty() {
            blocks.push(Block::text(text));
        }
        let mut message = Message::new(Role::Assistant, blocks);
        let calls = calls.into_iter();
        let calls =
            calls.map(|call| ToolCall { id: Some(call.id), name: call.name, arguments: call.arguments });
        call(&mut message, calls);
        message.model = model.cloned();
        message.created_at = Some(Timestamp::now());
        message.tokens = Some(self.tokens);
        message.finish_reason = Some(self.reason.unwrap_or("cancelled").to_owned());
        message
    }
}

fn reason(ended: &Ended) -> &'static str {
    match ended.end.reason {
        _ if ended.called => "tool_calls",
        Reason::Ended | Reason::Stop(_) => "stop",
        Reason::Length => "length",
        Reason::Deadline => "deadline",
        Reason::Failed(_) => "failed",
    }
}

/// A turn of a template as one of the archive.
fn message(talk: &Talk, turn: &template::Message) -> Message {
    let field = |name: &str| turn.field(name).and_then(|value| value.as_str().map(str::to_owned));
    let role = Role::from_name(&turn.role()).unwrap_or(Role::User);
    let mut blocks = Vec::new();
    if let Some(thoughts) = field("reasoning_content").filter(|text| !text.is_empty()) {
        blocks.push(Block::new(BlockKind::Thinking, thoughts));
    }
    let name = field("name").filter(|name| !name.is_empty());
    if let Some(text) = turn.text().filter(|text| !text.is_empty()) {
        blocks.push(match role {
            Role::Tool => Block::new(BlockKind::ToolResult, text).labelled(name.clone().unwrap_or_default()),
            _ => Block::text(text),
        });
    }
    let mut message = Message { author: name, ..Message::new(role, blocks) };
    // That there was a picture, not what it showed.
    let parts = turn.field("content").into_iter().flat_map(|content| content.elements());
    message.attachments.extend(parts.filter(|part| template::place(part).is_some()).map(|part| Attachment {
        name: None,
        id: None,
        media_type: Some(talk.media_type(&part).unwrap_or_else(|| "image/*".to_owned())),
        size: None,
        path: None,
    }));
    let calls: Vec<_> = turn.field("tool_calls").iter().flat_map(template::Json::elements).collect();
    let calls = calls.iter().filter_map(|call| {
        let function = call.field("function")?;
        let arguments = function.field("arguments").filter(|arguments| !arguments.is_null());
        Some(ToolCall {
            id: call.field("id").and_then(|id| id.as_str().map(str::to_owned)),
            name: function.field("name")?.as_str()?.to_owned(),
            arguments: arguments.map_or_else(String::new, |arguments| {
                arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned)
            }),
        })
    });
    call(&mut message, calls);
    message
}

/// Adds calls of tools, whose arguments are searched, too.
fn call(message: &mut Message, calls: impl Iterator<Item = ToolCall>) {
    for call in calls {
        message
            .blocks
            .push(Block::new(BlockKind::ToolUse, call.arguments.clone()).labelled(call.name.clone()));
        message.tool_calls.push(call);
    }
}
