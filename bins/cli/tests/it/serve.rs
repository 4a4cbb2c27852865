use std::{
    io::Read,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Library, line, many};

#[test]
fn it_answers_says_where_and_ends_when_told() {
    let library = Library::new();
    let path = library.write("a.jsonl", &line("a", "Bread", "how long", "four hours"));
    library.ok(&["import", path.to_str().unwrap()]);
    for (signal, order) in [("TERM", "a service manager"), ("INT", "Ctrl-C")] {
        let mut server = library.serve(&[]);
        assert_eq!(server.get("/healthz").0, 200);
        assert_eq!(server.get("/readyz").0, 200);
        let (status, body) = server.get("/athenaeum/v1/search?q=hours");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["hits"].as_array().map(Vec::len)), (200, Some(1)), "{body}");
        server.signal(signal);
        let mut told = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        let ended = server.child.wait().unwrap();
        assert!(ended.success(), "{order}: {ended} {told}");
    }
    let log = std::fs::metadata(library.data().join("archive.db-wal"));
    assert!(log.map_or(0, |log| log.len()) == 0, "the log is written back at the end");
}

#[test]
fn a_taken_port_says_what_to_do() {
    let library = Library::new();
    let server = library.serve(&[]);
    let second = library.run(&["serve", "--addr", &server.addr]);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(&format!("http://{}", server.addr)), "{second:?}");
}

#[test]
fn the_sample_stays_apart_from_a_persons_own() {
    let library = Library::new();
    let server = library.serve(&["--sample"]);
    let (status, body) = server.get("/athenaeum/v1/search?q=sourdough");
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(!body["hits"].as_array().unwrap().is_empty(), "{body}");
    assert!(!library.data().join("archive.db").exists(), "the person's own archive is not even made");
    drop(server);
    let again = library.serve(&["--sample"]);
    let (_, body) = again.get("/athenaeum/v1/imports");
    let imports: Value = serde_json::from_str(&body).unwrap();
    let runs = imports["items"].as_array().or(imports["imports"].as_array()).map(Vec::len);
    assert_eq!(runs, Some(1), "the sample is imported once: {imports}");
}

/// Two processes on one archive: while one imports, the other keeps answering, and sees each batch as it comes.
#[test]
fn searches_are_answered_while_another_process_imports() {
    let library = Library::new();
    let first = library.write("a.jsonl", &line("a", "Bread", "how long", "four hours"));
    library.ok(&["import", first.to_str().unwrap()]);
    let server = library.serve(&[]);
    let path = library.write("big.jsonl", &many(2_500));
    let mut import = library
        .command()
        .args(["import", path.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut answered = 0;
    while import.try_wait().unwrap().is_none() {
        let (status, body) = server.get("/athenaeum/v1/search?q=hours");
        if status != 429 {
            assert_eq!(status, 200, "{body}");
            answered += 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(40));
    }
    assert!(import.wait().unwrap().success());
    assert!(answered > 0, "not one search while the import ran");
    let (_, body) = server.get("/athenaeum/v1/stats");
    assert!(body.contains("5002"), "{body}");
    let body: Value = serde_json::from_str(&server.get("/athenaeum/v1/search?q=question2499").1).unwrap();
    assert_eq!(body["hits"].as_array().map(Vec::len), Some(1), "{body}");
}

/// A private library asks nobody: in a traced run nothing connects anywhere.
#[cfg(target_os = "linux")]
#[test]
fn nothing_connects_to_anywhere() {
    let library = Library::new();
    let traces = |trace: &std::path::Path| {
        Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o"])
            .arg(trace)
            .arg("true")
            .output()
    };
    let trace = library.path("trace");
    if !traces(&trace).is_ok_and(|ran| ran.status.success()) {
        println!("skipped: there is no working strace on this machine");
        return;
    }
    let path = library.write(
        "a.jsonl",
        &line("a", "Bread", "https://example.com/a.png", "![x](https://example.com/b.png)"),
    );
    for args in [&["import", path.to_str().unwrap()][..], &["search", "example.com"], &["stats"], &["doctor"]]
    {
        let ran = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o"])
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_athenaeum"))
            .args(args)
            .env("ATHENAEUM_DATA", library.data())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let called = std::fs::read_to_string(&trace).unwrap();
        let outward: Vec<&str> = called.lines().filter(|line| line.contains("AF_INET")).collect();
        assert!(outward.is_empty(), "{args:?}: {outward:?}");
    }
}

#[test]
fn other_machines_are_answered_with_a_key_only() {
    let library = Library::new();
    let refused = library.run(&["serve", "--addr", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("athenaeum keys add"), "{refused:?}");
    assert!(!library.data().exists(), "nothing was made before it was refused");

    let key = library.ok(&["keys", "add", "phone"]);
    let key = key.trim_end();
    let server = library.serve(&["--addr", "0.0.0.0:0"]);
    let port = server.addr.rsplit_once(':').unwrap().1;
    let ask = |host: &str, headers: &str| server.ask(&format!("127.0.0.1:{port}"), host, headers);
    let stats = |headers: &str| ask("127.0.0.1", headers);
    assert_eq!(stats(""), 401);
    assert_eq!(stats("x-api-key: ath_wrong-wrong-wrong\r\n"), 401);
    assert_eq!(stats(&format!("x-api-key: {key}\r\n")), 200);
    let bearer = format!("Authorization: Bearer {key}\r\n");
    assert_eq!(stats(&bearer), 200);
    assert_eq!(ask("192.168.1.4:7878", &bearer), 200, "any address in digits is ours");
    assert_eq!(ask("rebound.example", &bearer), 403);
    assert_eq!(server.get_from(&format!("127.0.0.1:{port}"), "/healthz").0, 200);

    library.ok(&["keys", "revoke", "phone"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(stats(&bearer), 401, "the server noticed");
}

#[test]
fn a_key_of_the_environment_opens() {
    let library = Library::new();
    let mut child = library
        .command()
        .args(["serve", "--addr", "127.0.0.1:0", "--json"])
        .env("ATHENAEUM_SERVER_API_KEYS", "box:0123456789abcdef")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let server = crate::support::Server::started(&mut child);
    let server = crate::support::Server { child, addr: server };
    assert_eq!(server.get("/athenaeum/v1/stats").0, 401);
    assert_eq!(server.ask(&server.addr, &server.addr, "api-key: 0123456789abcdef\r\n"), 200);
}
