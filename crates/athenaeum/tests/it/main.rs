//! The composition as programs use it, and the examples as readers run them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

/// The browser of the pages' own tests.
#[path = "../../../web/tests/it/chromium.rs"]
#[expect(dead_code, reason = "one test needs a few of its ways")]
mod chromium;
mod documents;
mod grpc;
mod models;
mod pinned;
mod sign_in;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use athenaeum::{
    Athenaeum,
    retrieval::{CancellationToken, ExternalParser, ImportOptions, import},
    sample,
    settings::Settings,
};

/// Cargo builds a package's examples together with its tests, beside their folder.
fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples").join(name)
}

#[test]
fn the_example_search_finds_the_sample() {
    let ran = Command::new(example("search")).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && told.contains("Sourdough that refuses to rise"), "{told}");
}

#[test]
fn the_example_embed_serves_both_routers() {
    let mut server = Command::new(example("embed")).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let addr = url.trim().strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let get = |target: &str| {
        let mut stream = TcpStream::connect(&addr).unwrap();
        write!(stream, "GET {target} HTTP/1.0\r\nHost: {addr}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answers = ["/hello", "/healthz", "/search?q=sourdough"].map(get);
    server.kill().unwrap();
    server.wait().unwrap();
    for (answer, expected) in answers.iter().zip(["This route is mine", "200 OK", "that refuses to rise"]) {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
}

#[tokio::test]
async fn the_example_parser_imports_a_new_format() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("bread.txt");
    std::fs::write(&notes, "Q: How long does it rise?\nA: Four hours.\n").unwrap();
    let athenaeum = Athenaeum::open(&folder.path().join("data"), &Settings::default()).await.unwrap();
    let parser = Some(ExternalParser::new(example("write_parser")));
    let options = ImportOptions { parser, ..ImportOptions::default() };
    let cancel = CancellationToken::new();
    let report =
        import(athenaeum.archive(), athenaeum.scope(), &notes, options, |_| {}, cancel).await.unwrap();
    assert_eq!((report.added, report.messages, report.problems.count()), (1, 2, 0), "{}", report.to_json());
    athenaeum.close().await;
}

#[tokio::test]
async fn an_upload_that_a_killed_server_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("uploads/athenaeum-upload-killed");
    std::fs::create_dir_all(left.join("files")).unwrap();
    std::fs::write(left.join("files/export.zip"), "PK").unwrap();
    std::fs::write(left.join("alive"), "").unwrap();
    let athenaeum = Athenaeum::open(folder.path(), &Settings::default()).await.unwrap();
    let begun = Instant::now();
    while left.exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    athenaeum.close().await;
}

#[tokio::test]
async fn the_sample_fills_an_empty_library_once() {
    let folder = tempfile::tempdir().unwrap();
    let athenaeum = Athenaeum::open(folder.path(), &Settings::default()).await.unwrap();
    sample::fill(&athenaeum, folder.path()).await.unwrap();
    sample::fill(&athenaeum, folder.path()).await.unwrap();
    let stats = athenaeum.archive().stats(athenaeum.scope()).await.unwrap();
    assert!(stats.conversations >= 12, "{stats:?}");
    let runs = athenaeum.archive().imports(athenaeum.scope(), None, 10).await.unwrap();
    assert_eq!(runs.items.len(), 1);
    athenaeum.close().await;
}
