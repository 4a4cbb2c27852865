//! How long the analyser, and the index behind it, take for a message of a text of your own.
//!
//! `cargo run --release -p athenaeum-archive --example analysis_speed -- FILE`
//!
//! A file with NUL bytes holds a message between each two; any other is cut into messages of 110 words.

use std::time::{Duration, Instant};

use athenaeum_archive::{
    index::{Document, Flags, Kind, Writer},
    text::Analyzer,
};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let path = std::env::args_os().nth(1).ok_or("name a text file")?;
    let text = std::fs::read_to_string(path)?;
    let messages: Vec<String> = if text.contains('\0') {
        text.split_terminator('\0').map(str::to_owned).collect()
    } else {
        let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
        words.chunks(110).map(<[&str]>::concat).collect()
    };

    let mut analyzer = Analyzer::for_many();
    let (mut best, mut tokens) = (Duration::MAX, 0_u64);
    // The best of some rounds: what the machine does besides only ever adds.
    for _ in 0..5 {
        tokens = 0;
        let start = Instant::now();
        for message in &messages {
            analyzer.analyze(message, |_| tokens += 1);
        }
        best = best.min(start.elapsed());
    }
    report("analysis", messages.len(), tokens, text.len(), best.as_secs_f64());
    let dir = std::env::temp_dir().join(format!("analysis-speed-{}", std::process::id()));
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        build(&dir, &messages)?;
        best = best.min(start.elapsed());
        if std::env::args_os().nth(2).is_none() {
            std::fs::remove_dir_all(&dir)?;
        }
    }
    report("analysis and index", messages.len(), tokens, text.len(), best.as_secs_f64());
    Ok(())
}

/// Indexes the messages, published every 7,000 as an import does it.
fn build(dir: &std::path::Path, messages: &[String]) -> Result<(), Error> {
    let mut analyzer = Analyzer::for_many();
    let mut writer = Writer::rebuild(dir)?;
    for (id, message) in (1..).zip(messages) {
        let document = Document {
            kind: Kind::Message,
            message_id: id,
            conversation: id / 10,
            time: Some(id * 1_000_000),
            role: None,
            flags: Flags::NONE,
            provider: "chatgpt",
            model: None,
            user: None,
            for_fts5: false,
        };
        writer.add(&document, |tokens| analyzer.analyze_to(message, tokens))?;
        if id % 7_000 == 0 {
            writer.publish(id)?;
        }
    }
    writer.publish(1)?;
    while writer.merge_step()? {}
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn report(what: &str, messages: usize, tokens: u64, bytes: usize, seconds: f64) {
    let each = seconds * 1e6 / messages.max(1) as f64;
    let rate = bytes as f64 / seconds / 1e6;
    println!("{what}: {messages} messages, {tokens} tokens: {each:.2} µs a message, {rate:.0} MB/s");
}
