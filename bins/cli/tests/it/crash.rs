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
