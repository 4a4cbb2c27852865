use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use athenaeum::Running;

use super::{Context, Outcome, note, status};
use crate::{args::server::Serve, output::tame};

/// How long a server may take until it answers. A large sample, or a disk that was asleep, may take seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes of the log that are shown where a server did not start.
const SHOWN: u64 = 4 << 10;

pub(super) async fn run(context: &mut Context, args: &Serve) -> Outcome {
    let home = context.data()?;
    if let Some(server) = athenaeum::running(&home)?.into_iter().next() {
        return already(context, args, &server);
    }
    let log = context.places.log_file(&context.settings.settings).unwrap_or_else(|| home.join("server.log"));
    let log = std::path::absolute(log)?;
    athenaeum::make_private(&home)
        .with_context(|| format!("cannot make the data folder {}", home.display()))?;
    let begins_at = std::fs::metadata(&log).map_or(0, |log| log.len());
    let mut child = spawn(context, args, &home, &log)?;
    let server = ready(&mut child, &home, &log, begins_at).await?;
    match context.output.json {
        true => context.output.object(&status::Told::of(&server))?,
        false => {
            context.output.line(format_args!("Athenaeum is open at {}", server.url()))?;
            note(&format_args!(
                "It runs in the background as process {}; its log is {}. `athenaeum stop` ends it.",
                server.pid,
                log.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One runs: that is what was wanted, unless it was wanted elsewhere.
fn already(context: &mut Context, args: &Serve, server: &Running) -> Outcome {
    let elsewhere = args.addr.filter(|addr| addr.port() != 0 && *addr != server.addr);
    if elsewhere.is_some() || !args.drops.is_empty() {
        bail!("a server runs already at {}; end it with `athenaeum stop`, then start it anew", server.url());
    }
    match context.output.json {
        true => context.output.object(&status::Told::of(server))?,
        false => context.output.line(format_args!("Athenaeum is open already at {}", server.url()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts `athenaeum serve` with the same settings. It belongs to no terminal: Ctrl-C in this one is not meant for it.
fn spawn(context: &Context, args: &Serve, home: &Path, log: &Path) -> anyhow::Result<Child> {
    let cannot_write = || format!("cannot write the log to {}", log.display());
    let written = File::options().append(true).create(true).open(log).with_context(cannot_write)?;
    let mut command = Command::new(std::env::current_exe().context("cannot find this program's own file")?);
    command.arg("serve").arg("--data").arg(std::path::absolute(home)?);
    if let Some(file) = &context.config_file
        && file.is_file()
    {
        command.arg("--config").arg(std::path::absolute(file)?);
    }
    command.arg("--log").arg(&context.settings.settings.log);
    command.arg("--addr").arg(context.settings.settings.server.addr.to_string());
    if args.sample {
        command.arg("--sample");
    }
    for folder in &args.drops {
        command.arg("--drop").arg(folder);
    }
    command.env("ATHENAEUM_LOG_FILE", log);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(written);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().context("cannot start the server")
}

/// Waits until the server says that it runs, and returns what it says of itself.
async fn ready(child: &mut Child, home: &Path, log: &Path, begins_at: u64) -> anyhow::Result<Running> {
    let begun = Instant::now();
    while begun.elapsed() < READY_WITHIN {
        if let Some(status) = child.try_wait()? {
            bail!("the server ended at once ({status}):\n{}", told(log, begins_at).trim_end());
        }
        let servers = athenaeum::running(home)?;
        if let Some(server) = servers.into_iter().find(|server| server.pid == child.id()) {
            return Ok(server);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!(
        "the server does not answer after {} seconds; it may still be starting: see {}, and ask `athenaeum status`",
        READY_WITHIN.as_secs(),
        log.display()
    )
}

/// The end of what was written to the log since this server began, safe to show.
fn told(log: &Path, begins_at: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(begins_at.max(end.saturating_sub(SHOWN))))?;
        let mut bytes = Vec::new();
        file.take(SHOWN).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read()
        .map_or_else(|error| format!("its log {} cannot be read: {error}", log.display()), |text| tame(&text))
}
