//! Documents on the command line.

use crate::support::Library;

#[test]
fn a_folder_is_added_told_of_and_forgotten() {
    let library = Library::new();
    std::fs::create_dir(library.path("notes")).unwrap();
    library.write("notes/bread.md", "# Bread\n\nThe dough rises.\n");
    library.write("notes/tea.txt", "Tea is drunk.\n");
    std::fs::write(library.path("notes/disk.iso"), [0, 1, 2, 3, 0, 0, 255, 254]).unwrap();
    let said = library.json(&["add", "notes"]).remove(0);
    assert_eq!((&said["files"], &said["added"]), (&3.into(), &2.into()), "{said}");
    assert_eq!(library.json(&["add", "notes"]).remove(0)["unchanged"], 3);

    let status = library.json(&["library", "status"]).remove(0);
    assert_eq!((&status["documents"], &status["files"]["kept"]), (&2.into(), &2.into()), "{status}");
    assert!(library.ok(&["library", "status"]).starts_with("2 documents, 2 chunks"));
    let files = library.json(&["library", "files"]);
    let states: Vec<&str> = files.iter().map(|file| file["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["kept", "skipped", "kept"]);
    assert!(!files[1]["reason"].as_str().unwrap().is_empty());

    let kept = library.json(&["library", "files", "--state", "kept", "notes/b"]);
    assert_eq!(kept.len(), 1);
    library.ok(&["library", "forget", "notes"]);
    assert!(library.json(&["library", "files"]).is_empty());
    assert!(library.path("notes/bread.md").exists());
}

#[test]
fn what_is_not_there_is_said() {
    let library = Library::new();
    let ran = library.run(&["add", "nowhere"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("there is no nowhere"), "{}", ran.stderr);
}
