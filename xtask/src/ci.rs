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
        test()?;
        run("cargo", &["xtask", "conformance"])?;
        say("\nall checks passed");
        Ok(())
    }
}

/// The README's test command: unit and integration tests, examples, doctests. Uses nextest where it is installed.
pub(crate) fn test() -> anyhow::Result<()> {
    if present("cargo", &["nextest", "--version"]) {
        run("cargo", &["build", "--workspace", "--examples"])?;
        run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    } else {
        run("cargo", &["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"])?;
    }
    run("cargo", &["test", "--workspace", "--doc"])
}

/// Licences, duplicate crates and who may use what, of all systems: crates of the others may have to be downloaded first.
/// Advisories need a network every time and are left to a scheduled run.
fn deny() -> anyhow::Result<()> {
    if present("cargo", &["deny", "--version"]) {
        run("cargo", &["deny", "check", "bans", "licenses", "sources"])
    } else {
        say("\n── cargo deny: skipped, it is not installed (cargo install cargo-deny)");
        Ok(())
    }
}
