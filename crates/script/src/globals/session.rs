//! `Session`: sessions with a name, which the next run knows again. Texts and artifacts of one are in its room.

use std::{cell::RefCell, rc::Rc};

use athenaeum_retrieval::rooms::{NewSession, Session, SessionStatus, SessionsWanted, room_of};
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use crate::{
    json,
    options::Options,
    run::Host,
    sandbox::{Refused, table, told},
};

/// What all functions of one script share.
struct Sessions {
    host: Rc<Host>,
    /// The one that the script is in, by its own word.
    current: RefCell<Option<String>>,
}

pub(crate) fn functions(lua: &Lua, host: &Rc<Host>) -> mlua::Result<Table> {
    let sessions = Rc::new(Sessions { host: Rc::clone(host), current: RefCell::default() });
    macro_rules! with_sessions {
        ($function:expr) => {{
            let sessions = Rc::clone(&sessions);
            told(lua, move |lua, arguments| $function(&sessions, lua, arguments))?
        }};
    }
    let turning = |name: &'static str, to: SessionStatus| {
        move |sessions: &Sessions, lua: &Lua, id: Value| sessions.turn(lua, name, id, to)
    };
    let functions = vec![
        ("create", with_sessions!(Sessions::create)),
        ("get", with_sessions!(Sessions::get)),
        ("list", with_sessions!(Sessions::list)),
        ("save", with_sessions!(Sessions::save)),
        ("load", with_sessions!(Sessions::load)),
        ("suspend", with_sessions!(turning("Session.suspend", SessionStatus::Suspended))),
        ("resume", with_sessions!(turning("Session.resume", SessionStatus::Active))),
        ("complete", with_sessions!(turning("Session.complete", SessionStatus::Completed))),
        ("delete", with_sessions!(Sessions::delete)),
        ("get_current", with_sessions!(Sessions::get_current)),
        ("set_current", with_sessions!(Sessions::set_current)),
    ];
    table(lua, functions)
}

impl Sessions {
    /// `Session.create{ name, description, tags, metadata }`: its id.
    fn create(&self, _: &Lua, given: Value) -> Result<String, Refused> {
        let options = Options::of("Session.create", given, &["name", "description", "tags", "metadata"])?;
        let metadata = match options.table(&["metadata"])? {
            Some(table) => json::object(&table, 1 << 20)
                .or_else(|why| options.refuse(format_args!("in 'metadata': {why}")))?,
            None => serde_json::Map::new(),
        };
        let (name, description) = (options.text(&["name"])?, options.text(&["description"])?);
        let about = NewSession { name, description, tags: options.texts("tags")?, metadata };
        let session = self.host.wait(async |rooms, scope| rooms.begin_session(scope, about).await)?;
        Ok(session.id.to_string())
    }

    /// `Session.get(id)`: what is known of it.
    fn get(&self, lua: &Lua, id: Value) -> Result<Table, Refused> {
        Ok(about(lua, &self.find(lua, "Session.get", id)?)?)
    }

    /// `Session.list{ status, tags, limit }`: the newest first.
    fn list(&self, lua: &Lua, given: Value) -> Result<Table, Refused> {
        let options = Options::of("Session.list", given, &["status", "tags", "limit"])?;
        let status = match options.text(&["status"])? {
            None => None,
            Some(name) => match SessionStatus::named(&name) {
                Some(status) => Some(status),
                None => {
                    let names = SessionStatus::ALL.map(SessionStatus::as_str).join(", ");
                    return options.refuse(format_args!("has no status '{name}'; there are {names}"));
                }
            },
        };
        let limit = options.whole(&["limit"], 1, LISTED_MAX)?.unwrap_or(LISTED_MAX as usize);
        let wanted = SessionsWanted { status, tags: options.texts("tags")?, limit };
        let found = self.host.wait(async |rooms, scope| rooms.sessions(scope, &wanted).await)?;
        let list = lua.create_table()?;
        for session in &found {
            list.raw_push(about(lua, session)?)?;
        }
        Ok(list)
    }

    /// `Session.save(id)`: puts the vectors of its room together. What is known of it is on the disk since it was made.
    fn save(&self, lua: &Lua, id: Value) -> Result<bool, Refused> {
        let session = self.find(lua, "Session.save", id)?;
        let room = room_of(session.id);
        self.host.wait(async |rooms, scope| rooms.gather(scope, Some(&room)).await)?;
        Ok(true)
    }

    /// `Session.load(id)`: its id, where there is such a session.
    fn load(&self, lua: &Lua, id: Value) -> Result<String, Refused> {
        Ok(self.find(lua, "Session.load", id)?.id.to_string())
    }

    fn turn(&self, lua: &Lua, function: &str, id: Value, to: SessionStatus) -> Result<bool, Refused> {
        let id = named(lua, function, id)?;
        self.host.wait(async |rooms, scope| rooms.turn_session(scope, &id, to).await)?;
        Ok(true)
    }

    /// `Session.delete(id)`: with all that is in its room.
    fn delete(&self, lua: &Lua, id: Value) -> Result<bool, Refused> {
        let id = named(lua, "Session.delete", id)?;
        self.host.wait(async |rooms, scope| rooms.remove_session(scope, &id).await)?;
        let mut current = self.current.borrow_mut();
        if current.as_ref() == Some(&id) {
            *current = None;
        }
        Ok(true)
    }

    /// `Session.get_current()`: what `Session.set_current` was last given.
    fn get_current(&self, _: &Lua, (): ()) -> Result<Option<String>, Refused> {
        Ok(self.current.borrow().clone())
    }

    /// `Session.set_current(id)`, or of nothing.
    fn set_current(&self, lua: &Lua, id: Value) -> Result<bool, Refused> {
        let id = match id {
            Value::Nil => None,
            id => Some(self.find(lua, "Session.set_current", id)?.id.to_string()),
        };
        *self.current.borrow_mut() = id;
        Ok(true)
    }

    fn find(&self, lua: &Lua, function: &str, id: Value) -> Result<Session, Refused> {
        let id = named(lua, function, id)?;
        Ok(self.host.wait(async |rooms, scope| rooms.session(scope, &id).await)?)
    }
}

/// Reads the id of a session.
fn named(lua: &Lua, function: &str, id: Value) -> Result<String, Refused> {
    let options = Options::by_place(lua, function, [("id", id)])?;
    match options.text(&["id"])? {
        Some(id) => Ok(id),
        None => options.refuse("takes the id of a session"),
    }
}

fn about(lua: &Lua, session: &Session) -> mlua::Result<Table> {
    let Session { id, status, made_at, changed_at, about } = session;
    let told = lua.create_table()?;
    told.set("id", id.to_string())?;
    told.set("status", status.as_str())?;
    told.set("created_at", made_at.to_string())?;
    told.set("updated_at", changed_at.to_string())?;
    told.set("name", about.name.as_deref())?;
    told.set("description", about.description.as_deref())?;
    told.set("tags", about.tags.as_slice())?;
    let metadata = json::to_lua(lua, &Json::Object(about.metadata.clone()))?;
    told.set("metadata", &metadata)?;
    told.set("custom_metadata", metadata)?;
    Ok(told)
}

/// Sessions in one list.
const LISTED_MAX: i64 = 10_000;
