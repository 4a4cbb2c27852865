use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use athenaeum::core::{Block, Conversation, Message, Provider, Role, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// A library in a folder of its own, and the program pointed at it.
pub(crate) struct Library {
    folder: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Library {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with nothing of this machine's own settings, in the library's folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_athenaeum"));
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path()).env("ATHENAEUM_DATA", self.data());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command().args(args).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs what must succeed and returns its stdout.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.stdout
    }

    /// Runs what must succeed with `--json`, and returns one value per line.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        self.ok(&[args, &["--json"]].concat())
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Starts a server on a free port.
    pub(crate) fn serve(&self, args: &[&str]) -> Server {
        let addr = if args.contains(&"--addr") { &[][..] } else { &["--addr", "127.0.0.1:0"] };
        let mut child = self
            .command()
            .args(["serve", "--json"])
            .args(addr)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let addr = Server::started(&mut child);
        Server { child, addr }
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) addr: String,
}

impl Server {
    /// Waits until it says where it answers.
    pub(crate) fn started(child: &mut Child) -> String {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        started["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned()
    }

    /// Returns status and body.
    pub(crate) fn get(&self, target: &str) -> (u16, String) {
        self.get_from(&self.addr, target)
    }

    /// As [`Server::get`], by another of its addresses.
    pub(crate) fn get_from(&self, addr: &str, target: &str) -> (u16, String) {
        self.send(addr, target, &format!("Host: {addr}\r\n"))
    }

    /// Asks for the statistics at `addr`, by the name `host` and with more headers; returns the status.
    pub(crate) fn ask(&self, addr: &str, host: &str, headers: &str) -> u16 {
        self.send(addr, "/athenaeum/v1/stats", &format!("Host: {host}\r\n{headers}")).0
    }

    /// Posts JSON; returns status and body.
    pub(crate) fn post(&self, target: &str, body: &str) -> (u16, String) {
        let (addr, length) = (&self.addr, body.len());
        let head = format!("Host: {addr}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
        exchange(TcpStream::connect(addr).unwrap(), &format!("POST {target} HTTP/1.0\r\n{head}\r\n{body}"))
    }

    fn send(&self, addr: &str, target: &str, headers: &str) -> (u16, String) {
        exchange(TcpStream::connect(addr).unwrap(), &format!("GET {target} HTTP/1.0\r\n{headers}\r\n"))
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request, and returns status and body of the answer.
pub(crate) fn exchange(mut stream: TcpStream, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The folder of the sample's exports.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/sample")
}

/// A line of the import format: a conversation of two turns.
pub(crate) fn line(id: &str, title: &str, question: &str, answer: &str) -> String {
    let mut conversation = Conversation::new(Provider::CLAUDE, id);
    conversation.title = Some(title.to_owned());
    conversation.created_at = Some(Timestamp::from_micros(1_715_934_600_000_000));
    let mut reply = Message::new(Role::Assistant, vec![Block::text(answer)]);
    reply.parent = Some(0);
    conversation.messages = vec![Message::new(Role::User, vec![Block::text(question)]), reply];
    athenaeum::ingest::to_json_line(&conversation) + "\n"
}

/// `count` conversations of two turns each.
pub(crate) fn many(count: usize) -> String {
    let answer = "the moon pulls at the sea, and the sea answers twice a day ".repeat(8);
    (0..count)
        .map(|n| line(&format!("c{n}"), &format!("Tides {n}"), &format!("question{n} on tides"), &answer))
        .collect()
}
