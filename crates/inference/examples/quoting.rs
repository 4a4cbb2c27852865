//! How much faster answers come that repeat what was said before, when that is guessed: `quoting MODEL.gguf [THREADS]`.
//!
//! The answers of `quoting/*.txt` quote passages or give code back with a change, as people's models do; `plain.txt` repeats
//! nothing. MODEL computes every row, and whatever it says, its answer is the file's: so models of made-up numbers do, and
//! what is measured hangs on the texts and on what rows cost. Each answer is given without and with guesses in turn, three
//! times; the best of each is told.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{error::Error, fs, path::Path, sync::Arc, time::Instant};

use athenaeum_inference::{
    cache::{PAGE, Page},
    decoder::{Decoder, Output, Row, Want},
    engine::{Backend, Cpu, Engine, Request, Settings},
    kernels::Format,
    model,
    sampling::Sampling,
    tokenizer::{Special, Tokenizer},
    weights::Access,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a model")?;
    let threads = arguments.next().map_or(Ok(2), |threads| threads.parse())?;
    let decoder =
        Arc::new(Decoder::load(&model::open(Path::new(&path))?, Access::default(), CONTEXT_TOKENS)?);
    let tokenizer = Arc::new(Tokenizer::of(&model::open(Path::new(&path))?)?);
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quoting"))?
        .map(|file| Ok(file?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let (prompt, answer) = text.split_once("\n=====\n").ok_or("no answer in the text")?;
        let prompt = tokenizer.encode(prompt, Special::Text);
        let answer = tokenizer.encode(answer, Special::Text);
        let script = [&prompt[..], &answer].concat();
        let mut best = [f64::INFINITY; 2];
        for round in 0..6 {
            let guesses = [Some(0), None][round % 2];
            let settings = Settings { context_tokens: CONTEXT_TOKENS, ..Settings::default() };
            let computing = Cpu::new(Arc::clone(&decoder), Format::F16, CONTEXT_TOKENS / PAGE, threads)?;
            let backend = Scripted { computing, script: script.clone(), logits: Vec::new() };
            let engine = Engine::start(Box::new(backend), None, Arc::clone(&tokenizer), settings)?;
            let seconds = seconds(&engine, &prompt, &answer, guesses)?;
            best[round % 2] = best[round % 2].min(seconds);
        }
        let [plain, guessed] = best.map(|seconds| answer.len() as f64 / seconds);
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        println!(
            "{name:9} {:4} tokens: {plain:6.1} tokens/s, guessed {guessed:6.1}, {:.2} times",
            answer.len(),
            guessed / plain
        );
    }
    Ok(())
}

const CONTEXT_TOKENS: usize = 4_096;

/// How long an answer takes from its first token on.
fn seconds(
    engine: &Engine,
    prompt: &[u32],
    answer: &[u32],
    guesses: Option<usize>,
) -> Result<f64, Box<dyn Error>> {
    let request = Request {
        sampling: Sampling::greedy(),
        tokens_max: Some(answer.len()),
        ignore_ends: true,
        guesses,
        ..Request::new(prompt.to_vec())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let started = Instant::now();
    let (_, end) = runtime.block_on(engine.submit(request)?.text()).ok_or("the engine ended")?;
    let first = end.first_token.ok_or("no token came")?;
    Ok((started.elapsed() - first).as_secs_f64())
}

/// Computes every row, and then says what is written.
struct Scripted {
    computing: Cpu,
    script: Vec<u32>,
    logits: Vec<f32>,
}

impl Backend for Scripted {
    fn vocabulary(&self) -> usize {
        self.computing.vocabulary()
    }

    fn pages(&self) -> usize {
        self.computing.pages()
    }

    fn forward(&mut self, rows: &[Row], sequences: &[&[Page]]) -> Result<Output<'_>, String> {
        let vocabulary = self.computing.vocabulary();
        let output = self.computing.forward(rows, sequences)?;
        self.logits.clear();
        self.logits.resize(output.logits.len(), 0.0);
        let wanted = rows.iter().filter(|row| row.want == Want::Logits);
        for (row, logits) in wanted.zip(self.logits.chunks_exact_mut(vocabulary)) {
            let next = self.script.get(row.position as usize + 1).copied().unwrap_or_default();
            logits[next as usize] = 1.0;
        }
        Ok(Output { logits: &self.logits, hidden: &[] })
    }
}
