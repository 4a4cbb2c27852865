use std::{process::ExitCode, time::Instant};

use anyhow::Context as _;
use athenaeum::inference::{engine::Request, kernels, local::LocalModel, sampling::Sampling};
use serde::Serialize;

use super::{Context, Outcome, local};
use crate::args::engine::Bench;

/// What `bench --json` says.
#[derive(Debug, Serialize)]
struct Measured<'a> {
    model: &'a str,
    prompt_tokens: usize,
    generated_tokens: usize,
    prompt_tokens_per_s: f64,
    generate_tokens_per_s: f64,
    /// From the request to the first token of its answer.
    first_token_ms: f64,
    load_ms: f64,
    rss_bytes: Option<u64>,
    threads: usize,
    device: String,
    /// What the processor computes with.
    kernel: &'static str,
    /// The processor, where it has a name.
    machine: Option<String>,
}

pub(super) async fn run(context: &mut Context, args: &Bench) -> Outcome {
    let draft = args.guessing.draft.as_deref();
    let model = local::load(context, Some(&args.model), draft, &args.running)?;
    let length = args.prompt + args.generate;
    let fits = model.engine().settings().context_tokens;
    anyhow::ensure!(length < fits, "{length} tokens are more than the context of {fits}; see --context");
    // Once unmeasured, so that the weights are in memory.
    let _ = measure(&model, (1, 1), 0, 0).await?;
    let mut firsts = Vec::new();
    let mut generations = Vec::new();
    for round in 1..=args.repeat.get() {
        let (prompt, generation) =
            measure(&model, (args.prompt, args.generate), args.guessing.measured(), round).await?;
        firsts.push(prompt);
        generations.push(args.generate.saturating_sub(1) as f64 / generation);
    }
    let first = median(&mut firsts);
    let measured = Measured {
        model: &args.model,
        prompt_tokens: args.prompt,
        generated_tokens: args.generate,
        prompt_tokens_per_s: args.prompt as f64 / first,
        generate_tokens_per_s: median(&mut generations),
        first_token_ms: first * 1e3,
        load_ms: model.load_time().as_secs_f64() * 1e3,
        rss_bytes: athenaeum::hardware::resident_bytes(),
        threads: model.engine().settings().threads.get(),
        device: local::device(context, &args.running).to_string(),
        // It is settled by now, and this only asks.
        kernel: kernels::instructions().as_str(),
        machine: athenaeum::hardware::probe().cpu.model,
    };
    if context.output.json {
        context.output.object(&measured)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Measured { prompt_tokens_per_s: prompt, generate_tokens_per_s: generate, .. } = measured;
    let Measured { first_token_ms: first, load_ms, threads, device, kernel, machine, .. } = &measured;
    context.output.line(format_args!("prompt    {prompt:9.1} tokens/s  ({} tokens)", args.prompt))?;
    context.output.line(format_args!("generate  {generate:9.1} tokens/s  ({} tokens)", args.generate))?;
    context
        .output
        .line(format_args!("first     {first:9.1} ms        (from the request to the first token)"))?;
    context.output.line(format_args!("load      {load_ms:9.1} ms"))?;
    if let Some(bytes) = measured.rss_bytes {
        context.output.line(format_args!("memory    {:>12}", crate::output::bytes(bytes)))?;
    }
    context.output.line(format_args!("threads   {threads:7}          ({device}, {kernel})"))?;
    if let Some(machine) = machine {
        context.output.line(format_args!("machine   {machine}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a prompt and generates; returns the seconds of each.
async fn measure(
    model: &LocalModel,
    (prompt, generate): (usize, usize),
    guesses: usize,
    round: usize,
) -> anyhow::Result<(f64, f64)> {
    let vocabulary = model.tokenizer().len().max(1);
    // Other tokens in every round, or the cache would read the prompt.
    let tokens = (0..prompt.max(1)).map(|index| ((index * 7 + round * 31 + 1) % vocabulary) as u32).collect();
    let request = Request {
        sampling: Sampling::greedy(),
        tokens_max: Some(generate.max(1)),
        ignore_ends: true,
        guesses: Some(guesses),
        ..Request::new(tokens)
    };
    let started = Instant::now();
    let (_, end) = model.engine().submit(request)?.text().await.context("the model went away")?;
    let first = end.first_token.context("no token came")?.as_secs_f64();
    Ok((first, (started.elapsed().as_secs_f64() - first).max(1e-9)))
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}
