use std::process::ExitCode;

use athenaeum::archive::{Cursor, Hit, SearchRequest, SearchResults, Total};

mod everywhere;

pub(super) use everywhere::{request, within};

use super::{Context, Outcome, note};
use crate::{
    args::{
        Search, SortChoice,
        documents::{Mode, Within},
    },
    output::{Output, Style, counted, grouped, one_line},
    wire::Found,
};

pub(super) async fn run(context: &mut Context, args: Search) -> Outcome {
    // Pages and the newest first are orders of one list; so is what there is without documents and vectors.
    let one_list = args.cursor.is_some() || args.sort == SortChoice::Recent;
    let by_word = args.place.mode == Mode::Text || !context.has_vectors()?;
    let chats_alone = args.place.within == Within::Chats || !context.has_library()?;
    if !(one_list || chats_alone && by_word) {
        return everywhere::run(context, args).await;
    }
    let archive = context.open_read_only().await?;
    let request = SearchRequest {
        query: args.query.join(" "),
        filters: args.filters.into_filters(),
        sort: args.sort.into(),
        limit: args.limit.clamp(1, SearchRequest::LIMIT_MAX),
        cursor: args.cursor.map(Cursor),
    };
    let results = archive.search(&context.scope, &request).await?;
    for notice in &results.notices {
        note(&format_args!("note: {}", one_line(&notice.0, 400)));
    }
    let output = &mut context.output;
    if output.json {
        for hit in &results.hits {
            output.object(&Found::from(hit))?;
        }
        if let Some(next) = &results.next {
            note(&format_args!("more with --cursor '{}'", next.0));
        }
    } else {
        people(output, &results, &request.query)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the hits grouped by conversation, in the order of their best hits.
fn people(output: &mut Output, results: &SearchResults, query: &str) -> std::io::Result<()> {
    if results.hits.is_empty() {
        return output.line(format_args!("Nothing found for {}.", one_line(query, 100)));
    }
    for group in by_conversation(&results.hits) {
        let Some(first) = group.first() else { continue };
        heading(output, first)?;
        for hit in group {
            passage(output, hit)?;
        }
        output.line("")?;
    }
    let total = match results.total {
        Total::Exactly(total) => counted(total, "match").replace("matchs", "matches"),
        Total::AtLeast(total) => format!("more than {} matches", grouped(total)),
    };
    let shown = grouped(results.hits.len() as u64);
    let time = format!("{:.1} ms", results.elapsed.as_secs_f64() * 1e3);
    let summary = format!("{shown} of {total}, {time}. `athenaeum show ID` opens one.");
    output.line(output.paint(Style::Faint, &summary))?;
    if let Some(next) = &results.next {
        output.line(output.paint(Style::Faint, &format!("More: --cursor '{}'", next.0)))?;
    }
    Ok(())
}

fn by_conversation(hits: &[Hit]) -> Vec<Vec<&Hit>> {
    let mut groups: Vec<Vec<&Hit>> = Vec::new();
    for hit in hits {
        let same = |group: &&mut Vec<&Hit>| {
            group.first().is_some_and(|first| first.conversation.id == hit.conversation.id)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(hit),
            None => groups.push(vec![hit]),
        }
    }
    groups
}

pub(super) fn heading(output: &mut Output, hit: &Hit) -> std::io::Result<()> {
    let conversation = &hit.conversation;
    let title = match &conversation.title {
        Some(title) => output.mark(title, &hit.title_marks, Some(Style::Strong)).replace(['\n', '\t'], " "),
        None => output.paint(Style::Faint, "(no title)"),
    };
    output.line(title)?;
    let date =
        conversation.created_at.map_or_else(String::new, |time| format!(" · {}", day(&time.to_string())));
    let line = format!(
        "{}{date} · {} · {}",
        conversation.provider.title(),
        counted(u64::from(conversation.message_count), "message"),
        conversation.id
    );
    output.line(output.paint(Style::Faint, &line))
}

pub(super) fn passage(output: &mut Output, hit: &Hit) -> std::io::Result<()> {
    let Some(message) = hit.message else { return Ok(()) };
    let branch = if hit.off_branch { ", other branch" } else { "" };
    let label = format!("  {:<9} #{message}{branch}  ", hit.role.as_str());
    let text = output.mark(&hit.snippet.text, &hit.snippet.marks, None);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let label = output.paint(Style::Faint, &label);
    output.line(format_args!("{label}{text}"))
}

/// Cuts a time to its day.
pub(super) fn day(time: &str) -> &str {
    time.split_once('T').map_or(time, |(day, _)| day)
}
