//! Reads one file: finds out what it is and hands it to its format.

use std::io::{self, Cursor, Read};

use crate::{
    context::Context,
    decode::Decoded,
    detect::{self, Content},
    format::{Format, Reject, Shape},
    records::Records,
    sample::{Layout, Sample, glance},
    split::Limits,
};

/// What is looked at to tell what a file is.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// Reads a file of JSON or text. With `alone` (the person named this very file) anything that is no chat is a
/// problem; among others only what should have been one.
///
/// Returns what the file is when someone else must read it: a database or an archive.
pub(crate) fn read_stream(
    context: &mut Context<'_>,
    name: &str,
    source: Box<dyn Read + '_>,
    alone: bool,
) -> Option<Content> {
    let mut source: Box<dyn Read + '_> = Box::new(Decoded::new(source));
    let head = match read_head(&mut source) {
        Ok(head) => head,
        Err((head, error)) => {
            context.broken(format!("the file cannot be read further: {error}"));
            head
        }
    };
    let content = Content::of(&head);
    let text = String::from_utf8_lossy(&head[..head.len().min(HEAD_BYTES)]).into_owned();
    let whole: Box<dyn Read + '_> = Box::new(Cursor::new(head).chain(source));
    match content {
        Content::Sqlite | Content::Zip => return Some(content),
        Content::Json => read_json(context, name, whole, alone),
        Content::Text => read_text(context, whole, &text, alone),
        Content::Empty if alone || name.ends_with(".json") => context.broken("the file is empty"),
        Content::Packed(kind) => context.skipped(format!("packed with {kind}; unpack it first")),
        Content::Binary if alone || name.ends_with(".json") => context.broken("neither JSON nor text"),
        Content::Empty | Content::Binary => context.summary.companions += 1,
    }
    None
}

fn read_json(context: &mut Context<'_>, name: &str, source: Box<dyn Read + '_>, alone: bool) {
    let options = context.options;
    let provider = options.provider.as_ref();
    let probe = |layout: &Layout, head: &serde_json::Value, value: &serde_json::Value| {
        let records = std::slice::from_ref(value);
        detect::record_format(&Sample { name, layout, records, head }, provider).is_some()
    };
    let limits = Limits { record_bytes_max: options.record_bytes_max, depth_max: options.depth_max };
    let mut records = Records::new(source, limits, &probe);
    let sampled = records.sample();
    let head = records.head().clone();
    let layout = records.layout().clone();
    let sample = Sample { name, layout: &layout, records: &sampled, head: &head };
    let Some(format) = detect::json_format(&sample, provider) else {
        unknown_json(context, &sample, &mut records, alone);
        return;
    };
    context.summary.files += 1;
    context.head = head.clone();
    context.begin_format(format.name);
    match format.shape {
        Shape::Log { parse, .. } => parse(context, &mut records),
        _ => read_records(context, name, format, &mut records),
    }
}

/// Reads record by record. One that its file's format rejects is tried as another's before it is given up.
fn read_records(context: &mut Context<'_>, name: &str, format: &'static Format, records: &mut Records<'_>) {
    let provider = context.options.provider.clone();
    let layout = records.layout().clone();
    while let Some(record) = records.next(context) {
        let Err(Reject(reason)) = parse_record(context, format, record.text) else { continue };
        let value = glance(record.text);
        let head = context.head.clone();
        let sample = Sample { name, layout: &layout, records: &[value], head: &head };
        let other =
            detect::record_format(&sample, provider.as_ref()).filter(|other| other.name != format.name);
        let read = other.is_some_and(|other| {
            context.begin_format(other.name);
            parse_record(context, other, record.text).is_ok()
        });
        context.begin_format(format.name);
        if !read {
            context.skipped(format!("{reason} (at byte {}, read as {})", record.offset, format.name));
        }
    }
}

fn parse_record(context: &mut Context<'_>, format: &Format, text: &str) -> Result<(), Reject> {
    let Shape::Record { parse, .. } = format.shape else {
        return Err(Reject::new("not a format of single records"));
    };
    match parse(context, text) {
        // The typed readers refuse a member that stands twice, which JSON allows (RFC 8259, section 4).
        Err(Reject(reason)) if reason.contains("duplicate field") => {
            let value: serde_json::Value = serde_json::from_str(text)?;
            context.notice("the same member stands twice in an object; the last one counts");
            context.reading_instead_of(Some(text));
            let read = parse(context, &value.to_string());
            context.reading_instead_of(None);
            read
        }
        read => read,
    }
}

fn unknown_json(context: &mut Context<'_>, sample: &Sample<'_>, records: &mut Records<'_>, alone: bool) {
    if sample.records.is_empty() {
        // Says what is damaged, if anything is.
        let problems = context.summary.problems;
        while records.next(context).is_some() {}
        context.begin_record("");
        if context.summary.problems == problems && alone {
            context.broken("the file holds an empty list");
        }
        return;
    }
    if !alone && is_companion(sample.name) {
        context.summary.companions += 1;
        return;
    }
    if sample.records.iter().all(serde_json::Value::is_null) || sample.first() == &serde_json::json!({}) {
        // Let the reader say where it is damaged.
        let text = records.next(context).map(|record| record.text.to_owned()).unwrap_or_default();
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            context.broken(Reject::from(error).0);
            return;
        }
    }
    context.begin_record("");
    let seen = detect::describe(sample);
    context.broken(format!("not a chat export that is known here ({seen}); known are {}", detect::known()));
}

fn read_text(context: &mut Context<'_>, mut source: Box<dyn Read + '_>, head: &str, alone: bool) {
    let provider = context.options.provider.clone();
    let Some(format) = detect::text_format(head, provider.as_ref()) else {
        if alone {
            let known = detect::known();
            context.broken(format!("a text that is not a chat export known here; known are {known}"));
        } else {
            context.summary.companions += 1;
        }
        return;
    };
    let Shape::Text { parse, .. } = format.shape else { return };
    context.summary.files += 1;
    context.begin_format(format.name);
    if let Err(Reject(reason)) = parse(context, &mut source) {
        context.broken(format!("{reason} (read as {})", format.name));
    }
}

/// Files that exports hold beside the chats; known by name because nothing else marks them, and only asked
/// about after the content was found to be no chat.
fn is_companion(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "conversation_asset_file_names.json",
        "export_manifest.json",
        "group_chats.json",
        "library_files.json",
        "memories.json",
        "message_feedback.json",
        "model_comparisons.json",
        "ads.json",
        "ad_data.json",
        "codex_tasks.json",
        "shared_conversations.json",
        "shopping.json",
        "sora.json",
        "tasks.json",
        "user.json",
        "user_settings.json",
        "users.json",
        "package.json",
        "manifest.json",
        "settings.json",
        "config.json",
        "metadata.json",
    ];
    let base = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    NAMES.contains(&base.as_str())
}

/// Reads up to [`HEAD_BYTES`]; an error comes with what was read before it.
fn read_head(source: &mut dyn Read) -> Result<Vec<u8>, (Vec<u8>, io::Error)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    match source.take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Ok(_) => Ok(head),
        Err(error) => Err((head, error)),
    }
}
