//! Our server, for other people's programs to be tried against.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::shell::{repository, run};

/// A server with the small model of the examples, in a folder that is removed with it.
pub(super) struct Served {
    child: Child,
    pub(super) url: String,
    pub(super) program: PathBuf,
    pub(super) data: String,
    pub(super) folder: PathBuf,
}

impl Served {
    /// Builds and starts it, with further arguments of `serve`.
    pub(super) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        run("cargo", &["build", "--quiet", "--package", "athenaeum-cli"])?;
        let program = repository().join("target/debug/athenaeum");
        let folder = std::env::temp_dir().join(format!("athenaeum-served-{}", std::process::id()));
        let models = folder.join("data/models");
        fs::create_dir_all(&models)?;
        fs::copy(repository().join("examples/models/tiny.gguf"), models.join("tiny.gguf"))?;
        let mut child = Command::new(&program)
            .arg("--data")
            .arg(folder.join("data"))
            .args(["serve", "--addr", "127.0.0.1:0", "--json"])
            .args(arguments)
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let mut served = Self { child, url: String::new(), program, data: String::new(), folder };
        let told: Value = serde_json::from_str(&line).context("the server did not say where it is")?;
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        (served.url, served.data) = (text("url"), text("data"));
        ensure!(served.url.starts_with("http://"), "the server did not say where it is: {line}");
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it had open may be let go of a moment later.
        let start = Instant::now();
        while fs::remove_dir_all(&self.folder).is_err() && start.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}
