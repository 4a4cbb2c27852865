//! Running other programs and finding the repository.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// Returns the root of the checkout that this xtask was built from.
pub(crate) fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Runs `program` in the repository with its output passed through; an exit status other than 0 is an error.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> anyhow::Result<()> {
    run_with(program, arguments, &[])
}

/// The same with variables of the environment.
pub(crate) fn run_with<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    variables: &[(&str, &str)],
) -> anyhow::Result<()> {
    let shown: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
    let variables_shown: String = variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    let line = format!("{variables_shown}{program} {}", shown.join(" "));
    say(&format!("\n── {line}"));
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(repository())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{line} ended with {status}");
    }
    Ok(())
}

/// Tells whether `program --version` runs.
pub(crate) fn present(program: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(program).args(arguments).output();
    quiet.is_ok_and(|output| output.status.success())
}

/// Prints a line for the person who runs the chore.
#[expect(clippy::print_stdout, reason = "a chore talks to the terminal, and only here")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
