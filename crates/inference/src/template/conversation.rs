//! What a template is filled in with.

use std::{collections::BTreeMap, sync::Arc};

use jiff::civil::DateTime;
use minijinja::Value;

use super::{Error, Json};
use crate::vision::Picture;

/// Messages and whatever else a template may look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// In order, the system message first where there is one.
    pub messages: Vec<Message>,
    /// JSON schemas as the wire has them: `{"type": "function", "function": {"name", "description", "parameters"}}`.
    pub tools: Vec<Json>,
    /// Texts to answer from, for the few templates that have a place for them: objects with `title` and `text`.
    pub documents: Vec<Json>,
    /// Whether the model is to speak next, so that the prompt ends where its turn begins.
    pub add_generation_prompt: bool,
    /// Whether the last message is the beginning of what the model is to say, so that the prompt ends within it.
    pub continue_final_message: bool,
    /// Further variables, such as `enable_thinking`; they win over the usual ones.
    pub variables: BTreeMap<String, Json>,
    /// What parts of messages show: those made by [`Conversation::part`] name them by their place in here.
    pub pictures: Vec<Arc<Picture>>,
    /// The time that `strftime_now` tells; `None` asks this machine's clock.
    pub now: Option<DateTime>,
}

impl Conversation {
    /// These messages, with the model to speak next.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { messages: messages.into_iter().collect(), add_generation_prompt: true, ..Self::default() }
    }

    /// Reads a JSON object with `messages` and, as needed, `tools`, `documents`, `add_generation_prompt` and
    /// `continue_final_message`; whatever else it has becomes a variable.
    ///
    /// # Errors
    /// [`Error::NotAConversation`] where it is not JSON, no object, or has no messages of objects.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let json = Json::parse(text)?;
        let mut conversation = Self::default();
        let messages = json.field("messages").ok_or_else(|| bad("it has no messages"))?;
        conversation.messages = messages.elements().map(Message::from_json).collect::<Result<_, _>>()?;
        for (key, value) in json.entries() {
            match key.as_str() {
                "messages" => {}
                "tools" => conversation.tools = value.elements().collect(),
                "documents" => conversation.documents = value.elements().collect(),
                "add_generation_prompt" => conversation.add_generation_prompt = value.0.is_true(),
                "continue_final_message" => conversation.continue_final_message = value.0.is_true(),
                _ => drop(conversation.variables.insert(key, value)),
            }
        }
        Ok(conversation)
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a picture in, and makes the part of a message that shows it: `{"type": "image", "picture": 0}`.
    pub fn part(&mut self, picture: Arc<Picture>) -> Json {
        self.pictures.push(picture);
        part(self.pictures.len() - 1)
    }

    /// The pictures that its messages show, in the order in which they do.
    pub fn shown(&self) -> Vec<Arc<Picture>> {
        let parts = self.messages.iter().filter_map(|message| message.field("content"));
        let places = parts.flat_map(|content| content.elements()).filter_map(|part| place(&part));
        places.filter_map(|place| self.pictures.get(place).cloned()).collect()
    }

    /// The same with this text in place of every picture; what is said beside pictures becomes one text.
    pub(crate) fn with_text_for_pictures(&self, text: &str) -> Self {
        let mut other = self.clone();
        for message in &mut other.messages {
            let Some(content) = message.field("content") else { continue };
            if content.elements().any(|part| place(&part).is_some()) {
                let said = |part: Json| match place(&part) {
                    Some(_) => text.to_owned(),
                    None => part
                        .field("text")
                        .and_then(|said| said.as_str().map(str::to_owned))
                        .unwrap_or_default(),
                };
                let texts: String = content.elements().map(said).collect();
                *message = message.clone().with("content", texts);
            }
        }
        other
    }

    /// The same with other texts in its messages, tools and documents; `None` where `change` changes none. Variables
    /// are a program's, not a writer's.
    pub(crate) fn with_texts(&self, change: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let mut other = self.clone();
        let messages = other.messages.iter_mut().map(|message| &mut message.0);
        let mut changed = false;
        for json in messages.chain(&mut other.tools).chain(&mut other.documents) {
            if let Some(new) = json.with_texts(change) {
                *json = new;
                changed = true;
            }
        }
        changed.then_some(other)
    }

    /// All that a template can see, and how many bytes that is, roughly.
    pub(super) fn context(&self, bos: &str, eos: &str) -> (Value, u64) {
        let list = |elements: &[Json]| match elements {
            [] => Value::from(()),
            elements => elements.iter().map(|element| element.0.clone()).collect(),
        };
        let mut context: BTreeMap<String, Value> = BTreeMap::from([
            ("messages".to_owned(), self.messages.iter().map(|message| message.0.0.clone()).collect()),
            ("tools".to_owned(), list(&self.tools)),
            ("documents".to_owned(), list(&self.documents)),
            ("add_generation_prompt".to_owned(), Value::from(self.add_generation_prompt)),
            ("bos_token".to_owned(), Value::from(bos)),
            ("eos_token".to_owned(), Value::from(eos)),
        ]);
        context.extend(self.variables.iter().map(|(name, value)| (name.clone(), value.0.clone())));
        let input = context.values().map(|value| weight(value, 0)).sum();
        (Value::from(context), input)
    }
}

/// One turn: an object with a `role`, and whatever fields its role has.
///
/// Fields that templates know are `content` (text, or parts such as `{"type": "text", "text": …}`), `tool_calls`,
/// `tool_call_id`, `name` and `reasoning_content`; others are handed on as they are, in the order they came.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(pub(super) Json);

impl Message {
    /// A turn that is only text.
    #[must_use]
    pub fn new(role: &str, content: impl Into<Json>) -> Self {
        Self(Json::object([("role", Json::from(role)), ("content", content.into())]))
    }

    /// A turn as the wire has it.
    ///
    /// # Errors
    /// [`Error::NotAConversation`] where it is no object, or has no role.
    pub fn from_json(json: Json) -> Result<Self, Error> {
        let message = Self(json);
        if message.role().is_empty() {
            return Err(bad("a message has no role"));
        }
        Ok(message)
    }

    /// The same with a field more, or with another value for one it has.
    #[must_use]
    pub fn with(self, field: &str, value: impl Into<Json>) -> Self {
        let value = value.into();
        let mut entries: Vec<(String, Json)> = self.0.entries().collect();
        match entries.iter_mut().find(|(key, _)| key == field) {
            Some(entry) => entry.1 = value,
            None => entries.push((field.to_owned(), value)),
        }
        Self(Json::object(entries))
    }

    /// The same without a field.
    #[must_use]
    pub fn without(self, field: &str) -> Self {
        Self(Json::object(self.0.entries().filter(|(key, _)| key != field)))
    }

    /// The same with its text as a part, if it is text.
    pub(super) fn in_parts(self) -> Self {
        let content = self.field("content").filter(|content| content.as_str().is_some());
        let Some(content) = content else { return self };
        let part = Json::object([("type", Json::from("text")), ("text", content)]);
        self.with("content", Json::array([part]))
    }

    /// Who speaks; empty only in what was not made by [`Message::new`] or [`Message::from_json`].
    #[must_use]
    pub fn role(&self) -> String {
        self.field("role").and_then(|role| role.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// A field's value, unless it is missing or `null`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Json> {
        self.0.field(name).filter(|value| !value.is_null())
    }

    /// The text, where there is any: that of all parts, one after the other.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let content = self.field("content")?;
        if let Some(text) = content.as_str() {
            return Some(text.to_owned());
        }
        let parts: Vec<String> =
            content.elements().filter_map(|part| part.field("text")?.as_str().map(str::to_owned)).collect();
        (!parts.is_empty()).then(|| parts.concat())
    }
}

/// The part of a message that shows a picture: the one at a place of [`Conversation::pictures`].
pub fn part(place: usize) -> Json {
    serde_json::json!({ "type": "image", "picture": place }).into()
}

/// The place of the picture that a part of a message shows, if it shows one.
pub fn place(part: &Json) -> Option<usize> {
    let is_image = part.field("type").is_some_and(|kind| kind.as_str() == Some("image"));
    let place = part.field("picture").filter(|_| is_image)?;
    place.0.as_usize()
}

/// Bytes of a value as it came, roughly.
fn weight(value: &Value, depth: usize) -> u64 {
    let own = value.as_str().map_or(8, |text| text.len() as u64);
    let Some(object) = value.as_object().filter(|_| depth < 200) else { return own };
    let entries = object.try_iter_pairs().into_iter().flatten();
    own + entries.map(|(key, value)| weight(&key, depth + 1) + weight(&value, depth + 1)).sum::<u64>()
}

fn bad(reason: &str) -> Error {
    Error::NotAConversation { reason: reason.to_owned() }
}
