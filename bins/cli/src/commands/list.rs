use std::process::ExitCode;

use athenaeum::archive::{ConversationSummary, Cursor, SearchRequest};

use super::{Context, Outcome, note, search::day};
use crate::{
    args::List,
    output::{Output, Style, counted, one_line},
    wire::Summary,
};

pub(super) async fn run(context: &mut Context, args: List) -> Outcome {
    let archive = context.open_read_only().await?;
    let filters = args.filters.into_filters();
    let mut cursor = args.cursor.map(Cursor);
    let mut left = args.limit.max(1);
    loop {
        let limit = left.min(SearchRequest::LIMIT_MAX);
        let page = archive.conversations(&context.scope, &filters, cursor.as_ref(), limit).await?;
        for summary in &page.items {
            match context.output.json {
                true => context.output.object(&Summary::from(summary))?,
                false => people(&mut context.output, summary)?,
            }
        }
        left = left.saturating_sub(page.items.len());
        cursor = page.next;
        match &cursor {
            Some(next) if left == 0 => note(&format_args!("more with --cursor '{}'", next.0)),
            Some(_) if !page.items.is_empty() => continue,
            _ => {}
        }
        return Ok(ExitCode::SUCCESS);
    }
}

/// Writes one line: id, day, provider, title, size.
fn people(output: &mut Output, summary: &ConversationSummary) -> std::io::Result<()> {
    let time = summary.created_at.map(|time| time.to_string());
    let date = time.as_deref().map_or("          ", day);
    let title = match &summary.title {
        Some(title) => one_line(title, 80),
        None => output.paint(Style::Faint, "(no title)"),
    };
    let size = output.paint(Style::Faint, &counted(u64::from(summary.message_count), "message"));
    let id = output.paint(Style::Faint, &summary.id.to_string());
    output.line(format_args!("{id}  {date}  {:<11}  {title}  {size}", summary.provider.title()))
}
