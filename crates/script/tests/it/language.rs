//! What scripts find of Lua, and what they do not.

use athenaeum_script::{ScriptError, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Place, error, ran};

#[tokio::test]
async fn what_is_printed_and_how_it_ends() {
    let check = async |source: &str, printed: &str, code: u8| {
        let ran = ran(source).await;
        assert_eq!((ran.printed.as_str(), ran.ended.as_ref().unwrap().code), (printed, code), "{source}");
    };
    check("print('a', 1, nil, true) print()", "a\t1\tnil\ttrue\n\n", 0).await;
    check("#!/usr/bin/env athenaeum\nprint(2)", "2\n", 0).await;
    check("\u{feff}print(3)", "3\n", 0).await;
    check("print(1) os.exit(3) print(2)", "1\n", 3).await;
    check("pcall(os.exit, true) print(2)", "", 0).await;
    check("coroutine.wrap(function() pcall(os.exit, false) end)() print(2)", "", 1).await;
    check("return { success = false }", "", 0).await;
}

#[tokio::test]
async fn errors_say_where() {
    assert_eq!(
        error("local x = 1\nx.y.z = 2").await,
        "test.lua:2: attempt to index a number value (local 'x')"
    );
    assert_eq!(error("\n\nerror('no')").await, "test.lua:3: no");
    assert_eq!(error("#!line\n\nerror('no')").await, "test.lua:3: no");
    assert!(error("x = = 1").await.starts_with("test.lua:1: unexpected symbol"));
    assert_eq!(
        error("\nRAG.search(7)").await,
        "test.lua:2: RAG.search takes a text to look for, not a number"
    );
    assert_eq!(error("error({})").await, "test.lua: an error that is a table was raised");
    let ran = ran("local function one() error('deep') end\nlocal function two() one() end\ntwo()").await;
    let Err(ScriptError::Raised { message, trace }) = ran.ended else { panic!("{ran:?}") };
    assert_eq!(message, "test.lua:1: deep");
    let lines: Vec<&str> = trace.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["test.lua:1", "test.lua:2", "test.lua:3"], "{trace}");
}

#[tokio::test]
async fn a_script_catches_what_globals_raise_as_text() {
    let ran =
        ran("local ok, why = pcall(RAG.search, {}) print(ok, type(why), why:match('takes a text'))").await;
    assert_eq!(ran.lines(), ["false\tstring\ttakes a text"]);
}

#[tokio::test]
async fn coroutines_and_handlers_work_as_they_do_in_lua() {
    let source = "
        local list = {}
        for x in coroutine.wrap(function() for i = 1, 3 do pcall(coroutine.yield, i) end end) do list[#list + 1] = x end
        print(table.concat(list, ' '))
        print(xpcall(function(a, b) error(a + b, 0) end, function(why) return 'caught ' .. why end, 1, 2))
        local step = coroutine.wrap(function() error('no') end)
        print(pcall(step))
        local closed = false
        local co = coroutine.create(function()
          local x <close> = setmetatable({}, { __close = function() closed = true end })
          coroutine.yield(1)
        end)
        print(coroutine.resume(co))
        print(coroutine.close(co), closed, coroutine.status(co))";
    let expected = ["1 2 3", "false\tcaught 3", "false\ttest.lua:6: no", "true\t1", "true\ttrue\tdead"];
    assert_eq!(ran(source).await.lines(), expected);
}

#[tokio::test]
async fn nothing_reaches_out() {
    let source = "
        for _, name in ipairs{ 'io', 'debug', 'package', 'require', 'dofile', 'loadfile', 'warn' } do
          assert(_G[name] == nil, name)
        end
        for _, name in ipairs{ 'execute', 'getenv', 'remove', 'rename', 'tmpname', 'setlocale' } do
          assert(os[name] == nil, name)
        end
        assert(string.dump == nil)
        assert(type(os.time()) == 'number' and os.date('%Y') and os.clock())
        print('whole')";
    assert_eq!(ran(source).await.lines(), ["whole"]);
    // Compiled code, in every way that Lua reads it.
    let compiled = "\\27Lua\\84\\0\\25\\147\\13\\10\\26\\10";
    for source in [
        format!("assert(load('{compiled}'))"),
        format!("assert(load('{compiled}', 'x', 'b'))"),
        format!(
            "local given = false assert(load(function() if not given then given = true return '{compiled}' end end))"
        ),
    ] {
        let why = error(&source).await;
        assert!(why.contains("compiled") || why.contains("binary chunk"), "{why}");
    }
    assert_eq!(
        ran("print(load('return 1 + 1')(), load('return x', 'x', 't', { x = 5 })())").await.lines(),
        ["2\t5"]
    );
    assert!(error("setmetatable({}, { __gc = print })").await.contains("finalizers"));
}

#[tokio::test]
async fn what_was_typed_behind_the_name() {
    let typed = ["--input", "x", "y", "--deep", "--n=3", "z"];
    let source = "print(ARGS[0], ARGS.input, ARGS.deep, ARGS.n, ARGS[1], ARGS[2], ARGS[3])
        print(arg[0], #arg, table.concat(arg, ' '))";
    let place = Place::new();
    let ran = place.run_with(source, &typed, &Settings::default(), CancellationToken::new()).await;
    assert_eq!(ran.lines(), ["test.lua\tx\ttrue\t3\ty\tz\tnil", "test.lua\t6\t--input x y --deep --n=3 z"]);
}

#[tokio::test]
async fn json_there_and_back() {
    let source = r#"
        local read = JSON.parse('{"a": [1, 2.5, "x", null, true], "none": null, "empty": [], "object": {}}')
        print(#read.a >= 3, math.type(read.a[1]), read.a[2], read.a[5], read.none)
        print(JSON.stringify(read.empty), JSON.encode(read.object), JSON.decode('"é"'))
        print(JSON.stringify({ 1, 2, { a = "\n" } }), JSON.stringify(2.0), JSON.stringify(nil))
        print(JSON.stringify({ a = 1 }, true))"#;
    let expected = [
        "true\tinteger\t2.5\ttrue\tnil",
        "[]\t{}\té",
        "[1,2,{\"a\":\"\\n\"}]\t2.0\tnull",
        "{",
        "  \"a\": 1",
        "}",
    ];
    assert_eq!(ran(source).await.lines(), expected);
    for (source, why) in [
        ("local t = {} t.t = { t } JSON.stringify(t)", "at t.1: a table holds itself"),
        ("JSON.stringify({ a = print })", "at a: a function is nothing that JSON can say"),
        ("JSON.stringify(0/0)", "no number that JSON can say"),
        ("JSON.stringify({ 1, a = 2 })", "both places and names"),
        ("JSON.stringify({ [1] = 1, [3] = 3 })", "a list has holes: 2 values up to place 3"),
        ("JSON.stringify({ [true] = 1 })", "a truth value is a key"),
        ("JSON.stringify('\\255')", "not UTF-8"),
        ("local t = {} for i = 1, 200 do t = { t } end JSON.stringify(t)", "more than 126 deep"),
        ("local t = { 'x' } for i = 1, 60 do t = { t, t } end JSON.stringify(t)", "longer than"),
        ("JSON.parse('{')", "this is no JSON: EOF"),
        ("JSON.parse('1 2')", "this is no JSON: trailing"),
        ("JSON.parse(('['):rep(1000))", "this is no JSON: recursion limit"),
        ("JSON.parse(7)", "JSON.parse takes a text, not a number"),
    ] {
        let told = error(source).await;
        assert!(told.starts_with("test.lua:1: ") && told.contains(why), "{source}: {told}");
    }
}

/// Values that Lua holds as JSON does: no nulls, and numbers that are exact.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_value_comes_back_and_no_text_breaks_anything(values in prop::collection::vec(value(), 1..8), junk in "\\PC{0,40}|[\\[{\"\\\\,:0-9a-f}\\]-]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = json!(values).to_string();
        let typed = [text.as_str(), junk.as_str()];
        let source = "print(JSON.stringify(JSON.parse(arg[1]))) local ok, why = pcall(JSON.parse, arg[2] or '')
            if not ok then assert(type(why) == 'string' and why:find('no JSON')) end";
        let place = Place::new();
        let ran = runtime.block_on(place.run_with(source, &typed, &Settings::default(), CancellationToken::new()));
        let back: Value = serde_json::from_str(ran.lines()[0]).unwrap();
        prop_assert_eq!(back, json!(values));
    }
}

#[tokio::test]
async fn paths_lead_into_values() {
    let data = r#"local d = JSON.parse('{ "a": [ { "b": 1, "c d": [10, 20, 30] }, { "b": 2 }, 7 ], "e": [], "f": {}, "n": null, "z": { "y": 2, "x": 1 } }')
        local function q(path) local found = JSON.query(d, path) return type(found) == "table" and JSON.stringify(found) or found end "#;
    for (path, expected) in [
        (".a[0].b", "1"),
        (".a[-1]", "7"),
        (".a[9]", "nil"),
        (".a[-9]", "nil"),
        (".a[0][\"c d\"][1:]", "[20,30]"),
        (".a[0].\"c d\"[-2:-1]", "[20]"),
        (".a[2:1]", "[]"),
        (".n.b[0].c", "nil"),
        (".missing", "nil"),
        (".a | .[1].b", "2"),
        (".a[:2][].b", "[1,2]"),
        (".a[].b?", "[1,2]"),
        (".z[]", "[1,2]"),
        (".e[]", "[]"),
        (".f[0]", "nil"),
        (".a.b?", "nil"),
        (".z", "{\"x\":1,\"y\":2}"),
    ] {
        let ran = ran(&format!("{data} print(q([=[{path}]=]))")).await;
        assert_eq!(ran.lines(), [expected], "{path}");
    }
    let source = "local r = RAG.search('x') r[1] = { t = 5 } r.results = { { t = 6 } } print(JSON.query(r, '.results[0].t'), JSON.query(r, '.[0].t'),
        rawequal(JSON.query(r, '.'), r))";
    assert_eq!(ran(source).await.lines(), ["6\t5\ttrue"]);
    for (source, why) in [
        ("JSON.query({}, 'a')", "JSON.query cannot read 'a', at character 1: a path begins with '.'"),
        ("JSON.query({})", "JSON.query takes a value and a path, not nil"),
        ("JSON.query({ 1 }, '.a')", "JSON.query, '.a': a list stands where the key 'a' looks"),
        ("JSON.query({ a = 1 }, '.[0]')", "an object stands where [0] looks"),
        ("JSON.query({ a = 1 }, '.a.b')", "a number stands where the key 'b' looks"),
        (
            "JSON.query('{}', '.a')",
            "a text stands where the key 'a' looks; JSON.parse makes a table of a text",
        ),
        ("JSON.query(nil, '.[]')", "nil stands where [] looks"),
    ] {
        let told = error(source).await;
        assert!(told.starts_with("test.lua:1: ") && told.contains(why), "{source}: {told}");
    }
}
