//! Which servers answer for a folder of data, so that a command can tell of them and end them.
//!
//! Each server writes what it is into `servers/ID.json` and holds that file locked for as long as it lives. The system gives the
//! lock back however a process ends: a file that can be locked was left behind, and goes. A number of a process alone would not
//! do, since numbers come again, and mean another process in another container.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use athenaeum_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, compose::make_private};

/// Bytes that are read of a file; ours have some hundred.
const MOST: u64 = 64 << 10;
/// How long a server may take to answer that it is well.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The number of its process.
    pub pid: u32,
    /// When that process began, in the system's own ticks: together with the number it means no other process. `None` where the
    /// system does not tell.
    began: Option<u64>,
    /// Since when it answers.
    #[serde(with = "as_text")]
    pub since: Timestamp,
    /// Its version.
    pub version: String,
    /// The folder of the library that it serves.
    pub data: PathBuf,
    /// The file that its log goes to; `None` for stderr.
    pub log: Option<PathBuf>,
    /// The file that says all this.
    #[serde(skip)]
    file: PathBuf,
}

/// Says that a server runs, for as long as it is kept.
#[derive(Debug)]
pub struct Announced {
    file: PathBuf,
    // Holds the lock.
    _open: File,
}

/// Says in the folder of data `home` that this process serves `data` at `addr`, with a log in `log`.
///
/// # Errors
///
/// [`Error::Announce`] where the disk refuses.
pub fn announce(
    home: &Path,
    data: &Path,
    addr: SocketAddr,
    log: Option<PathBuf>,
) -> Result<Announced, Error> {
    let folder = folder(home);
    let running = Running {
        addr,
        pid: std::process::id(),
        began: began(std::process::id()),
        since: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: data.to_owned(),
        log,
        file: PathBuf::new(),
    };
    write(&folder, &running).map_err(|source| Error::Announce { path: folder, source })
}

/// Lists the servers that run for the folder of data `home`, the longest first, and removes what ended ones left behind.
///
/// # Errors
///
/// [`Error::Announce`] where what they wrote cannot be read.
pub fn running(home: &Path) -> Result<Vec<Running>, Error> {
    let folder = folder(home);
    let mut running = read_all(&folder).map_err(|source| Error::Announce { path: folder, source })?;
    running.sort_by_key(|server| server.since);
    Ok(running)
}

impl Running {
    /// Returns where to reach it from this machine: `http://127.0.0.1:7878`.
    pub fn url(&self) -> String {
        format!("http://{}", self.reached_at())
    }

    /// Asks whether it is well, and waits two seconds at most for the answer.
    pub fn answers(&self) -> bool {
        let addr = self.reached_at();
        let asked = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&addr, ANSWERS_WITHIN)?;
            stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
            stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
            write!(stream, "GET /healthz HTTP/1.0\r\nHost: {addr}\r\n\r\n")?;
            let mut status = [0; 16];
            stream.read_exact(&mut status)?;
            Ok(String::from_utf8_lossy(&status).into_owned())
        };
        asked().is_ok_and(|status| status.split(' ').nth(1) == Some("200"))
    }

    /// Returns the bytes of memory that it holds; `None` where the system does not tell.
    pub fn memory_bytes(&self) -> Option<u64> {
        if !self.is_reachable() {
            return None;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        held.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Asks it to end in order: requests under way are answered, imports end cleanly.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] where its process cannot be told from here, as from outside of its container, or may not be told
    /// by this user; and where processes cannot be told to end in order, which is so on Windows.
    pub fn ask_to_end(&self) -> Result<(), Error> {
        let unreachable = |source| Error::Unreachable { pid: self.pid, source };
        if !self.is_reachable() {
            return Err(unreachable(io::Error::new(
                io::ErrorKind::NotFound,
                "its process is not seen from here",
            )));
        }
        terminate(self.pid).map_err(unreachable)
    }

    /// Returns whether it has ended, and what it kept open is closed.
    pub fn has_ended(&self) -> bool {
        let Ok(file) = open_to_lock(&self.file) else { return true };
        file.try_lock().is_ok()
    }

    /// Whether the process of that number is the one that wrote this. Where the system does not tell when a process began, the
    /// lock alone has to do.
    fn is_reachable(&self) -> bool {
        self.began.is_none() || began(self.pid) == self.began
    }

    fn reached_at(&self) -> SocketAddr {
        let ip = match self.addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        SocketAddr::new(ip, self.addr.port())
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // What cannot be removed is removed by whoever lists the servers next.
        let _ = std::fs::remove_file(&self.file);
    }
}

fn folder(home: &Path) -> PathBuf {
    home.join("servers")
}

fn write(folder: &Path, running: &Running) -> io::Result<Announced> {
    make_private(folder)?;
    let id = format!("{}-{}", running.since.as_micros(), running.pid);
    let (draft, file) = (folder.join(format!("{id}.draft")), folder.join(format!("{id}.json")));
    let mut open = File::options().read(true).write(true).create_new(true).open(&draft)?;
    // Locked before it has its name: whoever finds it finds it locked.
    open.lock()?;
    serde_json::to_writer(&mut open, running)?;
    open.flush()?;
    std::fs::rename(&draft, &file)?;
    Ok(Announced { file, _open: open })
}

fn read_all(folder: &Path) -> io::Result<Vec<Running>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut running = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            running.extend(read(path)?);
        }
    }
    Ok(running)
}

fn read(path: PathBuf) -> io::Result<Option<Running>> {
    let mut file = match open_to_lock(&path) {
        Ok(file) => file,
        // It ended between two looks.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {
            std::fs::remove_file(&path).or_else(gone)?;
            return Ok(None);
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.rewind()?;
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    let running: Running = serde_json::from_str(&text)?;
    Ok(Some(Running { file: path, ..running }))
}

/// Files on a network's disk are locked only by those who may write to them (NFS: flock(2)).
fn open_to_lock(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// When a process began, in ticks since the machine did: field 22 of `/proc/PID/stat` (proc(5)).
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(unix)]
fn terminate(pid: u32) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid =
        pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "that is no number of a process"))?;
    Ok(kill_process(pid, Signal::TERM)?)
}

#[cfg(not(unix))]
fn terminate(_pid: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no way to ask a process to end"))
}

mod as_text {
    use athenaeum_core::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7878);

    #[test]
    fn a_server_is_there_while_it_says_so() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(running(home.path()).unwrap(), []);
        let announced = announce(home.path(), home.path(), HERE, None).unwrap();
        let servers = running(home.path()).unwrap();
        let [server] = &servers[..] else { panic!("{servers:?}") };
        assert_eq!((server.addr, server.pid), (HERE, std::process::id()));
        assert!(!server.has_ended());
        drop(announced);
        assert!(server.has_ended());
        assert_eq!(running(home.path()).unwrap(), []);
    }

    #[test]
    fn what_a_killed_one_left_behind_goes() {
        let home = tempfile::tempdir().unwrap();
        let announced = announce(home.path(), home.path(), HERE, None).unwrap();
        let left = std::fs::read(&announced.file).unwrap();
        drop(announced);
        let file = folder(home.path()).join("1-1.json");
        std::fs::write(&file, left).unwrap();
        assert_eq!(running(home.path()).unwrap(), []);
        assert!(!file.exists());
    }

    #[test]
    fn a_number_that_another_process_has_by_now_is_not_asked_to_end() {
        let home = tempfile::tempdir().unwrap();
        let _announced = announce(home.path(), home.path(), HERE, None).unwrap();
        let mut server = running(home.path()).unwrap().remove(0);
        if server.began.is_none() {
            println!("skipped: this system does not tell when a process began");
            return;
        }
        server.began = Some(1);
        assert!(matches!(server.ask_to_end(), Err(Error::Unreachable { .. })));
        assert_eq!(server.memory_bytes(), None);
    }

    #[test]
    fn all_addresses_are_reached_at_this_machines() {
        let home = tempfile::tempdir().unwrap();
        for (addr, url) in [("0.0.0.0:80", "http://127.0.0.1:80"), ("[::]:80", "http://[::1]:80")] {
            let _announced = announce(home.path(), home.path(), addr.parse().unwrap(), None).unwrap();
            assert_eq!(running(home.path()).unwrap()[0].url(), url);
        }
    }
}
