//! A document's text, with the passage that somebody came for.

use std::ops::Range;

use askama::Template;
use athenaeum_core::DocumentId;
use axum::{
    extract::{Path, State},
    response::Html,
};
use serde::Deserialize;

use super::{Parameters, Room, file_name, marks_of, parameter, render};
use crate::{
    Desk,
    address::Address,
    error::Error,
    html::{bytes, counted, shortened},
    when::Clock,
};

/// Answers `GET /library/{id}`: `from` and `to` are bytes of the text to highlight, `q` words to mark, `part` a page of it.
pub(crate) async fn show(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Html<String>, Error> {
    let id: DocumentId = id.parse().map_err(|_| Error::NotFound)?;
    let library = desk.librarian.library().await?;
    let document = library.document(&athenaeum_tenancy::local(), id).await?;
    let text = document.text.as_str();
    let number = |name: &str| parameter(&parameters, name).parse::<usize>().ok();
    let passage = number("from")
        .zip(number("to"))
        .map(|(from, to)| from..to.min(text.len()))
        .filter(|range| !range.is_empty() && text.get(range.clone()).is_some());
    let parts = parts(text);
    let asked = number("part").and_then(|number| number.checked_sub(1)).filter(|at| *at < parts.len());
    let holding = passage.as_ref().map(|passage| parts.partition_point(|part| part.end <= passage.start));
    let at = asked.or(holding).unwrap_or(0).min(parts.len() - 1);
    let query = parameter(&parameters, "q");
    let summary = &document.summary;
    let clock = Clock::now(desk.settings.time_zone.as_deref());
    let name = document.paths.first().map_or("Document", |path| file_name(path));
    let title = summary.title.as_deref().map(|title| shortened(title, 160)).filter(|title| !title.is_empty());
    let title = title.unwrap_or_else(|| shortened(name, 160));
    let address = |part: usize| {
        Address::new(&format!("/library/{id}"))
            .with("part", &(part + 1).to_string())
            .with("q", query)
            .finish()
    };
    let problems: Vec<Problem> = serde_json::from_str(&document.problems).unwrap_or_default();
    render(&DocumentPage {
        room: Room::at(&title, "library"),
        title,
        format: summary.format.clone(),
        size: bytes(summary.bytes),
        chunks: counted(u64::from(summary.chunks), "passage", "passages"),
        when: summary.modified_at.map(|time| clock.minute(time)).unwrap_or_default(),
        blake3: summary.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        paths: document.paths.clone(),
        problems: problems.into_iter().map(|problem| shortened(&problem.reason, 300)).collect(),
        text: written(text, &parts[at], passage.as_ref(), query),
        number: at + 1,
        count: parts.len(),
        previous: at.checked_sub(1).map(address),
        next: (at + 1 < parts.len()).then(|| address(at + 1)),
    })
}

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    room: Room,
    title: String,
    format: String,
    size: String,
    chunks: String,
    when: String,
    blake3: String,
    paths: Vec<String>,
    problems: Vec<String>,
    /// HTML.
    text: String,
    number: usize,
    count: usize,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    reason: String,
}

/// Divides a text where lines end. There is always a first part, if an empty one.
fn parts(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut from = 0;
    while text.len() - from > PART_BYTES {
        let at_most = text.floor_char_boundary(from + PART_BYTES);
        let end = text[from..at_most].rfind('\n').map_or(at_most, |at| from + at + 1);
        parts.push(from..end);
        from = end;
    }
    parts.push(from..text.len());
    parts
}

/// Writes a part of a text as HTML, with what of the passage stands in it between marks.
fn written(text: &str, part: &Range<usize>, passage: Option<&Range<usize>>, query: &str) -> String {
    let marks = marks_of(query);
    let mut out = String::with_capacity(part.len() + part.len() / 8);
    let within = passage
        .map(|passage| passage.start.clamp(part.start, part.end)..passage.end.clamp(part.start, part.end))
        .filter(|within| !within.is_empty());
    match within {
        Some(within) => {
            marks.write(&mut out, &text[part.start..within.start]);
            out.push_str("<span id=\"passage\" class=\"cited\" tabindex=\"-1\">");
            marks.write(&mut out, &text[within.clone()]);
            out.push_str("</span>");
            marks.write(&mut out, &text[within.end..part.end]);
        }
        None => marks.write(&mut out, &text[part.clone()]),
    }
    out
}

/// Text on a page: some forty pages of a book.
const PART_BYTES: usize = 96 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole_text() {
        let text = "line é\n".repeat(40_000);
        let parts = parts(&text);
        assert!(parts.len() > 2);
        let joined: String = parts.iter().map(|part| &text[part.clone()]).collect();
        assert_eq!(joined, text);
        assert!(parts.iter().all(|part| part.len() <= PART_BYTES));
        assert_eq!((super::parts("").len(), super::parts("")[0].len()), (1, 0));
    }

    #[test]
    fn a_passage_is_shown_and_nothing_is_markup() {
        let text = "a <b> c & d";
        let html = written(text, &(0..text.len()), Some(&(2..5)), "");
        assert_eq!(html, "a <span id=\"passage\" class=\"cited\" tabindex=\"-1\">&lt;b&gt;</span> c &amp; d");
        assert_eq!(written(text, &(6..text.len()), Some(&(2..5)), "d"), "c &amp; <mark>d</mark>");
    }
}
