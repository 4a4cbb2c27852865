//! Measures how many texts a model embeds: `embed_speed MODEL [THREADS]`.
//!
//! 256 sentences of about 20 tokens and 64 pieces of about 200, 32 at once. Told are texts per second of the clock, and per
//! second of processor time and thread, which other programs on the machine hardly touch.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::{fs, io, path::Path, time::Instant};

use athenaeum_inference::{
    embedder::{Embedder, Options},
    kernels::Pool,
    model,
    weights::Access,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or_else(|| io::Error::other("name a model"))?;
    let threads = args.next().map_or(Ok(2), |threads| threads.parse())?;
    let load = Instant::now();
    let embedder = Embedder::load(&model::open(Path::new(&path))?, Access::Map)?;
    println!("load: {:?}", load.elapsed());
    let pool = Pool::new(threads);
    measure(&embedder, &pool, "sentences", 256, 2)?;
    measure(&embedder, &pool, "pieces", 64, 22)
}

fn measure(
    embedder: &Embedder,
    pool: &Pool,
    what: &str,
    count: usize,
    repeat: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let text =
        |index: usize| format!("text number {index} tells what a reader asks {}", PHRASE.repeat(repeat));
    let texts: Vec<String> = (0..count).map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    embedder.embed(&texts[..32], &Options::default(), pool)?;
    let (started, seconds) = (Instant::now(), processor_seconds()?);
    let mut tokens = 0;
    for batch in texts.chunks(32) {
        tokens +=
            embedder.embed(batch, &Options::default(), pool)?.iter().map(|one| one.tokens).sum::<usize>();
    }
    let (wall, processor) = (started.elapsed().as_secs_f64(), processor_seconds()? - seconds);
    println!(
        "{what} of {:.0} tokens: {:.1} per second, {:.1} per second of a thread's processor time",
        tokens as f64 / count as f64,
        count as f64 / wall,
        count as f64 / processor,
    );
    Ok(())
}

const PHRASE: &str = "and where the river bends to the ";

/// User and system time of this process, on Linux in hundredths of a second.
fn processor_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = behind_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / 100.0)
}
