//! Documents that come into a folder while a server watches it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    chromium::Chromium,
    support::{Library, Server},
};

/// A document of the sample: lease.pdf (four pages), rain-barrel.docx, boat.eml.
fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/documents").join(name)
}

fn asked(server: &Server, question: &str) -> Value {
    let body = json!({ "question": question, "in": "library" }).to_string();
    let (status, answer) = server.post("/athenaeum/v1/ask", &body);
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

/// Waits until the library of a server has so many documents, all of them found by meaning.
fn until_kept(server: &Server, documents: u64) {
    let begun = Instant::now();
    loop {
        let told: Value = serde_json::from_str(&server.get("/athenaeum/v1/library").1).unwrap();
        let coverage = &told["activity"]["embedding"]["coverage"];
        let is_embedded = coverage["total"] == told["chunks"] && coverage["total"] == coverage["embedded"];
        if told["documents"] == documents && is_embedded {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the README promises of its first command: a question is answered from the sample's documents, with the page that bears it
/// out, and the answer is borne out by the file itself.
#[test]
fn the_sample_answers_a_question_with_the_page_it_rests_on() {
    let library = Library::new();
    let server = library.serve(&["--sample"]);
    until_kept(&server, 7);
    let answer = asked(&server, "How long is the notice period of the flat?");
    assert!(answer["text"].as_str().unwrap().contains("three months"), "{answer}");
    let cited = &answer["citations"][0];
    assert!(cited["path"].as_str().unwrap().ends_with("documents/house/lease.pdf"), "{cited}");
    assert_eq!(cited["place"], "pages 4–5", "{cited}");
    let file = library.write("answer.json", &answer.to_string());
    let checked = library.json(&["verify", file.to_str().unwrap()]).remove(0);
    assert_eq!(checked["holds"], true, "{checked}");
    for (question, path) in [
        ("Which plank of the boat leaks?", "boat.eml"),
        ("How big is the entrance of a nest box for swifts?", "swifts.html"),
        ("How much does the rain barrel cost?", "rain-barrel.docx"),
        ("大原行きのバスは何時ですか", "kyoto.odt"),
    ] {
        let answer = asked(&server, question);
        let mut cited =
            answer["citations"].as_array().unwrap().iter().map(|cited| cited["path"].as_str().unwrap());
        assert!(cited.any(|cited| cited.ends_with(path)), "{question}: {answer}");
    }
    drop(server);
    // Another start reads nothing once more, and a person's own library has none of it.
    let server = library.serve(&["--sample"]);
    until_kept(&server, 7);
    assert!(!library.data().join("library.db").exists());
}

/// Somebody has the library's page open, and puts a PDF, a document of Word and a mail into a folder.
#[test]
fn a_page_that_is_open_shows_what_comes_into_a_folder() {
    let Some(mut browser) = Chromium::start() else { return };
    let library = Library::new();
    let inbox = library.path("inbox");
    fs::create_dir(&inbox).unwrap();
    let server = library.serve(&["--drop", inbox.to_str().unwrap()]);
    let origin = format!("http://{}", server.addr);
    let begun = Instant::now();
    while server.get("/athenaeum/v1/library").1.contains("\"folders\":[]") {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is watched");
        std::thread::sleep(Duration::from_millis(50));
    }
    browser.go(&format!("{origin}/library"));
    browser.wait("document.querySelector('#folders')?.textContent.includes('inbox')");
    let ledger = "document.querySelector('#ledger').textContent";
    for (file, name) in [
        ("house/lease.pdf", "lease.pdf"),
        ("house/rain-barrel.docx", "barrel.docx"),
        ("water/boat.eml", "boat.eml"),
    ] {
        fs::copy(sample(file), inbox.join(name)).unwrap();
        browser.wait(&format!("{ledger}.includes('{name}')"));
    }
    browser.wait("document.querySelectorAll('#ledger .badge.good').length === 3");
    fs::rename(inbox.join("boat.eml"), inbox.join("maybe.eml")).unwrap();
    browser.wait(&format!("{ledger}.includes('maybe.eml') && !{ledger}.includes('boat.eml')"));
    fs::remove_file(inbox.join("barrel.docx")).unwrap();
    browser.wait("document.querySelectorAll('#ledger .badge.good').length === 2");
    browser.go(&format!("{origin}/search?q=copper+rivets"));
    browser.wait("document.body.textContent.includes('maybe.eml')");
    browser.assert_quiet(&origin);
}

#[test]
fn folders_of_the_settings_are_watched_and_told_of() {
    let library = Library::new();
    let (here, there) = (library.path("here"), library.path("there"));
    fs::create_dir(&here).unwrap();
    fs::copy(sample("bread.md"), here.join("bread.md")).unwrap();
    let settings = format!("[library]\nfolders = ['~/here', '{}']\n", there.display());
    let settings = library.write("settings.toml", &settings);
    let server = library.serve(&["--config", settings.to_str().unwrap()]);
    until_kept(&server, 1);
    let told: Value = serde_json::from_str(&server.get("/athenaeum/v1/library").1).unwrap();
    let folders = told["activity"]["folders"].as_array().unwrap();
    let of = |path: &std::path::Path| {
        let found = folders.iter().find(|folder| folder["path"] == path.to_str().unwrap());
        found.unwrap()["watched"].as_str().unwrap().to_owned()
    };
    assert_eq!((of(&here).as_str(), of(&there).as_str()), ("always", "missing"), "{told}");
    fs::copy(sample("water/boat.eml"), here.join("boat.eml")).unwrap();
    until_kept(&server, 2);
}
