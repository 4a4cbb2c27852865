//! OpenAI's lists, page by page.

use serde_json::{Value, json};

use crate::{params::Params, problem::Problem};

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// Objects at most.
    pub(super) limit: usize,
    /// Which way round; `None` where nothing is said.
    pub(super) newest_first: Option<bool>,
    /// The id of the last object that was seen.
    pub(super) after: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// Reads `limit`, `order` and `after`.
    pub(super) fn of(params: &'a Params) -> Result<Self, Problem> {
        let limit = params.number("limit", 1..=100, 20)?;
        let newest_first = match params.one("order")? {
            None => None,
            Some("asc") => Some(false),
            Some("desc") => Some(true),
            Some(_) => return Err(Problem::parameter("order", "asc or desc")),
        };
        Ok(Self { limit, newest_first, after: params.one("after")? })
    }

    /// Takes it out of all there are, the oldest first. Nothing comes after an object that is not there.
    pub(super) fn take(self, mut all: Vec<Value>, newest_first: bool) -> Value {
        if self.newest_first.unwrap_or(newest_first) {
            all.reverse();
        }
        if let Some(after) = self.after {
            let seen = all.iter().position(|object| object["id"] == after);
            all.drain(..seen.map_or(all.len(), |at| at + 1));
        }
        page(all, self.limit)
    }
}

/// Writes at most `limit` of what was found.
pub(super) fn page(mut found: Vec<Value>, limit: usize) -> Value {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let id = |object: Option<&Value>| object.map_or(Value::Null, |object| object["id"].clone());
    json!({
        "object": "list", "first_id": id(found.first()), "last_id": id(found.last()), "has_more": has_more,
        "data": found,
    })
}
