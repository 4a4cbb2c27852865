use athenaeum_core::Provider;
use serde_json::Value;

use crate::{
    format::{Fit, Format, Shape},
    formats::ALL,
    sample::{Layout, Sample},
};

/// What a file is by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Empty,
    Json,
    Sqlite,
    Zip,
    /// Readable text that is not JSON.
    Text,
    /// Compressed in a way that is not unpacked here.
    Packed(&'static str),
    Binary,
}

impl Content {
    /// Looks at the first bytes of a file (after decoding).
    pub(crate) fn of(first: &[u8]) -> Self {
        let solid = first.trim_ascii_start();
        match first {
            _ if solid.is_empty() => Self::Empty,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Self::Zip,
            [0x1F, 0x8B, ..] => Self::Packed("gzip"),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Packed("zstd"),
            [b'7', b'z', 0xBC, 0xAF, ..] => Self::Packed("7z"),
            _ if first.starts_with(b"SQLite format 3\0") => Self::Sqlite,
            _ if json_begins(solid) => Self::Json,
            _ if first[..first.len().min(4_096)].contains(&0) => Self::Binary,
            _ if is_text(&first[..first.len().min(4_096)]) => Self::Text,
            _ => Self::Binary,
        }
    }
}

/// Formats to choose from: all, or those of one provider.
pub(crate) fn candidates(provider: Option<&Provider>) -> impl Iterator<Item = &'static Format> {
    let fits = move |format: &&'static Format| match (provider, &format.provider) {
        (Some(wanted), Some(provider)) => wanted == provider,
        _ => true,
    };
    ALL.iter().copied().filter(fits)
}

/// Finds the format of a JSON file. With a `provider` that none of its own formats recognises the file for, the
/// first of them, so that its parser may say what is wrong.
pub(crate) fn json_format(sample: &Sample<'_>, provider: Option<&Provider>) -> Option<&'static Format> {
    let fit = |format: &Format| match format.shape {
        Shape::Record { recognise, .. } | Shape::Log { recognise, .. } => recognise(sample),
        _ => Fit::No,
    };
    let recognised = best(candidates(provider), |format| believed(fit(format), provider));
    let any_record = |format: &&Format| matches!(format.shape, Shape::Record { .. });
    recognised
        .or_else(|| candidates(Some(provider?)).filter(|format| format.provider.is_some()).find(any_record))
}

/// Finds the format of a record among those that read record by record.
pub(crate) fn record_format(sample: &Sample<'_>, provider: Option<&Provider>) -> Option<&'static Format> {
    let fit = |format: &Format| match format.shape {
        Shape::Record { recognise, .. } => believed(recognise(sample), provider),
        _ => Fit::No,
    };
    best(candidates(provider), fit)
}

/// Finds the format of a text by its first 64 KiB.
pub(crate) fn text_format(head: &str, provider: Option<&Provider>) -> Option<&'static Format> {
    best(candidates(provider), |format| match format.shape {
        Shape::Text { recognise, .. } => recognise(head),
        _ => Fit::No,
    })
}

/// Finds the format of a database by the names of its tables.
pub(crate) fn sqlite_format(tables: &[String], provider: Option<&Provider>) -> Option<&'static Format> {
    best(candidates(provider), |format| match format.shape {
        Shape::Sqlite { recognise, .. } => recognise(tables),
        _ => Fit::No,
    })
}

/// Describes records that no format knows, for people: their layout and the names of their members.
pub(crate) fn describe(sample: &Sample<'_>) -> String {
    let layout = match sample.layout {
        Layout::Single => "one value".to_owned(),
        Layout::Array => "a list".to_owned(),
        Layout::Container(key) => {
            let beside = sample.head.as_object().map_or(0, |head| head.len().saturating_sub(1));
            format!("a list under '{}' beside {beside} other members", key.escape_debug())
        }
        Layout::Lines => "a value a line".to_owned(),
    };
    let first = match sample.first() {
        Value::Object(members) => {
            let keys: Vec<String> = members.keys().take(12).map(|key| shortened(key)).collect();
            format!("the first is an object of [{}]", keys.join(", "))
        }
        Value::Array(_) => "the first is a list".to_owned(),
        Value::String(_) => "the first is a text".to_owned(),
        Value::Null => "the first could not be read".to_owned(),
        _ => "the first is a number or a truth value".to_owned(),
    };
    format!("{layout}, {first}")
}

/// The names of the known formats, for people.
pub(crate) fn known() -> String {
    let mut names: Vec<&str> = ALL.iter().map(|format| format.name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// What a fit counts for where the person named `provider`, or none.
fn believed(fit: Fit, provider: Option<&Provider>) -> Fit {
    if fit == Fit::Told && provider.is_none() { Fit::No } else { fit }
}

/// The first of the best that fit at all.
fn best(
    formats: impl Iterator<Item = &'static Format>,
    fit: impl Fn(&Format) -> Fit,
) -> Option<&'static Format> {
    let mut best = (Fit::No, None);
    for format in formats {
        let fit = fit(format);
        if fit > best.0 {
            best = (fit, Some(format));
        }
    }
    best.1
}

fn shortened(key: &str) -> String {
    key.chars().take(40).collect::<String>().escape_debug().to_string()
}

/// Tells JSON from a text that begins with a bracket (a Markdown link, an INI section) by what follows it.
fn json_begins(solid: &[u8]) -> bool {
    let Some((bracket, rest)) = solid.split_first() else { return false };
    let next = rest.trim_ascii_start().first();
    match bracket {
        b'{' => matches!(next, None | Some(b'"' | b'}' | b'{' | b',')),
        b'[' => matches!(
            next,
            None | Some(b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b',')
        ),
        _ => false,
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let control = bytes.iter().filter(|byte| **byte < 0x20 && !b"\t\n\r\x0C\x1B".contains(byte)).count();
    let broken = match str::from_utf8(bytes) {
        Ok(_) => 0,
        Err(_) => String::from_utf8_lossy(bytes).matches(char::REPLACEMENT_CHARACTER).count(),
    };
    (control + broken) * 20 <= bytes.len()
}
