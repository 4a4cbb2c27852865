use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::{
    Place,
    process::{Running, measure, status_bytes},
};
use crate::shell::say;

const ROUNDS: usize = 11;

/// Start-up, idle memory and one-shot search on the imported archive.
pub(super) fn run(place: &Place) -> anyhow::Result<()> {
    place.archive()?;
    let size = std::fs::metadata(&place.program)?.len();
    say(&format!("program                    {:>8.2} MB", size as f64 / 1e6));
    let mut starts = Vec::new();
    let mut idle = 0;
    for round in 0..ROUNDS {
        let (server, ready) = start(place)?;
        starts.push(ready.as_secs_f64() * 1e3);
        if round + 1 == ROUNDS {
            thread::sleep(Duration::from_secs(2));
            idle = status_bytes(server.0.id(), "VmRSS:").unwrap_or(0);
        }
    }
    say(&format!("start to first 200         {:>8.1} ms (median of {ROUNDS})", median(&mut starts)));
    say(&format!("idle RSS                   {:>8.1} MB", idle as f64 / 1e6));
    one_shot(place)
}

/// Starts the server and asks for /healthz until it answers 200.
fn start(place: &Place) -> anyhow::Result<(Running, Duration)> {
    let address: SocketAddr = "127.0.0.1:17878".parse()?;
    let start = Instant::now();
    let mut command = Command::new(&place.program);
    command.arg("--data").arg(&place.data).args(["serve", "--addr", "127.0.0.1:17878"]);
    let server = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    while start.elapsed() < Duration::from_secs(10) {
        if healthy(address).unwrap_or(false) {
            return Ok((server, start.elapsed()));
        }
        thread::sleep(Duration::from_micros(200));
    }
    bail!("the server did not answer within 10 s");
}

fn healthy(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:17878\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"HTTP/1.1 200")
}

fn one_shot(place: &Place) -> anyhow::Result<()> {
    for query in ["bread", "the", "\"of the\"", "question answer library"] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let mut command = Command::new(&place.program);
            command.arg("--data").arg(&place.data).args(["search", "--json", query]);
            times.push(measure(&mut command)?.1.wall_s * 1e3);
        }
        say(&format!("search {query:26} {:>8.1} ms, start to exit (median of {ROUNDS})", median(&mut times)));
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
