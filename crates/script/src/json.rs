//! Lua's values as JSON, and JSON as Lua's values.
//!
//! What is read becomes Lua's values as it is read, so that Lua's limit of memory is the limit of what a text can unfold to. What is
//! written is counted, since a table that stands in another one twice, and that in a third one twice, is written out each time.

use std::{collections::BTreeMap, fmt};

use mlua::{Lua, Table, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use crate::{options::kind, sandbox::Refused};

/// Reads JSON. Lists begin at 1; `null` is nil, so a key with it is not there, and a list may have holes. An empty list is known
/// for one when it is written again.
pub(crate) fn read(lua: &Lua, text: &[u8]) -> Result<Value, Refused> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Reading(lua).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    // Where Lua has no more memory, that was what it said, and the next thing that the script does says so again.
    read.map_err(|error| Refused::Said(format!("this is no JSON: {error}")))
}

/// Makes a value of JSON that is there already.
pub(crate) fn to_lua(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    Reading(lua).deserialize(json).map_err(mlua::Error::external)
}

/// Makes JSON of a value, of about so many bytes at most.
pub(crate) fn of(value: &Value, bytes_max: usize) -> Result<Json, String> {
    Writing { left: bytes_max, bytes_max, within: Vec::new() }.value(value)
}

/// Makes an object of a table whose keys are texts; an empty one is an object here.
pub(crate) fn object(table: &Table, bytes_max: usize) -> Result<Map<String, Json>, String> {
    match of(&Value::Table(table.clone()), bytes_max)? {
        Json::Object(object) => Ok(object),
        Json::Array(list) if list.is_empty() => Ok(Map::new()),
        _ => Err("it has to have names for keys".to_owned()),
    }
}

struct Writing {
    left: usize,
    bytes_max: usize,
    /// The tables that this value stands in.
    within: Vec<*const std::ffi::c_void>,
}

impl Writing {
    fn value(&mut self, value: &Value) -> Result<Json, String> {
        self.take(8)?;
        match value {
            Value::Nil => Ok(Json::Null),
            Value::Boolean(truth) => Ok(Json::Bool(*truth)),
            Value::Integer(whole) => Ok(Json::Number((*whole).into())),
            Value::Number(number) => Number::from_f64(*number)
                .map(Json::Number)
                .ok_or_else(|| format!("{number} is no number that JSON can say")),
            Value::String(text) => self.text(text).map(Json::String),
            Value::Table(table) => self.table(table),
            other => Err(format!("{} is nothing that JSON can say", kind(other))),
        }
    }

    fn text(&mut self, text: &mlua::LuaString) -> Result<String, String> {
        let text = text.to_str().map_err(|_| "a text is not UTF-8".to_owned())?;
        self.take(text.len())?;
        Ok(text.to_owned())
    }

    fn table(&mut self, table: &Table) -> Result<Json, String> {
        let pointer = table.to_pointer();
        if self.within.contains(&pointer) {
            return Err("a table holds itself".to_owned());
        }
        if self.within.len() >= DEPTH_MAX {
            return Err(format!("tables stand in each other more than {DEPTH_MAX} deep"));
        }
        self.within.push(pointer);
        let written = self.entries(table);
        self.within.pop();
        written
    }

    fn entries(&mut self, table: &Table) -> Result<Json, String> {
        // Lua has no order of keys, and another one in each run; the same table is to give the same text.
        let (mut object, mut list) = (BTreeMap::new(), Vec::new());
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            match key {
                Value::String(key) => {
                    let key = self.text(&key)?;
                    let value = self.value(&value).map_err(|why| below(&key, &why))?;
                    object.insert(key, value);
                }
                Value::Integer(place) if place >= 1 => {
                    let value = self.value(&value).map_err(|why| below(&place.to_string(), &why))?;
                    list.push((place, value));
                }
                other => return Err(format!("{} is a key, where JSON has texts", kind(&other))),
            }
        }
        match (object.is_empty(), list.is_empty()) {
            (true, true) if is_list(table) => Ok(Json::Array(Vec::new())),
            (_, true) => Ok(Json::Object(object.into_iter().collect())),
            (false, false) => Err("a table has both places and names; JSON has one or the other".to_owned()),
            (true, false) => {
                list.sort_by_key(|(place, _)| *place);
                let last = list.last().map_or(0, |(place, _)| *place);
                if usize::try_from(last).ok() != Some(list.len()) {
                    return Err(format!("a list has holes: {} values up to place {last}", list.len()));
                }
                Ok(Json::Array(list.into_iter().map(|(_, value)| value).collect()))
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let too_long = || format!("it would be longer than {} bytes", self.bytes_max);
        self.left = self.left.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }
}

/// Says where in a table something is wrong.
fn below(key: &str, why: &str) -> String {
    let key: String = key.chars().take(40).collect();
    match why.strip_prefix("at ") {
        Some(rest) => format!("at {key}.{rest}"),
        None => format!("at {key}: {why}"),
    }
}

/// An empty list that was read is told from an empty object by its metatable, which says no more than that.
pub(crate) fn is_list(table: &Table) -> bool {
    table.metatable().is_some_and(|meta| meta.raw_get::<bool>(LIST).unwrap_or(false))
}

/// Makes a table known for a list, if an empty one.
pub(crate) fn mark_list(lua: &Lua, list: &Table) -> mlua::Result<()> {
    let meta = lua.create_table()?;
    meta.raw_set(LIST, true)?;
    list.set_metatable(Some(meta))
}

struct Reading<'l>(&'l Lua);

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Boolean(truth))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<Value, E> {
        Ok(Value::Integer(whole))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<Value, E> {
        Ok(i64::try_from(whole).map_or(Value::Number(whole as f64), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.create_string(text).map(Value::String).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let list = self.0.create_table().map_err(A::Error::custom)?;
        let mut place = 0;
        while let Some(value) = items.next_element_seed(Reading(self.0))? {
            place += 1;
            list.raw_set(place, value).map_err(A::Error::custom)?;
        }
        if place == 0 {
            mark_list(self.0, &list).map_err(A::Error::custom)?;
        }
        Ok(Value::Table(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let table = self.0.create_table().map_err(A::Error::custom)?;
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Reading(self.0))?;
            table.raw_set(key, value).map_err(A::Error::custom)?;
        }
        Ok(Value::Table(table))
    }
}

/// A text of JSON that is written at most.
pub(crate) const BYTES_MAX: usize = 16 << 20;

/// As deep as JSON is read.
const DEPTH_MAX: usize = 126;

const LIST: &str = "__is_list";
