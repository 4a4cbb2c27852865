//! `athenaeum run`: scripts over a library, with the model within the program.

use std::path::Path;

use crate::support::Library;

fn run(library: &Library, source: &str, typed: &[&str]) -> crate::support::Ran {
    library.write("script.lua", source);
    library.run(&[&["run", "script.lua"], typed].concat())
}

#[test]
fn the_examples_do_what_they_say() {
    let library = Library::new();
    let check = |name: &str, expected: &[&str]| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/scripts").join(name);
        let ran = library.run(&["run", path.to_str().unwrap()]);
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected, "{name}: {ran:?}");
        assert_eq!(ran.code, Some(0));
    };
    // Each also finds what it left behind.
    for _ in 0..2 {
        check(
            "first-rag.lua",
            &[
                "3 texts, 61 tokens or so",
                "How long should I wait before baking?",
                "  Bread: Leave the dough overnight in a cool place. It rises slowly, and the loaf tastes of more.",
                "2 texts have nothing to do with the kitchen",
            ],
        );
        check(
            "sessions.lua",
            &[
                "anna: My sister lives in Lisbon and keeps bees.",
                "bela: nothing",
                "bela: The train to Graz leaves at seven in the morning.",
                "bela: Platform 9, change at Bruck an der Mur.",
                "anna: nothing",
                "0 vectors are left of Anna",
                "2 texts of Bela are removed",
            ],
        );
        check(
            "tenants.lua",
            &[
                "acme: Returns are accepted within thirty days.",
                "globex: We take nothing back that was opened.",
                "2 texts each, as 59 bytes of JSON",
                "What is not understood is refused: has no option 'tenant'",
            ],
        );
    }
    for expected in [
        &["Baking, gas, new"][..],
        &[
            "Baking, gas, known again",
            "The sourdough starter lives in the refrigerator and is fed on Fridays.",
            "flour.md is there, too",
        ],
        &["Baking, gas, new"],
    ] {
        check("named-sessions.lua", expected);
    }
    // A person's own search sees nothing of it all.
    assert_eq!(
        library.ok(&["search", "--in", "library", "dough bees goods"]),
        "Nothing found for dough bees goods.\n"
    );
}

#[test]
fn what_a_script_puts_into_the_library_is_found_by_its_person() {
    let library = Library::new();
    let ran =
        run(&library, "RAG.ingest({ id = 'note', title = 'Bees', content = 'My sister keeps bees.' })", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let found = library.ok(&["search", "--in", "library", "who has insects?"]);
    assert!(found.contains("bees"), "{found}");
}

#[test]
fn exit_codes_and_messages_say_how_it_went() {
    let library = Library::new();
    let check = |source: &str, code: i32, stdout: &str, stderr: &str| {
        let ran = run(&library, source, &[]);
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
            (Some(code), stdout, stderr),
            "{source}"
        );
    };
    check("print('Hello', 1 + 1)", 0, "Hello\t2\n", "");
    check("print(1) os.exit(7)", 7, "1\n", "");
    check(
        "print(1)\nlocal function f() error('no bread') end\nf()",
        1,
        "1\n",
        "athenaeum: script.lua:2: no bread\n  by script.lua:2: in local 'f'\n  by script.lua:3: in main chunk\n",
    );
    check("x = = 1", 1, "", "athenaeum: script.lua:1: unexpected symbol near '='\n");
    check(
        "io.open('/etc/passwd')",
        1,
        "",
        "athenaeum: script.lua:1: attempt to index a nil value (global 'io')\n  by script.lua:1: in main chunk\n",
    );
    assert!(!library.data().exists(), "nothing is made before a script wants it");
    let missing = library.run(&["run", "missing.lua"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("cannot read missing.lua"), "{missing:?}");
    assert_eq!(library.run(&["run"]).code, Some(2));
    assert_eq!(library.run(&["run", "script.lua", "words"]).code, Some(2), "arguments stand behind --");
}

#[test]
fn what_changes_nothing_is_told_on_stderr() {
    let library = Library::new();
    let source = "print(1) RAG.configure{ cache_ttl = 60 } RAG.configure{ cache_ttl = 90 } print(2)";
    let ran = run(&library, source, &[]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("1\n2\n", Some(0)), "{ran:?}");
    assert_eq!(ran.stderr.matches("'cache_ttl' change nothing").count(), 1, "{ran:?}");
}

#[test]
fn what_is_typed_behind_the_dashes_comes_to_the_script() {
    let library = Library::new();
    let source = "print(ARGS.input, ARGS[1], arg[1], arg[0])";
    let ran = run(&library, source, &["--", "--input", "x", "y"]);
    assert_eq!(ran.stdout, "x\ty\t--input\tscript.lua\n", "{ran:?}");
    let ran = run(&library, "print('a') print('b\\n')", &["--json"]);
    assert_eq!(ran.stdout, "{\"printed\":\"a\"}\n{\"printed\":\"b\\n\"}\n", "{ran:?}");
}

#[test]
fn bombs_end_with_a_message() {
    let library = Library::new();
    library.write("config.toml", "[script]\nmemory_mib = 8\nseconds = 1\n");
    let check = |source: &str, expected: &str| {
        library.write("script.lua", source);
        let ran = library.run(&["--config", "config.toml", "run", "script.lua"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), expected), "{source}");
    };
    let memory = "athenaeum: script.lua wanted more than the 8 MiB of memory that a script may have (script.memory_mib)\n";
    let time = "athenaeum: script.lua was stopped: it ran for 1 s, and may no longer (script.seconds)\n";
    check("local s = ('x'):rep(1e9)", memory);
    check("while true do pcall(function() while true do end end) end", time);
    check("local a = ('a'):rep(28) a:find(('a?'):rep(28) .. ('a'):rep(28) .. 'b')", time);
}

#[test]
fn rooms_are_listed_and_removed() {
    let library = Library::new();
    assert!(library.ok(&["library", "rooms"]).starts_with("There are no rooms"));
    assert!(!library.data().join("library.db").exists(), "nothing is made by looking");
    let source = "RAG.create_session_collection('a b', 60) RAG.ingest({ content = 'A dog.' }, { scope = 'session:a b' })
        RAG.ingest({ { content = 'One.' }, { content = 'Two.' } }, { collection = 'notes' })";
    assert_eq!(run(&library, source, &[]).code, Some(0));
    assert_eq!(
        library.ok(&["library", "rooms"]),
        "collection:notes  2 documents\nsession:a b  1 document, each for 60 s\n"
    );
    let told: serde_json::Value =
        serde_json::from_str(library.ok(&["library", "rooms", "--json"]).lines().nth(1).unwrap()).unwrap();
    assert_eq!((told["kind"].as_str(), told["id"].as_str()), (Some("session"), Some("a b")));
    assert_eq!((told["chunks"].as_u64(), told["ttl_seconds"].as_f64()), (Some(1), Some(60.0)));
    assert_eq!(library.ok(&["library", "rooms", "--remove", "collection:notes"]), "2 documents removed\n");
    let again = library.run(&["library", "rooms", "--remove", "collection:notes"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("there is no room collection:notes"), "{again:?}");
    assert_eq!(library.run(&["library", "rooms", "--remove", "notes"]).code, Some(2));
    assert_eq!(library.ok(&["library", "rooms"]), "session:a b  1 document, each for 60 s\n");
}
