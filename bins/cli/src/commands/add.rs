use std::{io::IsTerminal as _, process::ExitCode, time::Instant};

use athenaeum::{
    archive::{Archive, library::Library},
    core::ChunkId,
    retrieval::{
        documents::{self, Error, Options, Progress, Report},
        meaning::{Filled, Filling, Meaning},
        with_causes,
    },
};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use super::{Context, Outcome, complain, note};
use crate::{
    args::documents::Add,
    interrupt::cancel_on_interrupt,
    output::{Output, Style, counted, grouped, one_line},
};

/// What `add --json` says.
#[derive(Debug, Serialize)]
struct Told<'a> {
    files: u64,
    added: u64,
    updated: u64,
    same: u64,
    unchanged: u64,
    failed: u64,
    skipped: u64,
    gone: u64,
    chunks_added: u64,
    chunks_removed: usize,
    problem_count: u64,
    problems: Vec<Problem<'a>>,
    seconds: f64,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Problem<'a> {
    file: &'a str,
    record: &'a str,
    reason: &'a str,
}

pub(super) async fn run(context: &mut Context, args: &Add) -> Outcome {
    let library = context.library().await?;
    let options = athenaeum::apart_from(&context.data()?, athenaeum::documents_options());
    let options = Options { again: args.again, ..options };
    let mut shown = Shown::new();
    let told = |progress: &Progress| shown.show(progress);
    let cancel = cancel_on_interrupt();
    let added = documents::add(&library, &context.scope, &args.paths, &options, told, cancel).await;
    shown.end();
    let code = tell(&mut context.output, &added)?;
    if let Ok(report) = &added
        && !args.text_only
    {
        embed(context, &library, &report.chunks_removed).await?;
    }
    library.close().await;
    Ok(code)
}

/// Has the chunks that are new found by meaning, too. Stopped, it leaves the rest to the next run.
pub(super) async fn embed(context: &Context, library: &Library, removed: &[ChunkId]) -> anyhow::Result<()> {
    let Some(meaning) = context.meaning().await? else { return Ok(()) };
    meaning.remove_chunks(&context.scope, removed).await?;
    let mut shown = Shown::new();
    let told = |filling: &Filling| shown.say(|| embedding(filling, "chunk"));
    let filled = meaning.fill(&context.scope, library, told, &cancel_on_interrupt()).await?;
    shown.end();
    tell_stopped(&filled);
    Ok(())
}

/// Has what was said in conversations found by meaning, too. Stopped, it leaves the rest to the next run.
pub(super) async fn embed_conversations(
    context: &Context,
    archive: &Archive,
    meaning: &Meaning,
) -> anyhow::Result<Filled> {
    let mut shown = Shown::new();
    let told = |filling: &Filling| shown.say(|| embedding(filling, "message"));
    let cancel = cancel_on_interrupt();
    let filled = meaning.fill_conversations(&context.scope, archive, &[], told, &cancel).await?;
    shown.end();
    tell_stopped(&filled);
    Ok(filled)
}

fn tell_stopped(filled: &Filled) {
    if filled.stopped {
        note(&"stopped; what has no vector yet is found by its words, and the next run goes on");
    }
}

fn embedding(filling: &Filling, what: &str) -> String {
    if filling.waiting {
        return "another program makes the vectors; waiting for it".to_owned();
    }
    let left = filling.remaining().map_or_else(String::new, |left| format!(", {} left", HumanDuration(left)));
    format!("{} of {} can be found by meaning{left}", grouped(filling.seen), counted(filling.total, what))
}

/// Tells what came of adding.
pub(super) fn tell(output: &mut Output, added: &Result<Report, Error>) -> Outcome {
    let (report, error) = match added {
        Ok(report) => (Some(report), None),
        Err(error) => (error.report(), Some(error)),
    };
    if let Some(report) = report {
        if output.json {
            output.object(&object(report, error))?;
        } else {
            people(output, report)?;
        }
    }
    output.flush()?;
    let Some(error) = error else { return Ok(ExitCode::SUCCESS) };
    if !(output.json && report.is_some()) {
        complain(&one_line(&with_causes(error), 2_000));
    }
    Ok(ExitCode::FAILURE)
}

fn object<'a>(report: &'a Report, error: Option<&Error>) -> Told<'a> {
    let problem = |problem: &'a athenaeum::core::Problem| Problem {
        file: &problem.file,
        record: &problem.record,
        reason: &problem.reason,
    };
    Told {
        files: report.files,
        added: report.added,
        updated: report.updated,
        same: report.same,
        unchanged: report.unchanged,
        failed: report.failed,
        skipped: report.skipped,
        gone: report.gone,
        chunks_added: report.chunks_added,
        chunks_removed: report.chunks_removed.len(),
        problem_count: report.problem_count,
        problems: report.problems.iter().map(problem).collect(),
        seconds: report.duration.as_secs_f64(),
        error: error.map(|error| with_causes(error)),
    }
}

fn people(output: &mut Output, report: &Report) -> std::io::Result<()> {
    let counts = [
        (report.added, "new"),
        (report.updated, "changed"),
        (report.same, "the same as others"),
        (report.unchanged, "as they were"),
        (report.skipped, "of no format that is read"),
        (report.failed, "could not be read"),
        (report.gone, "gone"),
    ];
    let parts = counts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{} {what}", grouped(count))).collect();
    let took = output.paint(Style::Faint, &format!("({:.1} s)", report.duration.as_secs_f64()));
    output.line(format_args!("{}: {}  {took}", counted(report.files, "file"), parts.join(" · ")))?;
    for problem in report.problems.iter().take(PROBLEMS_SHOWN) {
        output.line(output.paint(Style::Bad, &format!("  {}", one_line(&problem.to_string(), 240))))?;
    }
    let more = report.problem_count.saturating_sub(PROBLEMS_SHOWN as u64);
    if more > 0 {
        output
            .line(format_args!("  and {} more: `athenaeum library files --state failed`", grouped(more)))?;
    }
    Ok(())
}

/// How far it is, on stderr.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Shown {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)));
        Self { bar, said: Instant::now() }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        self.say(|| {
            let rate = progress.done() as f64 / progress.elapsed.as_secs_f64().max(1e-3);
            let failed = match progress.failed {
                0 => String::new(),
                failed => format!(", {} failed", grouped(failed)),
            };
            format!(
                "{} of {} settled{failed}, {} a second",
                grouped(progress.done()),
                counted(progress.files, "file"),
                grouped(rate as u64)
            )
        });
    }

    fn say(&mut self, text: impl Fn() -> String) {
        match &self.bar {
            Some(bar) => bar.set_message(text()),
            None if self.said.elapsed().as_secs() >= SAID_EVERY_SECONDS => {
                self.said = Instant::now();
                note(&text());
            }
            None => {}
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Most problems told in the summary.
const PROBLEMS_SHOWN: usize = 10;

const SAID_EVERY_SECONDS: u64 = 10;
