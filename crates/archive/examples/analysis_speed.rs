//! How long the analyser takes for a message of 110 words, cut from a text file of your own.
//!
//! `cargo run --release -p athenaeum-archive --example analysis_speed -- FILE`

use std::time::{Duration, Instant};

use athenaeum_archive::text::Analyzer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("name a text file")?;
    let text = std::fs::read_to_string(path)?;
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let messages: Vec<String> = words.chunks(110).map(<[&str]>::concat).collect();

    let mut analyzer = Analyzer::new();
    let (mut best, mut tokens) = (Duration::MAX, 0_u64);
    // The best of many rounds: what the machine does besides only ever adds.
    for _ in 0..40 {
        tokens = 0;
        let start = Instant::now();
        for message in &messages {
            analyzer.analyze(message, |_| tokens += 1);
        }
        best = best.min(start.elapsed());
    }
    report(messages.len(), tokens, text.len(), best.as_secs_f64());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn report(messages: usize, tokens: u64, bytes: usize, seconds: f64) {
    let each = seconds * 1e6 / messages.max(1) as f64;
    let rate = bytes as f64 / seconds / 1e6;
    println!("{messages} messages, {tokens} tokens: {each:.2} µs a message, {rate:.0} MB/s");
}
