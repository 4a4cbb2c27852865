//! `RAG`: in the forms that scripts call it in.

use proptest::prelude::*;

use crate::support::{Place, error, ran};

const PETS: &str = r#"
    RAG.ingest({
      { id = "dog", content = "A hound barks at night.", metadata = { kind = "pet", year = 1991, wild = false } },
      { id = "cat", text = "A kitten plays.", metadata = { kind = "pet", year = 1995 } },
      { id = "loaf", content = "A loaf is baked.", metadata = { kind = "food", year = 1995 } },
    }, { scope = "session", scope_id = "abc" })
    local function ids(found)
      local list = {}
      for _, hit in ipairs(found.results) do list[#list + 1] = hit.id end
      table.sort(list)
      return table.concat(list, " ")
    end
"#;

async fn lines(source: &str) -> Vec<String> {
    let ran = ran(&format!("{PETS}{source}")).await;
    ran.lines().into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paraphrase_is_found_with_all_that_is_known_of_it() {
    let source = r#"
        local found = RAG.search("puppy", { scope = "session", scope_id = "abc", k = 1 })
        local hit = found.results[1]
        print(found.success, found.total, hit.id, hit.content, hit.text == hit.content, hit.score > 0.9)
        print(hit.metadata.kind, hit.metadata.year, hit.metadata.wild, found[1] == hit, #found)"#;
    assert_eq!(
        lines(source).await,
        ["true\t1\tdog\tA hound barks at night.\ttrue\ttrue", "pet\t1991\tfalse\ttrue\t1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_scope_names_one_room() {
    let source = r#"
        print(ids(RAG.search("puppy", { scope = "session:abc", top_k = 1 })))
        print(ids(RAG.search({ query = "puppy", collection = "session:abc", limit = 1 })))
        print(ids(RAG.search("puppy", { scope = "session", scope_id = "ABC" })) == "")
        print(ids(RAG.search("puppy")) == "", ids(RAG.search("puppy", { scope = "global" })) == "")
        RAG.ingest({ id = "a", content = "A dog of acme." }, { scope = "tenant:acme" })
        RAG.ingest({ id = "b", content = "A dog of globex.", tenant_id = "globex" })
        RAG.ingest({ id = "c", content = "A dog of mine." }, { collection = "mine" })
        RAG.ingest({ id = "own", content = "A dog of the library." })
        print(ids(RAG.search("dog", { tenant_id = "acme" })), ids(RAG.search("dog", { scope = "tenant", scope_id = "globex" })),
          ids(RAG.search("dog", { scope = "mine" })), ids(RAG.search("dog")))
        print(RAG.get_stats("tenant", "acme").total_vectors, RAG.get_stats("mine", nil).total_documents,
          RAG.get_stats("session:abc").total_chunks, RAG.get_stats().total_documents, RAG.get_stats("nowhere").total_vectors)"#;
    assert_eq!(lines(source).await, ["dog", "dog", "true", "true\ttrue", "a\tb\tc\town", "1\t1\t3\t1\t0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threshold_and_filters_narrow_what_is_found() {
    let source = r#"
        local at = { scope = "session:abc" }
        local function found(options) options.scope = "session:abc" return ids(RAG.search("puppy", options)) end
        print(found{ threshold = 0.9 })
        print(found{ filters = { kind = "pet" } })
        print(found{ metadata_filter = { year = 1995, kind = { "food", "drink" } } })
        print(found{ filters = { wild = false } }, found{ filters = { wild = true } } == "", found{ filters = { year = "1995" } } == "")
        print(found{ mode = "text" } == "", found{ mode = "semantic", k = 1 })"#;
    assert_eq!(lines(source).await, ["dog", "cat dog", "loaf", "dog\ttrue\ttrue", "true\tdog"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_cut_as_it_is_asked() {
    let source = r#"
        local long = ("The hound barks at the moon tonight. "):rep(60)
        local function cut(options)
          RAG.ingest({ id = "long", content = long }, options)
          return RAG.get_stats().total_chunks
        end
        local usual = cut{}
        local small = cut{ chunking = { chunk_size = 24, overlap = 0, strategy = "sliding_window" } }
        local shared = cut{ chunk_size = 24, chunk_overlap = 11 }
        print(usual < small, small < shared)
        RAG.configure{ chunk_size = 24, overlap = 0 }
        print(cut{} == small, cut{ chunk_size = 24, overlap = 12 } >= shared)
        local kept = RAG.ingest({ content = "One two three." })
        print(kept.success, kept.documents_processed, kept.vectors_created, kept.total_tokens, #kept.ids[1])
        print(RAG.ingest({ content = "One two three." }).vectors_created, RAG.get_stats().total_documents)"#;
    assert_eq!(lines(source).await, ["true\ttrue", "true\ttrue", "true\t1\t1\t4\t32", "0\t2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_made_expire_and_are_removed() {
    let source = r#"
        local made = RAG.create_session_collection("s", 3600)
        print(made.created, made.namespace, made.ttl, RAG.create_session_collection("s").created)
        RAG.ingest({ content = "A dog." }, { collection = made.namespace })
        print(RAG.search("dog", { scope = "session:s" }).total, RAG.get_stats("session", "s").ttl)
        print(RAG.configure_session{ session_id = "s", vector_ttl = 0.001 }.vector_ttl)
        local begun = os.clock() while os.clock() - begun < 0.01 do end
        print(RAG.search("dog", { scope = "session:s" }).total, RAG.get_stats("session", "s").total_vectors)
        print(RAG.cleanup_scope("session", "abc"), RAG.cleanup_scope("session", "abc"), RAG.search("dog", { scope = "session:abc" }).total)
        RAG.configure{ session_ttl = 60 }
        print(RAG.create_session_collection("t").ttl, RAG.save())"#;
    let expected = ["true\tsession:s\t3600.0\tfalse", "1\t3600.0", "0.001", "0\t0", "3\t0\t0", "60.0\ttrue"];
    assert_eq!(lines(source).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_run_kept_the_next_one_finds() {
    let place = Place::new();
    place.run(&format!("{PETS} RAG.save()")).await.lines();
    let ran = place.run("print(RAG.search('puppy', { scope = 'session:abc', k = 1 }).results[1].id)").await;
    assert_eq!(ran.lines(), ["dog"]);
}

/// Lua goes through a table in another order in each run. Metadata that were written in that order gave a text without an id another one
/// each time: what was put in by a script that ran twice stood there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_without_an_id_is_known_again_by_what_it_says() {
    let place = Place::new();
    let source = r#"
        local metadata = {}
        for letter in ("abcdefgh"):gmatch(".") do metadata["key " .. letter] = { [letter] = 1, other = 2, third = letter } end
        RAG.ingest({ content = "A dog.", metadata = metadata })
        print(RAG.get_stats().total_documents)"#;
    for _ in 0..4 {
        assert_eq!(place.run(source).await.lines(), ["1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_a_script_is_set_once() {
    let source = r#"
        RAG.configure{ collection = "session:abc", search_limit = 2, provider = RAG.list_providers()[1], dimensions = 5 }
        print(RAG.search("puppy").total, RAG.list_providers()[1])
        RAG.ingest({ id = "own", content = "A dog." }, { scope = "global", provider = "four-meanings" })
        print(ids(RAG.search("dog", { scope = "global" })))"#;
    assert_eq!(lines(source).await, ["2\tfour-meanings", "own"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_change_no_answer_is_told_of_once() {
    let source = r#"
        RAG.configure{ collection = "a", dimensions = 1536, backend = "sqlite" }
        RAG.configure{ collection = "b", dimensions = 768, enable_cache = true, cache_ttl = 3600, batch_size = 32 }
        RAG.configure{ dimensions = 5, enable_cache = false }
        RAG.ingest{ content = "A dog." }
        print(RAG.search("puppy").total)"#;
    let ran = ran(source).await;
    assert_eq!(ran.lines(), ["1"]);
    let told = ["vectors have 5 dimensions here", "'backend'", "'cache_ttl'", "'batch_size'"];
    assert_eq!(ran.notes.len(), told.len(), "{:?}", ran.notes);
    for (note, told) in ran.notes.iter().zip(told) {
        assert!(note.starts_with("RAG.configure: ") && note.contains(told), "{note}");
    }
    let same = self::ran("RAG.configure{ dimensions = 5, enable_cache = false }").await;
    assert!(same.lines().is_empty() && same.notes.is_empty(), "{same:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_by_name() {
    for (source, why) in [
        ("RAG.search()", "RAG.search takes a text to look for"),
        ("RAG.search({ top_k = 5 })", "RAG.search takes a text to look for, as 'query'"),
        ("RAG.search({ query = 42 })", "takes a text for 'query', not a number"),
        ("RAG.search('x', { top_k = 0 })", "takes a whole number from 1 to 200 for 'top_k'"),
        ("RAG.search('x', { k = -1 })", "takes a whole number from 1 to 200 for 'k'"),
        ("RAG.search('x', { top_k = 999999999 })", "takes a whole number from 1 to 200"),
        ("RAG.search('x', { top_k = 'five' })", "takes a whole number from 1 to 200"),
        ("RAG.search('x', { k = 1, limit = 2 })", "takes 'k' or 'limit', which say the same, and not both"),
        ("RAG.search('x', { threshold = 2 })", "takes a number from -1 to 1 for 'threshold'"),
        ("RAG.search('x', { treshold = 0.5 })", "RAG.search has no option 'treshold'; there are k, top_k"),
        ("RAG.search('x', { mode = 'magic' })", "takes 'hybrid', 'text' or 'semantic' for 'mode'"),
        (
            "RAG.search('x', { filters = { a = { b = 1 } } })",
            "compares 'a' with texts, numbers and truth values",
        ),
        ("RAG.search('x', { scope = 'session' })", "takes an id for the scope 'session'"),
        ("RAG.search('x', { scope_id = 'a' })", "takes 'scope' with 'scope_id'"),
        ("RAG.search('x', { scope = 'tenant:a', tenant_id = 'b' })", "was told two places"),
        ("RAG.search('x', { scope = 'Session:a' })", "a room's kind has 1 to 32 of a-z"),
        ("RAG.search('x', { scope = 'session:' .. ('x'):rep(600) })", "a room's id has 1 to 512 bytes"),
        ("RAG.ingest({ metadata = { test = true } })", "RAG.ingest takes a text, as 'content' or 'text'"),
        ("RAG.ingest({ content = '' })", "a text is empty"),
        ("RAG.ingest({ content = 12345 })", "takes a text for 'content', not a number"),
        ("RAG.ingest({ content = { 'this' } })", "takes a text for 'content', not a table"),
        ("RAG.ingest('text')", "RAG.ingest takes a table with 'content', or a list of such, not a text"),
        (
            "RAG.ingest({ { content = 'a' }, { contents = 'b' } })",
            "RAG.ingest, text 2, has no option 'contents'",
        ),
        ("RAG.ingest({ content = 'a', metadata = { f = print } })", "in 'metadata': at f: a function"),
        ("RAG.ingest({ content = 'a', metadata = { 1, 2 } })", "it has to have names for keys"),
        (
            "RAG.ingest({ content = 'a' }, { provider = 'openai' })",
            "'openai' makes no vectors here, four-meanings does; the setting library.embedder",
        ),
        (
            "RAG.ingest({ content = 'a' }, { chunking = { strategy = 'semantic' } })",
            "chunking has no strategy 'semantic'; there are sliding_window",
        ),
        (
            "RAG.ingest({ content = 'a' }, { chunking = { chunk_size = 10, overlap = 6 } })",
            "an overlap of at most half",
        ),
        ("RAG.ingest({ content = 'a' }, { ttl = 5 })", "RAG.ingest has no option 'ttl'"),
        ("RAG.configure{ enable_telepathy = true }", "RAG.configure has no option 'enable_telepathy'"),
        ("RAG.configure{ enable_cache = 1 }", "takes true or false for 'enable_cache', not a number"),
        ("RAG.configure{ vector_dimensions = 0 }", "takes a whole number from 1 to"),
        ("RAG.configure{ embedding_provider = 'openai' }", "'openai' makes no vectors here"),
        ("RAG.configure_session{ session_id = 's' }", "takes 'vector_ttl'"),
        ("RAG.create_session_collection('s', -1)", "for 'ttl'"),
        ("RAG.create_session_collection()", "takes the id of a session"),
        ("RAG.cleanup_scope('global')", "removes a room"),
    ] {
        let told = error(source).await;
        assert!(told.starts_with("test.lua:1: ") && told.contains(why), "{source}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_by_looking() {
    let place = Place::new();
    let source = "print(RAG.search('x', { scope = 'session:none' }).total, RAG.get_stats('session', 'none').total_vectors,
        RAG.cleanup_scope('session', 'none'), RAG.create_session_collection('none').created)";
    assert_eq!(place.run(source).await.lines(), ["0\t0\t0\ttrue"]);
}

/// A value as it may stand in a table of options, written in Lua.
fn written() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("nil".to_owned()),
        Just("true".to_owned()),
        Just("0/0".to_owned()),
        Just("print".to_owned()),
        Just("setmetatable({}, { __index = function() error({}) end })".to_owned()),
        any::<i64>().prop_map(|whole| format!("({whole})")),
        any::<f64>()
            .prop_filter("Lua writes these otherwise", |n| n.is_finite())
            .prop_map(|n| format!("({n:?})")),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
            format!("'{bytes}'")
        }),
        "session|tenant:a|global|[a-z@./+]{1,5}".prop_map(|text| format!("'{text}'")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        let key = prop::sample::select(
            "query k top_k limit mode threshold filters scope scope_id tenant_id collection content text id metadata \
             chunking chunk_size overlap strategy session_id vector_ttl ttl search_limit provider dimensions type name \
             tags min_size name_pattern odd"
                .split_whitespace()
                .collect::<Vec<_>>(),
        );
        prop_oneof![
            prop::collection::vec((key, inner.clone()), 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
            prop::collection::vec(inner, 0..3).prop_map(|list| format!("{{ {} }}", list.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_handed_in_is_done_or_refused(calls in prop::collection::vec((0_usize..23, written(), written(), written()), 1..12)) {
        const FUNCTIONS: [&str; 23] = [
            "RAG.search", "RAG.ingest", "RAG.create_session_collection", "RAG.configure_session", "RAG.cleanup_scope",
            "RAG.get_stats", "RAG.list_providers", "RAG.configure", "Artifact.store", "Artifact.get", "Artifact.list",
            "Artifact.delete", "Artifact.query", "JSON.stringify", "JSON.query", "Session.create", "Session.get", "Session.list", "Session.save",
            "Session.suspend", "Session.complete", "Session.delete", "Session.set_current",
        ];
        let calls: String = calls
            .iter()
            .map(|(function, a, b, c)| format!("try({}, {a}, {b}, {c})\n", FUNCTIONS[*function]))
            .collect();
        let source = format!("local function try(...)
              local f, a, b, c = ...
              local ok, why = pcall(function() local done = f(a, b, c) end)
              if not ok then assert(type(why) == 'string' and why:find('^test.lua:%d+: '), tostring(why)) end
            end\n{calls}print('whole')");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ran = runtime.block_on(ran(&source));
        prop_assert!(ran.ended.is_ok(), "{source}: {ran:?}");
        prop_assert_eq!(ran.printed.as_str(), "whole\n");
    }
}
