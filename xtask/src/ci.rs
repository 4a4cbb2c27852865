use crate::{
    shell::{present, run, say},
    tidy,
};

/// Everything that continuous integration runs, in its order: the cheap checks first.
#[derive(clap::Args)]
pub(crate) struct Ci {}

impl Ci {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        run("cargo", &["fmt", "--all", "--check"])?;
        tidy::Tidy {}.run()?;
        run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
        deny()?;
        tests()?;
        run("cargo", &["test", "--workspace", "--doc"])?;
        run("cargo", &["xtask", "conformance"])?;
        say("\nall checks passed");
        Ok(())
    }
}

/// The README's test command, so that a person and the machine run the same thing.
fn tests() -> anyhow::Result<()> {
    if present("cargo", &["nextest", "--version"]) {
        run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        run("cargo", &["test", "--workspace", "--all-targets", "--no-fail-fast"])
    }
}

/// Licences, duplicate crates and who may use what; advisories need a network and are left to a scheduled run.
fn deny() -> anyhow::Result<()> {
    if present("cargo", &["deny", "--version"]) {
        run("cargo", &["deny", "--offline", "check", "bans", "licenses", "sources"])
    } else {
        say("\n── cargo deny: skipped, it is not installed (cargo install cargo-deny)");
        Ok(())
    }
}
