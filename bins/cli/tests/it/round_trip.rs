use crate::support::{Library, sample};

/// The whole way round: what was imported is found, shown, exported, and imports elsewhere as the same.
#[test]
fn what_goes_in_comes_out_and_goes_in_again() {
    let library = Library::new();
    let exports = sample().join("chatgpt");
    let report = library.json(&["import", exports.to_str().unwrap()]).remove(0);
    assert_eq!((report["conversations"].as_u64(), report["added"].as_u64()), (Some(6), Some(6)));

    let hits = library.json(&["search", "meniscus"]);
    assert_eq!(hits.len(), 1, "{hits:?}");
    let id = hits[0]["conversation_id"].as_str().unwrap();
    let message = hits[0]["message_id"].as_i64().unwrap().to_string();

    let by_id = library.ok(&["show", id]);
    assert!(by_id.contains("meniscus") && by_id.contains("rain-2024.csv"), "{by_id}");
    assert_eq!(by_id, library.ok(&["show", &id[..18]]), "the beginning of the id is enough");
    assert_eq!(by_id, library.ok(&["show", &message]), "a message leads to its conversation");
    assert!(library.ok(&["show", id, "--format", "md"]).contains("# Rain in the garden, plotted"));
    let raw: serde_json::Value = serde_json::from_str(&library.ok(&["show", id, "--format", "raw"])).unwrap();
    assert_eq!(raw["title"], "Rain in the garden, plotted");

    library.ok(&["export", "--all", "--format", "json", "--output", "all.jsonl"]);
    let other = Library::new();
    let exported = library.path("all.jsonl");
    let again = other.json(&["import", exported.to_str().unwrap()]).remove(0);
    for name in ["conversations", "messages"] {
        assert_eq!(again[name], report[name], "{name}");
    }
    other.ok(&["export", "--all", "--format", "json", "--output", "all.jsonl"]);
    let lines = |library: &Library| {
        let text = std::fs::read_to_string(library.path("all.jsonl")).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(lines(&library) == lines(&other), "an export of the import is the export");

    let twice = library.json(&["import", exports.to_str().unwrap()]).remove(0);
    assert_eq!((twice["added"].as_u64(), twice["unchanged"].as_u64()), (Some(0), Some(6)));
}

#[test]
fn the_sample_imports_without_a_problem() {
    let library = Library::new();
    let report = library.json(&["import", sample().to_str().unwrap()]).remove(0);
    assert_eq!(report["problem_details"], serde_json::json!([]), "{report}");
    assert!(report["conversations"].as_u64().unwrap() >= 15, "{report}");
    for query in [
        "swifts",
        "borrow checker",
        "anscheinend",
        "zoneinfo",
        "has:tool pandas",
        "title:coins",
        "東福寺",
        "梯度",
        "olbers",
        "محارات",
    ] {
        assert!(!library.json(&["search", query]).is_empty(), "{query}");
    }
}

#[test]
fn several_sources_are_reported_each_and_together() {
    let library = Library::new();
    let (chatgpt, claude) = (sample().join("chatgpt"), sample().join("claude"));
    let lines = library.json(&["import", chatgpt.to_str().unwrap(), claude.to_str().unwrap()]);
    assert_eq!(lines.len(), 3);
    let sum = lines[0]["messages"].as_u64().unwrap() + lines[1]["messages"].as_u64().unwrap();
    assert_eq!(lines[2]["messages"].as_u64(), Some(sum));
    assert_eq!((lines[2]["sources"].as_u64(), lines[2]["failed"].as_u64()), (Some(2), Some(0)));
    let told = library.ok(&["import", chatgpt.to_str().unwrap()]);
    assert!(told.contains("6 already there"), "{told}");
}

#[test]
fn exit_codes_say_how_it_went() {
    let library = Library::new();
    let check = |args: &[&str], code: i32, told: &str| {
        let ran = library.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(told), "{args:?}: {ran:?}");
        assert!(code != 1 || ran.stdout.is_empty(), "what went wrong is told on stderr: {ran:?}");
    };
    check(&[], 2, "Usage");
    check(&["import"], 2, "PATH");
    check(&["import", "--provider", "../x", "a"], 2, "cannot name a provider");
    check(&["search", "--after", "yesteryear", "x"], 2, "2024-05-17");
    check(&["frobnicate"], 2, "frobnicate");
    check(&["search", "x"], 1, "there is no archive");
    check(&["import", "absent.zip"], 1, "absent.zip");
    let shopping = library.write("shopping.json", "{\"milk\": 2}");
    check(&["import", shopping.to_str().unwrap()], 1, "shopping.json");
    check(&["show", "0190c3"], 1, "0190c3");
    check(&["serve", "--addr", "0.0.0.0:7878"], 1, "other machines");
    check(&["--config", "absent.toml", "stats"], 1, "absent.toml");
    check(&["--log", "a=shout", "stats"], 1, "no filter for the log");
    assert_eq!(library.run(&["--version"]).code, Some(0));
    assert_eq!(library.run(&["query"]).code, Some(0));
}
