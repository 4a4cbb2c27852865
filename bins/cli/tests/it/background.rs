//! `start`, `status` and `stop`: a server that no terminal holds.

use std::{net::TcpStream, process::Command};

use serde_json::Value;

use crate::support::{Library, exchange, line};

/// Ends what a test started, however it ends.
struct Started<'l>(&'l Library);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        for told in self.0.run(&["status", "--json"]).stdout.lines() {
            let told: Value = serde_json::from_str(told).unwrap();
            signal(&told, "CONT");
            signal(&told, "KILL");
        }
    }
}

fn start<'l>(library: &'l Library, args: &[&str]) -> (Value, Started<'l>) {
    let started = Started(library);
    let told = library.json(&[&["start", "--addr", "127.0.0.1:0"], args].concat()).remove(0);
    (told, started)
}

fn signal(told: &Value, name: &str) {
    let pid = told["pid"].to_string();
    Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
}

/// Returns status and body, or `None` where nobody listens.
fn get(told: &Value, target: &str) -> Option<(u16, String)> {
    let addr = told["url"].as_str().unwrap().strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(addr).ok()?;
    Some(exchange(stream, &format!("GET {target} HTTP/1.0\r\nHost: {addr}\r\n\r\n")))
}

#[test]
fn it_is_started_told_of_and_stopped() {
    let library = Library::new();
    let path = library.write("a.jsonl", &line("a", "Bread", "how long", "four hours"));
    library.ok(&["import", path.to_str().unwrap()]);
    let none = library.run(&["status"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(3), ""), "{none:?}");
    assert!(none.stderr.contains("athenaeum start"), "{none:?}");

    let (told, _started) = start(&library, &[]);
    let (status, found) = get(&told, "/athenaeum/v1/search?q=hours").unwrap();
    assert!(status == 200 && found.contains("four"), "{found}");
    let status = library.json(&["status"]).remove(0);
    assert_eq!((&status["pid"], &status["url"]), (&told["pid"], &told["url"]));
    assert_eq!(status["answers"], true);
    assert_eq!(status["data"], library.data().display().to_string());
    let log = status["log"].as_str().unwrap();
    assert!(std::fs::exists(log).unwrap() && log.ends_with("server.log"), "{log}");

    let again = library.ok(&["start"]);
    assert_eq!(again, format!("Athenaeum is open already at {}\n", told["url"].as_str().unwrap()));
    let elsewhere = library.run(&["start", "--addr", "127.0.0.1:9"]);
    assert!(elsewhere.code == Some(1) && elsewhere.stderr.contains("athenaeum stop"), "{elsewhere:?}");

    let stopped = library.ok(&["stop"]);
    assert_eq!(stopped, format!("The server at {} has ended.\n", told["url"].as_str().unwrap()));
    assert_eq!(get(&told, "/healthz"), None, "nobody listens there any more");
    assert_eq!(library.run(&["status"]).code, Some(3));
    let wal = std::fs::metadata(library.data().join("archive.db-wal"));
    assert!(
        wal.map_or(0, |wal| wal.len()) == 0,
        "it ended in order: the log of the database is written back"
    );
    assert_eq!(library.run(&["stop"]).code, Some(0), "there is nothing to stop, which is what was wanted");
}

#[test]
fn one_in_a_terminal_is_told_of_and_stopped_as_well() {
    let library = Library::new();
    let mut server = library.serve(&["--sample"]);
    let told = library.ok(&["status"]);
    assert!(told.starts_with(&format!("Athenaeum is open at http://{}\n", server.addr)), "{told}");
    assert!(told.contains(&library.data().join("sample").display().to_string()), "{told}");
    library.ok(&["stop"]);
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn why_it_cannot_start_is_told_where_it_was_started() {
    let (library, others) = (Library::new(), Library::new());
    let other = others.serve(&[]);
    let _started = Started(&library);
    let refused = library.run(&["start", "--addr", &other.addr]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("is taken by another program"), "{refused:?}");
    let refused = library.run(&["start", "--addr", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("athenaeum keys add"), "{refused:?}");
    assert!(
        !refused.stderr.contains("is taken by"),
        "what an earlier start wrote is not told again: {refused:?}"
    );
}

#[test]
fn a_killed_one_is_not_taken_for_running() {
    let library = Library::new();
    let (first, _started) = start(&library, &[]);
    signal(&first, "KILL");
    while library.run(&["status"]).code != Some(3) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let (second, _started) = start(&library, &[]);
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(get(&second, "/healthz").unwrap().0, 200);
}

#[test]
fn one_that_hangs_is_told_of_and_waited_for_no_longer_than_was_said() {
    let library = Library::new();
    let (told, _started) = start(&library, &[]);
    signal(&told, "STOP");
    let status = library.run(&["status"]);
    assert_eq!(status.code, Some(1));
    assert!(status.stdout.contains("does not answer"), "{status:?}");
    let stop = library.run(&["stop", "--wait", "0"]);
    assert_eq!(stop.code, Some(1));
    assert!(stop.stderr.contains(&format!("kill -KILL {}", told["pid"])), "{stop:?}");
    signal(&told, "CONT");
    library.ok(&["stop"]);
}

#[test]
fn what_it_logs_goes_where_it_is_told() {
    let library = Library::new();
    let log = library.path("athenaeum.log");
    library.write("config.toml", &format!("log = \"debug\"\nlog_file = \"{}\"\n", log.display()));
    let config = library.path("config.toml");
    let (told, _started) = start(&library, &["--config", config.to_str().unwrap()]);
    assert_eq!(get(&told, "/healthz").unwrap().0, 200);
    library.ok(&["stop"]);
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("/healthz"), "{text}");
    assert!(!library.data().join("server.log").exists());
}
