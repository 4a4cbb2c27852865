//! `ARGS` and `arg`: what was typed behind the script's name.

use mlua::{Lua, Result};

use crate::run::Script;

/// Sets both. `arg` has the words as they were typed, from 1, and the script's name at 0. In `ARGS` a word `--key` takes the next one
/// for its value, unless that begins with `--`, too: then its value is the text "true". `--key=value` is the same. What is left stands
/// at 1, 2, and so on.
pub(crate) fn set(lua: &Lua, script: &Script) -> Result<()> {
    let (words, named) = (lua.create_table()?, lua.create_table()?);
    words.set(0, script.name.as_str())?;
    named.set(0, script.name.as_str())?;
    for (place, word) in (1..).zip(&script.arguments) {
        words.set(place, word.as_str())?;
    }
    let mut place = 1;
    let mut rest = script.arguments.iter().peekable();
    while let Some(word) = rest.next() {
        match word.strip_prefix("--").filter(|key| !key.is_empty()) {
            Some(key) => match key.split_once('=') {
                Some((key, value)) => named.set(key, value)?,
                None => match rest.next_if(|next| !next.starts_with("--")) {
                    Some(value) => named.set(key, value.as_str())?,
                    None => named.set(key, "true")?,
                },
            },
            None => {
                named.set(place, word.as_str())?;
                place += 1;
            }
        }
    }
    lua.globals().set("arg", words)?;
    lua.globals().set("ARGS", named)
}
