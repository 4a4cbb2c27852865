use std::{io::IsTerminal, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use athenaeum::{
    archive::Archive,
    core::Severity,
    retrieval::{self, CancellationToken, ExternalParser, ImportOptions, Report},
};
use serde::Serialize;

use super::{Context, Outcome, complain};
use crate::{
    args::Import,
    interrupt::cancel_on_interrupt,
    output::{Output, Style, counted, grouped, one_line},
};

mod progress;

pub(super) async fn run(context: &mut Context, args: Import) -> Outcome {
    let options = options(context, &args)?;
    let archive = context.open().await?;
    let cancel = cancel_on_interrupt();
    let mut total = Total::default();
    for path in &args.paths {
        if cancel.is_cancelled() {
            break;
        }
        one(context, &archive, path, options.clone(), &cancel, &mut total).await?;
    }
    if args.paths.len() > 1 {
        total.show(&mut context.output)?;
    }
    archive.close().await;
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options(context: &Context, args: &Import) -> anyhow::Result<ImportOptions> {
    let settings = &context.settings.settings.import;
    let words = match (&args.parser, &args.python_bridge) {
        (Some(command), _) => split_command(command)?,
        (None, Some(script)) => {
            let script = script.to_str().context("the script's path is not valid Unicode")?;
            vec!["python3".to_owned(), script.to_owned()]
        }
        (None, None) => Vec::new(),
    };
    let mut words = words.into_iter();
    let parser = words.next().map(|program| ExternalParser {
        program: program.into(),
        arguments: words.collect(),
        time_limit: Duration::from_secs(args.parser_seconds.unwrap_or(settings.parser_seconds)),
        output_limit: settings.parser_output_mib.saturating_mul(1 << 20),
    });
    Ok(ImportOptions { provider: args.provider.clone().into_option(), parser, ..ImportOptions::default() })
}

/// Imports one source and says how it went. Fails only where nothing more can be written.
async fn one(
    context: &mut Context,
    archive: &Archive,
    path: &Path,
    options: ImportOptions,
    cancel: &CancellationToken,
    total: &mut Total,
) -> anyhow::Result<()> {
    let mut bar = progress::bar(path, std::io::stderr().is_terminal());
    let imported = retrieval::import(
        archive,
        &context.scope,
        path,
        options,
        |progress| bar.show(progress),
        cancel.clone(),
    )
    .await;
    bar.end();
    let output = &mut context.output;
    match imported {
        Ok(report) => {
            total.add(&report);
            if output.json { output.text(&(report.to_json() + "\n"))? } else { people(output, &report)? }
        }
        Err(error) => {
            total.failed += 1;
            if let Some(report) = error.report() {
                total.add(report);
                if output.json {
                    output.text(&(report.to_json_failed(&error) + "\n"))?;
                } else if report.conversations > 0 || report.problems.count() > 1 {
                    people(output, report)?;
                }
            }
            output.flush()?;
            complain(&one_line(&error.with_causes(), 2_000));
        }
    }
    output.flush()?;
    Ok(())
}

/// Writes the summary: what came in, and what did not.
fn people(output: &mut Output, report: &Report) -> std::io::Result<()> {
    let source = output.paint(Style::Strong, &one_line(&report.source, 200));
    let found = format!(
        "{source}: {}, {}",
        counted(report.conversations, "conversation"),
        counted(report.messages, "message")
    );
    let providers: Vec<&str> = report.providers.keys().map(athenaeum::core::Provider::title).collect();
    let from = if providers.is_empty() { String::new() } else { format!(" from {}", providers.join(", ")) };
    output.line(format_args!("{found}{from}"))?;
    let parts: Vec<String> = [
        (report.added, "new"),
        (report.updated, "updated"),
        (report.unchanged, "already there"),
        (report.empty, "empty, left out"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", grouped(count)))
    .collect();
    let seconds = report.duration.as_secs_f64();
    let rate = if seconds > 0.0 { report.messages as f64 / seconds } else { 0.0 };
    let took = format!("{seconds:.1} s, {} messages a second", grouped(rate as u64));
    output.line(format_args!(
        "  {}  {}",
        parts.join(" · "),
        output.paint(Style::Faint, &format!("({took})"))
    ))?;
    problems(output, report)
}

fn problems(output: &mut Output, report: &Report) -> std::io::Result<()> {
    for mismatch in report.mismatches.iter().take(PROBLEMS_SHOWN) {
        let kept =
            mismatch.in_archive.map_or_else(|| "nothing".to_owned(), |count| counted(count, "message"));
        let text = format!(
            "  {} {}: read {}, kept {kept}",
            mismatch.provider,
            one_line(&mismatch.external_id, 80),
            counted(mismatch.in_source, "message"),
        );
        output.line(output.paint(Style::Bad, &text))?;
    }
    let losses: Vec<_> =
        report.problems.details().iter().filter(|problem| problem.severity > Severity::Notice).collect();
    let (lost, notices) = (report.problems.count(), report.problems.notices());
    if lost > 0 {
        output.line(output.paint(Style::Bad, &format!("  {}:", counted(lost, "problem"))))?;
        for problem in losses.iter().take(PROBLEMS_SHOWN) {
            output.line(format_args!("    {}", one_line(&problem.to_string(), 240)))?;
        }
        if lost > PROBLEMS_SHOWN as u64 {
            let rest = grouped(lost - PROBLEMS_SHOWN as u64);
            output.line(format_args!("    and {rest} more: `athenaeum imports {}`", report.import_id))?;
        }
    }
    if notices > 0 {
        let text = format!(
            "  {} that cost nothing: `athenaeum imports {}` tells them",
            counted(notices, "remark"),
            report.import_id
        );
        output.line(output.paint(Style::Faint, &text))?;
    }
    Ok(())
}

/// Most problems told in the summary.
const PROBLEMS_SHOWN: usize = 10;

/// Several sources together.
#[derive(Debug, Default, Serialize)]
struct Total {
    sources: u64,
    failed: u64,
    conversations: u64,
    messages: u64,
    added: u64,
    updated: u64,
    unchanged: u64,
    empty: u64,
    problems: u64,
    notices: u64,
    mismatches: u64,
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.sources += 1;
        self.conversations += report.conversations;
        self.messages += report.messages;
        self.added += report.added;
        self.updated += report.updated;
        self.unchanged += report.unchanged;
        self.empty += report.empty;
        self.problems += report.problems.count();
        self.notices += report.problems.notices();
        self.mismatches += report.mismatches.len() as u64;
    }

    fn show(&self, output: &mut Output) -> std::io::Result<()> {
        if output.json {
            return output.object(self);
        }
        let parts = format!(
            "{} new, {} updated, {} already there",
            grouped(self.added),
            grouped(self.updated),
            grouped(self.unchanged)
        );
        let failed = if self.failed > 0 {
            format!("; {} failed", counted(self.failed, "source"))
        } else {
            String::new()
        };
        output.line(output.paint(Style::Strong, &format!("Together: {parts}{failed}")))
    }
}

/// Splits a command into words as a shell does with quotes, and does nothing else that a shell would.
fn split_command(command: &str) -> anyhow::Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some('"') | None, '\\') if !cfg!(windows) => {
                let Some(next) = chars.next() else { bail!("--parser ends in a lone backslash") };
                word.get_or_insert_default().push(next);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        bail!("a quote in --parser is not closed");
    }
    words.extend(word);
    if words.is_empty() {
        bail!("--parser names no program");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_split_like_in_a_shell() {
        let check = |text: &str, words: &[&str]| assert_eq!(split_command(text).unwrap(), words, "{text}");
        check("./my-parser", &["./my-parser"]);
        check("python3  'my parser.py' --flag=\"a b\"", &["python3", "my parser.py", "--flag=a b"]);
        check(r"a\ b '' $(rm)", &["a b", "", "$(rm)"]);
        assert!(split_command("'open").is_err());
        assert!(split_command("  ").is_err());
    }
}
