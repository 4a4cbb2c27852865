//! `JSON`: texts of JSON to values and back, and paths into values.

use std::rc::Rc;

use mlua::{Lua, Result, Table, Value};

use crate::{
    json,
    options::kind,
    path::{Path, Stopped, Walk},
    run::Host,
    sandbox::{Refused, table, told},
};

pub(crate) fn functions(lua: &Lua, host: &Rc<Host>) -> Result<Table> {
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
    let host = Rc::clone(host);
    let query = told(lua, move |lua, (value, path): (Value, Value)| query(&host, lua, &value, &path))?;
    table(lua, vec![("parse", parse), ("stringify", stringify), ("query", query)])
}

/// `JSON.query(value, path)`: what stands there, or, where the path has `[]`, a list of all that does.
fn query(host: &Host, lua: &Lua, value: &Value, path: &Value) -> std::result::Result<Value, Refused> {
    let Value::String(path) = path else {
        return Err(Refused::Said(format!("JSON.query takes a value and a path, not {}", kind(path))));
    };
    let path = path.to_str().map_err(|_| "JSON.query takes UTF-8 for its path".to_owned())?;
    let read =
        Path::read(&path).map_err(|why| format!("JSON.query cannot read '{}', {why}", shown(&path)))?;
    let look = || match host.watch.look() {
        Some(_) => Err(mlua::Error::runtime("the script is stopped")),
        None => Ok(()),
    };
    let list = lua.create_table()?;
    let mut take = |found: Value| list.raw_push(found);
    match read.walk(&mut Walk { lua, look: &look, take: &mut take }, value) {
        Ok(()) if read.finds_many() => {
            if list.raw_len() == 0 {
                json::mark_list(lua, &list)?;
            }
            Ok(Value::Table(list))
        }
        Ok(()) => Ok(list.raw_get(1)?),
        Err(Stopped::Lua(error)) => Err(error.into()),
        Err(Stopped::Said(why)) => Err(Refused::Said(format!("JSON.query, '{}': {why}", shown(&path)))),
    }
}

/// Shows a path that may be long.
fn shown(path: &str) -> String {
    path.chars().take(80).collect()
}
