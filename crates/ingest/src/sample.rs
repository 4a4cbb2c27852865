use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What a format may look at to recognise a file: its name, how it is laid out, and its first records.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    /// The file's path inside the source; to break ties only.
    pub(crate) name: &'a str,
    /// Where the records stand.
    pub(crate) layout: &'a Layout,
    /// The first records (at least one, at most eight), pruned: long strings, arrays and objects are cut and
    /// what is nested deeper than six levels is `null`. See [`glance`].
    pub(crate) records: &'a [Value],
    /// The members of the top-level object around the records, pruned; `null` where there is none.
    pub(crate) head: &'a Value,
}

impl Sample<'_> {
    /// Returns the first record, `null` where there is none.
    pub(crate) fn first(&self) -> &Value {
        self.records.first().unwrap_or(&Value::Null)
    }

    /// Tells whether the file's name holds `word` (lower case) in any letter case.
    pub(crate) fn name_has(&self, word: &str) -> bool {
        self.name.to_ascii_lowercase().contains(word)
    }
}

/// How the records of a JSON file are laid out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Layout {
    /// The whole file is one value.
    #[default]
    Single,
    /// Elements of the top-level array.
    Array,
    /// Elements of an array inside the top-level object, under this key (`data.items` where nested).
    Container(String),
    /// One value a line, or values one after the other.
    Lines,
}

const STRING_MAX: usize = 256;
const ITEMS_MAX: usize = 8;
const MEMBERS_MAX: usize = 64;
const DEPTH_MAX: u32 = 6;

/// Reads `json` into a value cut down to a bounded size, however large the text is. Where the text is damaged,
/// returns what came before the damage at the top level.
pub(crate) fn glance(json: &str) -> Value {
    let mut reader = serde_json::Deserializer::from_str(json);
    if !json.trim_start().starts_with('{') {
        return Pruned(0).deserialize(&mut reader).unwrap_or(Value::Null);
    }
    let mut members = Map::new();
    let _ = reader.deserialize_map(TopLevel(&mut members));
    Value::Object(members)
}

/// Fills the map as it goes, so that a late error loses nothing that was read before.
struct TopLevel<'m>(&'m mut Map<String, Value>);

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        fill(self.0, access, 1)
    }
}

fn fill<'de, A: MapAccess<'de>>(
    members: &mut Map<String, Value>,
    mut access: A,
    depth: u32,
) -> Result<(), A::Error> {
    while let Some(key) = access.next_key::<String>()? {
        if members.len() < MEMBERS_MAX {
            let value = access.next_value_seed(Pruned(depth))?;
            members.insert(key, value);
        } else {
            access.next_value::<IgnoredAny>()?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Pruned(u32);

impl<'de> DeserializeSeed<'de> for Pruned {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.0 > DEPTH_MAX {
            deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Pruned {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        let end = value.floor_char_boundary(STRING_MAX);
        Ok(Value::String(value[..end].to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < ITEMS_MAX {
            let Some(item) = access.next_element_seed(Pruned(self.0 + 1))? else { return Ok(items.into()) };
            items.push(item);
        }
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        fill(&mut members, access, self.0 + 1)?;
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn large_things_are_cut() {
        let long = "é".repeat(1_000);
        let value = glance(&json!({"s": long, "a": vec![1; 100]}).to_string());
        assert_eq!(value["s"].as_str().map(str::len), Some(256));
        assert_eq!(value["a"].as_array().map(Vec::len), Some(8));
    }

    #[test]
    fn damage_loses_only_what_follows() {
        assert_eq!(glance(r#"{"id": 1, "mapping": {"x": "#), json!({"id": 1}));
        assert_eq!(glance("nonsense"), Value::Null);
        assert_eq!(glance(&"[".repeat(100_000)), Value::Null);
    }
}
