//! What conversations and documents are about.

use std::process::ExitCode;

use athenaeum::retrieval::{
    search::Coverage,
    topics::{Example, Origin, Request, Topic, Topics, topics},
};
use serde::Serialize;

use super::{Context, Outcome, note, search::within};
use crate::{
    args::documents,
    output::{Output, Style, counted, grouped, one_line},
};

/// A topic, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    label: &'a str,
    words: &'a [String],
    passages: u64,
    documents: u64,
    conversations: u64,
    examples: Vec<ToldExample<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ToldExample<'a> {
    Message {
        conversation_id: String,
        message_id: i64,
        title: Option<&'a str>,
        role: &'a str,
        text: &'a str,
        score: f64,
    },
    Chunk {
        document_id: String,
        chunk_id: String,
        title: Option<&'a str>,
        path: Option<&'a str>,
        place: Option<&'a str>,
        text: &'a str,
        score: f64,
    },
}

pub(super) async fn run(context: &mut Context, args: &documents::Topics) -> Outcome {
    let sources = context.sources().await?;
    let meaning = context.meaning().await?;
    let request = Request { within: within(args.within), count: args.count.map(usize::from) };
    let places = (sources.archive.as_ref(), sources.library.as_ref());
    let found = topics(places, meaning.as_ref(), &context.scope, &request).await?;
    for notice in &found.notices {
        note(&format_args!("note: {}", one_line(&notice.0, 400)));
    }
    let output = &mut context.output;
    match output.json {
        true => found.topics.iter().try_for_each(|topic| output.object(&told(topic)))?,
        false => people(output, &found)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn people(output: &mut Output, found: &Topics) -> std::io::Result<()> {
    for topic in &found.topics {
        output.line(output.paint(Style::Strong, &one_line(&topic.label, 200)))?;
        let parts = [
            (topic.passages, "passage"),
            (topic.conversations, "conversation"),
            (topic.documents, "document"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = parts.map(|(count, thing)| counted(count, thing)).collect();
        output.line(output.paint(Style::Faint, &format!("  {}", counts.join(" · "))))?;
        topic.examples.iter().try_for_each(|example| shown(output, example))?;
        output.line("")?;
    }
    if found.topics.is_empty() {
        return Ok(());
    }
    let time = format!("{:.1} s", found.elapsed.as_secs_f64());
    let (topics, passages) =
        (counted(found.topics.len() as u64, "topic"), counted(found.passages, "passage"));
    let summary = format!("{topics} of {passages}, {time}. `athenaeum show ID` opens one.");
    output.line(output.paint(Style::Faint, &summary))?;
    match found.coverage {
        Some(Coverage { embedded, total }) if embedded < total => {
            let said = format!(
                "{} of {} passages and messages have a vector so far; `athenaeum library embed` goes on with the rest, \
                 and so does `athenaeum serve`.",
                grouped(embedded),
                grouped(total)
            );
            output.line(output.paint(Style::Faint, &said))
        }
        _ => Ok(()),
    }
}

fn shown(output: &mut Output, example: &Example) -> std::io::Result<()> {
    let (id, title) = match &example.origin {
        Origin::Message { conversation, .. } => (conversation.id.to_string(), conversation.title.as_deref()),
        Origin::Document { document, .. } => {
            let path = document.path.as_deref().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or(path);
            (document.id.to_string(), document.title.as_deref().or(Some(name)))
        }
    };
    let title = one_line(title.unwrap_or("(no title)"), 60);
    let label = output.paint(Style::Faint, &format!("  {id}  {title}: "));
    output.line(format_args!("{label}{}", one_line(&example.text, EXAMPLE_CHARS)))
}

fn told(topic: &Topic) -> Told<'_> {
    Told {
        label: &topic.label,
        words: &topic.words,
        passages: topic.passages,
        documents: topic.documents,
        conversations: topic.conversations,
        examples: topic.examples.iter().map(told_example).collect(),
    }
}

fn told_example(Example { origin, text, score }: &Example) -> ToldExample<'_> {
    match origin {
        Origin::Message { conversation, id, role } => ToldExample::Message {
            conversation_id: conversation.id.to_string(),
            message_id: id.0,
            title: conversation.title.as_deref(),
            role: role.as_str(),
            text,
            score: *score,
        },
        Origin::Document { document, chunk, place, .. } => ToldExample::Chunk {
            document_id: document.id.to_string(),
            chunk_id: chunk.to_string(),
            title: document.title.as_deref(),
            path: document.path.as_deref(),
            place: place.as_deref(),
            text,
            score: *score,
        },
    }
}

/// Characters shown of an example: a line or two.
const EXAMPLE_CHARS: usize = 120;
