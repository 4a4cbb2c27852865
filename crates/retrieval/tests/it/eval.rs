//! Collections of judged questions: what is read, and what is refused.

use std::{fs, path::Path};

use athenaeum_retrieval::eval::{Collection, Limits, Totals};

const CORPUS: &str = r#"{"_id": "d1", "title": "Bread", "text": "It rises."}
{"_id": 2, "text": "It sinks.", "metadata": {}}

{"_id": "d3", "title": null, "text": ""}
"#;
const QUERIES: &str = r#"{"_id": "q1", "text": "What rises?"}
{"_id": "q2", "text": "What sinks?"}
{"_id": "q3", "text": "Nobody judged this."}
{"_id": "q4", "text": "Nothing answers this."}
"#;
const QRELS: &str =
    "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td3\t1\nq2\t2\t1\nq2\td1\t-1\nq4\td1\t0\nq9\td1\t1\n";

fn written(folder: &Path, corpus: &str, queries: &str, qrels: &str) {
    fs::create_dir_all(folder.join("qrels")).unwrap();
    fs::write(folder.join("corpus.jsonl"), corpus).unwrap();
    fs::write(folder.join("queries.jsonl"), queries).unwrap();
    fs::write(folder.join("qrels/test.tsv"), qrels).unwrap();
}

#[test]
fn a_collection_is_read_and_rankings_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), CORPUS, QUERIES, QRELS);
    fs::write(folder.path().join("qrels/README.md"), "not judgments").unwrap();
    let collection = Collection::read(folder.path(), &Limits::default()).unwrap();
    let ids: Vec<&str> = collection.documents.iter().map(|text| text.id.as_str()).collect();
    assert_eq!((ids, collection.unjudged), (vec!["d1", "2", "d3"], 2));
    assert_eq!(collection.documents[0].title, "Bread");
    assert_eq!(collection.queries.len(), 2);
    let mut totals = Totals::default();
    // d1 counts once; what is judged not to answer is in the way.
    totals.add(collection.queries[0].measure(["d1", "d1", "d3"]));
    totals.add(collection.queries[1].measure(["d1", "2"]));
    let means = totals.means();
    assert_eq!((means.recall_at_100, means.reciprocal_rank), (1.0, 0.75));
    // (2 + 1 / 2) of (2 + 1 / log₂ 3), and 1 / log₂ 3.
    assert!((means.ndcg_at_10 - (0.950_234 + 0.630_930) / 2.0).abs() < 1e-5, "{means:?}");
}

#[test]
fn what_is_no_collection_is_refused_by_its_place() {
    check(CORPUS, QUERIES, "q1\td1\t1\nq1\td1\n", "line 2 of qrels/test.tsv is not a query's id");
    check(CORPUS, QUERIES, "q1\td1\t1\nq1\td1\tmuch\n", "line 2 of qrels/test.tsv is not a query's id");
    check(
        "{\"text\": \"no id\"}",
        QUERIES,
        QRELS,
        "line 1 of corpus.jsonl is not an object with _id and text",
    );
    check(CORPUS, "\n7", QRELS, "line 2 of queries.jsonl is not an object with _id and text");
    check(CORPUS, QUERIES, "q9\td1\t1\n", "no question of");
    check(
        &"x".repeat(300),
        QUERIES,
        QRELS,
        "corpus.jsonl is larger than 200 bytes, which is the most that is read of a line",
    );
    check(
        &CORPUS.repeat(9),
        QUERIES,
        QRELS,
        "is larger than 1000 bytes, which is the most that is read of a collection",
    );
    let folder = tempfile::tempdir().unwrap();
    let refused = Collection::read(folder.path(), &Limits::default()).unwrap_err();
    assert!(refused.to_string().contains("a collection is a folder with corpus.jsonl"), "{refused}");
}

fn check(corpus: &str, queries: &str, qrels: &str, told: &str) {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), corpus, queries, qrels);
    let limits = Limits { line_bytes: 200, total_bytes: 1000 };
    let refused = Collection::read(folder.path(), &limits).unwrap_err().to_string();
    let refused = refused.replace(&format!("{}/", folder.path().display()), "");
    assert!(refused.contains(told), "{refused}");
}
