//! What can be typed to run the server, in a terminal or in the background.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to answer; others than this machine need a key [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) addr: Option<SocketAddr>,
    /// Serve a small sample library instead of your own, to look around
    #[arg(long)]
    pub(crate) sample: bool,
    /// Watch this folder as well: documents that are put there are found within a moment, nothing is moved (repeatable)
    #[arg(long = "drop", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) drops: Vec<PathBuf>,
}

impl Serve {
    /// Returns the setting that the flag overrides, and its value.
    pub(crate) fn setting(&self) -> Option<(&'static str, String)> {
        self.addr.map(|addr| ("server.addr", addr.to_string()))
    }
}

pub(super) const SERVE_HELP: &str = "\
Examples:
  athenaeum serve                        http://127.0.0.1:7878
  athenaeum serve --sample               made-up conversations and documents, apart from your own
  athenaeum serve --drop ~/Inbox         and the documents in a folder, as they come and go
  athenaeum serve --addr 127.0.0.1:0     any free port; the address is printed
  athenaeum serve --addr 0.0.0.0:7878    every machine that reaches this one, with a key (`athenaeum keys add NAME`)

Pages are at /, the REST API at /athenaeum/v1, its description at /openapi.json and /docs,
and at /mcp programs that speak the Model Context Protocol search and open conversations.
Ctrl-C stops it in order: requests under way are answered, imports end cleanly.";

pub(super) const START_HELP: &str = "\
Examples:
  athenaeum start                        http://127.0.0.1:7878, until `athenaeum stop`
  athenaeum start --sample               made-up conversations and documents, apart from your own
  athenaeum start --addr 0.0.0.0:7878    every machine that reaches this one, with a key (`athenaeum keys add NAME`)

It returns once the server answers, or says why it does not. Its log is server.log in the data folder
unless the setting log_file names another file. It does not start again by itself after a restart of the
machine; a service manager does that with `athenaeum serve`.

Exit code: 0 it answers, or did already; 1 it could not be started.";

#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Seconds to wait for it to end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) wait: u64,
}

pub(super) const STOP_HELP: &str = "\
Examples:
  athenaeum stop
  athenaeum stop --data /srv/athenaeum   the server of that folder

Requests under way are answered, imports end cleanly. The server may have been started by `start`, by
`serve`, or as `athenaeum-server`.

Exit code: 0 no server runs any more; 1 one could not be told to end, or has not ended yet.";

pub(super) const STATUS_HELP: &str = "\
Examples:
  athenaeum status
  athenaeum status --json | jq -r .url

Exit code: 0 a server answers; 1 one runs but does not answer; 3 none runs.";
