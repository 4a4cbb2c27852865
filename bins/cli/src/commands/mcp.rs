use std::{path::PathBuf, process::ExitCode};

use athenaeum::{Athenaeum, tenancy::Keys};

use super::{Context, Outcome};

/// Talks with whoever started the program until they close its standard input, or tell it to end.
pub(super) fn run(context: Context) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(talk(context))?;
    // Whoever started us may keep our standard input open; nobody waits for what it would still say.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn talk(context: Context) -> anyhow::Result<()> {
    let (data, settings) = (context.data()?, context.settings.settings.clone());
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let catalog = context.places.catalog(&settings, variable)?;
    // Whoever started us is asked for no key.
    let athenaeum = Athenaeum::open_with(&data, &settings, Keys::none()).await?;
    let athenaeum = athenaeum
        .with_models(catalog, &settings)
        .with_remotes(settings.remotes(|name| std::env::var(name).ok())?)
        .with_documents(athenaeum::documents_options(), &settings);
    // The output holds standard output for itself, and from here on that belongs to the protocol.
    drop(context.output);
    let mcp = athenaeum.mcp(Some(format!("http://{}", settings.server.addr)));
    tokio::select! {
        ended = mcp.talk(tokio::io::stdin(), tokio::io::stdout()) => ended?,
        () = athenaeum::interrupted() => {}
    }
    athenaeum.close().await;
    Ok(())
}
