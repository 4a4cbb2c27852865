use std::process::Stdio;

use crate::support::{Library, line};

#[test]
fn no_query_is_an_error() {
    let library = Library::new();
    let path = library.write("a.jsonl", &line("a", "Bread", "a question", "an answer"));
    library.ok(&["import", path.to_str().unwrap()]);
    let hostile = [
        "",
        " ",
        "\"",
        "'",
        "-",
        "--",
        "*",
        "AND",
        "OR OR",
        "NOT",
        "(",
        ")",
        "((((",
        "a AND",
        "provider:",
        "after:x",
        "has:wings",
        "'; DROP TABLE conversations; --",
        "\u{0}",
        "%s%n",
        "🦉",
        "\u{202e}abc",
        "title:\"",
        "NEAR(a b)",
        "-answer",
        "a* b*",
        "role:nobody",
        "^a",
        "{a b}",
    ];
    for query in hostile.into_iter().filter(|query| !query.contains('\u{0}')) {
        let ran = library.run(&["search", "--json", "--", query]);
        assert_eq!(ran.code, Some(0), "{query:?}: {ran:?}");
    }
    let long = "word ".repeat(20_000);
    assert_eq!(library.run(&["search", &long]).code, Some(0));
    assert_eq!(library.json(&["search", "answer"]).len(), 1, "the archive is as it was");
}

#[test]
fn foreign_text_does_not_steer_the_terminal() {
    let library = Library::new();
    let evil = "answer \u{1b}]0;owned\u{7} \u{1b}[2J end";
    let path = library.write("a.jsonl", &line("a", "T \u{1b}[31mred", "a question", evil));
    library.ok(&["import", path.to_str().unwrap()]);
    let id = library.json(&["list"])[0]["id"].as_str().unwrap().to_owned();
    for args in [&["search", "answer"][..], &["list"], &["show", &id], &["show", &id, "--format", "md"]] {
        let told = library.ok(args);
        assert!(!told.contains('\u{1b}') && !told.contains('\u{7}'), "{args:?}: {told:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let library = Library::new();
    let lines: String =
        (0..300).map(|n| line(&format!("c{n}"), "Bread", "a question", &"word ".repeat(200))).collect();
    let path = library.write("a.jsonl", &lines);
    library.ok(&["import", path.to_str().unwrap()]);
    let mut child = library
        .command()
        .args(["export", "--all", "--output", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[cfg(unix)]
#[test]
fn the_archive_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let library = Library::new();
    let path = library.write("a.jsonl", &line("a", "Bread", "a question", "an answer"));
    library.ok(&["import", path.to_str().unwrap()]);
    let mode = std::fs::metadata(library.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    assert!(library.ok(&["doctor"]).contains("All is well."));
}
