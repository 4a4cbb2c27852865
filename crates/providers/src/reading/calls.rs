//! Calls of tools, put together from what engines send of them.

use serde_json::Value;

use super::{Fault, Out, text_of};
use crate::Event;

/// The calls of an answer. Engines count them, or name them, or neither; they send them in pieces or whole; an id or a name may come late or
/// more than once.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    started: usize,
}

#[derive(Debug, Default)]
struct Call {
    /// What the engine counts it as.
    key: Option<u64>,
    id: Option<String>,
    name: String,
    /// What it was handed out as.
    index: Option<usize>,
    /// Arguments that came before the name.
    held: String,
    argued: bool,
}

impl Calls {
    /// Reads a piece of one call: `{index, id, function: {name, arguments}}`.
    pub(super) fn piece(&mut self, piece: &Value, out: &mut Out) -> Result<(), Fault> {
        let function = piece.get("function").unwrap_or(&Value::Null);
        let arguments = match function.get("arguments").unwrap_or(&Value::Null) {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            object @ Value::Object(_) => object.to_string(),
            _ => {
                return Err(Fault::NotUnderstood(
                    "a call's arguments are neither text nor object".to_owned(),
                ));
            }
        };
        let key = piece.get("index").and_then(Value::as_u64);
        let at = self.place(key, text_of(piece, "id"), text_of(function, "name"))?;
        let call = &mut self.calls[at];
        if call.index.is_some() {
            call.more(arguments, out);
            return Ok(());
        }
        super::lines::within(call.held.len() + arguments.len())?;
        call.held += &arguments;
        // An id may still come where nothing else has.
        if !call.name.is_empty() && (call.id.is_some() || !call.held.is_empty()) {
            self.start(at, out);
        }
        Ok(())
    }

    /// Reads a call that comes whole.
    pub(super) fn whole(&mut self, piece: &Value, out: &mut Out) -> Result<(), Fault> {
        let known = self.calls.len();
        let mut piece = piece.clone();
        // Each is one by itself, whatever it is counted as.
        if let Some(piece) = piece.as_object_mut() {
            piece.insert("index".to_owned(), known.into());
        }
        self.piece(&piece, out)
    }

    /// No more comes: what was waited for has not come.
    pub(super) fn end(&mut self, out: &mut Out) -> Result<(), Fault> {
        for at in 0..self.calls.len() {
            if self.calls[at].index.is_none() {
                if self.calls[at].name.is_empty() {
                    return Err(Fault::NotUnderstood("a call names no tool".to_owned()));
                }
                self.start(at, out);
            }
            if !self.calls[at].argued {
                self.calls[at].more("{}".to_owned(), out);
            }
        }
        self.calls.clear();
        Ok(())
    }

    /// Finds the call that a piece is of, and notes what it tells of it.
    fn place(&mut self, key: Option<u64>, id: &str, name: &str) -> Result<usize, Fault> {
        let last = self.calls.len().checked_sub(1);
        let known = match key {
            Some(key) => self.calls.iter().rposition(|call| call.key == Some(key)),
            None if !id.is_empty() => {
                let named = self.calls.iter().rposition(|call| call.id.as_deref() == Some(id));
                named.or(last.filter(|_| name.is_empty()))
            }
            None => last.filter(|_| name.is_empty()),
        };
        // Some engines count every call as the first; a name with an id of its own is another call.
        let known = known.filter(|&at| {
            let other = self.calls[at].id.as_deref().is_some_and(|known| !id.is_empty() && known != id);
            name.is_empty() || !other
        });
        let at = known.unwrap_or(self.calls.len());
        if at == CALLS_MAX {
            return Err(Fault::NotUnderstood(format!("it calls tools more than {CALLS_MAX} times")));
        }
        if known.is_none() {
            self.calls.push(Call { key, ..Call::default() });
        }
        let call = &mut self.calls[at];
        if call.index.is_none() {
            if call.id.is_none() && !id.is_empty() {
                call.id = Some(id.to_owned());
            }
            if call.name.is_empty() {
                name.clone_into(&mut call.name);
            }
        }
        Ok(at)
    }

    fn start(&mut self, at: usize, out: &mut Out) {
        let call = &mut self.calls[at];
        let (index, id, name) = (self.started, call.id.clone(), call.name.clone());
        self.started += 1;
        call.index = Some(index);
        out.event(Event::CallStarted { index, id, name });
        let held = std::mem::take(&mut call.held);
        call.more(held, out);
    }
}

impl Call {
    fn more(&mut self, delta: String, out: &mut Out) {
        if let Some(index) = self.index.filter(|_| !delta.is_empty()) {
            self.argued = true;
            out.event(Event::CallArguments { index, delta });
        }
    }
}

const CALLS_MAX: usize = 1024;
