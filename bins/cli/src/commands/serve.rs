use std::{path::PathBuf, process::ExitCode};

use athenaeum::{Athenaeum, listen, sample};
use serde::Serialize;

use super::{Context, Outcome, note};
use crate::args::server::Serve;

#[derive(Debug, Serialize)]
struct Serving {
    url: String,
    data: String,
}

pub(super) fn run(mut context: Context, args: &Serve) -> Outcome {
    // Two threads: one answers while another parses an upload or renders a long page.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(&mut context, args))?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn serve(context: &mut Context, args: &Serve) -> anyhow::Result<()> {
    let settings = context.settings.settings.clone();
    let home = context.data()?;
    let keys = athenaeum::open_keys(&home, &settings).await?;
    let data = if args.sample { sample::folder(&home) } else { home.clone() };
    // The address first: where it is refused, nothing else should have happened.
    let listener = listen(settings.server.addr, &keys).await?;
    let addr = listener.local_addr()?;
    let url = format!("http://{addr}");
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let mut athenaeum = Athenaeum::open_with(&data, &settings, keys).await?;
    match settings.pull(|name| std::env::var(name).ok()) {
        Ok(pull) => athenaeum = athenaeum.with_shelf(context.places.shelf(&settings)?, pull)?,
        Err(error) => note(&format_args!("No models can be fetched: {error}.")),
    }
    let catalog = context.places.catalog(&settings, variable)?;
    let athenaeum = athenaeum
        .with_models(catalog, &settings)
        .with_remotes(settings.remotes(|name| std::env::var(name).ok())?)
        .with_documents(athenaeum::documents_options(), &settings);
    // The sample is a library of its own: a person's folders are no part of it, unless they say so now.
    let named = match args.sample {
        true => vec![sample::documents_folder(&data)],
        false => context.places.document_folders(&settings),
    };
    let athenaeum = athenaeum.with_folders(named.into_iter().chain(args.drops.iter().cloned()));
    if args.sample {
        sample::fill(&athenaeum, &data).await?;
    }
    // Who asks for it later finds it by the person's own folder, whatever it serves.
    let announced =
        athenaeum::announce(&home, &data, addr, context.places.log_file(&settings)).inspect_err(|error| {
            note(&format_args!("`athenaeum status` and `stop` will not know of it: {error}."));
        });
    if context.output.json {
        context.output.object(&Serving { url, data: data.display().to_string() })?;
    } else {
        context.output.line(format_args!("Athenaeum is open at {url}"))?;
        let what = if args.sample { "a sample library" } else { "your library" };
        let who = if athenaeum.keys().are_required() { " to those who have a key" } else { "" };
        note(&format_args!("Serving {what} from {}{who}. Ctrl-C stops it.", data.display()));
    }
    context.output.flush()?;
    athenaeum.serve(listener, athenaeum::interrupted()).await;
    drop(announced);
    Ok(())
}
