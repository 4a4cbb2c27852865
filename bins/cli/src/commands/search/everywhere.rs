//! Conversations and documents in one list, by word and by meaning.

use std::process::ExitCode;

use athenaeum::{
    archive::library,
    retrieval::search::{Coverage, Found, Hit, Mode, Rank, Request, Results, Why, Within},
};
use serde::Serialize;

use super::{Context, Outcome, heading, note, passage};
use crate::{
    args::{Search, documents},
    output::{Output, Style, counted, grouped, one_line},
    wire,
};

/// A hit of `search --json`.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Told<'a> {
    Message {
        #[serde(flatten)]
        hit: wire::Found<'a>,
        why: Reason,
    },
    Chunk {
        document_id: String,
        chunk_id: String,
        path: Option<&'a str>,
        format: &'a str,
        title: Option<&'a str>,
        heading: Option<&'a str>,
        place: Option<&'a str>,
        /// Bytes of the document's text.
        range: [usize; 2],
        /// Bytes of the file, where it is text.
        source_range: Option<[u64; 2]>,
        score: f64,
        snippet: &'a str,
        /// Matches in `snippet`, as pairs of byte offsets.
        marks: Vec<[usize; 2]>,
        why: Reason,
    },
}

/// The place in each list that has it.
#[derive(Debug, Serialize)]
struct Reason {
    text: Option<Place>,
    meaning: Option<Place>,
    /// Among those that a model has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rerank: Option<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    rank: u32,
    score: f64,
}

pub(super) async fn run(context: &mut Context, args: Search) -> Outcome {
    let query = args.query.join(" ");
    let asked = Request {
        query: query.clone(),
        filters: args.filters.into_filters(),
        limit: args.limit.clamp(1, Request::LIMIT_MAX),
        ..request(&args.place)
    };
    let sources = context.sources().await?;
    let meaning = if asked.mode == Mode::Text { None } else { context.meaning().await? };
    let searcher = context.searcher(sources.archive, sources.library, meaning, asked.rerank)?;
    let results = searcher.search(&context.scope, &asked).await?;
    for notice in &results.notices {
        note(&format_args!("note: {}", one_line(&notice.0, 400)));
    }
    let output = &mut context.output;
    if output.json {
        for hit in &results.hits {
            output.object(&told(hit))?;
        }
    } else {
        people(output, &results, &query)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads where and how to look.
pub(in crate::commands) fn request(place: &documents::Where) -> Request {
    Request {
        within: within(place.within),
        mode: match place.mode {
            documents::Mode::Text => Mode::Text,
            documents::Mode::Semantic => Mode::Semantic,
            documents::Mode::Hybrid => Mode::Hybrid,
        },
        formats: place.format.clone(),
        score_min: place.min_score,
        rerank: match (place.rerank, place.no_rerank) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
        ..Request::default()
    }
}

/// Reads where to look.
pub(in crate::commands) fn within(within: documents::Within) -> Within {
    match within {
        documents::Within::All => Within::All,
        documents::Within::Chats => Within::Chats,
        documents::Within::Library => Within::Library,
    }
}

fn people(output: &mut Output, results: &Results, query: &str) -> std::io::Result<()> {
    if results.hits.is_empty() {
        return output.line(format_args!("Nothing found for {}.", one_line(query, 100)));
    }
    for hit in &results.hits {
        match &hit.found {
            Found::Message(found) => {
                heading(output, found)?;
                passage(output, found)?;
                if hit.why.meaning.is_some() {
                    output.line(output.paint(Style::Faint, &format!("  {}", reason(&hit.why))))?;
                }
            }
            Found::Chunk(found) => chunk(output, found, &hit.why)?,
        }
        output.line("")?;
    }
    let shown = counted(results.hits.len() as u64, "hit");
    let more = if results.more { ", and there are more (-n)" } else { "" };
    let time = format!("{:.1} ms", results.elapsed.as_secs_f64() * 1e3);
    output.line(output.paint(Style::Faint, &format!("{shown}{more}, {time}.")))?;
    match results.coverage {
        Some(Coverage { embedded, total }) if embedded < total => {
            let said = format!(
                "{} of {} passages and messages can be found by meaning so far; `athenaeum library embed` goes on with \
                 the rest, and so does `athenaeum serve`.",
                grouped(embedded),
                grouped(total)
            );
            output.line(output.paint(Style::Faint, &said))
        }
        _ => Ok(()),
    }
}

fn chunk(output: &mut Output, found: &library::Hit, why: &Why) -> std::io::Result<()> {
    let chunk = &found.chunk;
    let document = &chunk.document;
    let path = document.path.as_deref().unwrap_or_default();
    let title = document.title.as_deref().unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path));
    output.line(output.paint(Style::Strong, &one_line(title, 200)))?;
    let place = chunk.place.as_deref().map_or_else(String::new, |place| format!(" · {place}"));
    let line = format!("{}{place} · {}", one_line(path, 300), reason(why));
    output.line(output.paint(Style::Faint, &line))?;
    let text = output.mark(&found.snippet.text, &found.snippet.marks, None);
    output.line(format_args!("  {}", text.split_whitespace().collect::<Vec<_>>().join(" ")))
}

fn reason(why: &Why) -> String {
    let place = |name: &str, rank: Option<Rank>| rank.map(|rank| format!("{name} #{}", rank.rank));
    [place("words", why.text), place("meaning", why.meaning), place("read", why.rerank)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

fn told(hit: &Hit) -> Told<'_> {
    let place = |rank: Option<Rank>| rank.map(|Rank { rank, score }| Place { rank, score });
    let Why { text, meaning, rerank } = hit.why;
    let why = Reason { text: place(text), meaning: place(meaning), rerank: place(rerank) };
    match &hit.found {
        Found::Message(found) => Told::Message { hit: wire::Found::from(&**found), why },
        Found::Chunk(found) => {
            let chunk = &found.chunk;
            Told::Chunk {
                document_id: chunk.document.id.to_string(),
                chunk_id: chunk.id.to_string(),
                path: chunk.document.path.as_deref(),
                format: &chunk.document.format,
                title: chunk.document.title.as_deref(),
                heading: chunk.heading.as_deref(),
                place: chunk.place.as_deref(),
                range: [chunk.range.start, chunk.range.end],
                source_range: chunk.source.as_ref().map(|range| [range.start, range.end]),
                score: hit.score,
                snippet: &found.snippet.text,
                marks: found.snippet.marks.iter().map(|mark| [mark.start, mark.end]).collect(),
                why,
            }
        }
    }
}
