//! Measures the endpoint of a running program, and keeps it busy.
//!
//! ```sh
//! cargo xtask bench endpoint [--minutes 60] [--clients 64] [--connections 10000]
//! ```
//!
//! Three figures and a trial, with the small model of the examples: how long `serve` takes to be ready and what it holds
//! then; what the wire adds to the time to the first token, beside the same model in this process; what an idle
//! connection costs; and many clients at once, some of whom hang up, for as long as is asked.

#![expect(clippy::print_stdout, reason = "a program that tells figures")]

use std::{
    error::Error,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use athenaeum::inference::{
    engine::{Event, Request},
    local::{LocalModel, Settings},
    sampling::Sampling,
    template::{Conversation, Message},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

type Fault = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().ok_or("which program?")?);
    let mut number = |usual: f64| arguments.next().map_or(Ok(usual), |text| text.parse::<f64>());
    let (minutes, clients, connections) = (number(60.0)?, number(64.0)? as u64, number(10_000.0)? as usize);
    starts(&program).await?;
    wire(&program).await?;
    idle(&program, connections).await?;
    crowd(&program, Duration::from_secs_f64(minutes * 60.0), clients).await
}

/// A server of its own, over a folder of its own.
struct Server {
    process: Child,
    address: SocketAddr,
    ready: Duration,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start(program: &Path) -> Result<Self, Fault> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("models"))?;
        std::fs::copy(model(), folder.path().join("models/tiny.gguf"))?;
        let address: SocketAddr = "127.0.0.1:17879".parse()?;
        let mut command = Command::new(program);
        command.arg("--data").arg(folder.path()).args(["serve", "--addr", "127.0.0.1:17879"]);
        for (name, value) in [
            ("SERVER_CONNECTIONS_MAX", "65536"),
            ("SERVER_HEADER_SECONDS", "3600"),
            ("MODELS_OTHER_PROGRAMS", "false"),
            ("MODELS_SLOTS", "16"),
            ("MODELS_WAITING_MAX", "256"),
        ] {
            command.env(format!("ATHENAEUM_{name}"), value);
        }
        let started = Instant::now();
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { process, address, ready: Duration::ZERO, _folder: folder };
        while server.ask("GET", "/healthz", "").await.is_err() {
            if started.elapsed() > Duration::from_secs(20) {
                return Err("the server did not answer within 20 s".into());
            }
            sleep(Duration::from_micros(200)).await;
        }
        server.ready = started.elapsed();
        Ok(server)
    }

    /// Sends a request over a connection of its own and reads the whole answer: status and the rest.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), Fault> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(request(method, path, body, "close").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
        Ok((status, text))
    }

    /// Resident memory in bytes.
    fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn starts(program: &Path) -> Result<(), Fault> {
    let (mut ready, mut memory) = (Vec::new(), 0);
    for round in 0..11 {
        let server = Server::start(program).await?;
        ready.push(server.ready.as_secs_f64() * 1e3);
        if round == 10 {
            sleep(Duration::from_secs(2)).await;
            memory = server.memory();
        }
    }
    println!("start to ready, a model in the folder   {:>8.1} ms (median of 11)", median(&mut ready));
    println!("idle, no model loaded                   {:>8.1} MB", memory as f64 / 1e6);
    Ok(())
}

/// Time to the first token over HTTP, and in this process, in turns.
async fn wire(program: &Path) -> Result<(), Fault> {
    let server = Server::start(program).await?;
    let model = LocalModel::load(&model(), &Settings::default())?;
    let mut stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    let body = question("Who are you?", 8, true);
    let (mut over_wire, mut in_process) = (Vec::new(), Vec::new());
    for round in 0..220 {
        let started = Instant::now();
        stream.write_all(request("POST", "/v1/chat/completions", &body, "keep-alive").as_bytes()).await?;
        let mut answer = String::new();
        let mut first = None;
        while !answer.contains("[DONE]") || !answer.ends_with("0\r\n\r\n") {
            let mut piece = [0; 16 << 10];
            let read = stream.read(&mut piece).await?;
            if read == 0 {
                return Err("the connection ended".into());
            }
            answer.push_str(&String::from_utf8_lossy(&piece[..read]));
            if first.is_none() && answer.contains("\"delta\":{\"content\"") {
                first = Some(started.elapsed());
            }
        }
        let started = Instant::now();
        let prompt = model.chat_prompt(&Conversation::new([Message::new("user", "Who are you?")]))?;
        let request = Request {
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            tokens_max: Some(8),
            show_special: true,
            ..Request::new(prompt.tokens)
        };
        let mut generation = model.engine().submit(request)?;
        let mut beside = None;
        while let Some(event) = generation.next().await {
            if matches!(event, Event::Token { .. }) && beside.is_none() {
                beside = Some(started.elapsed());
            }
        }
        // The first rounds load the model and fill caches.
        if let (Some(first), Some(beside), 20..) = (first, beside, round) {
            over_wire.push(first.as_secs_f64() * 1e3);
            in_process.push(beside.as_secs_f64() * 1e3);
        }
    }
    let (wire, process) = (median(&mut over_wire), median(&mut in_process));
    println!("first token, in process                 {process:>8.2} ms (median of {})", in_process.len());
    println!(
        "first token, over HTTP                  {wire:>8.2} ms; the wire adds {:.2} ms",
        wire - process
    );
    Ok(())
}

/// What idle WebSockets cost the server.
async fn idle(program: &Path, connections: usize) -> Result<(), Fault> {
    let server = Server::start(program).await?;
    server.ask("GET", "/v1/models", "").await?;
    sleep(Duration::from_secs(1)).await;
    let before = server.memory();
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(server.address).await?;
        let open = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.address
        );
        stream.write_all(open.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        if &answer != b"HTTP/1.1 101" {
            return Err(
                format!("after {} connections: {}", held.len(), String::from_utf8_lossy(&answer)).into()
            );
        }
        held.push(stream);
    }
    sleep(Duration::from_secs(2)).await;
    let after = server.memory();
    let each = after.saturating_sub(before) as f64 / connections.max(1) as f64 / 1024.0;
    let (status, _) = server.ask("POST", "/v1/chat/completions", &question("Hello.", 4, false)).await?;
    println!(
        "{connections} idle WebSockets                {each:>8.1} KiB each; a question beside them: {status}"
    );
    Ok(())
}

/// Many clients, some of whom hang up.
async fn crowd(program: &Path, whole: Duration, clients: u64) -> Result<(), Fault> {
    let server = Arc::new(Server::start(program).await?);
    let (answered, left, wrong) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let mut crowd = JoinSet::new();
    for client in 0..clients {
        let (server, answered, left, wrong) =
            (Arc::clone(&server), Arc::clone(&answered), Arc::clone(&left), Arc::clone(&wrong));
        crowd.spawn(async move {
            let mut turn = client;
            while started.elapsed() < whole {
                turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                match one(&server, turn >> 33).await {
                    Ok(true) => answered.fetch_add(1, Ordering::Relaxed),
                    Ok(false) => left.fetch_add(1, Ordering::Relaxed),
                    Err(fault) => {
                        println!("! {fault}");
                        wrong.fetch_add(1, Ordering::Relaxed)
                    }
                };
            }
        });
    }
    // A twelfth of the time is for warming up.
    let mut first = 0;
    while started.elapsed() < whole {
        sleep(whole / 12).await;
        let memory = server.memory();
        first = if first == 0 { memory } else { first };
        println!(
            "{:>6.0} s   answered {:>8}   hung up {:>7}   wrong {:>4}   {:>7.1} MB",
            started.elapsed().as_secs_f64(),
            answered.load(Ordering::Relaxed),
            left.load(Ordering::Relaxed),
            wrong.load(Ordering::Relaxed),
            memory as f64 / 1e6
        );
    }
    while crowd.join_next().await.is_some() {}
    sleep(Duration::from_secs(3)).await;
    let (_, metrics) = server.ask("GET", "/metrics", "").await?;
    for line in metrics.lines().filter(|line| line.starts_with("athenaeum_model_")) {
        println!("{line}");
    }
    let (last, wrong) = (server.memory(), wrong.load(Ordering::Relaxed));
    let growth = (last as f64 / first as f64 - 1.0) * 100.0;
    println!("{clients} clients, 16 slots: {wrong} wrong; memory {growth:+.2} % since a twelfth of the time");
    if wrong > 0 { Err("something was answered wrongly".into()) } else { Ok(()) }
}

/// Asks once; `false` where the client hung up on purpose.
async fn one(server: &Server, turn: u64) -> Result<bool, Fault> {
    const QUESTIONS: [&str; 4] = ["Who are you?", "Hello.", "What can you do?", "Say a poem by heart."];
    let streams = !turn.is_multiple_of(3);
    let body = question(QUESTIONS[(turn % 4) as usize], 16 + turn % 48, streams);
    let path = if turn.is_multiple_of(5) { "/v1/messages" } else { "/v1/chat/completions" };
    let mut stream = TcpStream::connect(server.address).await?;
    stream.write_all(request("POST", path, &body, "close").as_bytes()).await?;
    if turn.is_multiple_of(7) {
        let mut some = vec![0; 1 + (turn % 2048) as usize];
        let _ = stream.read(&mut some).await?;
        return Ok(false);
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let ends = match (streams, path) {
        (true, "/v1/messages") => "message_stop",
        (true, _) => "[DONE]",
        _ => "\"usage\"",
    };
    if answer.starts_with("HTTP/1.1 200") && answer.contains(ends) {
        Ok(true)
    } else {
        Err(answer.chars().take(300).collect::<String>().into())
    }
}

fn question(text: &str, tokens: u64, streams: bool) -> String {
    format!(
        r#"{{"model":"tiny","temperature":0,"max_tokens":{tokens},"stream":{streams},"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

fn request(method: &str, path: &str, body: &str, connection: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:17879\r\nConnection: {connection}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/tiny.gguf")
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
