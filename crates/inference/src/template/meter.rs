//! What a template may still use up while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use minijinja::{
    Error, ErrorKind, Value,
    value::{Tuple, ValueKind},
};

use super::Limits;

/// Counts down; shared by everything that one rendering calls.
#[derive(Clone)]
pub(super) struct Meter(Arc<Counts>);

struct Counts {
    work_left: AtomicU64,
    text_left: AtomicU64,
    limits: Limits,
}

/// Which limit ended a rendering; carried as the source of the engine's error.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("more than {limit} {what}")]
pub(super) struct Exceeded {
    pub(super) what: &'static str,
    pub(super) limit: u64,
}

impl Meter {
    /// `input` is what the conversation weighs; what goes through a template more than once may weigh so much more.
    pub(super) fn new(limits: Limits, input: u64) -> Self {
        let work = limits.work_bytes.saturating_add(input.saturating_mul(WORK_PER_INPUT));
        Self(Arc::new(Counts { work_left: work.into(), text_left: limits.text_bytes.into(), limits }))
    }

    /// Charges text that is written, whether into the prompt or into a variable.
    pub(super) fn write(&self, bytes: usize) -> Result<(), Error> {
        take(&self.0.text_left, bytes as u64)
            .map_err(|()| exceeded("bytes of text", self.0.limits.text_bytes))
    }

    /// Charges bytes that are looked at, moved or made.
    pub(super) fn work(&self, bytes: usize) -> Result<(), Error> {
        take(&self.0.work_left, bytes as u64)
            .map_err(|()| exceeded("bytes of work", self.0.limits.work_bytes))
    }

    /// Charges what one operation on this value may cost; does not look into containers.
    pub(super) fn weigh(&self, value: &Value) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            if text.len() > self.0.limits.text_bytes as usize {
                return Err(exceeded("bytes of text", self.0.limits.text_bytes));
            }
            return self.work(text.len() * COPIES);
        }
        match value.as_object() {
            Some(object) => {
                let length = object.enumerator_len().unwrap_or_default();
                if length > ELEMENTS_MAX {
                    return Err(exceeded("elements in a list", ELEMENTS_MAX as u64));
                }
                self.work((length + 1) * COPIES)
            }
            None => Ok(()),
        }
    }

    /// Charges all that a value holds, and refuses what nests too deeply to be walked through.
    ///
    /// A lazy sequence of known length comes back as a list, so that no chain of lazy ones can be built.
    pub(super) fn keep(&self, value: Value, in_namespace: bool) -> Result<Value, Error> {
        self.weigh(&value)?;
        let value = match value.kind() {
            ValueKind::Iterable if value.len().is_some() => value.try_iter()?.collect(),
            _ => value,
        };
        self.walk(&value, in_namespace, 0)?;
        Ok(value)
    }

    fn walk(&self, value: &Value, in_namespace: bool, depth: usize) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            return self.work(text.len() + NODE);
        }
        self.work(NODE)?;
        let Some(object) = value.as_object() else { return Ok(()) };
        if depth > DEPTH_MAX {
            return Err(exceeded("levels of nesting", DEPTH_MAX as u64));
        }
        if in_namespace && object.type_name().ends_with("::Namespace") {
            // It could come to hold itself, and printing it would never end.
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a namespace cannot become part of a namespace",
            ));
        }
        match value.kind() {
            ValueKind::Seq => {
                for element in value.try_iter()? {
                    self.walk(&element, in_namespace, depth + 1)?;
                }
            }
            ValueKind::Map => {
                for (key, element) in object.try_iter_pairs().into_iter().flatten() {
                    self.walk(&key, in_namespace, depth + 1)?;
                    self.walk(&element, in_namespace, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `left * right`, charged before it is made.
    pub(super) fn times(&self, left: &Value, right: &Value) -> Result<Value, Error> {
        let repeats = |what: &Value, count: &Value| {
            let repeatable = matches!(what.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable);
            (repeatable && count.is_integer()).then(|| count.as_i64().unwrap_or(i64::MAX).max(0) as usize)
        };
        let (what, count) = match (repeats(left, right), repeats(right, left)) {
            (Some(count), _) => (left, count),
            (_, Some(count)) => (right, count),
            _ => return product(left, right),
        };
        if let Some(text) = what.as_str() {
            let bytes = text.len().saturating_mul(count);
            self.work(bytes)?;
            if bytes > self.0.limits.text_bytes as usize {
                return Err(exceeded("bytes of text", self.0.limits.text_bytes));
            }
            return Ok(Value::from(text.repeat(count)));
        }
        let elements: Vec<Value> = what.try_iter()?.collect();
        let length = elements.len().saturating_mul(count);
        self.work(length.saturating_mul(COPIES))?;
        if length > ELEMENTS_MAX {
            return Err(exceeded("elements in a list", ELEMENTS_MAX as u64));
        }
        let repeated: Vec<Value> = elements.iter().cycle().take(length).cloned().collect();
        Ok(if what.is_tuple() { Value::from(Tuple::new(repeated)) } else { Value::from(repeated) })
    }
}

/// The product of two numbers; `true` counts as 1, as in Python.
fn product(left: &Value, right: &Value) -> Result<Value, Error> {
    let numeric = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    let impossible = || {
        let reason = format!("a {} cannot be multiplied with a {}", left.kind(), right.kind());
        Error::new(ErrorKind::InvalidOperation, reason)
    };
    if !numeric(left) || !numeric(right) {
        return Err(impossible());
    }
    let whole = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        _ if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    };
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return left.checked_mul(right).map(Value::from).ok_or_else(impossible);
    }
    let float = |value: &Value| match whole(value) {
        Some(whole) => Ok(whole as f64),
        None => f64::try_from(value.clone()),
    };
    Ok(Value::from(float(left)? * float(right)?))
}

pub(super) fn exceeded(what: &'static str, limit: u64) -> Error {
    let exceeded = Exceeded { what, limit };
    Error::new(ErrorKind::InvalidOperation, exceeded.to_string()).with_source(exceeded)
}

fn take(from: &AtomicU64, amount: u64) -> Result<(), ()> {
    let left = from.load(Relaxed).checked_sub(amount).ok_or(())?;
    from.store(left, Relaxed);
    Ok(())
}

/// One operation may leave this many bytes behind for each it reads: a text becomes a list of its letters.
const COPIES: usize = 16;
/// What walking to one value costs, in bytes that could be copied meanwhile.
const NODE: usize = 128;
/// How often a byte of the conversation may be worked on, beyond what is free.
const WORK_PER_INPUT: u64 = 4096;
/// Longer lists hold no conversation.
const ELEMENTS_MAX: usize = 1_000_000;
/// Deeper than any schema; shallow enough to be walked through on any stack.
const DEPTH_MAX: usize = 128;
