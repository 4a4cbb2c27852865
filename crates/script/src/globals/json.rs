//! `JSON`: texts of JSON to values and back.

use mlua::{Lua, Result, Table, Value};

use crate::{
    json,
    options::kind,
    sandbox::{Refused, table, told},
};

pub(crate) fn functions(lua: &Lua) -> Result<Table> {
    let parse = told(lua, |lua, text: Value| {
        let Value::String(text) = text else {
            return Err(Refused::Said(format!("JSON.parse takes a text, not {}", kind(&text))));
        };
        json::read(lua, &text.as_bytes())
    })?;
    let stringify = told(lua, |_, (value, pretty): (Value, Option<bool>)| {
        let value = json::of(&value, json::BYTES_MAX).map_err(|why| format!("JSON.stringify: {why}"))?;
        let text = match pretty {
            Some(true) => serde_json::to_string_pretty(&value),
            _ => serde_json::to_string(&value),
        };
        Ok(text.map_err(|error| error.to_string())?)
    })?;
    table(lua, vec![("parse", parse), ("stringify", stringify)])
}
