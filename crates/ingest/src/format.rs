use std::io::Read;

use athenaeum_core::Provider;
use serde_json::Value;

use crate::{
    context::Context,
    records::Records,
    sample::Sample,
    source::{Entry, Tree},
};

/// One way in which one provider writes conversations down: a row of [`crate::formats::ALL`].
pub(crate) struct Format {
    /// `None` where each record names its own.
    pub(crate) provider: Option<Provider>,
    /// What people would call it, for summaries and problems: `ChatGPT export`.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
}

/// How a format lies in its files, and the functions that read it.
///
/// `recognise` sees a small sample and must be cheap and certain of nothing: the highest [`Fit`] of all formats
/// wins, the earlier row on a tie. `parse` hands conversations to [`Context::emit`].
pub(crate) enum Shape {
    /// Each JSON value is a conversation: an element of the top-level array or of an array inside the top-level
    /// object, the whole object, or a line. The scaffold loops, so that a bad record costs only itself.
    Record { recognise: fn(&Sample<'_>) -> Fit, parse: fn(&mut Context<'_>, &str) -> Result<(), Reject> },
    /// The JSON values of a file together make one conversation or several (the log of an agent). The parser
    /// loops over the records itself.
    Log { recognise: fn(&Sample<'_>) -> Fit, parse: fn(&mut Context<'_>, &mut Records<'_>) },
    /// A file that is not JSON. `recognise` sees its first 64 KiB, `parse` the whole as UTF-8 (lossy).
    Text { recognise: fn(&str) -> Fit, parse: fn(&mut Context<'_>, &mut dyn Read) -> Result<(), Reject> },
    /// An SQLite database on the disk, to be opened read-only. `recognise` sees the names of its tables, in
    /// lower case, sorted, as far as they could be read from the file.
    Sqlite {
        recognise: fn(&[String]) -> Fit,
        parse: fn(&mut Context<'_>, &std::path::Path) -> Result<(), Reject>,
    },
    /// Several files of a folder or archive together make a conversation. `claim` returns groups of indexes of
    /// entries; claimed files are not looked at otherwise. `parse` is called once a group.
    Folder {
        claim: fn(&[Entry]) -> Vec<Vec<usize>>,
        parse: fn(&mut Context<'_>, &mut Tree, &[usize]) -> Result<(), Reject>,
    },
}

/// How well a file fits a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// It is something else.
    No,
    /// The shape fits as far as it can be told; to be believed only where the person named the provider.
    Told,
    /// The general shape fits, as it would fit others.
    Weak,
    /// It has the names that only this format has.
    Strong,
}

impl Fit {
    /// [`Fit::Strong`] or [`Fit::No`].
    pub(crate) fn strong(fits: bool) -> Self {
        if fits { Self::Strong } else { Self::No }
    }

    /// [`Fit::Weak`] or [`Fit::No`].
    pub(crate) fn weak(fits: bool) -> Self {
        if fits { Self::Weak } else { Self::No }
    }
}

/// Why a record could not be read as its format; one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject(pub(crate) String);

impl Reject {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl From<serde_json::Error> for Reject {
    fn from(error: serde_json::Error) -> Self {
        Self(match error.classify() {
            serde_json::error::Category::Data => format!("not as expected: {error}"),
            _ => format!("not valid JSON: {error}"),
        })
    }
}

/// Tells whether `value` is an object that has all of `keys`.
pub(crate) fn has_keys(value: &Value, keys: &[&str]) -> bool {
    keys.iter().all(|key| value.get(key).is_some())
}
