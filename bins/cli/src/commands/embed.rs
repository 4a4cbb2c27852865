use std::{
    io::{BufRead as _, IsTerminal},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use athenaeum::inference::{
    catalog::Purpose,
    embedder::{self, Embedder, Options, Truncate, UsePrompt},
    kernels::Pool,
    model::{self, Model},
    weights::Access,
};
use serde::Serialize;

use super::{Context, Outcome, local, note};
use crate::{
    args::compare::{self, Embed},
    output::counted,
};

/// Lines of stdin that are computed at once.
const LINES_AT_ONCE: usize = 64;

/// One text of `embed --json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    index: usize,
    #[serde(flatten)]
    vector: Vector<'a>,
    tokens: usize,
    cut_tokens: usize,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers { embedding: &'a [f32] },
    Base64 { embedding: String },
}

pub(super) async fn run(context: &mut Context, args: &Embed) -> Outcome {
    let model = open(context, &args.model, Purpose::Embed)?;
    let embedder = Embedder::load(&model, Access::Map)
        .with_context(|| format!("cannot use {}", model.path.display()))?;
    let pool = pool(context, &args.model);
    let mut index = 0;
    for_texts(&args.texts, LINES_AT_ONCE, &mut |texts| {
        let embeddings = embedder.embed(texts, &options(args), &pool)?;
        for embedding in embeddings {
            tell_cut(index, embedding.cut_tokens);
            write(context, args, index, &embedding)?;
            index += 1;
        }
        context.output.flush().map_err(anyhow::Error::from)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn options(args: &Embed) -> Options {
    let named = args.prompt.clone().map(UsePrompt::Named);
    let typed = args.prefix.clone().map(UsePrompt::Text);
    Options {
        dimensions: args.dimensions,
        truncate: truncate(&args.model),
        prompt: named.or(typed).unwrap_or_default(),
        ..Options::default()
    }
}

fn write(
    context: &mut Context,
    args: &Embed,
    index: usize,
    embedding: &embedder::Embedding,
) -> anyhow::Result<()> {
    if context.output.json {
        let vector = match args.base64 {
            true => Vector::Base64 { embedding: embedder::base64(&embedding.vector) },
            false => Vector::Numbers { embedding: &embedding.vector },
        };
        let (tokens, cut_tokens) = (embedding.tokens, embedding.cut_tokens);
        context.output.object(&Told { index, vector, tokens, cut_tokens })?;
    } else if args.base64 {
        context.output.line(embedder::base64(&embedding.vector))?;
    } else {
        let numbers: Vec<String> = embedding.vector.iter().map(f32::to_string).collect();
        context.output.line(numbers.join(" "))?;
    }
    Ok(())
}

/// Opens the model that was named.
pub(super) fn open(context: &Context, args: &compare::Model, purpose: Purpose) -> anyhow::Result<Model> {
    let path = local::find(context, args.model.as_deref(), purpose)?;
    Ok(model::open(&path)?)
}

/// Starts the threads that compute.
pub(super) fn pool(context: &Context, args: &compare::Model) -> Pool {
    let threads = args.threads.or_else(|| local::threads(context));
    Pool::new(threads.map_or(1, std::num::NonZeroUsize::get))
}

pub(super) fn truncate(args: &compare::Model) -> Truncate {
    if args.whole { Truncate::Refuse } else { Truncate::End }
}

pub(super) fn tell_cut(index: usize, tokens: usize) {
    if tokens > 0 {
        let number = index + 1;
        note(&format!(
            "text {number} is too long: {} at its end were left out",
            counted(tokens as u64, "token")
        ));
    }
}

/// Hands out the texts that were typed, or the lines of stdin, some at a time.
pub(super) fn for_texts(
    typed: &[String],
    at_once: usize,
    take: &mut dyn FnMut(&[&str]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match typed {
        [] if std::io::stdin().is_terminal() => bail!("give a text, or pipe texts in, one per line"),
        [] => {}
        [only] if only == "-" => {}
        typed => return take(&typed.iter().map(String::as_str).collect::<Vec<_>>()),
    }
    let mut lines = std::io::stdin().lock().lines();
    loop {
        let some: Vec<String> = lines
            .by_ref()
            .take(at_once)
            .collect::<Result<_, _>>()
            .context("what came on stdin is not text")?;
        if some.is_empty() {
            return Ok(());
        }
        take(&some.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
}
