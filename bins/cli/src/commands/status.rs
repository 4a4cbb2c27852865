use std::{io, process::ExitCode};

use athenaeum::Running;
use serde::Serialize;

use super::{Context, Outcome, note};
use crate::output::{Output, Style, bytes};

/// No server runs: the code that the commands of services have for it
/// (Linux Standard Base 5.0, 22.2 "Init Script Actions").
const NONE_RUNS: u8 = 3;

/// A server, as `--json` tells of it.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    url: String,
    pid: u32,
    since: String,
    version: &'a str,
    data: String,
    log: Option<String>,
    /// Whether it answers that it is well.
    answers: bool,
    memory_bytes: Option<u64>,
}

impl<'a> Told<'a> {
    /// Asks a server how it is.
    pub(super) fn of(server: &'a Running) -> Self {
        // First, since answering brings pages of the program back that a server at rest has given away.
        let memory_bytes = server.memory_bytes();
        Self { answers: server.answers(), memory_bytes, ..Self::ended(server) }
    }

    /// What is to be told of one that has ended.
    pub(super) fn ended(server: &'a Running) -> Self {
        Self {
            url: server.url(),
            pid: server.pid,
            since: server.since.to_string(),
            version: &server.version,
            data: server.data.display().to_string(),
            log: server.log.as_ref().map(|log| log.display().to_string()),
            answers: false,
            memory_bytes: None,
        }
    }
}

pub(super) fn run(context: &mut Context) -> Outcome {
    let home = context.data()?;
    let servers = athenaeum::running(&home)?;
    if servers.is_empty() {
        note(&format_args!("No server runs for {}. `athenaeum start` starts one.", home.display()));
        return Ok(ExitCode::from(NONE_RUNS));
    }
    let mut code = ExitCode::SUCCESS;
    for told in servers.iter().map(Told::of) {
        if !told.answers {
            code = ExitCode::FAILURE;
        }
        match context.output.json {
            true => context.output.object(&told)?,
            false => people(&mut context.output, &told)?,
        }
    }
    Ok(code)
}

fn people(output: &mut Output, told: &Told<'_>) -> io::Result<()> {
    let how = match told.answers {
        true => format!("Athenaeum is open at {}", output.paint(Style::Strong, &told.url)),
        false => {
            format!("Athenaeum runs at {}, but {}", told.url, output.paint(Style::Bad, "does not answer"))
        }
    };
    output.line(how)?;
    let memory = told.memory_bytes.map(|size| format!(", {} of memory", bytes(size))).unwrap_or_default();
    output.line(format_args!(
        "  process  {}, version {}, since {}{memory}",
        told.pid, told.version, told.since
    ))?;
    output.line(format_args!("  serves   {}", told.data))?;
    match &told.log {
        Some(log) => output.line(format_args!("  log      {log}")),
        None => output.line("  log      where it was started"),
    }
}
