use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use athenaeum_core::Role;
use athenaeum_ingest::{ExternalParser, Options, Stop};

use crate::harness::{Outcome, read_path};

/// Runs a shell script as the parser of a file.
fn run(script: &str, limit: impl FnOnce(&mut ExternalParser)) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("parser.sh");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let source = folder.path().join("source.txt");
    fs::write(&source, "hello").unwrap();
    let mut parser = ExternalParser::new(&program);
    limit(&mut parser);
    read_path(&source, &Options { parser: Some(parser), ..Options::default() })
}

const LINE: &str = r#"{"athenaeum":1,"provider":"x","id":"1","messages":[{"role":"user","text":"hi"}]}"#;

#[test]
fn what_it_writes_is_read_and_the_environment_is_small() {
    let script = r#"printf '{"athenaeum":1,"provider":"x","id":"1","messages":[{"role":"user","text":"%s %s"}]}\n' "$(cat "$1")" "$HOME""#;
    let outcome = run(script, |_| {});
    assert_eq!(outcome.only().messages[0].content(), "hello ");
    assert!(outcome.problems.is_empty(), "{outcome:?}");
}

#[test]
fn a_failure_keeps_what_came_before_it() {
    let outcome = run(&format!("echo '{LINE}'; echo nonsense; echo 'out of flour' >&2; exit 3"), |_| {});
    assert_eq!(outcome.conversations.len(), 1);
    let losses = outcome.losses();
    assert!(losses[0].contains("something else than a conversation"), "{losses:?}");
    assert!(losses[1].contains("exit status: 3") && losses[1].contains("out of flour"), "{losses:?}");
}

#[test]
fn it_is_ended_with_all_that_it_started() {
    let begun = Instant::now();
    let outcome = run(&format!("echo '{LINE}'; sleep 60 & sleep 60"), |parser| {
        parser.time_limit = Duration::from_millis(300);
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(outcome.conversations.len(), 1);
    assert!(outcome.losses()[0].contains("was ended after 0.3 s"), "{outcome:?}");
}

/// The parser says nothing, so that no item asks whether anybody still listens.
#[test]
fn a_silent_one_is_ended_when_it_is_no_longer_wanted() {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let mut parser = ExternalParser::new("sh");
    parser.arguments = vec!["-c".into(), format!("sleep 60 & echo $! > {}; wait", pid_file.display())];
    let written = pid_file.clone();
    let stop = Stop::when(move || fs::read_to_string(&written).is_ok_and(|pid| pid.ends_with('\n')));
    let outcome = read_path(folder.path(), &Options { parser: Some(parser), stop, ..Options::default() });
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(outcome.summary.cancelled && outcome.problems.is_empty(), "{outcome:?}");
    let pid = fs::read_to_string(pid_file).unwrap();
    assert!(is_gone(pid.trim()), "what it started runs on");
}

/// A process that nobody waits for stays in the table as a zombie.
fn is_gone(pid: &str) -> bool {
    let state = || fs::read_to_string(format!("/proc/{pid}/stat"));
    (0..100).any(|_| {
        let gone = state().map_or(true, |stat| stat.contains(") Z "));
        if !gone {
            std::thread::sleep(Duration::from_millis(10));
        }
        gone
    })
}

#[test]
fn output_without_end_is_cut_off() {
    let outcome = run(&format!("while echo '{LINE}'; do :; done"), |parser| parser.output_limit = 100_000);
    assert!(outcome.conversations.len() > 10);
    assert!(outcome.losses()[0].contains("raise the output limit"), "{:?}", outcome.losses());
}

#[test]
fn a_parser_that_is_not_there_is_an_error() {
    let options = Options { parser: Some(ExternalParser::new("/no/such/parser")), ..Options::default() };
    let error = athenaeum_ingest::read(tempfile::tempdir().unwrap().path(), &options, &mut |_| {
        std::ops::ControlFlow::Continue(())
    });
    assert!(error.is_err());
}

/// Runs where Python is installed; says so where it is not.
#[test]
fn the_example_in_python() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: python3 is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = "[2024-05-17 08:30:12] <ada> How long?\n[2024-05-17 08:30:40] <bot> An hour.\nOr two.\n";
    fs::write(folder.path().join("bread.log"), log).unwrap();
    let mut parser = ExternalParser::new("python3");
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/parsers/irc_log.py");
    parser.arguments.push(example.to_string_lossy().into_owned());
    let outcome = read_path(folder.path(), &Options { parser: Some(parser), ..Options::default() });
    let conversation = outcome.only();
    assert_eq!((conversation.provider.as_str(), conversation.title.as_deref()), ("irc", Some("bread")));
    let answer = &conversation.messages[1];
    assert_eq!((answer.role, answer.content().as_str()), (Role::Assistant, "An hour.\nOr two."));
    assert_eq!(conversation.created_at.unwrap().to_string(), "2024-05-17T08:30:12Z");
}
