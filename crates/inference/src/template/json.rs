//! JSON that keeps the order of its keys, as templates print it.

use std::fmt;

use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::Error;

/// A JSON value whose objects keep their order; cheap to clone.
///
/// Templates print schemas and arguments as they came, and models know them in that order.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(pub(super) Value);

impl Json {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`Error::NotAConversation`] where it is not JSON, or nests deeper than 128.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::NotAConversation { reason: error.to_string() })
    }

    /// The value of a key, where this is an object that has it.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<Json> {
        let value = self.0.get_attr(key).ok().filter(|value| !value.is_undefined())?;
        Some(Self(value))
    }

    /// The text, where this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// The elements, where this is an array; else none.
    pub fn elements(&self) -> impl Iterator<Item = Json> + use<> {
        let elements = (self.0.kind() == minijinja::value::ValueKind::Seq).then(|| self.0.try_iter().ok());
        elements.flatten().into_iter().flatten().map(Self)
    }

    /// Keys and values in order, where this is an object; else none.
    pub fn entries(&self) -> impl Iterator<Item = (String, Json)> + use<> {
        let value = self.0.clone();
        let keys = (value.kind() == minijinja::value::ValueKind::Map).then(|| value.try_iter().ok());
        let keys = keys.flatten().into_iter().flatten();
        keys.map(move |key| (key.to_string(), Self(value.get_item(&key).unwrap_or_default())))
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_none() || self.0.is_undefined()
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Value::from(()))
    }

    /// An object of these entries, in this order.
    #[must_use]
    pub fn object(entries: impl IntoIterator<Item = (impl Into<String>, Json)>) -> Self {
        Self(Value::from_pairs(entries.into_iter().map(|(key, value)| (Value::from(key.into()), value.0))))
    }

    /// An array of these elements.
    #[must_use]
    pub fn array(elements: impl IntoIterator<Item = Json>) -> Self {
        Self(elements.into_iter().map(|element| element.0).collect())
    }

    /// The same with other texts, keys included; `None` where `change` changes none.
    pub(super) fn with_texts(&self, change: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        self.with_texts_from(0, change)
    }

    fn with_texts_from(&self, depth: usize, change: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        if let Some(text) = self.as_str() {
            return change(text).map(Self::from);
        }
        if depth > DEPTH_MAX {
            return None;
        }
        let mut changed = false;
        let mut follow = |value: Self| match value.with_texts_from(depth + 1, change) {
            Some(other) => {
                changed = true;
                other
            }
            None => value,
        };
        let elements: Vec<Self> = self.elements().map(&mut follow).collect();
        let entries: Vec<(String, Self)> = self.entries().map(|(key, value)| (key, follow(value))).collect();
        let other_key = |key: &String| change(key).is_some();
        if !changed && !entries.iter().any(|(key, _)| other_key(key)) {
            return None;
        }
        if !elements.is_empty() {
            return Some(Self::array(elements));
        }
        Some(Self::object(entries.into_iter().map(|(key, value)| (change(&key).unwrap_or(key), value))))
    }
}

/// Deeper than [`Json::parse`] goes.
const DEPTH_MAX: usize = 200;

impl fmt::Display for Json {
    /// Writes JSON as Python's `json.dumps(…, ensure_ascii=False)` does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::tojson::plain(&self.0))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self(Value::from(text))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self(Value::from(text))
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Self {
        Self(Value::from(truth))
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(Value::from(minijinja::value::Serde(value)))
    }
}
