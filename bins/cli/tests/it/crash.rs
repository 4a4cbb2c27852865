use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{Library, many, signal};

/// A person pulls the plug half-way. What stands in the archive then must be whole batches of a thousand
/// conversations, each with all its messages and findable; and the next import must complete it without
/// taking anything twice.
#[test]
fn a_killed_import_leaves_whole_batches_and_is_completed_by_the_next() {
    let library = Library::new();
    let path = library.write("big.jsonl", &many(12_000));
    let mut child = library
        .command()
        .args(["import", path.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < until, "the import never got to its first batch");
        assert!(child.try_wait().unwrap().is_none(), "the import was over before it could be killed");
        let ran = library.run(&["stats", "--json"]);
        if ran.code == Some(0) && !ran.stdout.contains("\"conversations\":0,") {
            break;
        }
    }
    signal(&child, "KILL");
    child.wait().unwrap();

    let stats = library.json(&["stats"]).remove(0);
    let kept = stats["conversations"].as_u64().unwrap();
    assert!(kept > 0 && kept < 12_000 && kept.is_multiple_of(1_000), "{kept}");
    assert_eq!(stats["messages"].as_u64(), Some(2 * kept));
    assert_eq!(library.json(&["search", "question7"]).len(), 1);

    let report = library.json(&["import", path.to_str().unwrap()]).remove(0);
    assert_eq!(report["added"].as_u64(), Some(12_000 - kept), "{report}");
    assert_eq!(report["unchanged"].as_u64(), Some(kept));
    let stats = library.json(&["stats"]).remove(0);
    assert_eq!((stats["conversations"].as_u64(), stats["messages"].as_u64()), (Some(12_000), Some(24_000)));
    assert_eq!(library.json(&["search", "question11999"]).len(), 1);
    assert_eq!(library.run(&["doctor"]).code, Some(0));
    let runs = library.json(&["imports"]);
    assert_eq!(
        runs.iter().map(|run| run["status"].as_str().unwrap()).collect::<Vec<_>>(),
        ["completed", "failed"]
    );
}

/// A parser that writes nothing is not asked anything either; a person in a hurry must not leave it running.
#[test]
fn two_ctrl_cs_leave_no_parser_behind() {
    let library = Library::new();
    let (log, pid_file) = (library.write("kitchen.log", "hello"), library.path("pid"));
    let script = format!("sh -c 'echo $$ > {}; exec sleep 60'", pid_file.display());
    let mut child = library
        .command()
        .args(["import", "--parser", &script, log.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let pid = loop {
        assert!(Instant::now() < until, "the parser never ran");
        match std::fs::read_to_string(&pid_file) {
            Ok(pid) if pid.ends_with('\n') => break pid,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let begun = Instant::now();
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(20));
    signal(&child, "INT");
    assert!(!child.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Killed at the latest now; whoever inherited it may need a moment to take it off the table.
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        state().map_or(true, |stat| stat.contains(") Z "))
    });
    assert!(gone, "the parser runs on: {:?}", state());
}

#[test]
fn ctrl_c_ends_an_import_cleanly() {
    let library = Library::new();
    let path = library.write("big.jsonl", &many(12_000));
    let child = library
        .command()
        .args(["import", "--json", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        let ran = library.run(&["stats", "--json"]);
        if ran.code == Some(0) && !ran.stdout.contains("\"conversations\":0,") {
            break;
        }
    }
    signal(&child, "INT");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(report["error"].as_str().unwrap().contains("cancelled"), "{report}");
    let stats = library.json(&["stats"]).remove(0);
    assert_eq!(stats["conversations"], report["conversations"], "what was counted is what is kept");
    assert_eq!(library.json(&["imports"])[0]["status"], "failed");
}
