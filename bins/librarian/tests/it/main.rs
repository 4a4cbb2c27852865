//! The librarian as people run it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says where; Clippy's exemption misses helper functions"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("notes")).unwrap();
        Self(folder)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_athenaeum-librarian"));
        command.env_clear().env("HOME", self.0.path()).current_dir(self.0.path()).stdin(Stdio::null());
        command.args(["--data", "data", "notes"]).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn note(&self, name: &str, text: &str) {
        fs::write(self.0.path().join("notes").join(name), text).unwrap();
    }

    /// Lists the segments of the vectors of the library.
    fn segments(&self) -> Vec<PathBuf> {
        let collections = fs::read_dir(self.0.path().join("data/vectors/local")).unwrap();
        let collections = collections.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        let files = collections.flat_map(|folder| fs::read_dir(folder).unwrap());
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "segment")).collect()
    }

    /// Reads what changed and ends; returns what was said.
    fn once(&self) -> String {
        let ran = self.command().arg("--once").output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{said}");
        said
    }
}

/// A program that runs; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn end(mut running: Running, signal: &str) {
    let told = Command::new("kill").args([signal, &running.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    let begun = Instant::now();
    assert!(running.0.wait().unwrap().success(), "{signal} is an orderly end");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn once_reads_what_changed_and_ends() {
    let desk = Desk::new();
    desk.note("heron.md", "The heron nests in March.\n");
    let said = desk.once();
    assert!(said.contains("1 new") && said.contains("found by meaning"), "{said}");
    desk.note("tea.md", "Green leaves want 80 degrees.\n");
    let said = desk.once();
    assert!(said.contains("1 new, 1 known"), "{said}");
    fs::remove_dir_all(desk.0.path().join("notes")).unwrap();
    let ran = desk.command().arg("--once").output().unwrap();
    assert!(!ran.status.success());
    assert!(String::from_utf8_lossy(&ran.stderr).contains("there is no folder"), "{ran:?}");
}

/// Whoever searches once and ends would read every vector, each time, as long as no segment has them.
#[test]
fn what_it_leaves_need_not_be_read_vector_by_vector() {
    let desk = Desk::new();
    for number in 0..1_030 {
        desk.note(&format!("{number}.txt"), &format!("note {number}\n"));
    }
    desk.once();
    let segments = desk.segments();
    assert_eq!(segments.len(), 1, "{segments:?}");
    // Some more are not worth another one.
    desk.note("heron.md", "The heron nests in March.\n");
    desk.once();
    assert_eq!(desk.segments(), segments);
}

#[test]
fn it_watches_until_it_is_told_to_end() {
    let desk = Desk::new();
    for signal in ["-TERM", "-INT"] {
        let mut running = Running(desk.command().spawn().unwrap());
        let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
        let mut until = |part: &str| {
            let found = lines.by_ref().any(|line| line.unwrap().contains(part));
            assert!(found, "it never said {part}");
        };
        until("watching ");
        desk.note(&format!("a{signal}.md"), &format!("It came by {signal}."));
        until("1 new");
        std::thread::spawn(move || lines.for_each(drop));
        end(running, signal);
    }
}

/// Of two programs with one library one watches; what is read is read once, and killed, it is taken over from.
#[test]
fn two_of_them_keep_one_library() {
    let desk = Desk::new();
    let mut first = Running(desk.command().spawn().unwrap());
    let mut said = BufReader::new(first.0.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("watching ")));
    std::thread::spawn(move || said.for_each(drop));
    let mut second = Running(desk.command().spawn().unwrap());
    let mut lines = BufReader::new(second.0.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("by another program")));
    for n in 0..50 {
        desk.note(&format!("{n}.md"), &format!("Note {n} of fifty."));
    }
    wait_for(|| Path::new(&desk.0.path().join("data/library.db")).exists());
    drop(first);
    assert!(lines.any(|line| line.unwrap().contains("watching ")), "it takes over");
    desk.note("last.md", "After the first was killed.");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        for line in lines.map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            let _ = tell.send(line);
        }
    });
    while !told.recv_timeout(Duration::from_secs(30)).unwrap().contains("all 51 parts") {}
    end(second, "-TERM");
    let said = desk.once();
    assert!(said.contains("51 known") && !said.contains("new"), "{said}");
}

fn wait_for(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn help_says_what_it_does() {
    let desk = Desk::new();
    let mut ran = desk.command().arg("--help").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    ran.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(ran.wait().unwrap().success());
    assert!(said.contains("Nothing in the folders is moved or changed"), "{said}");
}
