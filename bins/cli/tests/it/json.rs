use serde_json::Value;

use crate::support::{Library, sample};

fn keys(value: &Value) -> String {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys.join(" ")
}

/// What scripts rely on: a field may join, none may leave. (Names in the order of the alphabet.)
#[test]
fn shapes_are_stable() {
    let library = Library::new();
    let claude = sample().join("claude");
    let report = library.json(&["import", claude.to_str().unwrap()]).remove(0);
    insta::assert_snapshot!(keys(&report), @"added bytes conversations duration_ms empty files import_id messages messages_per_second mismatch_details mismatches notices problem_details problem_reasons problems providers source unchanged updated");
    let hit = library.json(&["search", "swifts"]).remove(0);
    insta::assert_snapshot!(keys(&hit), @"conversation_id created_at marks message_id model off_branch position provider role score snippet title title_marks");
    let summary = library.json(&["list"]).remove(0);
    insta::assert_snapshot!(keys(&summary), @"created_at external_id id message_count model provider title updated_at user_id");
    let stats = library.json(&["stats"]).remove(0);
    insta::assert_snapshot!(keys(&stats), @"conversations conversations_by_provider database_bytes first_at last_at messages messages_by");
    let run = library.json(&["imports"]).remove(0);
    insta::assert_snapshot!(keys(&run), @"created_at error id provider report source status");
    assert_eq!(run["report"]["added"], report["added"]);
    let setting = library.json(&["config", "show"]).remove(0);
    insta::assert_snapshot!(keys(&setting), @"name origin value variable");
    let finding = library.json(&["doctor"]).remove(0);
    insta::assert_snapshot!(keys(&finding), @"check found ok");
    let machine =
        library.json(&["doctor"]).into_iter().find(|finding| finding["check"] == "machine").unwrap();
    let hardware = &machine["hardware"];
    insta::assert_snapshot!(keys(hardware), @"architecture caches cpu gpus memory numa_nodes plan system unknown");
    insta::assert_snapshot!(keys(&hardware["plan"]), @"device kernel memory_budget_bytes threads");
}

#[test]
fn marks_point_at_the_matches() {
    let library = Library::new();
    let claude = sample().join("claude");
    library.ok(&["import", claude.to_str().unwrap()]);
    for hit in library.json(&["search", "swifts"]) {
        let snippet = hit["snippet"].as_str().unwrap();
        for mark in hit["marks"].as_array().unwrap() {
            let (start, end) = (mark[0].as_u64().unwrap() as usize, mark[1].as_u64().unwrap() as usize);
            assert!(snippet[start..end].to_lowercase().starts_with("swift"), "{hit}");
        }
    }
}

#[test]
fn pages_follow_each_other() {
    let library = Library::new();
    library.ok(&["import", sample().join("chatgpt").to_str().unwrap()]);
    let mut seen = Vec::new();
    let mut args = vec!["list".to_owned(), "-n".to_owned(), "2".to_owned(), "--json".to_owned()];
    loop {
        let ran = library.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        seen.extend(
            ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string()),
        );
        let Some(cursor) = ran.stderr.split('\'').nth(1) else { break };
        args.truncate(4);
        args.extend(["--cursor".to_owned(), cursor.to_owned()]);
    }
    let distinct: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (6, 6));
}
