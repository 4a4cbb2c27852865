//! A model that another engine has: a second program of ours, which asks for a key.

use serde_json::Value;

use crate::{
    chromium::Chromium,
    support::{Library, Server},
};

/// The small model of the examples.
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");
const SAID: &str = "I am Tiny, a very small language model.";

/// An engine with the small model, and a library whose settings call that `far`, and `near` where it makes vectors.
fn pair(wire: &str, embedder: &str) -> (Library, (Library, Server)) {
    let engine = Library::new();
    let models = engine.data().join("models");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::copy(TINY, models.join("tiny.gguf")).unwrap();
    let key = engine.json(&["keys", "add", "library"]).remove(0);
    let server = engine.serve(&[]);
    let library = Library::new();
    let settings = library.path(".config/athenaeum");
    std::fs::create_dir_all(&settings).unwrap();
    let asked = format!(
        "url = 'http://{}/v1'\nwire = '{wire}'\nmodel = 'tiny'\nkey = '{}'\n",
        server.addr,
        key["key"].as_str().unwrap()
    );
    let text = format!(
        "library.embedder = '{embedder}'\n[models.remote.far]\n{asked}[models.remote.near]\n{asked}dimensions = 64\n"
    );
    std::fs::write(settings.join("config.toml"), text).unwrap();
    (library, (engine, server))
}

#[test]
fn a_question_is_answered_by_a_model_of_another_engine() {
    let (library, (_engine, server)) = pair("ollama", "");
    let listed = library.json(&["models", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["engine"]), (&Value::from("far"), &Value::from("ollama")));
    assert!(library.ok(&["models", "list"]).starts_with("far  tiny at http://127.0.0.1:"));
    let shown = library.ok(&["config", "show"]);
    assert!(shown.contains("\"key\" = \"(hidden)\""), "{shown}");

    library.write("lease.md", "The notice period is three months.\n");
    library.ok(&["add", "lease.md"]);
    let answer = library.json(&["ask", "--model", "far", "--max-tokens", "8", "notice period"]).remove(0);
    assert_eq!((&answer["kind"], &answer["model"]), (&Value::from("generated"), &Value::from("far")));
    assert!(!answer["text"].as_str().unwrap().is_empty());

    let refused = library.run(&["chat", "--model", "far", "Who are you?"]);
    assert!(refused.stderr.contains("far runs on another engine"), "{refused:?}");
    drop(server);
    let gone = library.run(&["ask", "--model", "far", "notice period"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("cannot be reached"), "{gone:?}");
}

#[test]
fn the_library_is_embedded_by_a_model_of_another_engine() {
    let (library, (engine, server)) = pair("openai", "near");
    library.write("lease.md", "The notice period is three months.\n");
    library.write("bread.md", "Sourdough ferments for twelve hours.\n");
    library.ok(&["add", "lease.md", "bread.md"]);
    let hits = library.json(&[
        "search",
        "--in",
        "library",
        "--mode",
        "semantic",
        "Sourdough ferments for twelve hours.",
    ]);
    assert!(hits[0].to_string().contains("bread.md"), "{hits:?}");
    // They are of the length that is asked for; one that the engine has not is refused in its own words.
    let file = library.path(".config/athenaeum/config.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, settings.replace("dimensions = 64", "dimensions = 4096")).unwrap();
    let refused = library.run(&["library", "embed"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("dimensions"), "{refused:?}");
    std::fs::write(&file, settings).unwrap();
    drop((engine, server));
    let gone = library.run(&["search", "--in", "library", "--mode", "semantic", "bread"]);
    assert!(gone.stderr.contains("cannot be reached"), "{gone:?}");
}

#[test]
fn pages_list_it_and_talk_with_it() {
    let Some(mut browser) = Chromium::start() else { return };
    let (library, _engine) = pair("llama.cpp", "");
    let server = library.serve(&[]);
    let origin = format!("http://{}", server.addr);
    browser.go(&format!("{origin}/shelf"));
    browser.wait("document.querySelector('.model-card')?.textContent.includes('a llama.cpp server')");
    browser.evaluate("document.querySelector('.model-card a.button').click()");
    browser.wait("document.querySelector('#model')?.value === 'far'");
    browser.evaluate("document.querySelector('#ask').focus()");
    browser.call("Input.insertText", serde_json::json!({ "text": "Who are you?" }));
    browser.press("Enter");
    browser.wait(&format!("document.querySelector('.message.assistant')?.textContent.includes('{SAID}')"));
    browser.wait("location.pathname.startsWith('/chat/')");
    browser.assert_quiet(&origin);
}
