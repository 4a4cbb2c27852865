//! Documents on the command line.

use std::process::Stdio;

use crate::support::{Library, line};

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

#[test]
fn a_question_is_answered_with_what_it_rests_on_and_the_answer_is_checked() {
    let library = Library::new();
    std::fs::create_dir(library.path("notes")).unwrap();
    library.write(
        "notes/flat.md",
        "# The flat\n\nThe notice period is three months. Rent is due on the third.\n",
    );
    library.write("notes/tea.md", "# Tea\n\nGreen leaves want water of 80 degrees.\n");
    library.ok(&["add", "notes"]);

    let found = library.json(&["search", "--in", "library", "how hot should an infusion be"]);
    assert_eq!(found[0]["title"], "Tea", "{found:?}");
    assert_eq!(found[0]["kind"], "chunk");
    assert!(found[0]["why"]["meaning"]["rank"].is_u64() && found[0]["why"]["text"].is_null(), "{}", found[0]);
    assert!(library.json(&["search", "--mode", "text", "infusion"]).is_empty());

    let answer = library.json(&["ask", "How long is the notice period?"]).remove(0);
    assert_eq!(answer["kind"], "extractive");
    assert!(answer["text"].as_str().unwrap().contains("The notice period is three months. [1]"), "{answer}");
    let cited = &answer["citations"][0];
    assert!(cited["path"].as_str().unwrap().ends_with("flat.md"));
    let file = library.write("answer.json", &answer.to_string());
    let checked = library.json(&["verify", file.to_str().unwrap()]).remove(0);
    assert_eq!(checked["holds"], true, "{checked}");
    library.write("notes/flat.md", "# The flat\n\nThe notice period is one month.\n");
    let ran = library.run(&["verify", file.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.contains("does not stand in"), "{}", ran.stdout);

    let said = library.ok(&["ask", "How long is the notice period?"]);
    assert!(said.contains("[1] The flat"), "{said}");
}

/// Writes notes on three matters, and takes them in.
fn shelve(library: &Library) {
    std::fs::create_dir(library.path("notes")).unwrap();
    for (name, text) in [
        ("starter", "Feed the sourdough starter with flour and water once a day."),
        ("loaf", "A loaf with a sourdough starter rises slowly and wants a hot oven."),
        ("rye", "Rye flour makes a sourdough starter lively and the loaf dark."),
        ("walks", "The puppy pulls at its leash; a calm dog may walk ahead."),
        ("leash", "A long leash lets the young dog find its own way."),
        ("borrow", "The borrow checker of Rust refuses two mutable references."),
        ("lifetime", "A lifetime tells the borrow checker how long a reference in Rust lives."),
    ] {
        library.write(&format!("notes/{name}.txt"), text);
    }
    library.ok(&["add", "notes"]);
}

#[test]
fn topics_are_listed_with_labels_and_lead_to_what_they_are_of() {
    let library = Library::new();
    shelve(&library);
    let told = library.json(&["topics", "--in", "library", "--count", "3"]);
    let brief: Vec<String> = told
        .iter()
        .map(|topic| format!("{} ({})", topic["label"].as_str().unwrap(), topic["passages"]))
        .collect();
    insta::assert_snapshot!(brief.join("\n"), @r"
    sourdough starter, flour, loaf (3)
    dog, leash, ahead (2)
    borrow checker, references, Rust (2)
    ");
    let id = told[0]["examples"][0]["document_id"].as_str().unwrap();
    assert!(library.ok(&["show", id]).contains("sourdough"));
    assert!(library.json(&["show", id])[0]["paths"][0].as_str().unwrap().ends_with(".txt"));

    let said = library.ok(&["topics", "-n", "3"]);
    // Times and ids are others each time.
    let said = said.lines().filter(|line| !line.starts_with("3 topics")).collect::<Vec<_>>().join("\n");
    let ids: Vec<&str> = said.split_whitespace().filter(|word| word.len() == 36).collect();
    let said = ids.iter().fold(said.clone(), |said, id| said.replace(id, "ID"));
    insta::assert_snapshot!(said, @r"
    sourdough starter, flour, loaf
      3 passages · 3 documents
      ID  rye.txt: Rye flour makes a sourdough starter lively and the loaf dark.
      ID  loaf.txt: A loaf with a sourdough starter rises slowly and wants a hot oven.
      ID  starter.txt: Feed the sourdough starter with flour and water once a day.

    dog, leash, ahead
      2 passages · 2 documents
      ID  leash.txt: A long leash lets the young dog find its own way.
      ID  walks.txt: The puppy pulls at its leash; a calm dog may walk ahead.

    borrow checker, references, Rust
      2 passages · 2 documents
      ID  lifetime.txt: A lifetime tells the borrow checker how long a reference in Rust lives.
      ID  borrow.txt: The borrow checker of Rust refuses two mutable references.
    ");
    assert!(library.json(&["topics", "--in", "chats"]).is_empty());
    assert_eq!(library.run(&["topics", "--count", "0"]).code, Some(2));
}

#[test]
fn ways_of_looking_are_measured() {
    let library = Library::new();
    std::fs::create_dir_all(library.path("judged/qrels")).unwrap();
    let corpus = "{\"_id\":\"d1\",\"title\":\"\",\"text\":\"A kitten sleeps in the sun.\"}\n{\"_id\":\"d2\",\"text\":\"Ships sail.\"}\n";
    library.write("judged/corpus.jsonl", corpus);
    library.write("judged/queries.jsonl", "{\"_id\":\"q1\",\"text\":\"small cat\"}\n");
    library.write("judged/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n");
    let measured = library.json(&["eval", "retrieval", "judged"]);
    let of = |mode: &str| {
        measured.iter().find(|line| line["mode"] == mode).unwrap()["ndcg_at_10"].as_f64().unwrap()
    };
    assert_eq!((of("text"), of("semantic"), of("hybrid")), (0.0, 1.0, 1.0));
}

#[test]
fn a_pdf_is_read_in_a_process_of_its_own() {
    let library = Library::new();
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>"
            .to_owned(),
        "<< /Length 49 >>\nstream\nBT /F 12 Tf 20 200 Td (The lease ends in May) Tj ET\nendstream".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(pdf.len());
        pdf.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let table = pdf.len();
    pdf.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    for place in places {
        pdf.push_str(&format!("{place:010} 00000 n \n"));
    }
    pdf.push_str(&format!("trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n"));
    let path = library.write("lease.pdf", &pdf);
    let said = library.json(&["add", path.to_str().unwrap()]).remove(0);
    assert_eq!(said["added"], 1, "{said}");
    let found = library.json(&["search", "--in", "library", "lease"]);
    assert_eq!((&found[0]["format"], &found[0]["place"]), (&"pdf".into(), &"page 1".into()), "{found:?}");
    // A person who types it is told as for any word that is no command.
    assert_eq!(library.run(&["read-document"]).code, Some(2));
}

#[test]
fn killed_while_it_adds_it_loses_and_doubles_nothing() {
    let library = Library::new();
    std::fs::create_dir(library.path("notes")).unwrap();
    let files = 10_000_u64;
    for n in 0..files {
        library.write(&format!("notes/{n}.md"), &format!("# Note {n}\n\nIt speaks of matter {n}.\n"));
    }
    let mut adding = library.command().args(["add", "--text-only", "notes"]).spawn().unwrap();
    // As soon as something is kept, and long before everything is.
    let kept = || {
        let status = library.run(&["library", "status", "--json"]);
        serde_json::from_str::<serde_json::Value>(&status.stdout)
            .map_or(0, |said| said["documents"].as_u64().unwrap())
    };
    while kept() == 0 {
        assert!(adding.try_wait().unwrap().is_none(), "it was done before anything was seen");
    }
    adding.kill().unwrap();
    adding.wait().unwrap();
    let before = kept();
    assert!(before > 0 && before < files, "{before}");
    let said = library.json(&["add", "--text-only", "notes"]).remove(0);
    assert_eq!(said["added"].as_u64().unwrap() + before, files, "{said}");
    assert_eq!(kept(), files);
    for n in [0, files / 2, files - 1] {
        let found = library.json(&["search", "--in", "library", "--mode", "text", &format!("matter {n}")]);
        assert_eq!(found[0]["title"], format!("Note {n}"));
    }
    let states = library.json(&["library", "status"]).remove(0)["files"].clone();
    assert_eq!(states, serde_json::json!({ "kept": files }));
}

#[test]
fn conversations_are_embedded_at_once_and_found_in_other_words() {
    let library = Library::new();
    let talks = [
        line("pets", "Pets", "My kitten sleeps all day long.", "That is what kittens do."),
        line("oven", "Oven", "How hot must it be for bread?", "Two hundred and fifty degrees."),
    ];
    library.ok(&["import", library.write("talks.jsonl", &talks.concat()).to_str().unwrap()]);
    // Nothing has a vector yet: words are looked for, and nothing is opened or made for it.
    assert!(library.json(&["search", "a cat at rest"]).is_empty());
    assert!(!library.data().join("vectors").exists());
    let status = library.json(&["library", "status"]).remove(0);
    assert_eq!(status["found_by_meaning"]["messages_total"], 4, "{status}");
    assert_eq!(status["found_by_meaning"]["messages"], 0);

    let done = library.json(&["library", "embed", "--in", "conversations"]).remove(0);
    assert_eq!((&done["messages"], &done["messages_total"]), (&4.into(), &4.into()), "{done}");
    assert_eq!(library.json(&["library", "embed"]).remove(0)["messages"], 4);
    for place in ["conversations", "everything"] {
        let found = library.json(&["search", "--in", place, "a cat at rest"]);
        assert_eq!((&found[0]["kind"], &found[0]["title"]), (&"message".into(), &"Pets".into()), "{found:?}");
        assert!(found[0]["why"]["meaning"]["rank"] == 1 && found[0]["why"]["text"].is_null());
    }
    assert!(library.json(&["search", "--mode", "text", "a cat at rest"]).is_empty());
    let told = library.ok(&["search", "a cat at rest"]);
    assert!(told.contains("My kitten sleeps") && told.contains("meaning #1"), "{told}");
    let other = library.json(&["search", "a cat at rest", "--provider", "chatgpt"]);
    assert!(other.is_empty(), "{other:?}");

    let id = library.json(&["list"])[0]["id"].as_str().unwrap().to_owned();
    library.ok(&["delete", "--yes", &id]);
    let status = library.json(&["library", "status"]).remove(0);
    let meaning = &status["found_by_meaning"];
    assert_eq!((&meaning["messages"], &meaning["messages_total"]), (&2.into(), &2.into()), "{status}");
}

#[test]
fn the_doctor_tells_what_is_not_as_the_ledger_has_it() {
    let library = Library::new();
    std::fs::create_dir(library.path("notes")).unwrap();
    for name in ["a", "b", "c"] {
        library.write(&format!("notes/{name}.md"), &format!("Note {name} of three.\n"));
    }
    library.write("notes/broken.pdf", "%PDF-1.4 and nothing of the kind");
    library.ok(&["add", "--text-only", "notes"]);
    let findings = || {
        let ran = library.run(&["library", "doctor", "--json"]);
        let findings: Vec<serde_json::Value> =
            ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = findings.iter().map(|found| {
            assert!(found["ok"] == true || found["advice"].is_string(), "{found}");
            format!("{} {}", found["check"].as_str().unwrap(), found["count"])
        });
        (ran.code, told.collect::<Vec<_>>())
    };
    assert_eq!(findings(), (Some(1), vec!["ledger 4".into(), "failed 1".into(), "vectors 3".into()]));
    std::fs::remove_file(library.path("notes/broken.pdf")).unwrap();
    library.ok(&["add", "notes"]);
    assert_eq!(findings(), (Some(0), vec!["ledger 3".into(), "vectors 0".into()]));
    std::fs::remove_file(library.path("notes/a.md")).unwrap();
    library.write("notes/b.md", "Note b is another one now, and longer.\n");
    let expected = vec!["ledger 3".into(), "missing 1".into(), "changed 1".into(), "vectors 0".into()];
    assert_eq!(findings(), (Some(1), expected));
    let said = library.run(&["library", "doctor"]).stdout;
    assert!(said.contains("a.md") && said.contains("athenaeum library forget"), "{said}");
}

/// Two programs read the same folder into the same library at the same time.
#[test]
fn two_at_once_lose_and_double_nothing() {
    let library = Library::new();
    std::fs::create_dir(library.path("notes")).unwrap();
    for n in 0..600 {
        library.write(&format!("notes/{n}.md"), &format!("# Note {n}\n\nIt speaks of matter {n}.\n"));
    }
    let add =
        || library.command().args(["add", "--text-only", "--json", "notes"]).stdout(Stdio::piped()).spawn();
    let both = [add().unwrap(), add().unwrap()];
    let mut added = 0;
    for child in both {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        let said: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!((&said["files"], &said["failed"]), (&600.into(), &0.into()), "{said}");
        added += said["added"].as_u64().unwrap();
    }
    assert_eq!(added, 600, "each document is new once");
    let status = library.json(&["library", "status"]).remove(0);
    assert_eq!((&status["documents"], &status["chunks"]), (&600.into(), &600.into()), "{status}");
    assert_eq!(status["files"], serde_json::json!({ "kept": 600 }));
    for n in [0, 299, 599] {
        let found = library.json(&["search", "--in", "library", "--mode", "text", &format!("matter {n}")]);
        assert_eq!(found[0]["title"], format!("Note {n}"));
    }
}
