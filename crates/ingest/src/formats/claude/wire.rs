use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use crate::lenient::{Flag, Int, List, Object, Text, Time};

/// A conversation of the export, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Chat<'a> {
    #[serde(borrow, default)]
    pub(super) uuid: Text<'a>,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) conversation_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(default)]
    pub(super) created_at: Time,
    #[serde(default)]
    pub(super) updated_at: Time,
    #[serde(borrow, default)]
    pub(super) account: Object<Account<'a>>,
    #[serde(borrow, default)]
    pub(super) settings: Object<Settings<'a>>,
    #[serde(borrow, default)]
    pub(super) current_leaf_message_uuid: Text<'a>,
    #[serde(borrow, default)]
    pub(super) chat_messages: Option<List<Object<ChatMessage<'a>>>>,
    #[serde(borrow, default)]
    pub(super) messages: Option<List<Object<ChatMessage<'a>>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Account<'a> {
    #[serde(borrow, default)]
    pub(super) uuid: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Settings<'a> {
    #[serde(borrow, default)]
    pub(super) system_prompt: Text<'a>,
    #[serde(default, deserialize_with = "number")]
    pub(super) temperature: Option<f64>,
    #[serde(default)]
    pub(super) max_tokens: Int,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChatMessage<'a> {
    #[serde(borrow)]
    pub(super) uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) sender: Text<'a>,
    #[serde(borrow)]
    pub(super) role: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) content: Body<'a>,
    pub(super) created_at: Time,
    pub(super) timestamp: Time,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) parent_message_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) attachments: List<Object<File<'a>>>,
    #[serde(borrow)]
    pub(super) files: List<Object<File<'a>>>,
    #[serde(borrow)]
    pub(super) files_v2: List<Object<File<'a>>>,
}

/// What a message says.
#[derive(Debug, Default)]
pub(super) enum Body<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Blocks(Vec<Object<ContentBlock<'a>>>),
    /// Claude Design wraps the content with its author and time.
    Wrapped(Box<Wrapped<'a>>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wrapped<'a> {
    #[serde(borrow)]
    pub(super) content: Body<'a>,
    #[serde(borrow, rename = "authorName")]
    pub(super) author_name: Text<'a>,
    pub(super) timestamp: Time,
}

/// The members of all kinds of blocks together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContentBlock<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Text<'a>,
    #[serde(borrow)]
    pub(super) summaries: List<Object<Summary<'a>>>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) title: Text<'a>,
    #[serde(borrow)]
    pub(super) url: Text<'a>,
    #[serde(borrow)]
    pub(super) transcript: Text<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// What a tool gave back.
    #[serde(borrow)]
    pub(super) content: Body<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
    #[serde(borrow)]
    pub(super) file_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) file_name: Text<'a>,
    pub(super) is_error: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Summary<'a> {
    #[serde(borrow)]
    pub(super) summary: Text<'a>,
}

/// An attachment (with its text) or a file (without).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) file_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) file_name: Text<'a>,
    #[serde(borrow)]
    pub(super) file_type: Text<'a>,
    pub(super) file_size: Int,
    #[serde(borrow)]
    pub(super) extracted_content: Text<'a>,
}

// === Deserialize ===

impl<'de: 'a, 'a> Deserialize<'de> for Body<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsBody;

        impl<'de> Visitor<'de> for AsBody {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of blocks")
            }

            fn visit_unit<E: Error>(self) -> Result<Body<'de>, E> {
                Ok(Body::None)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Body<'de>, E> {
                Ok(Body::None)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Body<'de>, E> {
                Ok(Body::Text(value.to_string().into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Body<'de>, E> {
                Ok(Body::Text(value.to_string().into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Body<'de>, E> {
                Ok(Body::Text(value.to_string().into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Body<'de>, E> {
                Ok(Body::Text(text.to_owned().into()))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Body<'de>, E> {
                Ok(Body::Text(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Body<'de>, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = access.next_element()? {
                    blocks.push(block);
                }
                Ok(Body::Blocks(blocks))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Body<'de>, A::Error> {
                let wrapped = Wrapped::deserialize(MapAccessDeserializer::new(access))?;
                Ok(Body::Wrapped(Box::new(wrapped)))
            }
        }

        deserializer.deserialize_any(AsBody)
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Is(f64),
        IsNot(IgnoredAny),
    }

    Ok(match Number::deserialize(deserializer)? {
        Number::Is(value) => Some(value),
        Number::IsNot(_) => None,
    })
}
