//! `Artifact`: what a session made or was given; its text is found in the session's scope.

use std::rc::Rc;

use athenaeum_core::Timestamp;
use athenaeum_retrieval::rooms::{Artifact, ArtifactKind, NewArtifact};
use athenaeum_tenancy::Room;
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use crate::{
    json,
    options::Options,
    run::Host,
    sandbox::{Refused, table, told},
};

pub(crate) fn functions(lua: &Lua, host: &Rc<Host>) -> mlua::Result<Table> {
    macro_rules! with_host {
        ($function:ident) => {{
            let host = Rc::clone(host);
            told(lua, move |lua, arguments| $function(&host, lua, arguments))?
        }};
    }
    let functions = vec![
        ("store", with_host!(store)),
        ("get", with_host!(get)),
        ("list", with_host!(list)),
        ("delete", with_host!(delete)),
        ("query", with_host!(query)),
    ];
    table(lua, functions)
}

/// `Artifact.store(session_id, type, name, content, metadata)`.
fn store(
    host: &Host,
    lua: &Lua,
    (session, kind, name, content, metadata): (Value, Value, Value, Value, Value),
) -> Result<Table, Refused> {
    const NAME: &str = "Artifact.store";
    let options = Options::by_place(
        lua,
        NAME,
        [
            ("session_id", session),
            ("type", kind),
            ("name", name),
            ("content", content),
            ("metadata", metadata),
        ],
    )?;
    let session = options.session()?;
    let kind = kind_of(&options)?;
    let (Some(kind), Some(name)) = (kind, options.text(&["name"])?) else {
        return options.refuse("takes a session, a type, a name and a content, in this order");
    };
    let content = match options.value("content")? {
        Value::String(text) => match text.to_str() {
            Ok(text) => text.to_owned(),
            Err(_) => return options.refuse("keeps texts, and this content is not UTF-8"),
        },
        table @ Value::Table(_) => {
            let value = json::of(&table, json::BYTES_MAX);
            value.or_else(|why| options.refuse(format_args!("in 'content': {why}")))?.to_string()
        }
        other => {
            return options.refuse(format_args!(
                "takes a text or a table for 'content', not {}",
                crate::options::kind(&other)
            ));
        }
    };
    let (mut tags, mut about) = (Vec::new(), serde_json::Map::new());
    if let Some(table) = options.table(&["metadata"])? {
        about = json::object(&table, 1 << 20)
            .or_else(|why| options.refuse(format_args!("in 'metadata': {why}")))?;
        if let Some(Json::Array(listed)) = about.get("tags") {
            tags = listed.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        }
    }
    let new = NewArtifact { kind, name, content, tags, metadata: about };
    let cancel = host.watch.cancel();
    let kept = host.wait(async |rooms, scope| rooms.keep_artifact(scope, &session, new, cancel).await)?;
    Ok(id(lua, &session, &kept)?)
}

/// `Artifact.get(session_id, id)`: what is known of it and its text, or nil.
fn get(host: &Host, lua: &Lua, (session, wanted): (Value, Value)) -> Result<Option<Table>, Refused> {
    let (session, wanted) = asked(lua, "Artifact.get", session, wanted)?;
    let found = host.wait(async |rooms, scope| match wanted.number(rooms, scope, &session).await? {
        Some(number) => rooms.artifact(scope, &session, number).await,
        None => Ok(None),
    })?;
    let Some((artifact, content)) = found else { return Ok(None) };
    let told = lua.create_table()?;
    told.set("metadata", about(lua, &session, &artifact)?)?;
    told.set("content", content)?;
    Ok(Some(told))
}

/// `Artifact.list(session_id)`.
fn list(host: &Host, lua: &Lua, session: Value) -> Result<Table, Refused> {
    let session = Options::by_place(lua, "Artifact.list", [("session_id", session)])?.session()?;
    let artifacts = host.wait(async |rooms, scope| rooms.artifacts(scope, &session).await)?;
    listed(lua, &session, artifacts.iter())
}

/// `Artifact.delete(session_id, id)`: whether there was one.
fn delete(host: &Host, lua: &Lua, (session, wanted): (Value, Value)) -> Result<bool, Refused> {
    let (session, wanted) = asked(lua, "Artifact.delete", session, wanted)?;
    let deleted = host.wait(async |rooms, scope| match wanted.number(rooms, scope, &session).await? {
        Some(number) => rooms.remove_artifact(scope, &session, number).await,
        None => Ok(false),
    })?;
    Ok(deleted)
}

/// `Artifact.query{ session_id, type, name_pattern, tags, created_after, created_before, min_size, max_size, limit }`.
fn query(host: &Host, lua: &Lua, given: Value) -> Result<Table, Refused> {
    let options = Options::of("Artifact.query", given, QUERY)?;
    let session = options.session()?;
    let (kind, tags, pattern) =
        (kind_of(&options)?, options.texts("tags")?, options.text(&["name_pattern"])?);
    let size = |name: &str| options.whole(&[name], 0, i64::MAX);
    let (least, most, limit) = (size("min_size")?, size("max_size")?, size("limit")?);
    // Seconds, as os.time gives them.
    let time = |name: &str| options.number(name, -1e11, 1e11);
    let (after, before) = (time("created_after")?, time("created_before")?);
    let artifacts = host.wait(async |rooms, scope| rooms.artifacts(scope, &session).await)?;
    let passes = |artifact: &&Artifact| {
        let stored = seconds(artifact.stored_at);
        kind.as_ref().is_none_or(|kind| artifact.kind == *kind)
            && tags.iter().all(|tag| artifact.tags.contains(tag))
            && pattern.as_ref().is_none_or(|pattern| matches(pattern, &artifact.name))
            && least.is_none_or(|least| artifact.bytes >= least as u64)
            && most.is_none_or(|most| artifact.bytes <= most as u64)
            && after.is_none_or(|after| stored >= after)
            && before.is_none_or(|before| stored <= before)
    };
    listed(lua, &session, artifacts.iter().filter(passes).take(limit.unwrap_or(usize::MAX)))
}

/// How a script names an artifact.
enum Wanted {
    Number(u64),
    Hash(String),
}

impl Wanted {
    /// Returns its number; of several with one text the last one's.
    async fn number(
        &self,
        rooms: &athenaeum_retrieval::rooms::Rooms,
        scope: &athenaeum_tenancy::Scope,
        session: &Room,
    ) -> Result<Option<u64>, athenaeum_retrieval::rooms::RoomsError> {
        match self {
            Self::Number(number) => Ok(Some(*number)),
            Self::Hash(hash) => {
                let artifacts = rooms.artifacts(scope, session).await?;
                let last = artifacts.iter().rev().find(|artifact| artifact.content_hash == *hash);
                Ok(last.map(|artifact| artifact.sequence))
            }
        }
    }
}

/// Reads a session and an artifact's id: the table that `Artifact.store` gave, its number, or the hash of its text.
fn asked(lua: &Lua, function: &str, session: Value, id: Value) -> Result<(Room, Wanted), Refused> {
    let options = Options::by_place(lua, function, [("session_id", session)])?;
    let session = options.session()?;
    let number = |number: i64| u64::try_from(number).ok().map(Wanted::Number);
    let wanted = match id {
        Value::Table(table) => match table.raw_get::<Value>("sequence")? {
            Value::Integer(sequence) => number(sequence),
            _ => None,
        },
        Value::Integer(sequence) => number(sequence),
        Value::String(hash) => Some(Wanted::Hash(hash.to_string_lossy())),
        _ => None,
    };
    match wanted {
        Some(wanted) => Ok((session, wanted)),
        None => options
            .refuse("takes a session and what Artifact.store gave, or its sequence, or its content_hash"),
    }
}

fn kind_of(options: &Options<'_>) -> Result<Option<ArtifactKind>, Refused> {
    let Some(name) = options.text(&["type"])? else { return Ok(None) };
    let Some(kind) = ArtifactKind::named(&name) else {
        return options.refuse(
            "takes a type of 1 to 64 characters: agent_output, tool_result, user_input, system_generated or one of your own",
        );
    };
    Ok(Some(kind))
}

fn listed<'a>(
    lua: &Lua,
    session: &Room,
    artifacts: impl Iterator<Item = &'a Artifact>,
) -> Result<Table, Refused> {
    let list = lua.create_table()?;
    for artifact in artifacts {
        list.raw_push(about(lua, session, artifact)?)?;
    }
    Ok(list)
}

fn id(lua: &Lua, session: &Room, artifact: &Artifact) -> mlua::Result<Table> {
    let id = lua.create_table()?;
    id.set("content_hash", artifact.content_hash.as_str())?;
    id.set("session_id", session.id())?;
    id.set("sequence", artifact.sequence)?;
    Ok(id)
}

fn about(lua: &Lua, session: &Room, artifact: &Artifact) -> mlua::Result<Table> {
    let told = id(lua, session, artifact)?;
    told.set("type", artifact.kind.as_str())?;
    told.set("name", artifact.name.as_str())?;
    told.set("size", artifact.bytes)?;
    told.set("created_at", seconds(artifact.stored_at))?;
    told.set("tags", artifact.tags.as_slice())?;
    told.set("custom", json::to_lua(lua, &Json::Object(artifact.metadata.clone()))?)?;
    Ok(told)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// Tells whether a name is as a pattern says: `*` stands for any letters, `?` for one. Takes no longer than the two are long
/// together, times the name.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how much it took.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, took)) = &mut star {
            *took += 1;
            (p, n) = (*at + 1, *took);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

const QUERY: &[&str] = &[
    "session_id",
    "type",
    "name_pattern",
    "tags",
    "created_after",
    "created_before",
    "min_size",
    "max_size",
    "limit",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_marks_stand_for_letters() {
        for (pattern, name, expected) in [
            ("*.txt", "report.txt", true),
            ("*.txt", "report.md", false),
            ("re?ort*", "report.txt", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("[a]", "[a]", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
