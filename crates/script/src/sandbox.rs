//! Lua, without what reaches out of it, and with an eye on the clock.

use std::rc::Rc;

use mlua::{HookTriggers, Lua, LuaOptions, Result, StdLib, Table, Value, VmState, chunk::ChunkMode};

use crate::{
    ended::{Watch, Why},
    globals,
    run::{Host, Script},
};

/// Makes a Lua that may hold so much and ends when `watch` says so.
pub(crate) fn lua(memory_bytes: usize, watch: &Watch) -> Result<Lua> {
    let libraries =
        StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::MATH | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    lua.set_memory_limit(memory_bytes)?;
    let watch = watch.clone();
    let triggers = HookTriggers::new().every_nth_instruction(LOOK_EVERY);
    lua.set_global_hook(triggers, move |_, _| match watch.look() {
        Some(_) => Err(mlua::Error::runtime(STOPPED)),
        None => Ok(VmState::Continue),
    })?;
    Ok(lua)
}

/// Takes away what reaches out, and puts the globals in.
pub(crate) fn fill(lua: &Lua, script: &Script, host: &Rc<Host>) -> Result<()> {
    let native = lua.create_table()?;
    let watch = host.watch.clone();
    let over = lua.create_function(move |_, ()| Ok(watch.why().map(|_| STOPPED)))?;
    native.set("over", over)?;
    let watch = host.watch.clone();
    let exit = lua.create_function(move |_, code: u8| {
        watch.end(Why::Exit(code));
        Ok(())
    })?;
    native.set("exit", exit)?;
    let printing = Rc::clone(host);
    let print = lua.create_function(move |_, line: mlua::LuaString| {
        printing.print(line.as_bytes().to_vec());
        Ok(())
    })?;
    native.set("print", print)?;
    globals::args::set(lua, script)?;
    native.set("JSON", globals::json::functions(lua, host)?)?;
    native.set("RAG", globals::rag::functions(lua, host)?)?;
    native.set("Artifact", globals::artifact::functions(lua, host)?)?;
    native.set("Session", globals::session::functions(lua, host)?)?;
    lua.load(PRELUDE).set_name(format!("={OWN}")).set_mode(ChunkMode::Text).call::<()>(native)
}

/// Runs a script's source.
pub(crate) fn exec(lua: &Lua, script: &Script) -> Result<()> {
    let chunk = lua.load(without_first_line(&script.source)).set_name(format!("@{}", script.name));
    chunk.set_mode(ChunkMode::Text).exec()
}

/// Leaves out of a first line that is for a shell all but its end, so that lines keep their numbers.
fn without_first_line(source: &[u8]) -> &[u8] {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    if source.starts_with(b"#") {
        let end = source.iter().position(|byte| *byte == b'\n').unwrap_or(source.len());
        return &source[end..];
    }
    source
}

/// Makes a function for scripts of one that says what is wrong: it gives true and a value, or false and a sentence, which the
/// prelude raises with the script's line.
pub(crate) fn told<A, R>(
    lua: &Lua,
    function: impl Fn(&Lua, A) -> std::result::Result<R, Refused> + 'static,
) -> Result<mlua::Function>
where
    A: mlua::FromLuaMulti,
    R: mlua::IntoLua,
{
    lua.create_function(move |lua, arguments: A| {
        let said = match function(lua, arguments) {
            Ok(value) => (true, value.into_lua(lua)?),
            Err(Refused::Said(why)) => (false, Value::String(lua.create_string(why)?)),
            Err(Refused::Lua(error)) => return Err(error),
        };
        Ok(said)
    })
}

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A sentence for the script's person.
    Said(String),
    /// Lua itself failed: there is no memory left.
    Lua(mlua::Error),
}

impl From<mlua::Error> for Refused {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Said(why)
    }
}

/// Puts functions into a table, by name.
pub(crate) fn table(lua: &Lua, functions: Vec<(&str, mlua::Function)>) -> Result<Table> {
    let table = lua.create_table()?;
    for (name, function) in functions {
        table.set(name, function)?;
    }
    Ok(table)
}

const PRELUDE: &str = include_str!("prelude.lua");

/// What stands in a trace before lines of the prelude.
pub(crate) const OWN: &str = "athenaeum";

const STOPPED: &str = "the script is stopped";

/// Instructions between two looks at the clock: some tens of microseconds.
const LOOK_EVERY: u32 = 10_000;
