use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::lenient::{Flag, Int, List, Object, Text, Time};

/// A conversation of the export, as far as it is read.
#[derive(Debug)]
pub(super) struct Chat<'a> {
    pub(super) id: Text<'a>,
    pub(super) conversation_id: Text<'a>,
    pub(super) title: Text<'a>,
    pub(super) create_time: Time,
    pub(super) update_time: Time,
    pub(super) current_node: Text<'a>,
    pub(super) default_model_slug: Text<'a>,
    pub(super) user_id: Text<'a>,
    pub(super) has_mapping: bool,
    /// In the order of the file.
    pub(super) nodes: Vec<Node<'a>>,
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The key in `mapping`.
    pub(super) id: Cow<'a, str>,
    pub(super) message: Object<ChatMessage<'a>>,
    pub(super) parent: Text<'a>,
    pub(super) children: List<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChatMessage<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) author: Author<'a>,
    /// In the place of an author, where something else than ChatGPT wrote the file.
    #[serde(borrow)]
    pub(super) role: Text<'a>,
    pub(super) create_time: Time,
    #[serde(borrow)]
    pub(super) content: Object<Content<'a>>,
    #[serde(borrow)]
    pub(super) recipient: Text<'a>,
    #[serde(borrow)]
    pub(super) metadata: Object<Metadata<'a>>,
}

/// Who speaks; some converters write the role alone.
#[derive(Debug, Default)]
pub(super) struct Author<'a> {
    pub(super) role: Text<'a>,
    pub(super) name: Text<'a>,
}

/// The members of all kinds of content together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) content_type: Text<'a>,
    #[serde(borrow)]
    pub(super) parts: List<Part<'a>>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) language: Text<'a>,
    #[serde(borrow)]
    pub(super) result: Text<'a>,
    #[serde(borrow)]
    pub(super) summary: Text<'a>,
    #[serde(borrow)]
    pub(super) title: Text<'a>,
    #[serde(borrow)]
    pub(super) url: Text<'a>,
    #[serde(borrow)]
    pub(super) snippet: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) content: Text<'a>,
    #[serde(borrow)]
    pub(super) output_str: Text<'a>,
    #[serde(borrow)]
    pub(super) thoughts: List<Object<Thought<'a>>>,
    #[serde(borrow)]
    pub(super) user_profile: Text<'a>,
    #[serde(borrow)]
    pub(super) user_instructions: Text<'a>,
    #[serde(borrow)]
    pub(super) model_set_context: Text<'a>,
    #[serde(borrow)]
    pub(super) screenshot: Object<Pointer<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Thought<'a> {
    #[serde(borrow)]
    pub(super) summary: Text<'a>,
    #[serde(borrow)]
    pub(super) content: Text<'a>,
    #[serde(borrow)]
    pub(super) chunks: List<Text<'a>>,
}

/// A part of a text or of mixed content.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Text(Cow<'a, str>),
    Object(Box<Pointer<'a>>),
    /// Null, a number, a list.
    Odd,
}

/// A part that is an object: mostly one that points to a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pointer<'a> {
    #[serde(borrow)]
    pub(super) content_type: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) asset_pointer: Text<'a>,
    #[serde(borrow)]
    pub(super) mime_type: Text<'a>,
    #[serde(borrow)]
    pub(super) format: Text<'a>,
    pub(super) size_bytes: Int,
    #[serde(borrow)]
    pub(super) audio_asset_pointer: Object<Box<Pointer<'a>>>,
    #[serde(borrow)]
    pub(super) video_container_asset_pointer: Object<Box<Pointer<'a>>>,
    #[serde(borrow)]
    pub(super) frames_asset_pointers: List<Part<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) model_slug: Text<'a>,
    #[serde(borrow)]
    pub(super) finish_details: Object<FinishDetails<'a>>,
    pub(super) is_visually_hidden_from_conversation: Flag,
    #[serde(borrow)]
    pub(super) attachments: List<Object<Upload<'a>>>,
    #[serde(borrow)]
    pub(super) aggregate_result: Object<AggregateResult<'a>>,
    #[serde(borrow)]
    pub(super) user_context_message_data: Object<UserContext<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FinishDetails<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Upload<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) file_id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) size: Int,
    #[serde(borrow)]
    pub(super) mime_type: Text<'a>,
    /// Older exports spell it so.
    #[serde(borrow, rename = "mimeType")]
    pub(super) mime_type_old: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AggregateResult<'a> {
    #[serde(borrow)]
    pub(super) messages: List<Object<AggregateMessage<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AggregateMessage<'a> {
    #[serde(borrow)]
    pub(super) image_url: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserContext<'a> {
    #[serde(borrow)]
    pub(super) about_user_message: Text<'a>,
    #[serde(borrow)]
    pub(super) about_model_message: Text<'a>,
}

// === Deserialize ===

impl<'de: 'a, 'a> Deserialize<'de> for Chat<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain<'a> {
            #[serde(borrow, default)]
            id: Text<'a>,
            #[serde(borrow, default)]
            conversation_id: Text<'a>,
            #[serde(borrow, default)]
            title: Text<'a>,
            #[serde(default)]
            create_time: Time,
            #[serde(default)]
            update_time: Time,
            #[serde(borrow, default)]
            current_node: Text<'a>,
            #[serde(borrow, default)]
            default_model_slug: Text<'a>,
            #[serde(borrow, default)]
            user_id: Text<'a>,
            #[serde(borrow, default)]
            mapping: Object<Mapping<'a>>,
        }

        let plain = Plain::deserialize(deserializer)?;
        Ok(Self {
            id: plain.id,
            conversation_id: plain.conversation_id,
            title: plain.title,
            create_time: plain.create_time,
            update_time: plain.update_time,
            current_node: plain.current_node,
            default_model_slug: plain.default_model_slug,
            user_id: plain.user_id,
            has_mapping: plain.mapping.0.is_some(),
            nodes: plain.mapping.0.map(|mapping| mapping.0).unwrap_or_default(),
        })
    }
}

/// The nodes in the order of the file, which a map would lose.
#[derive(Debug)]
struct Mapping<'a>(Vec<Node<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Mapping<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Plain<'a> {
            #[serde(borrow)]
            message: Object<ChatMessage<'a>>,
            #[serde(borrow)]
            parent: Text<'a>,
            #[serde(borrow)]
            children: List<Text<'a>>,
        }

        struct AsNodes;

        impl<'de> Visitor<'de> for AsNodes {
            type Value = Mapping<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of nodes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Mapping<'de>, A::Error> {
                let mut nodes = Vec::new();
                while let Some((id, node)) = access.next_entry::<Text<'de>, Object<Plain<'de>>>()? {
                    let node = node.0.unwrap_or_default();
                    let id = id.0.unwrap_or_default();
                    nodes.push(Node {
                        id,
                        message: node.message,
                        parent: node.parent,
                        children: node.children,
                    });
                }
                Ok(Mapping(nodes))
            }
        }

        deserializer.deserialize_map(AsNodes)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Author<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain<'a> {
            #[serde(borrow, default)]
            role: Text<'a>,
            #[serde(borrow, default)]
            name: Text<'a>,
        }

        struct AsAuthor;

        impl<'de> Visitor<'de> for AsAuthor {
            type Value = Author<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an author or a role")
            }

            fn visit_unit<E: Error>(self) -> Result<Author<'de>, E> {
                Ok(Author::default())
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Author<'de>, E> {
                Ok(Author::default())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Author<'de>, E> {
                Ok(Author::default())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Author<'de>, E> {
                Ok(Author::default())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Author<'de>, E> {
                Ok(Author::default())
            }

            fn visit_str<E: Error>(self, role: &str) -> Result<Author<'de>, E> {
                Ok(Author { role: Text(Some(role.to_owned().into())), name: Text(None) })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Author<'de>, A::Error> {
                while access.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Author::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Author<'de>, A::Error> {
                let plain = Plain::deserialize(MapAccessDeserializer::new(access))?;
                Ok(Author { role: plain.role, name: plain.name })
            }
        }

        deserializer.deserialize_any(AsAuthor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsPart;

        impl<'de> Visitor<'de> for AsPart {
            type Value = Part<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an object")
            }

            fn visit_unit<E: Error>(self) -> Result<Part<'de>, E> {
                Ok(Part::Odd)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Part<'de>, E> {
                Ok(Part::Odd)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Part<'de>, E> {
                Ok(Part::Odd)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Part<'de>, E> {
                Ok(Part::Odd)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Part<'de>, E> {
                Ok(Part::Odd)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Part<'de>, E> {
                Ok(Part::Text(text.to_owned().into()))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Part<'de>, E> {
                Ok(Part::Text(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Part<'de>, A::Error> {
                while access.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Part::Odd)
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Part<'de>, A::Error> {
                let pointer = Pointer::deserialize(MapAccessDeserializer::new(access))?;
                Ok(Part::Object(Box::new(pointer)))
            }
        }

        deserializer.deserialize_any(AsPart)
    }
}
