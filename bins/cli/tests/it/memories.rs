//! Remembering on the command line.

use crate::support::Library;

#[test]
fn what_is_remembered_is_found_listed_and_forgotten() {
    let library = Library::new();
    assert!(library.ok(&["memories", "list"]).contains("Nothing is remembered yet"));
    let said = library.json(&["remember", "Ada", "is allergic to walnuts"]).remove(0);
    assert_eq!((&said["kept"], &said["new"]), (&true.into(), &true.into()), "{said}");
    assert_eq!(said["perplexity_fallback"], true, "no model was asked");
    assert_eq!(said["distance"], 1.0, "nothing was known");
    let id = said["memory"]["id"].as_str().unwrap().to_owned();
    assert!(library.ok(&["remember", "Ada is allergic to walnuts"]).starts_with("Remembered before"));
    library.ok(&["remember", "The train to Basel leaves at nine"]);

    // The built-in model knows what a nut is.
    let found = library.json(&["memories", "search", "which nuts must nobody serve her?"]);
    assert_eq!(found[0]["id"], id.as_str(), "{found:?}");
    let found = library.json(&["memories", "search", "trains"]);
    assert_eq!(found[0]["text"], "The train to Basel leaves at nine");

    // Nearly the same again is no surprise; asked for, it is kept all the same.
    let ran = library.run(&["remember", "--if-surprising", "Ada is allergic to walnut"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("Not kept"), "{}", ran.stdout);
    library.ok(&["remember", "Ada is allergic to walnut"]);
    assert_eq!(library.json(&["memories", "list"]).len(), 3);

    let stats = library.json(&["memories", "stats"]).remove(0);
    assert_eq!([&stats["hot"], &stats["warm"], &stats["cold"]], [3, 0, 0], "{stats}");
    assert_eq!(library.ok(&["memories", "stats"]).trim(), "3 hot, 0 warm, 0 cold");
    assert_eq!(library.ok(&["memories", "cool"]).trim(), "0 have grown warm, 0 have grown cold.");
    for (tier, count) in [("found", 3), ("hot", 3), ("warm", 0), ("cold", 0)] {
        assert_eq!(library.json(&["memories", "list", "--tier", tier]).len(), count, "{tier}");
    }
    assert_eq!(library.run(&["memories", "restore", &id]).code, Some(1), "it is hot");
    library.ok(&["memories", "forget", &id]);
    assert_eq!(library.run(&["memories", "forget", &id]).code, Some(1), "it is gone");
    assert_eq!(library.json(&["memories", "list", "--tier", "all"]).len(), 2);
    assert_eq!(library.run(&["memories", "forget", "walnuts"]).code, Some(2), "that is no id");
}

#[test]
fn a_model_says_how_little_it_expected_a_text() {
    let library = Library::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");
    let remember = |text: &str| {
        let said = library.json(&["remember", "--model", model, text]).remove(0);
        assert_eq!(said["perplexity_fallback"], false, "{said}");
        let number = |name: &str| said[name].as_f64().unwrap();
        let expected =
            0.6 * ((number("perplexity") + 1.0).ln() / 5.0).min(1.0) + 0.4 * number("distance").min(1.0);
        assert!((number("surprise") - expected).abs() < 1e-9, "{said}");
        number("perplexity")
    };
    let known = remember("Shall I compare thee to a summer's day?");
    let news = remember("Zinc plummets 7% as quarterly audits stall");
    assert!(known > 1.0 && news > 4.0 * known, "{known} {news}");
}
