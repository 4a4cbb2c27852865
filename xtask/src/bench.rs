//! Measures what `docs/benchmarks.md` states. Nothing here passes or fails: a figure is read beside its neighbour's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Subcommand;

use crate::{
    corpus,
    shell::{repository, run},
};

mod import;
mod process;
mod search;
mod serve;

/// Measure import, search, size, memory and start-up; beside the neighbour where there is one.
#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
    /// Messages in the generated archive.
    #[arg(long, default_value_t = 100_000, global = true)]
    messages: u64,
    /// Text file whose words head the vocabulary of the generated archive.
    #[arg(long, global = true)]
    text: Vec<PathBuf>,
    /// Generate conversations without titles: the ten best can then be compared with SQLite's, which knows no titles.
    #[arg(long, global = true)]
    untitled: bool,
    /// Where corpora and archives are kept between runs; target/bench by default.
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Import a generated ChatGPT export: messages a second of processor time, memory, size.
    Import {
        /// Also run the plain Python importer on the same file.
        #[arg(long)]
        neighbour: bool,
    },
    /// Search the imported archive: p50 and p99 by class of query, beside SQLite's own ranking.
    Search {
        /// Queries of each class.
        #[arg(long, default_value_t = 20)]
        per_class: usize,
        /// Only classes whose name begins so.
        #[arg(long)]
        class: Option<String>,
    },
    /// Start the server on the imported archive: time to the first answer, idle memory; and a search in one shot.
    Serve,
    /// Serve the small model of the examples: start-up, what the wire adds to the first token, what an idle connection
    /// costs, and many clients for as long as is asked.
    Endpoint {
        /// For how long many clients ask.
        #[arg(long, default_value = "60")]
        minutes: String,
        /// How many.
        #[arg(long, default_value = "64")]
        clients: String,
        /// Idle connections.
        #[arg(long, default_value = "10000")]
        connections: String,
    },
}

/// Where a benchmark finds its files.
struct Place {
    corpus: PathBuf,
    data: PathBuf,
    program: PathBuf,
    queries: PathBuf,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let dir = self.dir.clone().unwrap_or_else(|| repository().join("target/bench"));
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let place = Place::new(&dir, self.messages, self.untitled);
        if let What::Endpoint { minutes, clients, connections } = &self.what {
            return endpoint(&place, [minutes, clients, connections]);
        }
        let in_process = matches!(self.what, What::Search { .. }) && place.data.exists();
        if !in_process {
            run("cargo", &["build", "--release", "--package", "athenaeum-cli"])?;
        }
        corpus::cached(&place.corpus, self.messages, &self.text, self.untitled)?;
        match self.what {
            What::Import { neighbour } => import::run(&place, neighbour),
            What::Search { per_class, class } => search::run(&place, per_class, class.as_deref()),
            What::Serve => serve::run(&place),
            What::Endpoint { .. } => Ok(()), // It was run above: it needs no corpus.
        }
    }
}

/// Runs the program that measures the endpoint, on the program that people use.
fn endpoint(place: &Place, figures: [&String; 3]) -> anyhow::Result<()> {
    run("cargo", &["build", "--release", "--package", "athenaeum-cli"])?;
    let program = place.program.display().to_string();
    let example =
        ["run", "--profile", "profiling", "--package", "athenaeum", "--example", "endpoint", "--", &program];
    run("cargo", &[example.as_slice(), &figures.map(String::as_str)].concat())
}

impl Place {
    fn new(dir: &Path, messages: u64, untitled: bool) -> Self {
        let messages = format!("{messages}{}", if untitled { "-untitled" } else { "" });
        Self {
            corpus: dir.join(format!("chatgpt-{messages}/conversations.json")),
            data: dir.join(format!("data-{messages}")),
            program: repository().join("target/release/athenaeum"),
            queries: dir.join(format!("queries-{messages}.json")),
        }
    }

    /// Imports the corpus unless the archive is already there.
    fn archive(&self) -> anyhow::Result<PathBuf> {
        let database = self.data.join("archive.db");
        if !database.exists() {
            import::run(self, false)?;
        }
        Ok(database)
    }
}
