use std::process::ExitCode;

use athenaeum::archive::{Archive, ImportEvent, ImportStatus};
use serde::Deserialize;

use super::{Context, Outcome};
use crate::{
    args::Imports,
    output::{Output, Style, counted, one_line},
    wire::{self, Run},
};

pub(super) async fn run(context: &mut Context, args: &Imports) -> Outcome {
    let archive = context.open_read_only().await?;
    let Some(id) = &args.id else {
        for event in &recent(context, &archive, args.limit.max(1)).await? {
            match context.output.json {
                true => context.output.object(&Run::from(event))?,
                false => line(&mut context.output, event)?,
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let event = find(context, &archive, id).await?;
    match context.output.json {
        true => context.output.object(&Run::from(&event))?,
        false => whole(&mut context.output, &event)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn recent(context: &Context, archive: &Archive, count: usize) -> anyhow::Result<Vec<ImportEvent>> {
    let (mut events, mut cursor) = (Vec::new(), None);
    while events.len() < count {
        let page = archive.imports(&context.scope, cursor.as_ref(), (count - events.len()).min(200)).await?;
        events.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(events)
}

async fn find(context: &Context, archive: &Archive, text: &str) -> anyhow::Result<ImportEvent> {
    if let Ok(id) = text.parse() {
        return Ok(archive.import_event(&context.scope, id).await?);
    }
    let mut matches: Vec<_> = recent(context, archive, 10_000).await?;
    matches.retain(|event| event.id.to_string().starts_with(&text.to_ascii_lowercase()));
    match (matches.pop(), matches.len()) {
        (Some(event), 0) => Ok(event),
        (Some(_), more) => {
            Err(anyhow::anyhow!("{} imports begin with '{text}'; give more of the id", more + 1))
        }
        (None, _) => Err(anyhow::anyhow!(
            "no import begins with '{}'; `athenaeum imports` lists them",
            one_line(text, 64)
        )),
    }
}

fn line(output: &mut Output, event: &ImportEvent) -> std::io::Result<()> {
    let time = event.created_at.to_string();
    let time = time.get(..16).unwrap_or(&time).replace('T', " ");
    let id = output.paint(Style::Faint, &event.id.to_string());
    let status = state(output, event.status);
    let report = report(event);
    let told = report.as_ref().map_or_else(String::new, |report| {
        format!("  {} new, {} updated, {} already there", report.added, report.updated, report.unchanged)
    });
    output.line(format_args!("{id}  {time}  {status}  {}{told}", one_line(&event.file_path, 60)))
}

/// Writes a run with all its problems.
fn whole(output: &mut Output, event: &ImportEvent) -> std::io::Result<()> {
    line(output, event)?;
    if let Some(error) = &event.error {
        output.line(output.paint(Style::Bad, &one_line(error, 2_000)))?;
    }
    let Some(report) = report(event) else { return Ok(()) };
    output.line(format_args!(
        "{}, {}, {}, {}",
        counted(report.conversations, "conversation"),
        counted(report.messages, "message"),
        counted(report.problems, "problem"),
        counted(report.notices, "remark"),
    ))?;
    for reason in &report.problem_reasons {
        output.line(format_args!(
            "  {:>8} × {} ({})",
            reason.count,
            one_line(&reason.reason, 200),
            reason.severity
        ))?;
    }
    if !report.problem_details.is_empty() {
        output.line("")?;
    }
    for problem in &report.problem_details {
        let place = [problem.file.as_str(), problem.record.as_str()].join("  ");
        output.line(output.paint(Style::Faint, &one_line(&place, 200)))?;
        output.line(format_args!("  {}: {}", problem.severity, one_line(&problem.reason, 400)))?;
    }
    Ok(())
}

fn state(output: &Output, status: ImportStatus) -> String {
    let style = match status {
        ImportStatus::Completed => Style::Good,
        ImportStatus::Failed => Style::Bad,
        ImportStatus::InProgress => Style::Strong,
    };
    output.paint(style, &format!("{:<11}", wire::status(status)))
}

/// What is shown of a recorded report. Fields that an older version did not write count as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recorded {
    conversations: u64,
    messages: u64,
    added: u64,
    updated: u64,
    unchanged: u64,
    problems: u64,
    notices: u64,
    problem_reasons: Vec<Reason>,
    problem_details: Vec<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    severity: String,
    reason: String,
    count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    severity: String,
    file: String,
    record: String,
    reason: String,
}

fn report(event: &ImportEvent) -> Option<Recorded> {
    event.stats.as_deref().and_then(|stats| serde_json::from_str(stats).ok())
}
