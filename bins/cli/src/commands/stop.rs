use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::{Context, Outcome, note};
use crate::{args::server::Stop, commands::status};

const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &mut Context, args: &Stop) -> Outcome {
    let home = context.data()?;
    let servers = athenaeum::running(&home)?;
    if servers.is_empty() {
        note(&format_args!("No server runs for {}.", home.display()));
        return Ok(ExitCode::SUCCESS);
    }
    for server in &servers {
        server.ask_to_end()?;
    }
    let begun = Instant::now();
    for server in &servers {
        while !server.has_ended() {
            if begun.elapsed().as_secs() >= args.wait {
                bail!(
                    "the server at {} (process {}) has not ended after {} seconds; it still does what it was asked for: \
                     wait longer with --wait, or end it by force with `kill -KILL {}`, which loses nothing that was kept",
                    server.url(),
                    server.pid,
                    args.wait,
                    server.pid
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        match context.output.json {
            true => context.output.object(&status::Told::ended(server))?,
            false => context.output.line(format_args!("The server at {} has ended.", server.url()))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
