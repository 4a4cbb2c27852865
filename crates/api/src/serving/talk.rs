//! A conversation whose pictures are still as they were sent.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use athenaeum_inference::{
    local::{LocalModel, PromptError},
    template::{self, Conversation, Json},
    vision::{self, Picture},
};

use athenaeum_providers as providers;

use crate::{
    problem::{Kind, Problem},
    settings::Settings,
};

/// A conversation as a dialect read it. Derefs to that; its pictures are read when a model is there that sees them, beside
/// the runtime, because that takes a while.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    conversation: Conversation,
    pictures: Pictures,
}

/// Pictures of a request, in the order in which they were come upon.
#[derive(Debug, Default)]
pub(crate) struct Pictures(Vec<Sent>);

/// A picture as it was sent.
#[derive(Debug)]
struct Sent {
    /// Where it stands in the body, as in `messages[0].content[1].image_url.url`.
    at: String,
    /// A `data:` address, or base64 alone.
    data: String,
}

/// How much of pictures is taken of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many.
    count: usize,
    /// Bytes of each.
    bytes: usize,
    /// Pixels of all together.
    pixels: u64,
}

impl Pictures {
    /// Takes a picture in: a `data:` address, or base64 alone. Returns the part of a message that shows it.
    pub(crate) fn part(&mut self, at: impl Into<String>, data: impl Into<String>) -> serde_json::Value {
        self.0.push(Sent { at: at.into(), data: data.into() });
        serde_json::json!({ "type": "image", "picture": self.0.len() - 1 })
    }

    /// The conversation that shows them.
    pub(crate) fn shown_in(self, conversation: Conversation) -> Talk {
        Talk { conversation, pictures: self }
    }
}

impl Talk {
    /// Reads its pictures for a model.
    ///
    /// # Errors
    ///
    /// If the model sees none, or one of them is none, or larger than is taken; the problem names it.
    pub(crate) fn read(self, model: &LocalModel, limits: Limits) -> Result<Conversation, Problem> {
        let Self { mut conversation, pictures: Pictures(sent) } = self;
        let Some(first) = sent.first() else { return Ok(conversation) };
        if model.projector().is_none() {
            return Err(Problem::from(PromptError::Blind).about(&first.at));
        }
        if let Some(beyond) = sent.get(limits.count) {
            let accepted = format!("no more than {} pictures in one request", limits.count);
            return Err(Problem::parameter(&beyond.at, accepted));
        }
        let mut left = limits.pixels;
        for Sent { at, data } in &sent {
            let bytes = bytes(data).map_err(|refused| refused.problem(at))?;
            let limits = vision::Limits { bytes: limits.bytes, pixels: left };
            let picture = Picture::read(&bytes, limits).map_err(|error| {
                let detail = format!("The parameter '{at}' holds no picture that can be taken: {error}.");
                Problem::new(Kind::BadRequest, detail).about(at)
            })?;
            left = left.saturating_sub((picture.width() * picture.height()) as u64);
            conversation.pictures.push(Arc::new(picture));
        }
        Ok(conversation)
    }

    /// Writes it in the words of whoever asks other engines, its pictures as they were sent.
    ///
    /// # Errors
    ///
    /// If one of its pictures is none, or larger than is taken; the problem names it.
    pub(super) fn elsewhere(self, limits: Limits) -> Result<providers::Conversation, Problem> {
        let Self { conversation, pictures: Pictures(sent) } = self;
        let pictures = limits.shown(&sent)?;
        if !conversation.add_generation_prompt && !conversation.continue_final_message {
            let accepted = "true for a model on another engine, which always answers";
            return Err(Problem::parameter("add_generation_prompt", accepted));
        }
        let messages = conversation.messages.iter().map(|message| turn(message, &pictures));
        if !conversation.documents.is_empty() {
            let detail =
                "The model runs on another engine, which takes no 'documents'; write them into a message.";
            return Err(Problem::new(Kind::BadRequest, detail).about("documents"));
        }
        Ok(providers::Conversation {
            messages: messages.collect(),
            tools: conversation.tools.iter().map(value).collect(),
            continues: conversation.continue_final_message,
            variables: conversation
                .variables
                .iter()
                .map(|(name, json)| (name.clone(), value(json)))
                .collect(),
            ..providers::Conversation::default()
        })
    }

    /// The media type that a part of a message was sent with, where it is a picture and says so.
    pub(crate) fn media_type(&self, part: &Json) -> Option<String> {
        let place = template::place(part)?;
        let data = &self.pictures.0.get(place)?.data;
        let kind = data.strip_prefix("data:")?.split([';', ',']).next()?;
        Some(kind.to_owned()).filter(|kind| kind.starts_with("image/") && kind.len() < 64)
    }
}

impl Limits {
    /// Makes parts of messages of what was sent.
    fn shown(self, sent: &[Sent]) -> Result<Vec<providers::Part>, Problem> {
        if let Some(beyond) = sent.get(self.count) {
            let accepted = format!("no more than {} pictures in one request", self.count);
            return Err(Problem::parameter(&beyond.at, accepted));
        }
        let part = |Sent { at, data }: &Sent| {
            let bytes = bytes(data).map_err(|refused| refused.problem(at))?;
            if bytes.len() > self.bytes {
                return Err(Problem::parameter(at, format!("a picture of {} bytes at most", self.bytes)));
            }
            let media_type = Picture::media_type(&bytes)
                .ok_or_else(|| Problem::parameter(at, "a picture: PNG, JPEG, GIF, WebP or BMP"))?;
            let base64 = data.rsplit(',').next().unwrap_or_default();
            let base64 = base64.chars().filter(|letter| !letter.is_whitespace()).collect();
            Ok(providers::Part::Picture { media_type: media_type.to_owned(), base64 })
        };
        sent.iter().map(part).collect()
    }
}

/// One turn in the words of whoever asks other engines.
fn turn(message: &template::Message, pictures: &[providers::Part]) -> providers::Message {
    let text = |name: &str| message.field(name).and_then(|value| value.as_str().map(str::to_owned));
    let part = |part: Json| match template::place(&part) {
        Some(place) => pictures.get(place).cloned(),
        None => Some(providers::Part::Text(part.field("text")?.as_str()?.to_owned())),
    };
    let content = message.field("content");
    let parts = match content.as_ref().and_then(|content| content.as_str()) {
        Some(text) => vec![providers::Part::Text(text.to_owned())],
        None => content.iter().flat_map(Json::elements).filter_map(part).collect(),
    };
    let calls = message.field("tool_calls");
    providers::Message {
        role: message.role(),
        parts,
        reasoning: text("reasoning_content").filter(|text| !text.is_empty()),
        calls: calls.iter().flat_map(Json::elements).map(|call| call_of(&call)).collect(),
        call_id: text("tool_call_id"),
        name: text("name"),
    }
}

fn call_of(call: &Json) -> providers::Call {
    let text =
        |json: Option<Json>| json.and_then(|json| json.as_str().map(str::to_owned)).unwrap_or_default();
    let function = call.field("function").unwrap_or_else(|| call.clone());
    let arguments = function.field("arguments").unwrap_or_else(Json::null);
    providers::Call {
        id: text(call.field("id")),
        name: text(function.field("name")),
        arguments: match arguments.as_str() {
            Some(text) => text.to_owned(),
            None if arguments.is_null() => "{}".to_owned(),
            None => value(&arguments).to_string(),
        },
    }
}

fn value(json: &Json) -> serde_json::Value {
    serde_json::to_value(json).unwrap_or_default()
}

impl From<Conversation> for Talk {
    fn from(conversation: Conversation) -> Self {
        Self { conversation, pictures: Pictures::default() }
    }
}

impl Deref for Talk {
    type Target = Conversation;

    fn deref(&self) -> &Conversation {
        &self.conversation
    }
}

impl DerefMut for Talk {
    fn deref_mut(&mut self) -> &mut Conversation {
        &mut self.conversation
    }
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            count: settings.pictures_max,
            bytes: settings.picture_bytes_max,
            pixels: settings.picture_pixels_max,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(&Settings::default())
    }
}

/// Why what was sent holds no bytes.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Address,
    Base64,
}

impl Refused {
    fn problem(self, at: &str) -> Problem {
        let detail = match self {
            Self::Address => format!(
                "The parameter '{at}' accepts a picture itself, as data:image/png;base64,…: this server fetches nothing \
                 from addresses. Fetch it, and send what came."
            ),
            Self::Base64 => format!("The parameter '{at}' accepts a picture in base64; this is no base64."),
        };
        Problem::new(Kind::BadRequest, detail).about(at)
    }
}

/// The bytes of a `data:` address, or of base64 alone.
fn bytes(data: &str) -> Result<Vec<u8>, Refused> {
    let data = data.trim();
    let scheme = data.get(..5).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("data:") {
        // No letter of base64.
        let is_address = data.contains(':');
        return if is_address { Err(Refused::Address) } else { base64(data).ok_or(Refused::Base64) };
    }
    match data.split_once(',') {
        Some((about, data)) if about.to_ascii_lowercase().ends_with(";base64") => {
            base64(data).ok_or(Refused::Base64)
        }
        _ => Err(Refused::Base64),
    }
}

/// Reads base64 of either alphabet, with or without its ending; spaces and line breaks count for nothing. `None` for what
/// is none, or nothing.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.trim_end().trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    // Six bits alone are no byte.
    (held < 6 && !out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_as_data_and_never_from_addresses() {
        let check = |data: &str, expected: Result<&[u8], Refused>| {
            assert_eq!(bytes(data), expected.map(<[u8]>::to_vec), "{data}");
        };
        check("data:image/png;base64,aGVsbG8=", Ok(b"hello"));
        check("DATA:;BASE64,aGVs\nbG8", Ok(b"hello"));
        check("aGVsbG8=", Ok(b"hello"));
        check("-_-_", Ok(&[0xfb, 0xff, 0xbf]));
        check("data:image/png,hello", Err(Refused::Base64));
        check("data:image/png;base64,", Err(Refused::Base64));
        check("a", Err(Refused::Base64));
        check("a$b=", Err(Refused::Base64));
        check("", Err(Refused::Base64));
        for address in
            ["http://127.0.0.1/a.png", "https://example.org/a.png", "file:///etc/passwd", "gs://a/b"]
        {
            check(address, Err(Refused::Address));
        }
    }
}
