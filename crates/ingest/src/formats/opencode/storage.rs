//! The folder `storage`: `session/…/<session>.json`, `message/<session>/<message>.json` and
//! `part/…/<message>/<part>.json`, in whatever folder they stand.

use std::collections::BTreeMap;

use crate::{
    context::Context,
    draft::{self, Notes},
    format::Reject,
    node::Node,
    source::{Entry, Tree},
};

/// Groups the files of each session: its own file first, then messages and parts by name.
pub(crate) fn claim(entries: &[Entry]) -> Vec<Vec<usize>> {
    let mut sessions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut session_of: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some((place, parent, _)) = placed(entry) else { continue };
        if place == Place::Message {
            sessions.entry(parent).or_default().push(index);
            session_of.insert(stem(entry), parent);
        }
    }
    for (index, entry) in entries.iter().enumerate() {
        let Some((place, parent, _)) = placed(entry) else { continue };
        let session = match place {
            Place::Message => continue,
            Place::Session => stem(entry),
            Place::Part => match session_of.get(parent) {
                Some(session) => session,
                None => continue,
            },
        };
        let Some(group) = sessions.get_mut(session) else { continue };
        match place {
            Place::Session => group.insert(0, index),
            _ => group.push(index),
        }
    }
    sessions
        .into_values()
        .filter(|group| group.first().is_some_and(|&first| is_session(&entries[first])))
        .collect()
}

pub(crate) fn parse(context: &mut Context<'_>, tree: &mut Tree, group: &[usize]) -> Result<(), Reject> {
    let mut session = None;
    let mut messages: Vec<(String, String)> = Vec::new();
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut notes = Notes::default();
    let mut room = context.options.record_bytes_max;
    for &index in group {
        let Some(entry) = tree.entries().get(index).cloned() else { continue };
        let Some((place, parent, _)) = placed(&entry) else { continue };
        let text = match tree.read(index, room as u64) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                notes.skipped(format!("{}: {error}", entry.name));
                continue;
            }
        };
        room = room.saturating_sub(text.len());
        if let Err(error) = Node::parse(&text) {
            notes.skipped(format!("{}: {error}", entry.name));
            continue;
        }
        let text = text.trim().trim_start_matches('\u{feff}').to_owned();
        match place {
            Place::Session => session = Some(text),
            Place::Message => messages.push((stem(&entry).to_owned(), text)),
            Place::Part => parts.entry(parent.to_owned()).or_default().push(text),
        }
    }
    let one = |(id, info): &(String, String)| {
        let parts = parts.get(id).map(|parts| parts.join(",")).unwrap_or_default();
        format!("{{\"info\":{info},\"parts\":[{parts}]}}")
    };
    let messages: Vec<String> = messages.iter().map(one).collect();
    let session = session.unwrap_or_else(|| "{}".to_owned());
    let json = format!("{{\"info\":{session},\"messages\":[{}]}}", messages.join(","));
    let node = Node::parse(&json).map_err(|error| Reject::new(error.to_string()))?;
    let conversation = super::conversation(&node, &mut notes);
    draft::emit_all(context, vec![conversation], notes);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Session,
    Message,
    Part,
}

/// What a file is by its place, the folder it stands in, and its name.
fn placed(entry: &Entry) -> Option<(Place, &str, &str)> {
    let mut from_the_end = entry.name.rsplit('/');
    let name = from_the_end.next().filter(|name| name.ends_with(".json"))?;
    let parent = from_the_end.next()?;
    let above = from_the_end.next().unwrap_or_default();
    let far_above = from_the_end.next().unwrap_or_default();
    let place = if above == "message" {
        Place::Message
    } else if above == "part" || far_above == "part" {
        Place::Part
    } else if is_session(entry) {
        Place::Session
    } else {
        return None;
    };
    Some((place, parent, name))
}

/// `session/info/<id>.json` or `session/<project>/<id>.json`.
fn is_session(entry: &Entry) -> bool {
    let mut from_the_end = entry.name.rsplit('/');
    let name = from_the_end.next().unwrap_or_default();
    let parent = from_the_end.next().unwrap_or_default();
    let above = from_the_end.next().unwrap_or_default();
    name.ends_with(".json") && (above == "session" || (parent == "session" && name.starts_with("ses_")))
}

fn stem(entry: &Entry) -> &str {
    let base = entry.base();
    base.strip_suffix(".json").unwrap_or(base)
}
