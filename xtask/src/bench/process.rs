//! A child process and what it cost, read from `/proc` (Linux).

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// What a finished child cost.
pub(super) struct Cost {
    /// Processor time in user and kernel mode, in seconds, to a hundredth.
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
    /// Most memory resident at once (`VmHWM`), in bytes; mapped files count. A late peak within 5 ms of the end is missed.
    pub(super) rss_peak: u64,
}

/// Runs `command` to its end; a failed one is an error with its last words.
pub(super) fn measure(command: &mut Command) -> anyhow::Result<(Output, Cost)> {
    let (before, start) = (children_ticks()?, Instant::now());
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start the program")?;
    let watched = child.id();
    let watcher = thread::spawn(move || watch(watched));
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let reader = thread::spawn(move || read(err.as_mut()));
    let stdout = read(out.as_mut());
    let status = child.wait()?;
    let wall_s = start.elapsed().as_secs_f64();
    let stderr = reader.join().unwrap_or_default();
    let rss_peak = watcher.join().unwrap_or(0);
    if !status.success() {
        bail!("{command:?} ended with {status}: {}", String::from_utf8_lossy(&stderr));
    }
    let cpu_s = (children_ticks()? - before) as f64 / TICKS_PER_SECOND;
    Ok((Output { status, stdout, stderr }, Cost { cpu_s, wall_s, rss_peak }))
}

/// Linux reports these times in USER_HZ, which is 100 on every architecture that Rust supports (proc_pid_stat(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of all children waited for so far: fields cutime and cstime, counted from behind the name.
fn children_ticks() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc; benchmarks run on Linux")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(field(13) + field(14))
}

fn read(from: Option<&mut impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.read_to_end(&mut bytes);
    }
    bytes
}

fn watch(process: u32) -> u64 {
    let mut peak = 0;
    while let Some(bytes) = status_bytes(process, "VmHWM:") {
        peak = bytes.max(peak);
        thread::sleep(Duration::from_millis(5));
    }
    peak
}

/// Memory of a living process, a line of `/proc/PID/status`; `None` once it has ended.
pub(super) fn status_bytes(process: u32, line: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = status.lines().find_map(|text| text.strip_prefix(line))?;
    kib.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Ends the child when dropped, so that a failed benchmark leaves no server behind.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
