mod own;
mod progress;
mod pull;
mod verify;

use std::{
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use athenaeum::{
    hardware,
    inference::{
        model::{self, Fit, FitVerdict, Found, Limits, Root, Search, Summary, TensorRow},
        vision::beside,
    },
    providers,
    settings::{RemoteModel, Spoken},
};
use serde::Serialize;

use super::{Context, Outcome, complain, note};
use crate::{
    args::Models,
    output::{Output, Style, bytes, counted, grouped, one_line, tame},
};

/// One line of `models list --json`.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    path: String,
    /// `Ollama`, `LM Studio`, `Hugging Face`, or none.
    found_in: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<FitLine>,
    /// The file that a model sees with.
    #[serde(skip_serializing_if = "Option::is_none")]
    projector: Option<String>,
    /// Of models that were pulled or added: whether their files have the lengths that were recorded. `models verify`
    /// reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_lengths_hold: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The same of a model on another engine.
#[derive(Debug, Serialize)]
struct Elsewhere<'a> {
    name: &'a str,
    /// Where the engine answers.
    url: &'a str,
    /// What it speaks.
    engine: Spoken,
    /// What it calls the model.
    model: &'a str,
}

impl<'a> From<(&'a String, &'a RemoteModel)> for Elsewhere<'a> {
    fn from((name, remote): (&'a String, &'a RemoteModel)) -> Self {
        let RemoteModel { url, wire, model, .. } = remote;
        Self { name, url, engine: *wire, model: if model.is_empty() { name } else { model } }
    }
}

impl fmt::Display for Elsewhere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, engine, model } = self;
        let engine = providers::Wire::from(*engine).as_str();
        write!(f, "{}  {} at {} ({engine})", tame(name), tame(model), tame(url))
    }
}

/// Whether a model has room in this machine's memory.
#[derive(Debug, Serialize)]
struct FitLine {
    /// `yes`, `tight` or `no`.
    verdict: &'static str,
    weights_bytes: u64,
    cache_bytes: u64,
    context_tokens: u64,
    budget_bytes: u64,
}

/// What `models show --json` says.
#[derive(Debug, Serialize)]
struct Shown {
    path: String,
    summary: Summary,
    metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors: Option<Vec<TensorLine>>,
}

#[derive(Debug, Serialize)]
struct TensorLine {
    name: String,
    #[serde(rename = "type")]
    tensor_type: String,
    shape: Vec<u64>,
    bytes: u64,
}

pub(super) async fn run(context: &mut Context, args: &Models) -> Outcome {
    match args {
        Models::Pull { source, name } => pull::run(context, source, name.as_deref()).await,
        Models::Add { path, name, link } => own::add(context, path, name.as_deref(), *link).await,
        Models::Verify { models } => verify::run(context, models).await,
        Models::Remove { names, yes } => own::remove(context, names, *yes),
        Models::List { dirs } => list(context, dirs),
        Models::Show { path, tensors, template } => show(context, path, *tensors, *template),
    }
}

fn list(context: &mut Context, dirs: &[PathBuf]) -> Outcome {
    let mut code = ExitCode::SUCCESS;
    let roots = if dirs.is_empty() {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        context.places.model_roots(&context.settings.settings, variable)?
    } else {
        let (there, absent): (Vec<&PathBuf>, Vec<&PathBuf>) = dirs.iter().partition(|dir| dir.is_dir());
        for dir in absent {
            complain(&format_args!("there is no folder {}", dir.display()));
            code = ExitCode::FAILURE;
        }
        there.into_iter().cloned().map(Root::recognised).collect()
    };
    let Search { mut found, skipped } = model::find(&roots, Limits::default());
    // What a model sees with is told of beside it, and is no model.
    found.retain(|found| match found.model.as_ref().ok().and_then(beside::check) {
        None => true,
        Some(Ok(())) => false,
        Some(Err(error)) => {
            note(&format_args!("{}: {}", tame(&found.path.display().to_string()), tame(&chain(&error))));
            false
        }
    });
    // The machine is looked at only where there is something to hold against it.
    let budget = if found.is_empty() { 0 } else { memory_budget(context) };
    for model in &found {
        match context.output.json {
            true => context.output.object(&listed(model, budget))?,
            false => line(&mut context.output, model, budget)?,
        }
    }
    // Folders that were named hold none of them.
    let settled = &context.settings.settings.models.remote;
    let elsewhere: Vec<Elsewhere> = settled.iter().filter(|_| dirs.is_empty()).map(Elsewhere::from).collect();
    for remote in &elsewhere {
        match context.output.json {
            true => context.output.object(remote)?,
            false => context.output.line(remote)?,
        }
    }
    for (path, reason) in skipped {
        note(&format_args!("{}: {}", tame(&path.display().to_string()), tame(&reason)));
    }
    if found.is_empty() && elsewhere.is_empty() && !context.output.json {
        note(
            &"No models were found. Put .gguf files or Hugging Face folders into `models` in the data folder, name \
               folders with --dir or the setting models.folders; `athenaeum config path` tells where these are.",
        );
    }
    Ok(code)
}

/// Bytes that models may take on this machine.
fn memory_budget(context: &Context) -> u64 {
    let overrides = &context.settings.settings.hardware;
    hardware::propose(&hardware::probe(), overrides, athenaeum::backends()).memory_budget_bytes.value
}

fn listed(found: &Found, budget: u64) -> Listed<'_> {
    let in_program = found.kind.as_str();
    let (summary, error) = match &found.model {
        Ok(model) => (Some(model.summary()), None),
        Err(error) => (None, Some(chain(error))),
    };
    Listed {
        name: &found.name,
        path: found.path.display().to_string(),
        found_in: (!in_program.is_empty()).then_some(in_program),
        fit: summary.as_ref().map(|summary| fit_line(&summary.fit(budget))),
        projector: summary
            .as_ref()
            .and_then(|summary| projector(&found.path, summary))
            .map(|path| path.display().to_string()),
        recorded_lengths_hold: model::lengths_hold(&found.path),
        summary,
        error,
    }
}

/// The projector beside a model.
fn projector(path: &Path, summary: &Summary) -> Option<PathBuf> {
    beside::find(path, summary.embedding_size?)
}

fn fit_line(fit: &Fit) -> FitLine {
    let Fit { verdict, weights_bytes, cache_bytes, context_tokens, budget_bytes } = *fit;
    FitLine { verdict: verdict.as_str(), weights_bytes, cache_bytes, context_tokens, budget_bytes }
}

/// Says whether a model has room here, and why not.
fn room(fit: &Fit) -> String {
    let needed = bytes(fit.weights_bytes.saturating_add(fit.cache_bytes));
    let of = bytes(fit.budget_bytes);
    let context = grouped(fit.context_tokens);
    match fit.verdict {
        FitVerdict::Yes => format!("fits: {needed} with {context} tokens of context, of {of}"),
        FitVerdict::Tight => format!("fits tightly: {needed} with {context} tokens of context, of {of}"),
        FitVerdict::No => {
            format!("does not fit: {needed} with {context} tokens of context, and {of} are free")
        }
    }
}

fn line(output: &mut Output, found: &Found, budget: u64) -> std::io::Result<()> {
    let name = output.paint(Style::Strong, &one_line(&found.name, 70));
    let place = [found.kind.as_str(), &tame(&found.path.display().to_string())].join(" ");
    match &found.model {
        Ok(model) => {
            let summary = model.summary();
            let parts = [
                summary.architecture.as_deref().map(|text| one_line(text, 40)),
                (summary.tensors > 0).then(|| format!("{} parameters", rounded(summary.parameters))),
                summary.quantization.as_deref().map(|text| one_line(text, 20)),
                summary.context_tokens.map(|tokens| format!("{} tokens of context", grouped(tokens))),
                Some(bytes(summary.bytes)),
                projector(&found.path, &summary).map(|_| "sees pictures".to_owned()),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            output.line(format_args!("{name}  {}", parts.join(", ")))?;
            let kept = match model::lengths_hold(&found.path) {
                Some(true) => "; checksums are recorded",
                Some(false) => "; it has changed since it came (`athenaeum models verify`)",
                None => "",
            };
            output.line(format_args!("  {}{kept}", room(&summary.fit(budget))))?;
        }
        Err(error) => {
            let reason = output.paint(Style::Bad, &one_line(&reason(error), 300));
            output.line(format_args!("{name}  cannot be used: {reason}"))?;
        }
    }
    output.line(output.paint(Style::Faint, &format!("  {}", place.trim())))
}

fn show(context: &mut Context, path: &Path, with_tensors: bool, with_template: bool) -> Outcome {
    let kept = path.to_str().filter(|_| !path.exists()).map(|name| {
        let shelf = context.places.shelf(&context.settings.settings).ok()?;
        shelf.get(name).ok().map(|kept| kept.path)
    });
    let path = &kept.flatten().unwrap_or_else(|| path.to_owned());
    let model = model::open(path).context("cannot show the model")?;
    let summary = model.summary();
    let output = &mut context.output;
    if output.json {
        let line = |row: TensorRow| {
            let TensorRow { name, tensor_type, shape, bytes, .. } = row;
            TensorLine { name, tensor_type, shape, bytes }
        };
        let tensors = with_tensors.then(|| model.tensors().into_iter().map(line).collect());
        let metadata = model.metadata_json();
        output.object(&Shown { path: path.display().to_string(), summary, metadata, tensors })?;
        return Ok(ExitCode::SUCCESS);
    }
    people(output, path, &summary)?;
    section(output, "Metadata")?;
    for (name, value) in model.metadata() {
        output.line(format_args!("  {} = {}", one_line(&name, 80), one_line(&value, 100)))?;
    }
    if with_tensors {
        section(output, "Tensors")?;
        for TensorRow { name, tensor_type, shape, bytes: size, .. } in model.tensors() {
            let shape: Vec<String> = shape.iter().map(u64::to_string).collect();
            let shape = shape.join(" × ");
            output.line(format_args!(
                "  {:<44} {tensor_type:<8} {shape:<20} {}",
                one_line(&name, 80),
                bytes(size)
            ))?;
        }
    }
    if with_template && let Some(template) = &summary.chat_template {
        section(output, "Chat template")?;
        output.line(tame(template))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn people(output: &mut Output, path: &Path, summary: &Summary) -> std::io::Result<()> {
    let file_name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = summary.name.as_deref().unwrap_or(&file_name);
    output.line(output.paint(Style::Strong, &one_line(name, 100)))?;
    let text = |text: &Option<String>| text.as_deref().map(|text| one_line(text, 100));
    let number = |number: Option<u64>| number.map(grouped);
    let heads = summary.heads.map(|heads| match summary.kv_heads {
        Some(shared) if shared != heads => format!("{heads}, {shared} for keys and values"),
        _ => heads.to_string(),
    });
    let projector = projector(path, summary);
    let template = match &summary.chat_template {
        Some(template) => format!("yes, {}", counted(template.chars().count() as u64, "character")),
        None => "none".to_owned(),
    };
    for (title, told) in [
        ("format", Some(format!("{}, {}", summary.format.as_str(), counted(summary.files, "file")))),
        ("architecture", text(&summary.architecture)),
        (
            "parameters",
            Some(format!("{} in {}", grouped(summary.parameters), counted(summary.tensors, "tensor"))),
        ),
        ("quantization", text(&summary.quantization)),
        ("context", summary.context_tokens.map(|tokens| counted(tokens, "token"))),
        ("embedding", number(summary.embedding_size)),
        ("layers", number(summary.layers)),
        ("heads", heads),
        ("vocabulary", summary.vocabulary.map(|tokens| counted(tokens, "token"))),
        ("tokenizer", text(&summary.tokenizer)),
        ("chat template", Some(template)),
        (
            "sees by",
            projector.as_deref().and_then(Path::file_name).map(|name| one_line(&name.to_string_lossy(), 80)),
        ),
        ("licence", text(&summary.licence)),
        ("size", Some(bytes(summary.bytes))),
    ] {
        if let Some(told) = told {
            output.line(format_args!("  {title:<14} {told}"))?;
        }
    }
    Ok(())
}

fn section(output: &mut Output, title: &str) -> std::io::Result<()> {
    output.line(format_args!("\n{}", output.paint(Style::Strong, title)))
}

/// Returns a number of parameters as people say it: `1.1B`.
fn rounded(number: u64) -> String {
    let amount = number as f64;
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1}K", amount / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", amount / 1e6),
        _ => format!("{:.1}B", amount / 1e9),
    }
}

/// An error with all that caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}

/// What caused an error that itself only names the file.
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), chain)
}
