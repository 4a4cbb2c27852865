use std::{io, process::ExitCode};

use anyhow::Context as _;
use athenaeum::script::{Said, Script, ScriptError};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Context, Outcome, complain, note};
use crate::{args::script::Run, interrupt::cancel_on_interrupt, output::Output};

/// What `run --json` says of each line that a script prints.
#[derive(Debug, Serialize)]
struct Line<'a> {
    printed: &'a str,
}

pub(super) async fn run(context: &mut Context, args: Run) -> Outcome {
    let name = args.script.display().to_string();
    let source = std::fs::read(&args.script).with_context(|| format!("cannot read {name}"))?;
    let script = Script { name, source, arguments: args.arguments };
    let variable = |name: &str| std::env::var_os(name).map(std::path::PathBuf::from);
    let catalog = context.places.catalog(&context.settings.settings, variable)?;
    let (data, settings, scope) = (context.data()?, context.settings.settings.clone(), context.scope.clone());
    let (print, mut lines) = mpsc::channel(LINES_MAX);
    let running =
        athenaeum::run_script((&data, &scope), &settings, catalog, script, print, cancel_on_interrupt());
    tokio::pin!(running);
    let ended = loop {
        tokio::select! {
            biased;
            Some(said) = lines.recv() => {
                show(&mut context.output, &said)?;
                if lines.is_empty() {
                    context.output.flush()?;
                }
            }
            ended = &mut running => break ended,
        }
    };
    while let Ok(said) = lines.try_recv() {
        show(&mut context.output, &said)?;
    }
    context.output.flush()?;
    match ended {
        Ok(ended) => Ok(ExitCode::from(ended.code)),
        Err(error) => {
            complain(&error);
            if let ScriptError::Raised { trace, .. } = &error {
                trace.lines().for_each(|line| note(&format_args!("  by {line}")));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(output: &mut Output, said: &Said) -> io::Result<()> {
    let line = match said {
        Said::Line(line) => line,
        Said::Note(told) => {
            // What was printed before stands before it, where both go to one terminal.
            output.flush()?;
            note(told);
            return Ok(());
        }
    };
    if !output.json {
        return output.bytes(line);
    }
    let line = String::from_utf8_lossy(line);
    output.object(&Line { printed: line.strip_suffix('\n').unwrap_or(&line) })
}

/// Lines that wait to be shown; a script that prints faster waits for who reads.
const LINES_MAX: usize = 256;
