//! `Artifact`: kept in a session, found there.

use crate::support::{error, ran};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_stores_is_found_read_listed_and_removed() {
    let source = r#"
        local id = Artifact.store("s1", "tool_result", "report.txt", "A hound barks.", { tags = { "pets" }, by = "K" })
        print(id.sequence, id.session_id, #id.content_hash)
        Artifact.store("s1", "numbers", "data.json", { answer = 42 })
        local hit = RAG.search("puppy", { scope = "session", scope_id = "s1", k = 1 }).results[1]
        print(hit.id, hit.content, hit.metadata.by, hit.metadata.artifact.name)
        print(#RAG.search("puppy", { scope = "session:s2" }).results, #RAG.search("puppy").results)
        local read = Artifact.get("s1", id)
        print(read.content, read.metadata.name, read.metadata.type, read.metadata.size, read.metadata.custom.by)
        print(Artifact.get("s1", 2).content, Artifact.get("s1", id.content_hash).metadata.sequence)
        print(Artifact.get("s1", 9), Artifact.get("s2", 1), #Artifact.list("s1"), #Artifact.list("s2"))
        print(#Artifact.query{ session_id = "s1", type = "numbers" }, #Artifact.query{ session_id = "s1", type = "custom" }, #Artifact.query{ session_id = "s1", name_pattern = "*.txt" },
          #Artifact.query{ session_id = "s1", tags = { "pets" } }, #Artifact.query{ session_id = "s1", min_size = 14 },
          #Artifact.query{ session_id = "s1", created_before = os.time() - 60 }, #Artifact.query{ session_id = "s1", limit = 1 })
        print(Artifact.delete("s1", id), Artifact.delete("s1", id), #Artifact.list("s1"))"#;
    let expected = [
        "1\ts1\t64",
        "artifact:1\tA hound barks.\tK\treport.txt",
        "0\t0",
        "A hound barks.\treport.txt\ttool_result\t14\tK",
        "{\"answer\":42}\t1",
        "nil\tnil\t2\t0",
        "1\t0\t1\t1\t1\t0\t1",
        "true\tfalse\t1",
    ];
    assert_eq!(ran(source).await.lines(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused_by_name() {
    for (source, why) in [
        ("Artifact.store('s', '', 'n', 'x')", "Artifact.store takes a type of 1 to 64 characters"),
        ("Artifact.store('s', 'a\\nb', 'n', 'x')", "Artifact.store takes a type of 1 to 64 characters"),
        ("Artifact.store('s', 'custom', 'n', '\\255')", "keeps texts, and this content is not UTF-8"),
        ("Artifact.store('s', 'custom', 'n', 7)", "takes a text or a table for 'content', not a number"),
        ("Artifact.store('s', 'custom', '', 'x')", "an artifact's name has 1 to 255 characters"),
        ("Artifact.store('s', 'custom', 'n', '')", "a text is empty"),
        (
            "Artifact.store('s', 'custom', 'n', 'x', { artifact = 1 })",
            "'artifact' is a name of the artifact's own",
        ),
        ("Artifact.store('', 'custom', 'n', 'x')", "a room's id has 1 to 512 bytes"),
        ("Artifact.get('s', {})", "Artifact.get takes a session and what Artifact.store gave"),
        (
            "Artifact.query{ session_id = 's', colour = 1 }",
            "Artifact.query has no option 'colour'; there are session_id",
        ),
    ] {
        let told = error(source).await;
        assert!(told.starts_with("test.lua:1: ") && told.contains(why), "{source}: {told}");
    }
}
