//! Where: the library, or one of its rooms.

use athenaeum_tenancy::Room;
use mlua::{Lua, Value};

use super::setting::Defaults;
use crate::{options::Options, sandbox::Refused};

/// The options that say where.
pub(super) const PLACES: &[&str] = &["scope", "scope_id", "tenant_id", "collection"];

/// Reads where; what [`Defaults`] say where nothing is said.
pub(super) fn place(options: &Options<'_>, defaults: &Defaults) -> Result<Option<Room>, Refused> {
    Ok(named(options)?.unwrap_or_else(|| defaults.room.clone()))
}

/// Reads where; `None` where nothing is said, and the library without a room where that is.
pub(super) fn named(options: &Options<'_>) -> Result<Option<Option<Room>>, Refused> {
    let (scope, id) = (options.text(&["scope"])?, options.text(&["scope_id"])?);
    let mut said = match scope {
        Some(scope) => Some(room(options, &scope, id.as_deref())?),
        None if id.is_some() => return options.refuse("takes 'scope' with 'scope_id', such as \"session\""),
        None => None,
    };
    let tenant = match options.text(&["tenant_id"])? {
        Some(tenant) => Some(room(options, "tenant", Some(&tenant))?),
        None => None,
    };
    let collection = match options.text(&["collection"])? {
        Some(name) => Some(room(options, &name, None)?),
        None => None,
    };
    for other in [tenant, collection].into_iter().flatten() {
        if said.get_or_insert_with(|| other.clone()) != &other {
            return options
                .refuse("was told two places; 'scope', 'tenant_id' and 'collection' each name one");
        }
    }
    Ok(said)
}

/// Reads where of two arguments.
pub(super) fn of_two(lua: &Lua, function: &str, scope: Value, id: Value) -> Result<Option<Room>, Refused> {
    let options = Options::by_place(lua, function, [("scope", scope), ("scope_id", id)])?;
    Ok(named(&options)?.flatten())
}

/// `"session"` with an id, `"session:abc"`, `"global"` for the library; any other name alone is a collection's.
fn room(options: &Options<'_>, scope: &str, id: Option<&str>) -> Result<Option<Room>, Refused> {
    let (kind, id) = match (scope, id) {
        ("global", None) => return Ok(None),
        ("global", Some(_)) => {
            return options.refuse("takes no 'scope_id' for the scope 'global', which is the library");
        }
        (kind, Some(id)) => (kind, id),
        (name, None) => match name.split_once(':') {
            Some((kind, id)) => (kind, id),
            None if KINDS.contains(&name) => {
                return options.refuse(format_args!(
                    "takes an id for the scope '{name}', as 'scope_id' or \"{name}:ID\""
                ));
            }
            None => ("collection", name),
        },
    };
    match Room::new(kind, id) {
        Ok(room) => Ok(Some(room)),
        Err(why) => options.refuse(format_args!("takes another scope: {why}")),
    }
}

/// Scopes that are nobody's without an id.
const KINDS: [&str; 9] =
    ["session", "user", "tenant", "workflow", "agent", "tool", "hook", "custom", "collection"];
