//! Trains the small model under `examples/models` and writes it as a Hugging Face folder. `cargo xtask train-tiny` runs
//! this and makes the GGUF file of it.

use std::{path::PathBuf, time::Instant};

use clap::Parser;

mod bpe;
mod causal;
mod corpus;
mod folder;
mod learn;
mod llama;
mod quantize;
mod random;
mod recital;
mod talk;

/// Trains a small model of the Llama architecture.
#[derive(Parser)]
struct Arguments {
    /// Folder of the texts to learn.
    #[arg(long)]
    texts: PathBuf,
    /// Folder to write the model into.
    #[arg(long)]
    out: PathBuf,
    /// Go on from the model that is there, and its vocabulary, instead of beginning anew.
    #[arg(long)]
    further: bool,
    /// Steps of learning.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// The highest rate of learning.
    #[arg(long, default_value_t = 0.004)]
    rate: f64,
    /// The same seed gives the same model, on the same kind of processor.
    #[arg(long, default_value_t = 18)]
    seed: u64,
}

/// About half a million parameters: 1.2 MB in 16 bits, tokenizer included. All widths are multiples of 32, so that
/// matrices can be stored in blocks; there are fewer heads for keys than for queries, as in the models people use.
const SHAPE: llama::Shape = llama::Shape {
    vocab_size: 1024,
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    max_position_embeddings: 1024,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000.0,
};

/// A step sees this many tokens: two rows that fill the context, or more and shorter ones.
const STEP_TOKENS: usize = 2 * SHAPE.max_position_embeddings;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut random = random::Random::new(arguments.seed);
    let corpus = corpus::Corpus::read(&arguments.texts)?;
    let bpe = if arguments.further {
        folder::vocabulary(&arguments.out)?
    } else {
        bpe::Bpe::learn(&corpus.sample(&mut random), SHAPE.vocab_size)?
    };
    let bytes: usize = corpus.texts.iter().map(|(_, text)| text.len()).sum();
    let tokens =
        corpus.texts.iter().map(|(_, text)| Ok(bpe.encode(text)?.len())).sum::<anyhow::Result<usize>>()?;
    say(&format!("{} texts, {bytes} bytes, {tokens} tokens", corpus.texts.len()));
    let began = Instant::now();
    let llama = llama::Llama::new(SHAPE, &mut random)?;
    if arguments.further {
        folder::read_weights(&arguments.out, &llama)?;
    }
    let plan = learn::Plan { steps: arguments.steps, tokens: STEP_TOKENS, rate: arguments.rate };
    let loss = learn::learn(&llama, &bpe, &corpus, plan, &mut random)?;
    say(&format!("loss {loss:.4} after {:.0} s", began.elapsed().as_secs_f32()));
    folder::write(&arguments.out, &llama, &bpe)?;
    for format in quantize::FORMATS {
        say(&recital::report(&llama, &bpe, &corpus, format)?);
    }
    Ok(())
}

/// Prints a line for the person who trains.
#[expect(clippy::print_stdout, reason = "a chore talks to the terminal, and only here")]
fn say(line: &str) {
    println!("{line}");
}
