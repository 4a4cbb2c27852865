use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::support::{Library, line};

fn hello() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } })
}

fn search(id: u32, query: &str) -> Value {
    let arguments = json!({ "query": query });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "search", "arguments": arguments } })
}

#[test]
fn it_talks_over_pipes_and_sees_what_is_imported_meanwhile() {
    let library = Library::new();
    let mut command = library.command();
    let mut child = command
        .arg("mcp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answer = || -> Value { serde_json::from_str(&from.next().unwrap().unwrap()).unwrap() };
    writeln!(to, "{}", hello()).unwrap();
    assert_eq!(answer()["result"]["serverInfo"]["name"], "athenaeum");
    writeln!(to, "{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).unwrap();
    writeln!(to, "{}", search(2, "hours")).unwrap();
    let nothing = answer();
    assert_eq!(nothing["result"]["structuredContent"]["total"], 0, "{nothing}");

    let path = library.write("a.jsonl", &line("a", "Bread", "how long", "four hours"));
    library.ok(&["import", path.to_str().unwrap()]);
    writeln!(to, "{}", search(3, "hours")).unwrap();
    let found = answer();
    let hit = &found["result"]["structuredContent"]["results"][0];
    assert_eq!((&hit["title"], &hit["number"]), (&json!("Bread"), &json!(2)), "{found}");
    let url = hit["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:7878/messages/"), "where `serve` would answer: {url}");
    drop(to);
    assert!(child.wait().unwrap().success());
}

/// A script may send everything at once and close; what it asked is answered all the same.
#[test]
fn what_was_asked_before_the_end_is_answered() {
    let library = Library::new();
    let path = library.write("a.jsonl", &line("a", "Bread", "how long", "four hours"));
    library.ok(&["import", path.to_str().unwrap()]);
    let script = library.write("script", &format!("{}\n{}\n", hello(), search(2, "hours")));
    let output = library.command().arg("mcp").stdin(std::fs::File::open(script).unwrap()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines.len(), 2, "{told}");
    assert_eq!(lines[1]["result"]["structuredContent"]["total"], 1, "{told}");
    let silent = library.run(&["mcp"]);
    assert_eq!((silent.code, silent.stdout.as_str()), (Some(0), ""), "{silent:?}");
}
