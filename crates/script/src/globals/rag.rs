//! `RAG`: texts into the library and its rooms, and what is found there.

mod place;
mod setting;

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use athenaeum_archive::library::Having;
use athenaeum_core::Timestamp;
use athenaeum_retrieval::{
    rooms::{Answer, Asked, By, Cutting, RoomHit, RoomStats, Text},
    search::{Mode, Request},
};
use athenaeum_tenancy::Room;
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use crate::{
    json,
    options::{Options, kind},
    run::Host,
    sandbox::{Refused, table, told},
};
use place::{PLACES, named, place};
use setting::Defaults;

/// What all functions of one script share.
struct Rag {
    host: Rc<Host>,
    defaults: RefCell<Defaults>,
    /// Where this script put something.
    touched: RefCell<BTreeSet<Option<Room>>>,
}

pub(crate) fn functions(lua: &Lua, host: &Rc<Host>) -> mlua::Result<Table> {
    let rag =
        Rc::new(Rag { host: Rc::clone(host), defaults: RefCell::default(), touched: RefCell::default() });
    macro_rules! with_rag {
        ($function:ident) => {{
            let rag = Rc::clone(&rag);
            told(lua, move |lua, arguments| rag.$function(lua, arguments))?
        }};
    }
    let functions = vec![
        ("search", with_rag!(search)),
        ("ingest", with_rag!(ingest)),
        ("create_session_collection", with_rag!(create_session_collection)),
        ("configure_session", with_rag!(configure_session)),
        ("cleanup_scope", with_rag!(cleanup_scope)),
        ("get_stats", with_rag!(get_stats)),
        ("list_providers", with_rag!(list_providers)),
        ("configure", with_rag!(configure)),
        ("save", with_rag!(save)),
    ];
    table(lua, functions)
}

impl Rag {
    /// `RAG.search(query, options)` or `RAG.search(options)`.
    fn search(&self, lua: &Lua, (first, second): (Value, Value)) -> Result<Table, Refused> {
        const NAME: &str = "RAG.search";
        let known: Vec<&str> = SEARCH.iter().chain(PLACES).copied().collect();
        let (query, options) = match first {
            Value::String(query) => {
                let query =
                    query.to_str().map_err(|_| format!("{NAME} takes UTF-8 for its query"))?.to_owned();
                (Some(query), Options::of(NAME, second, &known)?)
            }
            Value::Table(_) => {
                let known: Vec<&str> = known.iter().copied().chain(["query"]).collect();
                let options = Options::of(NAME, first, &known)?;
                (options.text(&["query"])?, options)
            }
            other => {
                let other = kind(&other);
                return Err(Refused::Said(format!("{NAME} takes a text to look for, not {other}")));
            }
        };
        let Some(query) = query else { return options.refuse("takes a text to look for, as 'query'") };
        let defaults = self.defaults();
        let most = Request::LIMIT_MAX as i64;
        let limit = options.whole(&["k", "top_k", "limit"], 1, most)?.unwrap_or(defaults.limit);
        let mode = match options.text(&["mode"])? {
            None => Mode::Hybrid,
            Some(name) => match Mode::named(&name) {
                Some(mode) => mode,
                None => return options.refuse("takes 'hybrid', 'text' or 'semantic' for 'mode'"),
            },
        };
        let threshold = options.number("threshold", -1.0, 1.0)?;
        let having = having(&options)?;
        let room = place(&options, &defaults)?;
        let asked = Asked { query, limit, mode, threshold, having };
        let found = self.host.wait(async |rooms, scope| rooms.search(scope, room.as_ref(), &asked).await)?;
        Ok(answer(lua, found)?)
    }

    /// `RAG.ingest(text or list of texts, options)`.
    fn ingest(&self, lua: &Lua, (texts, options): (Value, Value)) -> Result<Table, Refused> {
        const NAME: &str = "RAG.ingest";
        let known: Vec<&str> = INGEST.iter().chain(PLACES).copied().collect();
        let options = Options::of(NAME, options, &known)?;
        let defaults = self.defaults();
        let mut room = place(&options, &defaults)?;
        let cutting = cutting(&options, defaults.cutting)?;
        let provider = options.text(&["provider"])?;
        let texts = match texts {
            Value::Table(list) if is_list(&list)? => {
                let mut read = Vec::new();
                for (place, one) in (1..).zip(list.sequence_values::<Value>()) {
                    read.push(text(&format!("{NAME}, text {place},"), one?, &[])?);
                }
                read
            }
            Value::Table(one) => {
                let of_one = Options::of(NAME, Value::Table(one.clone()), &[TEXT, PLACES].concat())?;
                if let Some(own) = named(&of_one)? {
                    if named(&options)?.is_some_and(|other| other != own) {
                        return options.refuse("was told two places for one text");
                    }
                    room = own;
                }
                vec![text(NAME, Value::Table(one), PLACES)?]
            }
            other => {
                return options.refuse(format_args!(
                    "takes a table with 'content', or a list of such, not {}",
                    kind(&other)
                ));
            }
        };
        let count = texts.len();
        let kept = self.host.wait(async |rooms, scope| {
            setting::check_provider(rooms, provider.as_deref())?;
            let cancel = self.host.watch.cancel();
            let kept = rooms.keep(scope, room.as_ref(), texts, cutting, cancel).await;
            kept.map_err(setting::Failed::from)
        })?;
        self.touched.borrow_mut().insert(room);
        let told = lua.create_table()?;
        told.set("success", true)?;
        told.set("documents_processed", count)?;
        told.set("vectors_created", kept.vectors)?;
        told.set("chunks_created", kept.chunks)?;
        told.set("total_tokens", kept.tokens)?;
        told.set("ids", kept.ids)?;
        Ok(told)
    }

    /// `RAG.create_session_collection(session_id, ttl)`; the time in seconds.
    fn create_session_collection(&self, lua: &Lua, (id, ttl): (Value, Value)) -> Result<Table, Refused> {
        const NAME: &str = "RAG.create_session_collection";
        let options = Options::by_place(lua, NAME, [("session_id", id), ("ttl", ttl)])?;
        let room = options.session()?;
        let ttl = options.seconds("ttl")?.or(self.defaults().session_ttl);
        let (entry, made) = self.host.wait(async |rooms, scope| rooms.open(scope, &room, ttl).await)?;
        let told = lua.create_table()?;
        told.set("success", true)?;
        told.set("created", made)?;
        told.set("session_id", room.id())?;
        told.set("namespace", format!("session:{}", room.id()))?;
        told.set("ttl", entry.ttl.map(|ttl| ttl.as_secs_f64()))?;
        Ok(told)
    }

    /// `RAG.configure_session{ session_id, vector_ttl }`.
    fn configure_session(&self, lua: &Lua, given: Value) -> Result<Table, Refused> {
        let options = Options::of("RAG.configure_session", given, &["session_id", "vector_ttl"])?;
        let room = options.session()?;
        let Some(ttl) = options.seconds("vector_ttl")? else {
            return options.refuse("takes 'vector_ttl', the seconds that a text stays");
        };
        self.host.wait(async |rooms, scope| rooms.open(scope, &room, Some(ttl)).await)?;
        let told = lua.create_table()?;
        told.set("success", true)?;
        told.set("session_id", room.id())?;
        told.set("vector_ttl", ttl.as_secs_f64())?;
        Ok(told)
    }

    /// `RAG.cleanup_scope(scope, scope_id)`: how many texts were removed.
    fn cleanup_scope(&self, lua: &Lua, (scope, id): (Value, Value)) -> Result<u64, Refused> {
        const NAME: &str = "RAG.cleanup_scope";
        let room = place::of_two(lua, NAME, scope, id)?;
        let Some(room) = room else {
            return Err(Refused::Said(format!(
                "{NAME} removes a room, such as (\"session\", id), and no library"
            )));
        };
        let removed = self.host.wait(async |rooms, scope| rooms.remove(scope, &room).await)?;
        self.touched.borrow_mut().remove(&Some(room));
        Ok(removed.unwrap_or(0))
    }

    /// `RAG.get_stats(scope, scope_id)`; without arguments of the library.
    fn get_stats(&self, lua: &Lua, (scope, id): (Value, Value)) -> Result<Table, Refused> {
        let room = place::of_two(lua, "RAG.get_stats", scope, id)?;
        let stats = self.host.wait(async |rooms, scope| rooms.stats(scope, room.as_ref()).await)?;
        let RoomStats { library, vectors, bytes, ttl } = stats.unwrap_or_default();
        let told = lua.create_table()?;
        told.set("total_documents", library.documents)?;
        told.set("total_chunks", library.chunks)?;
        told.set("total_vectors", vectors)?;
        told.set("total_storage_bytes", bytes)?;
        told.set("ttl", ttl.map(|ttl| ttl.as_secs_f64()))?;
        Ok(told)
    }

    /// `RAG.list_providers()`: the names of what makes vectors.
    fn list_providers(&self, lua: &Lua, (): ()) -> Result<Table, Refused> {
        let names = self.host.wait(async |rooms, _| Ok::<_, setting::Failed>(setting::providers(rooms)))?;
        Ok(lua.create_sequence_from(names)?)
    }

    /// `RAG.configure{ … }`: what holds for the rest of this script where a call does not say otherwise.
    fn configure(&self, _: &Lua, given: Value) -> Result<bool, Refused> {
        let options = Options::of("RAG.configure", given, setting::CONFIGURE)?;
        let defaults = setting::read(&options, &self.defaults(), &self.host)?;
        *self.defaults.borrow_mut() = defaults;
        Ok(true)
    }

    /// `RAG.save()`: puts the vectors of what this script ingested together; they are on the disk since then.
    fn save(&self, _: &Lua, (): ()) -> Result<bool, Refused> {
        let touched = self.touched.borrow().clone();
        if !touched.is_empty() {
            self.host.wait(async |rooms, scope| {
                for room in &touched {
                    rooms.gather(scope, room.as_ref()).await?;
                }
                Ok::<_, athenaeum_retrieval::rooms::RoomsError>(())
            })?;
        }
        Ok(true)
    }

    fn defaults(&self) -> Defaults {
        self.defaults.borrow().clone()
    }
}

/// Reads a text to keep.
fn text(function: &str, given: Value, beside: &[&str]) -> Result<Text, Refused> {
    let options = Options::of(function, given, &[TEXT, beside].concat())?;
    let Some(said) = options.text(&["content", "text"])? else {
        return options.refuse("takes a text, as 'content' or 'text'");
    };
    let metadata = match options.table(&["metadata"])? {
        Some(table) => json::object(&table, METADATA_BYTES)
            .or_else(|why| options.refuse(format_args!("in 'metadata': {why}")))?,
        None => serde_json::Map::new(),
    };
    Ok(Text { id: options.text(&["id"])?, text: said, title: options.text(&["title"])?, metadata })
}

/// Tells a list of texts from one text: a table without anything in it is a text that lacks all.
fn is_list(table: &Table) -> Result<bool, Refused> {
    Ok(table.raw_len() > 0 && matches!(table.raw_get::<Value>(1)?, Value::Table(_)))
}

/// Reads how texts are to be cut: `chunking = { chunk_size, overlap, strategy }`, or the first two by themselves.
fn cutting(options: &Options<'_>, usual: Cutting) -> Result<Cutting, Refused> {
    let mut cutting = usual;
    let read = |options: &Options<'_>, cutting: &mut Cutting| -> Result<(), Refused> {
        let size = options.whole(&["chunk_size"], 1, Cutting::TOKENS_MAX as i64)?;
        if let Some(size) = size {
            // The usual overlap in this much.
            *cutting = Cutting { tokens_max: size, overlap: usual.overlap.min(size / 8), ..*cutting };
        }
        if let Some(overlap) = options.whole(&["overlap", "chunk_overlap"], 0, Cutting::TOKENS_MAX as i64)? {
            cutting.overlap = overlap;
        }
        if cutting.overlap * 2 > cutting.tokens_max {
            return options.refuse("takes an overlap of at most half of 'chunk_size'");
        }
        Ok(())
    };
    read(options, &mut cutting)?;
    if let Some(table) = options.table(&["chunking"])? {
        let within = Options::of(
            "chunking",
            Value::Table(table),
            &["chunk_size", "overlap", "chunk_overlap", "strategy"],
        )?;
        read(&within, &mut cutting)?;
        match within.text(&["strategy"])?.as_deref() {
            None => {}
            Some("sliding_window" | "sentence") => cutting.by = By::Sentences,
            Some("structure") => cutting.by = By::Structure,
            Some(other) => {
                return within.refuse(format_args!(
                    "has no strategy '{other}'; there are sliding_window (or sentence) and structure"
                ));
            }
        }
    }
    Ok(cutting)
}

/// Reads what of the metadata has to hold: a value for each key, or a list of those that will do.
fn having(options: &Options<'_>) -> Result<Vec<Having>, Refused> {
    let Some(table) = options.table(&["filters", "metadata_filter"])? else { return Ok(Vec::new()) };
    let read = json::object(&table, METADATA_BYTES);
    let object = read.or_else(|why| options.refuse(format_args!("in a filter: {why}")))?;
    let mut having = Vec::new();
    for (key, value) in object {
        let values = match value {
            Json::Array(values) => values,
            value => vec![value],
        };
        if values.iter().any(|value| value.is_object() || value.is_array()) {
            return options.refuse(format_args!(
                "compares '{key}' with texts, numbers and truth values, or a list of them, and with no other table"
            ));
        }
        having.push(Having { key, values });
    }
    Ok(having)
}

/// What a search gives: a table with the hits in a list, and, for scripts that take them from there, at its own places as well.
fn answer(lua: &Lua, found: Answer) -> mlua::Result<Table> {
    let (told, results) = (lua.create_table()?, lua.create_table()?);
    for (place, hit) in (1..).zip(found.hits) {
        let RoomHit { id, document, text, title, similarity, rank_score, metadata } = hit;
        let result = lua.create_table()?;
        let text = lua.create_string(&text)?;
        result.set("id", id)?;
        result.set("document_id", document.to_string())?;
        result.set("content", &text)?;
        result.set("text", text)?;
        result.set("title", title)?;
        result.set("score", similarity)?;
        result.set("rank_score", rank_score)?;
        result.set("metadata", json::to_lua(lua, &Json::Object(metadata))?)?;
        told.set(place, &result)?;
        results.set(place, result)?;
    }
    let notices: Vec<String> = found.notices.into_iter().map(|notice| notice.0.to_string()).collect();
    told.set("success", true)?;
    told.set("total", results.raw_len())?;
    told.set("results", results)?;
    told.set("notices", notices)?;
    Ok(told)
}

/// Takes what has expired out of all rooms, as a script first reaches for the library.
pub(crate) async fn sweep(rooms: &athenaeum_retrieval::rooms::Rooms, scope: &athenaeum_tenancy::Scope) {
    if let Err(error) = rooms.sweep(scope, Timestamp::now()).await {
        tracing::warn!(%error, "what has expired could not be taken out of its room");
    }
}

const SEARCH: &[&str] = &["k", "top_k", "limit", "mode", "threshold", "filters", "metadata_filter"];

const INGEST: &[&str] = &["chunking", "chunk_size", "overlap", "chunk_overlap", "provider"];

const TEXT: &[&str] = &["id", "content", "text", "title", "metadata"];

/// Metadata and filters as JSON; the library says so exactly.
const METADATA_BYTES: usize = 1 << 20;
