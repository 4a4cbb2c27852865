mod retrieval;

use std::{fs, process::ExitCode};

use anyhow::Context as _;
use athenaeum::inference::{engine::Request, local::LocalModel, sampling::Sampling};
use serde::Serialize;

use super::{Context, Outcome, local, note};
use crate::args::engine::Eval;

/// What `eval perplexity --json` says.
#[derive(Debug, Serialize)]
struct Perplexity<'a> {
    model: &'a str,
    tokens: usize,
    pieces: usize,
    window: usize,
    perplexity: f64,
    /// Of the mean logarithm, which the perplexity is the exponential of.
    standard_error: f64,
}

pub(super) async fn run(context: &mut Context, args: &Eval) -> Outcome {
    let (name, file, window, running) = match args {
        Eval::Perplexity { model, file, window, running } => (model, file, window, running),
        Eval::Retrieval { folder, mode } => return retrieval::run(context, folder, *mode).await,
    };
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let model = local::load(context, Some(name), None, running)?;
    let fits = model.engine().settings().context_tokens;
    anyhow::ensure!((4..fits).contains(window), "a window has 4 to {} tokens here; see --context", fits - 1);
    let tokens = model.completion_prompt(&text);
    let pieces: Vec<&[u32]> = tokens.chunks_exact(*window).collect();
    anyhow::ensure!(!pieces.is_empty(), "{} tokens are less than one window of {window}", tokens.len());
    let mut surprises = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        surprises.extend(surprise(&model, piece).await?);
        if !context.output.json {
            note(&format_args!("{} of {}: {:.4}", index + 1, pieces.len(), summed(&surprises).0));
        }
    }
    let (perplexity, standard_error) = summed(&surprises);
    let found = Perplexity {
        model: name,
        tokens: surprises.len(),
        pieces: pieces.len(),
        window: *window,
        perplexity,
        standard_error,
    };
    match context.output.json {
        true => context.output.object(&found)?,
        false => context.output.line(format_args!("{perplexity:.4} ± {:.4}", perplexity * standard_error))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns −ln p of every token in the second half of a piece, whose first token is the beginning of a text.
async fn surprise(model: &LocalModel, piece: &[u32]) -> anyhow::Result<Vec<f64>> {
    let mut prompt = piece.to_vec();
    if let (true, Some(bos)) = (model.tokenizer().adds_bos(), model.tokenizer().bos()) {
        prompt[0] = bos;
    }
    let request = Request {
        sampling: Sampling::greedy(),
        prompt_logprobs: Some(0),
        tokens_max: Some(1),
        ..Request::new(prompt)
    };
    let mut generation = model.engine().submit(request)?;
    let mut found = None;
    while let Some(event) = generation.next().await {
        match event {
            athenaeum::inference::engine::Event::Prompt { logprobs, .. } => found = Some(logprobs),
            athenaeum::inference::engine::Event::End(end) => {
                if let athenaeum::inference::engine::Reason::Failed(why) = end.reason {
                    anyhow::bail!(why);
                }
            }
            athenaeum::inference::engine::Event::Progress { .. }
            | athenaeum::inference::engine::Event::Token { .. } => {}
        }
    }
    let logprobs = found.context("the model went away")?;
    // The first of them belongs to the second token.
    let second_half = logprobs.iter().skip(piece.len() / 2);
    Ok(second_half.map(|logprob| -f64::from(logprob.chosen.logprob)).collect())
}

/// Returns the perplexity, and the standard error of the mean that it is the exponential of.
fn summed(surprises: &[f64]) -> (f64, f64) {
    let count = surprises.len() as f64;
    let mean = surprises.iter().sum::<f64>() / count;
    let variance = surprises.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean.exp(), (variance / count).sqrt())
}
