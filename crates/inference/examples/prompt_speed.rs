//! How fast a prompt is read, piece by piece: `prompt_speed MODEL.gguf [TOKENS] [THREADS] [AT_ONCE]`.
//!
//! The decoder alone, without a scheduler: pieces of 512 tokens one after the other, and what each took, so that it shows what the
//! depth costs.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{error::Error, path::Path, sync::Arc, time::Instant};

use athenaeum_inference::{
    cache::{PAGE, Page},
    decoder::{Decoder, Row, Want},
    engine::{Backend, Cpu},
    kernels::Format,
    model,
    weights::Access,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a model")?;
    let tokens = arguments.next().map_or(Ok(512), |tokens| tokens.parse())?;
    let threads = arguments.next().map_or(Ok(2), |threads| threads.parse())?;
    let at_once: usize = arguments.next().map_or(Ok(512), |tokens| tokens.parse())?;
    let decoder = Decoder::load(&model::open(Path::new(&path))?, Access::default(), tokens)?;
    let pages = tokens.div_ceil(PAGE);
    let mut cpu = Cpu::new(Arc::new(decoder), Format::F16, pages, threads)?;
    let pages: Vec<Page> = (0..u32::try_from(pages)?).map(Page).collect();
    let (all, mut read) = (Instant::now(), 0);
    while read < tokens {
        let started = Instant::now();
        let rows: Vec<Row> = (read..tokens.min(read + at_once))
            .map(|position| Row {
                token: 300 + (position as u32).wrapping_mul(7_919) % 20_000,
                position: position as u32,
                sequence: 0,
                want: if position + 1 == tokens { Want::Logits } else { Want::Nothing },
            })
            .collect();
        cpu.forward(&rows, &[&pages])?;
        read += rows.len();
        let seconds = started.elapsed().as_secs_f64();
        println!("up to {read}: {:.1} tokens/s", rows.len() as f64 / seconds);
    }
    println!("all: {:.1} tokens/s", tokens as f64 / all.elapsed().as_secs_f64());
    Ok(())
}
