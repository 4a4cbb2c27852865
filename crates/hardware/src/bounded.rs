//! Files and processes with limits.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::gap::Gap;

/// Reads a file that holds at most `limit` bytes. Bytes that are not UTF-8 are replaced.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, Gap> {
    let (text, whole) = read_start(path, limit)?;
    if whole { Ok(text) } else { Err(Gap::TooLarge { path: path.to_owned(), limit }) }
}

/// Reads the first `limit` bytes of a file, and tells whether that was all.
pub(crate) fn read_start(path: &Path, limit: u64) -> Result<(String, bool), Gap> {
    let unreadable = |source| Gap::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let whole = bytes.len() as u64 <= limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok((String::from_utf8_lossy(&bytes).into_owned(), whole))
}

/// Runs a program to its end and returns what it wrote to stdout. It is killed when `time` is over; more than
/// `limit` bytes are not taken.
pub(crate) fn run(program: &Path, args: &[&str], time: Duration, limit: u64) -> Result<String, Gap> {
    let name = || program.display().to_string();
    let no_program = |source| Gap::NoProgram { program: name(), source };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(no_program)?;
    let result = collect(&mut child, name(), time, limit);
    if result.is_err() {
        // It may have ended by itself in between; either way it is gone and waited for.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

fn collect(child: &mut Child, program: String, time: Duration, limit: u64) -> Result<String, Gap> {
    let deadline = Instant::now() + time;
    let failed = |source| Gap::NoProgram { program: program.clone(), source };
    let Some(stdout) = child.stdout.take() else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    // Reading has a thread of its own, for a grandchild may hold the pipe open when the child is gone. The thread
    // is not waited for.
    let (sender, received) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(limit + 1).read_to_end(&mut bytes);
            let _ = sender.send(read.map(|_| bytes));
        })
        .map_err(failed)?;
    let too_slow = || Gap::TooSlow { program: program.clone(), limit: time };
    let bytes = match received.recv_timeout(time) {
        Ok(read) => read.map_err(failed)?,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(too_slow()),
    };
    if bytes.len() as u64 > limit {
        return Err(Gap::TooMuch { program, limit });
    }
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() >= deadline => return Err(too_slow()),
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.success() {
        return Ok(text);
    }
    // Its last words are what it complains of, on stdout as nvidia-smi does.
    let said = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = said.trim().chars().take(200).collect();
    Err(Gap::Failed { program, status: status.to_string(), said })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<String, String> {
        let time = Duration::from_millis(500);
        run(Path::new("/bin/sh"), &["-c", script], time, 1000).map_err(|gap| gap.to_string())
    }

    #[test]
    fn processes_have_limits() {
        let check = |script: &str, expected: Result<&str, &str>| match (shell(script), expected) {
            (Ok(said), Ok(expected)) => assert_eq!(said, expected, "{script}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{script}: {why}"),
            (found, _) => panic!("{script}: {found:?}"),
        };
        check("echo hello", Ok("hello\n"));
        check("printf '\\377x'", Ok("\u{fffd}x"));
        check("sleep 30", Err("did not end within 0.5 seconds"));
        check("exec >&-; sleep 30", Err("did not end within 0.5 seconds"));
        check("sleep 30 & echo left", Err("did not end within 0.5 seconds"));
        check("yes", Err("more than the 1000 bytes"));
        check("echo no devices; exit 9", Err("(exit status: 9): no devices"));
        check("kill -9 $$", Err("signal"));
        let absent = run(Path::new("/nowhere/nvidia-smi"), &[], Duration::from_secs(1), 10);
        assert!(absent.unwrap_err().to_string().contains("/nowhere/nvidia-smi cannot be run"));
    }

    #[test]
    fn a_slow_process_costs_no_more_than_its_time() {
        let begun = Instant::now();
        assert!(shell("sleep 30").is_err());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn files_have_limits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"12345\xff").unwrap();
        assert_eq!(read(&path, 6).unwrap(), "12345\u{fffd}");
        assert!(read(&path, 5).unwrap_err().to_string().contains("larger than the 5 bytes"));
        assert_eq!(read_start(&path, 2).unwrap(), ("12".to_owned(), false));
        assert!(read(folder.path(), 5).is_err());
        assert!(read(Path::new("/dev/zero"), 100).is_err());
    }
}
