//! The project's own chores, in Rust so that they run wherever the project does: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod arm;
mod bench;
mod book;
mod ci;
mod collections;
mod conformance;
mod corpus;
mod embedder;
mod sample;
mod shell;
mod soak;
mod tidy;
mod train_tiny;

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check what the compiler cannot: layers, documents, lints, leftovers.
    Tidy(tidy::Tidy),
    /// All tests: unit, integration, examples, doctests.
    Test,
    /// Everything that continuous integration runs, in its order.
    Ci(ci::Ci),
    /// Run the kernels' tests as ARM processors would, by emulation.
    Arm(arm::Arm),
    /// Generate a realistic export of any size, for benchmarks and by-hand trials.
    Corpus(corpus::Corpus),
    /// Run other people's files through the parsers and compare with what a reader of them expects.
    Conformance(conformance::Conformance),
    /// Measure import, search, size, memory and start-up; beside the neighbour where there is one.
    Bench(bench::Bench),
    /// Write the table of contents by which mdbook makes a book of the documents.
    Book(book::Book),
    /// Keep the small model busy for an hour, and fail if anything is held or has grown at the end.
    Soak(soak::Soak),
    /// Train the small generative model that examples and tests run on, and write it in both formats.
    TrainTiny(train_tiny::TrainTiny),
    /// Pack all-MiniLM-L6-v2 into the embedder that programs have built in, and measure what packing costs.
    Embedder(embedder::Embedder),
    /// Turn public collections of judged questions into BEIR's layout.
    Collections(collections::Collections),
    /// Make the documents of the sample library that are no text themselves.
    Sample(sample::Sample),
}

/// The word by which this program is asked to read one document, for itself.
const READ_DOCUMENT: &str = "read-document";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == READ_DOCUMENT) {
        return Ok(athenaeum_ingest::document::child::main(&arguments[1..]));
    }
    run(Arguments::parse().chore).map(|()| ExitCode::SUCCESS)
}

fn run(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Tidy(chore) => chore.run(),
        Chore::Test => ci::test(),
        Chore::Ci(chore) => chore.run(),
        Chore::Arm(chore) => chore.run(),
        Chore::Corpus(chore) => chore.run(),
        Chore::Conformance(chore) => chore.run(),
        Chore::Bench(chore) => chore.run(),
        Chore::Book(chore) => chore.run(),
        Chore::Soak(chore) => chore.run(),
        Chore::TrainTiny(chore) => chore.run(),
        Chore::Embedder(chore) => chore.run(),
        Chore::Collections(chore) => chore.run(),
        Chore::Sample(chore) => chore.run(),
    }
}
