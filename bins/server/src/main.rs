//! The server alone, for machines that only serve: the same library, pages and API as `athenaeum serve`.

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use athenaeum::{Athenaeum, Start};
use clap::Parser;

/// Serves a library of LLM conversations to this machine, and to others who have a key.
#[derive(Debug, Parser)]
#[command(name = "athenaeum-server", version)]
struct Args {
    /// Where to answer; others than this machine need a key [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDR:PORT")]
    addr: Option<SocketAddr>,
    /// Folder that holds the archive [default: the system's place for your data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Settings file [default: the one that `athenaeum config path` names]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to tell on stderr while running: off, error, warn, info, debug, trace
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(code) =
        athenaeum::read_for_another(std::env::args_os().filter_map(|word| word.into_string().ok()))
    {
        return Ok(code);
    }
    let args = Args::parse();
    let addr = args.addr.map(|addr| addr.to_string());
    let flags = [("server.addr", addr), ("data", args.data), ("log", args.log)];
    let Start { settings, places, .. } = Start::of(args.config, flags)?;
    let settings = settings.settings;
    let data = places.data_folder(&settings)?;

    // Two threads: one answers while another parses an upload or renders a long page.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let keys = athenaeum::open_keys(&data, &settings).await?;
        let listener = athenaeum::listen(settings.server.addr, &keys).await?;
        let addr = listener.local_addr()?;
        let mut athenaeum = Athenaeum::open_with(&data, &settings, keys).await?;
        match settings.pull(|name| std::env::var(name).ok()) {
            Ok(pull) => athenaeum = athenaeum.with_shelf(places.shelf(&settings)?, pull)?,
            Err(error) => writeln!(std::io::stderr(), "No models can be fetched: {error}.")?,
        }
        let catalog = places.catalog(&settings, |name| std::env::var_os(name).map(PathBuf::from))?;
        let athenaeum = athenaeum
            .with_models(catalog, &settings)
            .with_remotes(settings.remotes(|name| std::env::var(name).ok())?)
            .with_documents(athenaeum::documents_options(), &settings)
            .with_folders(places.document_folders(&settings));
        let announced = athenaeum::announce(&data, &data, addr, places.log_file(&settings));
        if let Err(error) = &announced {
            writeln!(std::io::stderr(), "`athenaeum status` and `stop` will not know of it: {error}.")?;
        }
        writeln!(std::io::stdout(), "http://{addr}").context("cannot print the address")?;
        athenaeum.serve(listener, athenaeum::interrupted()).await;
        drop(announced);
        Ok(ExitCode::SUCCESS)
    })
}
