//! The `athenaeum` program: reads what was typed, does it, and says how it went in its exit code.

mod args;
mod commands;
mod interrupt;
mod output;
mod wire;

use std::{io, process::ExitCode};

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    if let Some(code) =
        athenaeum::read_for_another(std::env::args_os().filter_map(|word| word.into_string().ok()))
    {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            commands::complain(&format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints help or what was typed wrongly. Exit code 2, or 0 where help was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    // Where even that cannot be printed, the exit code has to say it all.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Whoever read our output has seen enough (`athenaeum search x | head`); that is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(is_pipe)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
    })
}
