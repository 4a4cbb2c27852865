use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use athenaeum::archive::query::HELP;
use clap::CommandFactory;

use super::Outcome;
use crate::args::Cli;

/// Explains the query language.
pub(super) fn query() -> Outcome {
    io::stdout().write_all(query_help().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the query language in examples, one a line.
fn query_help() -> String {
    let widest = HELP.iter().map(|help| help.example.chars().count()).max().unwrap_or_default();
    let mut text = "What a search understands:\n\n".to_owned();
    for help in HELP {
        text += &format!("  {:<widest$}  {}\n", help.example, help.finds);
    }
    text + "\nWords are found in all their forms, in any case, with or without accents. Nothing that can be typed is an\n\
            error: what was not understood is searched as words, and a notice says so.\n"
}

pub(super) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "athenaeum", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, or writes one file per command.
pub(super) fn man(to: Option<&Path>) -> Outcome {
    match to {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            io::stdout().write_all(&page)?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
