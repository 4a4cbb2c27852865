use std::{path::Path, process::Command};

use crate::support::Library;

/// Python is not part of this project's tools: where it is missing, these tests say so and pass.
#[expect(clippy::print_stdout, reason = "a test that was not run has to say so")]
fn python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !found {
        println!("skipped: there is no python3 on this machine");
    }
    found
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/parsers/irc_log.py");
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

const LOG: &str = "[2024-05-17 08:30:12] <ada> How long does the dough rise?\n\
                   [2024-05-17 08:30:40] <bakerbot> About an hour.\nLonger when it is cold.\n";

#[test]
fn a_parser_of_ones_own_imports_a_new_format() {
    if !python() {
        return;
    }
    let library = Library::new();
    let log = library.write("kitchen.log", LOG);
    let (log, script) = (log.to_str().unwrap(), example());
    assert_eq!(library.run(&["import", log]).code, Some(1), "without the parser nobody knows the format");
    let report = library.json(&["import", "--python-bridge", &script, log]).remove(0);
    assert_eq!((report["added"].as_u64(), report["messages"].as_u64()), (Some(1), Some(2)), "{report}");
    let same = library.json(&["import", "--parser", &format!("python3 '{script}'"), log]).remove(0);
    assert_eq!(same["unchanged"].as_u64(), Some(1), "{same}");
    assert_eq!(library.json(&["search", "colder OR cold"]).len(), 1);
}

#[test]
fn a_parser_that_misbehaves_is_told_on() {
    let library = Library::new();
    let log = library.write("kitchen.log", LOG);
    let log = log.to_str().unwrap();
    let check = |parser: &str, told: &str| {
        let ran = library.run(&["import", "--parser", parser, "--parser-seconds", "1", log]);
        assert_eq!(ran.code, Some(1), "{parser}: {ran:?}");
        assert!(ran.stderr.contains(told), "{parser}: {ran:?}");
    };
    check("/nowhere/parser", "/nowhere/parser");
    check("sh -c 'echo broken pipes >&2; exit 3'", "broken pipes");
    check("sh -c 'sleep 60'", "time limit");
    check("sh -c 'echo this is no JSON'", "");
    check("'unclosed", "not closed");
}
