//! Counts what an export holds and how fast it is read, without keeping anything:
//! `cargo run --release -p athenaeum-ingest --example tally -- PATH…`

#![expect(clippy::print_stdout, reason = "printing is what this program does")]

use std::{env, ops::ControlFlow, path::Path, time::Instant};

use athenaeum_ingest::{Item, Options, read};

fn main() -> Result<(), athenaeum_ingest::Error> {
    for path in env::args_os().skip(1) {
        let begun = Instant::now();
        let mut problems = Vec::new();
        let summary = read(Path::new(&path), &Options::default(), &mut |item| {
            if let Item::Problem(problem) = item {
                problems.push(problem);
            }
            ControlFlow::Continue(())
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        let megabytes = summary.bytes as f64 / 1e6;
        println!(
            "{}: {} conversations, {} empty, {} messages, {} problems, {} notices, {:?}; {megabytes:.1} MB in {seconds:.2} s, {:.0} MB/s",
            path.display(),
            summary.conversations,
            summary.empty,
            summary.messages,
            summary.problems,
            summary.notices,
            summary.formats,
            megabytes / seconds,
        );
        for problem in problems.iter().take(20) {
            println!("    {}: {problem}", problem.severity.as_str());
        }
    }
    Ok(())
}
