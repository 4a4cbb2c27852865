mod against;

use std::{num::NonZeroUsize, process::ExitCode, time::Instant};

use anyhow::Context as _;
use athenaeum::inference::{
    engine::Request,
    kernels::{self, Pool, limits},
    local::LocalModel,
    sampling::Sampling,
};
use serde::Serialize;

use self::against::{Against, Neighbour};
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
    #[serde(flatten)]
    shares: Option<Shares>,
    against: Option<Against<'a>>,
}

/// How much of what the machine can do was used.
#[derive(Debug, Serialize)]
struct Shares {
    memory_read_bytes_per_s: f64,
    /// Bytes of weights that were read for the tokens generated, of those that memory gives meanwhile.
    bandwidth_share: f64,
    integer_ops_per_s: Option<f64>,
    /// Of the prompt's time, what its products of whole numbers take where nothing else is done.
    integer_share: Option<f64>,
}

pub(super) async fn run(context: &mut Context, args: &Bench) -> Outcome {
    let draft = args.guessing.draft.as_deref();
    let model = local::load(context, Some(&args.model), draft, &args.running)?;
    let length = args.prompt + args.generate;
    let fits = model.engine().settings().context_tokens;
    anyhow::ensure!(length < fits, "{length} tokens are more than the context of {fits}; see --context");
    let threads = model.engine().settings().threads;
    let mut neighbour = match &args.against {
        Some(command) => Some(Neighbour::new(command, model.path(), (args.prompt, args.generate), threads)?),
        None => None,
    };
    // Once unmeasured, so that the weights are in memory.
    let _ = measure(&model, (1, 1), 0, 0).await?;
    let mut firsts = Vec::new();
    let mut generations = Vec::new();
    for round in 1..=args.repeat.get() {
        let (prompt, generation) =
            measure(&model, (args.prompt, args.generate), args.guessing.measured(), round).await?;
        firsts.push(prompt);
        generations.push(args.generate.saturating_sub(1) as f64 / generation);
        if let Some(neighbour) = &mut neighbour {
            neighbour.measure().await?;
        }
    }
    let first = median(&mut firsts);
    let (prompt, generate) = (args.prompt as f64 / first, median(&mut generations));
    let device = local::device(context, &args.running);
    let measured = Measured {
        model: &args.model,
        prompt_tokens: args.prompt,
        generated_tokens: args.generate,
        prompt_tokens_per_s: prompt,
        generate_tokens_per_s: generate,
        first_token_ms: first * 1e3,
        load_ms: model.load_time().as_secs_f64() * 1e3,
        // Before the machine's limits are measured, which takes memory.
        rss_bytes: athenaeum::hardware::resident_bytes(),
        threads: threads.get(),
        device: device.to_string(),
        kernel: kernels::instructions().as_str(),
        machine: athenaeum::hardware::probe().cpu.model,
        shares: matches!(device, athenaeum::hardware::Device::Cpu)
            .then(|| shares(&model, threads, (prompt, generate))),
        against: neighbour.map(|neighbour| neighbour.beside(prompt, generate)),
    };
    if context.output.json {
        context.output.object(&measured)?;
    } else {
        tell(context, args, &measured)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(context: &mut Context, args: &Bench, measured: &Measured<'_>) -> anyhow::Result<()> {
    let Measured { prompt_tokens_per_s: prompt, generate_tokens_per_s: generate, .. } = measured;
    let Measured { first_token_ms: first, load_ms, threads, device, kernel, machine, .. } = measured;
    let [of_integers, of_bandwidth] = measured.shares.as_ref().map_or_else(Default::default, Shares::told);
    let output = &mut context.output;
    output.line(format_args!("prompt    {prompt:9.1} tokens/s  ({} tokens{of_integers})", args.prompt))?;
    output
        .line(format_args!("generate  {generate:9.1} tokens/s  ({} tokens{of_bandwidth})", args.generate))?;
    if let Some(against) = &measured.against {
        let Against { prompt_tokens_per_s, generate_tokens_per_s, .. } = against;
        let Against { prompt_ratio, generate_ratio, .. } = against;
        output.line(format_args!("beside    {}", against.command))?;
        output.line(format_args!(
            "  prompt  {prompt_tokens_per_s:9.1} tokens/s  (ours {prompt_ratio:.2} times)"
        ))?;
        output.line(format_args!(
            "  generate{generate_tokens_per_s:9.1} tokens/s  (ours {generate_ratio:.2} times)"
        ))?;
    }
    output.line(format_args!("first     {first:9.1} ms        (from the request to the first token)"))?;
    output.line(format_args!("load      {load_ms:9.1} ms"))?;
    if let Some(bytes) = measured.rss_bytes {
        output.line(format_args!("memory    {:>12}", crate::output::bytes(bytes)))?;
    }
    output.line(format_args!("threads   {threads:7}          ({device}, {kernel})"))?;
    if let Some(machine) = machine {
        output.line(format_args!("machine   {machine}"))?;
    }
    Ok(())
}

impl Shares {
    /// What of the integers' limit the prompt reached, and generation of the memory's.
    fn told(&self) -> [String; 2] {
        let integers = self.integer_ops_per_s.zip(self.integer_share);
        let integers = integers.map_or_else(String::new, |(limit, share)| {
            format!("; {:.0}% of {:.0} Gop/s in whole numbers", share * 1e2, limit / 1e9)
        });
        let (limit, share) = (self.memory_read_bytes_per_s, self.bandwidth_share);
        [integers, format!("; {:.0}% of {:.1} GB/s from memory", share * 1e2, limit / 1e9)]
    }
}

/// Measures the machine's limits by as many threads, and holds tokens a second against them.
fn shares(model: &LocalModel, threads: NonZeroUsize, (prompt, generate): (f64, f64)) -> Shares {
    let (pool, cost) = (Pool::new(threads.get()), model.decoder().cost());
    let memory_read_bytes_per_s = limits::read_speed(&pool);
    let integer_ops_per_s = limits::integer_speed(&pool).filter(|_| cost.integer_products > 0);
    Shares {
        memory_read_bytes_per_s,
        bandwidth_share: generate * cost.bytes as f64 / memory_read_bytes_per_s,
        integer_ops_per_s,
        integer_share: integer_ops_per_s.map(|limit| prompt * 2.0 * cost.integer_products as f64 / limit),
    }
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
