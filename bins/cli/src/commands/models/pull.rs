use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use athenaeum::inference::{
    model::Summary,
    pull::{self, Phase, Progress, Pulled, Source},
};
use serde::Serialize;

use super::{Context, Outcome, note, progress::Bar, rounded};
use crate::{
    interrupt::cancel_on_interrupt,
    output::{Style, bytes, one_line, tame},
};

/// What `models pull --json` says.
#[derive(Debug, Serialize)]
struct Told<'a> {
    name: &'a str,
    path: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    bytes: u64,
    fetched_bytes: u64,
    resumed_bytes: u64,
    files: Vec<File<'a>>,
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct File<'a> {
    path: &'a str,
    bytes: u64,
    sha256: String,
}

pub(super) async fn run(context: &mut Context, source: &str, name: Option<&str>) -> Outcome {
    let source: Source = source.parse()?;
    let settings = context.settings.settings.pull(|name| std::env::var(name).ok())?;
    let shelf = context.places.shelf(&context.settings.settings)?;
    let cancel = cancel_on_interrupt();
    let bar = Arc::new(Mutex::new(Bar::new(name.unwrap_or(&source.to_string()))));
    let shown = Arc::clone(&bar);
    let report = Arc::new(move |progress: &Progress| {
        show(&mut shown.lock().unwrap_or_else(PoisonError::into_inner), progress);
    });
    let pulled = pull::pull(&source, &shelf, name, &settings, report, &cancel).await;
    bar.lock().unwrap_or_else(PoisonError::into_inner).end();
    let pulled = pulled.with_context(|| format!("{} was not fetched", tame(&source.to_string())))?;
    for text in &pulled.notes {
        note(&tame(text));
    }
    match context.output.json {
        true => context.output.object(&told(&pulled, &source))?,
        false => people(context, &pulled)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(bar: &mut Bar, progress: &Progress) {
    match &progress.phase {
        Phase::Asking | Phase::Opening => {}
        Phase::Waiting { wait, reason } => {
            bar.say(&format!("{reason}; trying again in {:.0} s", wait.as_secs_f64().ceil()));
        }
        Phase::Reading => bar.show(progress.bytes, progress.bytes_total, None, "reading what is there: "),
        Phase::Fetching => bar.show(progress.bytes, progress.bytes_total, progress.bytes_per_second, ""),
    }
}

fn told<'a>(pulled: &'a Pulled, source: &Source) -> Told<'a> {
    let record = pulled.kept.record.as_ref();
    let files = record.map_or(&[][..], |record| &record.files);
    let file = |file: &'a athenaeum::inference::model::RecordedFile| File {
        path: file.path.as_str(),
        bytes: file.bytes,
        sha256: file.sha256.to_string(),
    };
    Told {
        name: &pulled.kept.name,
        path: pulled.kept.path.display().to_string(),
        source: source.to_string(),
        revision: record.and_then(|record| record.revision.as_deref()),
        bytes: record.map_or(0, athenaeum::inference::model::Record::bytes),
        fetched_bytes: pulled.fetched_bytes,
        resumed_bytes: pulled.resumed_bytes,
        files: files.iter().map(file).collect(),
        notes: &pulled.notes,
    }
}

fn people(context: &mut Context, pulled: &Pulled) -> std::io::Result<()> {
    let output = &mut context.output;
    let name = output.paint(Style::Strong, &one_line(&pulled.kept.name, 100));
    let Some(summary) = &pulled.summary else {
        return output.line(format_args!("{name} is there already."));
    };
    let resumed = match pulled.resumed_bytes {
        0 => String::new(),
        resumed => format!(", {} of it before", bytes(resumed)),
    };
    let fetched = bytes(pulled.fetched_bytes.saturating_add(pulled.resumed_bytes));
    output.line(format_args!("{name}  {}", described(summary)))?;
    output.line(format_args!("{fetched} were fetched{resumed}, and checked."))?;
    output.line(output.paint(Style::Faint, &format!("  {}", tame(&pulled.kept.path.display().to_string()))))
}

/// What a model is, on one line.
fn described(summary: &Summary) -> String {
    let parts = [
        summary.architecture.as_deref().map(|text| one_line(text, 40)),
        (summary.tensors > 0).then(|| format!("{} parameters", rounded(summary.parameters))),
        summary.quantization.as_deref().map(|text| one_line(text, 20)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
