//! Measures what `docs/benchmarks.md` says of taking in small files:
//!
//! ```text
//! cargo run --profile profiling -p athenaeum-retrieval --example add_speed -- FOLDER [DATA]
//! ```
//!
//! FOLDER is taken into a new library, by word alone, and then looked through once more with nothing changed. DATA keeps it.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{path::PathBuf, time::Instant};

use athenaeum_archive::{Settings, library::Library};
use athenaeum_retrieval::{
    CancellationToken,
    documents::{self, Options},
};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let data = arguments.next().map(PathBuf::from);
    // As many threads as the programs have.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(folder, data))
}

async fn measure(folder: PathBuf, data: Option<PathBuf>) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data = data.unwrap_or_else(|| temporary.path().to_owned());
    let library = Library::open(&data, &Settings::default()).await?;
    let scope = athenaeum_tenancy::local();
    for _ in 0..2 {
        let begun = Instant::now();
        let (options, cancel) = (Options::default(), CancellationToken::new());
        let paths = [folder.clone()];
        let report = documents::add(&library, &scope, &paths, &options, |_| {}, cancel).await?;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{} new, {} as before, {} failed, {} chunks: {seconds:.2} s, {:.0} files a second",
            report.added,
            report.unchanged,
            report.failed,
            report.chunks_added,
            report.files as f64 / seconds
        );
    }
    library.close().await;
    Ok(())
}
