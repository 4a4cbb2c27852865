use std::process::ExitCode;

use athenaeum::api::Mcp;

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
    let archive = context.open().await?;
    // The output holds standard output for itself, and from here on that belongs to the protocol.
    let Context { settings, scope, output, .. } = context;
    drop(output);
    let pages = format!("http://{}", settings.settings.server.addr);
    let mcp = Mcp::new(archive.clone(), scope, Some(pages));
    tokio::select! {
        ended = mcp.talk(tokio::io::stdin(), tokio::io::stdout()) => ended?,
        () = athenaeum::interrupted() => {}
    }
    archive.close().await;
    Ok(())
}
