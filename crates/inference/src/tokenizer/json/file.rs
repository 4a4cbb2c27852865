//! What stands in a `tokenizer.json`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct File {
    pub(super) added_tokens: Option<Vec<AddedToken>>,
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) post_processor: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: Model,
}

#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) normalized: bool,
    #[serde(default)]
    pub(super) special: bool,
}

#[derive(Deserialize)]
pub(super) struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(super) vocab: Vocab,
    pub(super) merges: Option<Vec<Merge>>,
    pub(super) unk_token: Option<String>,
    pub(super) unk_id: Option<u32>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) byte_fallback: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) fuse_unk: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) ignore_merges: bool,
    pub(super) continuing_subword_prefix: Option<String>,
    pub(super) end_of_word_suffix: Option<String>,
    pub(super) max_input_chars_per_word: Option<usize>,
}

/// Texts with their numbers; for Unigram their scores as well, in the order of the numbers.
pub(super) struct Vocab {
    pub(super) tokens: Vec<(String, u32)>,
    pub(super) scores: Vec<f64>,
}

/// Left and right: `"a b"` or `["a", "b"]`.
pub(super) struct Merge(pub(super) String, pub(super) String);

impl Model {
    /// Returns the kind; older files do not say it.
    pub(super) fn kind(&self) -> String {
        let guessed = if self.merges.is_some() {
            "BPE"
        } else if !self.vocab.scores.is_empty() {
            "Unigram"
        } else if self.max_input_chars_per_word.is_some() {
            "WordPiece"
        } else {
            "WordLevel"
        };
        self.kind.clone().unwrap_or_else(|| guessed.to_owned())
    }
}

fn or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl<'de> Deserialize<'de> for Vocab {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Vocab;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens with their numbers or their scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocab, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    tokens.push(entry);
                }
                Ok(Vocab { tokens, scores: Vec::new() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocab, A::Error> {
                let (mut tokens, mut scores) = (Vec::new(), Vec::new());
                while let Some((text, score)) = list.next_element()? {
                    tokens.push((text, tokens.len() as u32));
                    scores.push(score);
                }
                Ok(Vocab { tokens, scores })
            }
        }

        deserializer.deserialize_any(Entries)
    }
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;

        impl<'de> Visitor<'de> for Pair {
            type Value = Merge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Merge, E> {
                let pair = text.split_once(' ');
                let (left, right) =
                    pair.ok_or_else(|| E::custom(format!("the merge {text:?} is not two texts")))?;
                Ok(Merge(left.to_owned(), right.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
                let (left, right) = (list.next_element()?, list.next_element()?);
                let (Some(left), Some(right)) = (left, right) else {
                    return Err(serde::de::Error::custom("a merge is not two texts"));
                };
                match list.next_element::<String>()? {
                    None => Ok(Merge(left, right)),
                    Some(_) => Err(serde::de::Error::custom("a merge is more than two texts")),
                }
            }
        }

        deserializer.deserialize_any(Pair)
    }
}
