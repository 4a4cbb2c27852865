use crate::support::{Library, line};

fn filled() -> Library {
    let library = Library::new();
    let lines = line("a", "Bread", "how long", "four hours") + &line("b", "Boats", "how long", "four metres");
    let path = library.write("a.jsonl", &lines);
    library.ok(&["import", path.to_str().unwrap()]);
    library
}

#[test]
fn a_backup_brings_back_what_was_deleted() {
    let library = filled();
    library.ok(&["backup", "kept.db"]);
    let again = library.run(&["backup", "kept.db"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("--force"), "{again:?}");
    library.ok(&["backup", "kept.db", "--force"]);

    let id = library.json(&["search", "hours"])[0]["conversation_id"].as_str().unwrap().to_owned();
    let unasked = library.run(&["delete", &id]);
    assert_eq!(unasked.code, Some(1), "without a terminal to ask on, nothing is deleted: {unasked:?}");
    library.ok(&["delete", &id, "--yes"]);
    assert!(library.json(&["search", "hours"]).is_empty());
    assert_eq!(library.run(&["show", &id]).code, Some(1));

    let refused = library.run(&["restore", "kept.db"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    library.ok(&["restore", "kept.db", "--force"]);
    assert_eq!(library.json(&["list"]).len(), 2);
    assert!(!library.json(&["search", "hours"]).is_empty());
}

#[test]
fn what_is_remembered_is_backed_up_restored_and_looked_after() {
    let library = filled();
    assert!(!library.ok(&["doctor"]).contains("memories"), "where nothing is remembered, nothing is said");
    library.ok(&["remember", "Ada is allergic to walnuts"]);
    let said = library.json(&["backup", "kept.db"]).remove(0);
    assert!(said["memories"].as_str().unwrap().ends_with("kept.memories.db"), "{said}");
    let id = library.json(&["memories", "list"])[0]["id"].as_str().unwrap().to_owned();
    library.ok(&["memories", "forget", &id]);
    library.ok(&["remember", "The train to Basel leaves at nine"]);
    let gone = library.run(&["memories", "search", "nuts for Ada"]);
    assert_eq!(gone.code, Some(1), "nothing of that is left: {gone:?}");

    let said = library.json(&["restore", "kept.db", "--force"]).remove(0);
    assert_eq!((&said["conversations"], &said["memories"]), (&2.into(), &1.into()));
    assert_eq!(library.json(&["memories", "list"]).len(), 1);
    // As many as before, and others: their vectors are made anew.
    let found = library.json(&["memories", "search", "which nuts must nobody serve her?"]);
    assert_eq!(found[0]["id"], id.as_str(), "{found:?}");

    assert!(library.ok(&["doctor"]).contains("1 are found, 0 are cold"));
    for name in ["memories.db", "memories.db-wal"] {
        let path = library.data().join(name);
        if path.exists() {
            std::fs::write(path, "torn").unwrap();
        }
    }
    let ran = library.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("memories"), "{ran:?}");
    library.ok(&["restore", "kept.db", "--force"]);
    assert_eq!(library.json(&["memories", "list"]).len(), 1);
}

/// Whoever only imports conversations has no `library.db`; care makes none, and misses none.
#[test]
fn where_there_are_no_documents_nothing_is_made_or_missed() {
    let library = filled();
    library.ok(&["backup", "kept.db"]);
    let said = library.json(&["restore", "kept.db", "--force"]).remove(0);
    assert_eq!(said["conversations"], 2, "{said}");
    assert!(library.ok(&["doctor"]).contains("All is well."));
    assert!(library.ok(&["library", "doctor"]).contains("Nothing was added yet"));
    assert!(!library.json(&["search", "hours"]).is_empty());
    assert!(!library.data().join("library.db").exists(), "care is no reason to make one");
}

/// It was lost, or its disk was: vectors of what it held are there still, and are of nothing.
#[test]
fn documents_that_were_lost_are_found_again_when_they_are_added_again() {
    let library = filled();
    let notes = library.path("notes");
    std::fs::create_dir(&notes).unwrap();
    std::fs::write(notes.join("heron.md"), "The heron nests in March.\n").unwrap();
    library.ok(&["add", "notes"]);
    let meant = ["search", "when do birds breed", "--in", "library", "--mode", "semantic"];
    assert_eq!(library.json(&meant).len(), 1);
    for name in ["library.db", "library.db-wal", "library.db-shm"] {
        let path = library.data().join(name);
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(library.ok(&["library", "doctor"]).contains("Nothing was added yet"));
    assert!(library.ok(&["doctor"]).contains("All is well."));
    library.ok(&["backup", "kept.db"]);
    library.ok(&["restore", "kept.db", "--force"]);
    assert!(!library.json(&["search", "hours"]).is_empty());
    assert!(library.json(&meant).is_empty(), "nothing is found, and nothing is wrong");

    library.ok(&["add", "notes"]);
    assert_eq!(library.json(&meant).len(), 1);
    let found = library.ok(&["library", "doctor"]);
    assert!(found.contains("1 of 1 part are found by meaning"), "{found}");
}

#[test]
fn a_file_that_is_no_backup_is_refused() {
    let library = filled();
    library.write("noise.db", "not a database at all");
    assert_eq!(library.run(&["restore", "noise.db", "--force"]).code, Some(1));
    assert_eq!(library.json(&["list"]).len(), 2, "the archive is untouched");
}

#[test]
fn the_doctor_sees_damage() {
    let library = filled();
    assert_eq!(library.run(&["doctor"]).code, Some(0));
    for name in ["archive.db", "archive.db-wal"] {
        let path = library.data().join(name);
        if path.exists() {
            std::fs::write(path, "torn").unwrap();
        }
    }
    let ran = library.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("restore"), "{ran:?}");
}

#[test]
fn the_doctor_tells_of_the_machine() {
    let library = Library::new();
    let told = |threads: &str| {
        let doctor =
            library.command().arg("doctor").env("ATHENAEUM_HARDWARE_THREADS", threads).output().unwrap();
        (
            doctor.status.code(),
            String::from_utf8(doctor.stdout).unwrap(),
            String::from_utf8(doctor.stderr).unwrap(),
        )
    };
    let (code, said, _) = told("3");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ok   machine") && said.contains("cpu with 3 threads"), "{said}");
    let (code, _, complaint) = told("9999");
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("hardware.threads is 9999, but takes 0 to 1024"), "{complaint}");
}

#[test]
fn settings_say_where_they_come_from() {
    let library = Library::new();
    let path = library.ok(&["config", "init"]);
    assert!(path.trim().ends_with("config.toml"), "{path}");
    assert_eq!(library.run(&["config", "init"]).code, Some(1), "a settings file is never overwritten");
    let written = std::fs::read_to_string(path.trim()).unwrap();
    std::fs::write(path.trim(), written.replace("#shutdown_seconds = 10", "shutdown_seconds = 3")).unwrap();
    let shown = library.ok(&["config", "show", "--origin"]);
    assert!(shown.contains(&format!("server.shutdown_seconds = 3  # from {}", path.trim())), "{shown}");
    assert!(shown.contains("# from ATHENAEUM_DATA"), "{shown}");
    assert!(shown.contains("import.parser_seconds = 3600  # from default"), "{shown}");
    assert!(library.ok(&["config", "path"]).contains(path.trim()));
}
