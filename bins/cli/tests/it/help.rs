use std::{fmt::Write, path::Path};

use crate::support::Library;

/// `docs/cli.md` is what the program says about itself. After changing the command line, run this test with
/// `ATHENAEUM_BLESS=1` to write the page anew.
#[test]
fn the_reference_is_what_the_program_says() {
    let library = Library::new();
    let mut page = "# The command line\n\nWhat `athenaeum help` says, command by command. Written by \
                    `ATHENAEUM_BLESS=1 cargo nextest run -p athenaeum-cli help`; do not edit.\n"
        .to_owned();
    for command in [
        "",
        "import",
        "add",
        "library",
        "remember",
        "memories",
        "memories search",
        "search",
        "topics",
        "ask",
        "run",
        "verify",
        "show",
        "export",
        "list",
        "serve",
        "start",
        "stop",
        "status",
        "mcp",
        "stats",
        "imports",
        "delete",
        "backup",
        "restore",
        "models",
        "models pull",
        "models list",
        "models show",
        "models add",
        "models verify",
        "models remove",
        "chat",
        "complete",
        "embed",
        "rerank",
        "bench",
        "eval",
        "keys",
        "keys add",
        "keys list",
        "keys revoke",
        "keys forget",
        "doctor",
        "config",
        "config show",
        "config path",
        "config init",
        "query",
        "completions",
        "man",
    ] {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let told = library.ok(&words);
        let name = format!("athenaeum {command}");
        write!(page, "\n## {}\n\n```text\n{}\n```\n", name.trim_end(), told.trim_end()).unwrap();
    }
    write!(page, "\n## What a search understands\n\n```text\n{}\n```\n", library.ok(&["query"]).trim_end())
        .unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("ATHENAEUM_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/cli.md is not what the program says; run this test with ATHENAEUM_BLESS=1"
    );
}

#[test]
fn every_command_teaches_by_example_or_in_a_line() {
    let library = Library::new();
    for command in
        ["import", "search", "show", "export", "serve", "start", "stop", "status", "models", "completions"]
    {
        let told = library.ok(&["help", command]);
        assert!(told.contains("Examples:\n  athenaeum "), "{command}: {told}");
    }
    assert!(library.ok(&["query"]).contains("after:2024"));
    assert!(library.ok(&["man"]).contains(".TH athenaeum"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(library.ok(&["completions", shell]).contains("athenaeum"), "{shell}");
    }
    library.ok(&["man", "pages"]);
    assert!(library.path("pages/athenaeum-import.1").is_file());
}
