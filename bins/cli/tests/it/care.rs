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

    assert!(library.ok(&["doctor"]).contains("1 are hot, 0 are warm, 0 are cold"));
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

/// What lies in the data folder alone is lost with it: the text of files that are gone or changed since, what the ledger says,
/// and files that were dropped on the page.
#[test]
fn documents_are_backed_up_restored_and_looked_after() {
    let library = filled();
    assert!(!library.ok(&["doctor"]).contains("documents"), "where there are none, nothing is said");
    std::fs::create_dir(library.path("notes")).unwrap();
    let heron = library.write("notes/heron.md", "The heron nests in March.\n");
    library.write("notes/tide.md", "High water comes at noon.\n");
    library.ok(&["add", "notes"]);
    let dropped = library.data().join("drop/local/otter.md");
    std::fs::create_dir_all(dropped.parent().unwrap()).unwrap();
    std::fs::write(&dropped, "The otter sleeps in the reeds.\n").unwrap();
    library.ok(&["add", dropped.to_str().unwrap()]);
    let meant = |what: &str| library.json(&["search", what, "--in", "library", "--mode", "semantic"]);
    assert_eq!(meant("when do birds breed").len(), 3);

    let said = library.json(&["backup", "kept.db"]).remove(0);
    assert!(said["library"].as_str().unwrap().ends_with("kept.library.db"), "{said}");
    assert!(said["files"].as_str().unwrap().ends_with("kept.drop"), "{said}");
    let again = library.run(&["backup", "kept.db"]);
    assert!(again.code == Some(1) && again.stderr.contains("--force"), "{again:?}");

    // Its vectors go, while those of what came with and after it stay.
    library.ok(&["library", "forget", "notes/heron.md"]);
    std::fs::remove_file(&heron).unwrap();
    std::fs::remove_file(&dropped).unwrap();
    library.write("notes/later.md", "Later there was snow.\n");
    library.ok(&["add", "notes", "--text-only"]);
    assert!(library.json(&["search", "heron", "--in", "library", "--mode", "text"]).is_empty());

    let said = library.json(&["restore", "kept.db", "--force"]).remove(0);
    assert_eq!((&said["documents"], &said["files"]), (&3.into(), &1.into()), "{said}");
    let found = library.json(&["search", "heron", "--in", "library", "--mode", "text"]);
    assert!(found[0]["snippet"].as_str().unwrap().contains("nests in March"), "{found:?}");
    assert_eq!(std::fs::read(&dropped).unwrap(), b"The otter sleeps in the reeds.\n");
    library.ok(&["library", "embed"]);
    assert_eq!(meant("when do birds breed").len(), 3);
    assert!(meant("when do birds breed")[0]["snippet"].as_str().unwrap().contains("heron"));
    let kept = std::fs::read_dir(library.data()).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = kept.filter(|name| name.to_str().unwrap().starts_with("library.db.before-restore-"));
    assert_eq!(kept.count(), 1, "what was there is kept");

    assert!(library.ok(&["doctor"]).contains("3 documents, 3 parts; the file is sound"));
    for name in ["library.db", "library.db-wal"] {
        let path = library.data().join(name);
        if path.exists() {
            std::fs::write(path, "torn").unwrap();
        }
    }
    let ran = library.run(&["doctor"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("bad  documents"), "{ran:?}");
    library.ok(&["restore", "kept.db", "--force"]);
    assert_eq!(meant("when do birds breed").len(), 3);
}

#[test]
fn a_backup_is_brought_back_elsewhere_and_whole_or_not_at_all() {
    let library = Library::new();
    let refused = library.run(&["backup", "kept.db"]);
    assert_eq!(refused.code, Some(1), "nothing is there: {refused:?}");
    let dropped = library.data().join("drop/local/otter.md");
    std::fs::create_dir_all(dropped.parent().unwrap()).unwrap();
    std::fs::write(&dropped, "The otter sleeps in the reeds.\n").unwrap();
    library.ok(&["add", dropped.to_str().unwrap()]);
    // Whoever has documents alone has no archive; it is empty in the backup.
    let said = library.ok(&["backup", "kept.db"]);
    assert!(said.contains("kept.drop: 1 file that you handed in"), "{said}");
    std::fs::remove_dir_all(library.data()).unwrap();

    let elsewhere = library.path("elsewhere");
    let data = ["--data", elsewhere.to_str().unwrap()];
    let torn = library.path("torn.db");
    std::fs::copy(library.path("kept.db"), &torn).unwrap();
    std::fs::write(library.path("torn.library.db"), "torn").unwrap();
    let refused = library.run(&[&["restore", "torn.db"][..], &data].concat());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!elsewhere.join("archive.db").exists(), "half of a backup is none");

    library.ok(&[&["restore", "kept.db"][..], &data].concat());
    let files = library.json(&[&["library", "files"][..], &data].concat());
    let place = elsewhere.join("drop/local/otter.md");
    assert_eq!(files[0]["path"], place.to_str().unwrap(), "the ledger knows where it is now: {files:?}");
    assert_eq!(files.len(), 1);
    let said = library.json(&[&["add", place.to_str().unwrap()][..], &data].concat()).remove(0);
    assert_eq!(said["unchanged"], 1, "and has no reason to read it again: {said}");
    let refused = library.run(&[&["restore", "kept.db"][..], &data].concat());
    assert!(refused.code == Some(1) && refused.stderr.contains("--force"), "{refused:?}");

    // Where nothing is left of something, a newer backup of the same name has nothing of it either.
    library.ok(&[&["library", "forget", place.to_str().unwrap()][..], &data].concat());
    std::fs::remove_file(&place).unwrap();
    library.ok(&[&["backup", "kept.db", "--force"][..], &data].concat());
    assert!(!library.path("kept.drop").exists() && library.path("kept.library.db").exists());

    // A folder of that name that no backup wrote is somebody's.
    std::fs::create_dir(library.path("kept.drop")).unwrap();
    library.write("kept.drop/mine.md", "Nobody else has this.\n");
    let refused = library.run(&[&["backup", "kept.db", "--force"][..], &data].concat());
    assert!(refused.code == Some(1) && refused.stderr.contains("kept.drop was not written"), "{refused:?}");
    assert!(library.path("kept.drop/mine.md").exists());
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
