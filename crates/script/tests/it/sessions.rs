//! `Session`: known again by the next run, and to nobody else's.

use athenaeum_tenancy::for_test;

use crate::support::{Place, error, ran};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_made_read_turned_and_removed() {
    let source = r#"
        local id = Session.create{ name = "Baking", description = "of bread", tags = { "food", "home" }, metadata = { oven = 2 } }
        local about = Session.get(id)
        print(#id, about.id == id, about.name, about.description, about.status, #about.tags, about.tags[2], about.metadata.oven)
        print(about.created_at:match("^%d%d%d%d%-%d%d%-%d%dT") ~= nil, about.updated_at == about.created_at, about.custom_metadata.oven)
        print(RAG.create_session_collection(id).created, RAG.search("dog", { scope = "session", scope_id = id }).total)
        RAG.ingest({ content = "A dog." }, { scope = "session", scope_id = id })
        Artifact.store(id, "markdown", "n.md", "A puppy.")
        print(RAG.search("puppy", { scope = "session", scope_id = id }).total, Session.save(id), Session.load(id) == id)
        Session.suspend(id)
        print(Session.get(id).status, pcall(Session.suspend, id))
        Session.resume(id)
        Session.complete(id)
        print(Session.get(id).status, pcall(Session.resume, id))
        local other = Session.builder():name("Tea"):tag("food"):tags({ "drink" }):metadata({ hot = true }):build()
        local bare = Session.create()
        print(Session.get(bare).name, #Session.get(bare).tags)
        local function names(options)
          local list = {}
          for _, one in ipairs(Session.list(options)) do list[#list + 1] = one.name or "-" end
          return table.concat(list, " ")
        end
        print(names(), names{ tags = { "food" } }, names{ tags = { "food", "drink" } }, names{ status = "completed" }, names{ limit = 1 })
        Session.set_current(other)
        print(Session.get_current() == other, Session.delete(other), Session.get_current())
        print(Session.delete(id), pcall(Session.get, id))
        print(RAG.search("puppy", { scope = "session", scope_id = id }).total, #Artifact.list(id), names())"#;
    let ran = ran(source).await;
    let lines: Vec<String> = ran.lines().into_iter().map(without_ids).collect();
    let expected = [
        "36\ttrue\tBaking\tof bread\tactive\t2\thome\t2",
        "true\ttrue\t2",
        "true\t0",
        "2\ttrue\ttrue",
        "suspended\tfalse\tthe session 'ID' is suspended, and cannot become suspended",
        "completed\tfalse\tthe session 'ID' is completed, and cannot become active",
        "nil\t0",
        "- Tea Baking\tTea Baking\tTea\tBaking\t-",
        "true\ttrue\tnil",
        "true\tfalse\tthere is no session 'ID'",
        "0\t0\t-",
    ];
    assert_eq!(lines, expected);
}

/// The ids of sessions are never the same.
fn without_ids(line: &str) -> String {
    let mut parts = line.split('\'');
    let (before, id) = (parts.next().unwrap_or_default(), parts.next());
    id.map_or_else(|| line.to_owned(), |_| format!("{before}'ID'{}", parts.collect::<Vec<_>>().concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_knows_sessions_again_and_another_tenant_does_not() {
    let place = Place::new();
    let source = r#"
        local id = Session.create{ name = "Ours", tags = { "t" } }
        RAG.ingest({ content = "A dog." }, { scope = "session", scope_id = id })
        Artifact.store(id, "custom", "n", "A puppy.")
        print(id)"#;
    let id = place.run(source).await.lines()[0].to_owned();
    let looks = format!(
        r#"local id = "{id}"
        print(#Session.list(), #Session.list{{ tags = {{ "t" }} }}, RAG.search("dog", {{ scope = "session", scope_id = id }}).total, #Artifact.list(id))
        print(pcall(Session.load, id), pcall(Session.complete, id), pcall(Session.delete, id), pcall(Session.set_current, id))"#
    );
    let theirs = place.run_of(for_test("other"), &looks).await;
    assert_eq!(
        theirs.lines(),
        ["0\t0\t0\t0", &format!("false\tfalse\tfalse\tfalse\tthere is no session '{id}'")]
    );
    let ours = place.run(&looks).await;
    assert_eq!(ours.lines()[0], "1\t1\t2\t1");
    assert!(ours.lines()[1].starts_with("true\ttrue\ttrue\tfalse"), "{ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_session_is_refused_by_name() {
    for (source, why) in [
        ("Session.create{ name = '' }", "a session's name has 1 to 255 characters"),
        ("Session.create{ nme = 'x' }", "Session.create has no option 'nme'; there are name"),
        ("Session.create{ tags = { ('x'):rep(65) } }", "a session may have 64 tags of 1 to 64 characters"),
        ("Session.create{ description = ('x'):rep(70000) }", "may have 65536 bytes, and this has 70000"),
        ("Session.create{ metadata = { x = ('x'):rep(70000) } }", "metadata may have 65536 bytes as JSON"),
        ("Session.create{ metadata = { f = print } }", "in 'metadata': at f: a function"),
        ("Session.builder():name(7):build()", "Session.create takes a text for 'name', not a number"),
        ("Session.builder():tags('x')", "Session.builder takes a list of texts for 'tags'"),
        ("Session.get('x')", "there is no session 'x'"),
        ("Session.get()", "Session.get takes the id of a session"),
        ("Session.suspend('00000000-0000-0000-0000-000000000000')", "there is no session '00000000"),
        (
            "Session.list{ status = 'failed' }",
            "Session.list has no status 'failed'; there are active, suspended",
        ),
        ("Session.list{ limit = 0 }", "takes a whole number from 1 to 10000 for 'limit'"),
    ] {
        let told = error(source).await;
        assert!(told.starts_with("test.lua:1: ") && told.contains(why), "{source}: {told}");
    }
}
