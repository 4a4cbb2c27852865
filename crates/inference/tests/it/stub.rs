//! A server over loopback that says what a test wants said, and remembers what it was asked.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// A running server; it ends with the test's process.
pub(crate) struct Stub {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

/// What is said.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    announced: Option<usize>,
    pace: Option<(usize, Duration)>,
}

impl Stub {
    /// Starts a server; `answer` hears what is asked, and how many requests there were before.
    pub(crate) fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || converse(&stream, &log, &*answer));
            }
        });
        Self { addr, seen }
    }

    /// Returns an address on the server by its number.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.addr)
    }

    /// Returns an address on the server by a name, which makes it another host.
    pub(crate) fn url_by_name(&self, target: &str) -> String {
        format!("http://localhost:{}{target}", self.addr.port())
    }

    /// Returns what was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), announced: None, pace: None }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::status(302).with("Location", to)
    }

    pub(crate) fn json(text: impl Into<String>) -> Self {
        Self { body: text.into().into_bytes(), ..Self::status(200).with("Content-Type", "application/json") }
    }

    /// Says `file`, or the part of it that was asked for if that is of the version `etag`, as servers of files do.
    pub(crate) fn file(seen: &Seen, file: &[u8], etag: &str) -> Self {
        let answer = Self::status(200).with("ETag", etag).with("Accept-Ranges", "bytes");
        let from = seen
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let is_same = seen.header("if-range").is_none_or(|version| version == etag);
        match from {
            Some(from) if is_same && from < file.len() => {
                let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
                Self { status: 206, body: file[from..].to_vec(), ..answer.with("Content-Range", &range) }
            }
            Some(_) if is_same => Self { status: 416, ..answer },
            _ => Self { body: file.to_vec(), ..answer },
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Announces the whole body, and breaks the connection after `bytes` of it.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.announced = Some(self.body.len());
        self.body.truncate(bytes);
        self
    }

    /// Says no length, only where it ends.
    pub(crate) fn chunked(self) -> Self {
        self.with("Transfer-Encoding", "chunked")
    }

    /// Announces no length of its own, because a header does.
    pub(crate) fn without_length(mut self) -> Self {
        self.announced = Some(usize::MAX);
        self
    }

    /// Sends `bytes` at a time, with a pause after each.
    pub(crate) fn slowly(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some((bytes, pause));
        self
    }
}

fn converse(stream: &TcpStream, log: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen, usize) -> Answer) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines.by_ref() {
        match line {
            Ok(line) if !line.is_empty() => {
                let (name, value) = line.split_once(':').unwrap_or_default();
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => break,
        }
    }
    let seen = Seen { target, headers };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(seen.clone());
        log.len() - 1
    };
    // The other side may be gone at any time; that is its business.
    let _ = say(stream, &answer(&seen, before));
}

fn say(mut stream: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let is_chunked = answer.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
    if !is_chunked && answer.announced != Some(usize::MAX) {
        head += &format!("Content-Length: {}\r\n", answer.announced.unwrap_or(answer.body.len()));
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let (bytes, pause) = answer.pace.unwrap_or((1 << 16, Duration::ZERO));
    for piece in answer.body.chunks(bytes) {
        if is_chunked {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        }
        stream.write_all(piece)?;
        if is_chunked {
            stream.write_all(b"\r\n")?;
        }
        std::thread::sleep(pause);
    }
    if is_chunked && answer.announced.is_none() {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}
