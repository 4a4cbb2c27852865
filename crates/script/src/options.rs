//! Tables of options: what is there is read by its type, and what has another name is refused.

use std::time::Duration;

use athenaeum_tenancy::Room;
use mlua::{Lua, Table, Value};

use crate::sandbox::Refused;

/// A table of options of a function.
pub(crate) struct Options<'f> {
    /// As scripts call it: `RAG.search`.
    function: &'f str,
    table: Option<Table>,
}

impl<'f> Options<'f> {
    /// Takes a table that has no keys but these. Nil is a table without any.
    pub(crate) fn of(function: &'f str, given: Value, known: &[&str]) -> Result<Self, Refused> {
        let table = match given {
            Value::Nil => None,
            Value::Table(table) => Some(table),
            other => {
                let other = kind(&other);
                return Err(Refused::Said(format!("{function} takes a table of options, not {other}")));
            }
        };
        let options = Self { function, table };
        options.check(known)?;
        Ok(options)
    }

    /// Takes arguments that are known by their places, as if they had been options of these names.
    pub(crate) fn by_place<const N: usize>(
        lua: &Lua,
        function: &'f str,
        given: [(&str, Value); N],
    ) -> Result<Self, Refused> {
        Ok(Self { function, table: Some(lua.create_table_from(given)?) })
    }

    fn check(&self, known: &[&str]) -> Result<(), Refused> {
        let Some(table) = &self.table else { return Ok(()) };
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair?;
            let name = match &key {
                Value::String(name) => name.to_string_lossy(),
                Value::Integer(place) => place.to_string(),
                other => other.type_name().to_owned(),
            };
            if !known.contains(&name.as_str()) {
                let name: String = name.chars().take(40).collect();
                let known = known.join(", ");
                return self.refuse(format!("has no option '{name}'; there are {known}"));
            }
        }
        Ok(())
    }

    /// Refuses with the function's name before.
    pub(crate) fn refuse<T>(&self, why: impl std::fmt::Display) -> Result<T, Refused> {
        Err(Refused::Said(format!("{} {why}", self.function)))
    }

    pub(crate) fn has(&self, name: &str) -> Result<bool, Refused> {
        Ok(!matches!(self.value(name)?, Value::Nil))
    }

    /// Returns what stands under the first of these names that something stands under.
    pub(crate) fn value(&self, name: &str) -> Result<Value, Refused> {
        match &self.table {
            // What a metatable would say is no option that was given.
            Some(table) => Ok(table.raw_get(name)?),
            None => Ok(Value::Nil),
        }
    }

    /// Returns the room of the session that `session_id` names, which has to be there.
    pub(crate) fn session(&self) -> Result<Room, Refused> {
        let Some(id) = self.text(&["session_id"])? else { return self.refuse("takes the id of a session") };
        Room::new("session", &id).or_else(|why| self.refuse(format_args!("takes another id: {why}")))
    }

    /// Refuses two names for one thing, and returns the one that is used.
    fn one_of<'n>(&self, names: &[&'n str]) -> Result<Option<&'n str>, Refused> {
        let mut given = None;
        for name in names {
            if self.has(name)?
                && let Some(other) = given.replace(*name)
            {
                return self
                    .refuse(format_args!("takes '{other}' or '{name}', which say the same, and not both"));
            }
        }
        Ok(given)
    }

    /// Returns a text; a number is none.
    pub(crate) fn text(&self, names: &[&str]) -> Result<Option<String>, Refused> {
        let Some(name) = self.one_of(names)? else { return Ok(None) };
        match self.value(name)? {
            Value::String(text) => match text.to_str() {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => self.refuse(format_args!("takes UTF-8 for '{name}'")),
            },
            other => self.refuse(format_args!("takes a text for '{name}', not {}", kind(&other))),
        }
    }

    /// Returns a whole number within these bounds.
    pub(crate) fn whole(&self, names: &[&str], least: i64, most: i64) -> Result<Option<usize>, Refused> {
        let Some(name) = self.one_of(names)? else { return Ok(None) };
        let whole = match self.value(name)? {
            Value::Integer(whole) => Some(whole),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(number as i64),
            _ => None,
        };
        match whole.filter(|whole| (least..=most).contains(whole)) {
            Some(whole) => Ok(usize::try_from(whole).ok()),
            None => self.refuse(format_args!("takes a whole number from {least} to {most} for '{name}'")),
        }
    }

    /// Returns a number within these bounds.
    pub(crate) fn number(&self, name: &str, least: f64, most: f64) -> Result<Option<f64>, Refused> {
        let number = match self.value(name)? {
            Value::Nil => return Ok(None),
            Value::Integer(whole) => whole as f64,
            Value::Number(number) => number,
            _ => f64::NAN,
        };
        if (least..=most).contains(&number) {
            return Ok(Some(number));
        }
        self.refuse(format_args!("takes a number from {least} to {most} for '{name}'"))
    }

    /// Returns a time in seconds, which may have fractions.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Refused> {
        Ok(self.number(name, 0.000_001, SECONDS_MAX)?.map(Duration::from_secs_f64))
    }

    /// Returns true or false.
    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Refused> {
        match self.value(name)? {
            Value::Nil => Ok(None),
            Value::Boolean(truth) => Ok(Some(truth)),
            other => self.refuse(format_args!("takes true or false for '{name}', not {}", kind(&other))),
        }
    }

    /// Returns a table.
    pub(crate) fn table(&self, names: &[&str]) -> Result<Option<Table>, Refused> {
        let Some(name) = self.one_of(names)? else { return Ok(None) };
        match self.value(name)? {
            Value::Table(table) => Ok(Some(table)),
            other => self.refuse(format_args!("takes a table for '{name}', not {}", kind(&other))),
        }
    }

    /// Returns a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Refused> {
        let Some(table) = self.table(&[name])? else { return Ok(Vec::new()) };
        let mut texts = Vec::new();
        for value in table.sequence_values::<Value>() {
            match value? {
                Value::String(text) => texts.push(text.to_string_lossy()),
                other => {
                    return self.refuse(format_args!("takes texts in '{name}', not {}", kind(&other)));
                }
            }
        }
        Ok(texts)
    }
}

/// Says what a value is, for people.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "a truth value",
        Value::Integer(_) | Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Table(_) => "a table",
        Value::Function(_) => "a function",
        Value::Thread(_) => "a coroutine",
        _ => "an object",
    }
}

/// A hundred years.
const SECONDS_MAX: f64 = 3_155_760_000.0;
