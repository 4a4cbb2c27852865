//! Formats that someone else's program reads.

use std::{
    io::{self, Read},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    context::Context,
    format::{Reject, Shape},
    formats::athenaeum::{FORMAT, VERSION},
    options::{ExternalParser, Stop},
    records::Records,
    sample::Layout,
    split::Limits,
};

/// How much of the end of its standard error is shown.
const STDERR_BYTES: usize = 64 * 1024;

/// How often a running parser is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs the program on `path` and reads what it writes. An error only if it cannot be started.
pub(crate) fn read(context: &mut Context<'_>, parser: &ExternalParser, path: &Path) -> io::Result<()> {
    if context.cancelled() {
        return Ok(());
    }
    let mut child = command(parser, path).spawn()?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let stderr = child.stderr.take().map(tail);
    let watch = Watch::begin(&child, parser.time_limit, context.options.stop.clone());
    let output = Limited { source: stdout, left: parser.output_limit };
    read_lines(context, Box::new(output));
    // Whatever it still does, nobody listens any more.
    let ended = watch.end();
    let status = settle(&mut child);
    let said = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    context.begin_record("");
    if ended == Some(Cause::Time) {
        let seconds = parser.time_limit.as_secs_f64();
        context
            .broken(format!("the parser was ended after {seconds} s; raise the time limit{}", quoted(&said)));
    } else if let Some(reason) = failure(status).filter(|_| !context.cancelled()) {
        context.broken(format!("the parser {reason}{}", quoted(&said)));
    }
    Ok(())
}

fn command(parser: &ExternalParser, path: &Path) -> Command {
    let mut command = Command::new(&parser.program);
    command.args(&parser.arguments).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_clear().env("LANG", "C.UTF-8").env("ATHENAEUM_IMPORT_FORMAT", VERSION.to_string());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

fn read_lines(context: &mut Context<'_>, output: Box<dyn Read>) {
    let Shape::Record { parse, .. } = FORMAT.shape else { return };
    let limits =
        Limits { record_bytes_max: context.options.record_bytes_max, depth_max: context.options.depth_max };
    let probe = |_: &Layout, _: &Value, _: &Value| false;
    context.summary.files += 1;
    context.begin_format(FORMAT.name);
    let mut records = Records::new(output, limits, &probe);
    while let Some(record) = records.next(context) {
        if let Err(Reject(reason)) = parse(context, record.text) {
            context.skipped(format!("the parser wrote something else than a conversation: {reason}"));
        }
    }
}

/// Ends the program if it is still there, with all that it started.
pub(crate) fn settle(child: &mut Child) -> io::Result<ExitStatus> {
    for _ in 0..50 {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    end_group(child.id());
    let _ = child.kill();
    child.wait()
}

fn failure(status: io::Result<ExitStatus>) -> Option<String> {
    match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("failed ({status})")),
        Err(error) => Some(format!("could not be waited for ({error})")),
    }
}

fn quoted(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

/// Collects the end of what the program says about itself.
pub(crate) fn tail(mut stderr: ChildStderr) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 8 * 1024];
        while let Ok(count @ 1..) = stderr.read(&mut buffer) {
            kept.extend_from_slice(&buffer[..count]);
            let beyond = kept.len().saturating_sub(STDERR_BYTES);
            kept.drain(..beyond);
        }
        kept
    })
}

#[cfg(unix)]
fn end_group(id: u32) {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = id {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn end_group(_: u32) {}

/// Ends the program when its time is over or nobody wants it any more. Reading its output then ends too.
pub(crate) struct Watch {
    done: mpsc::Sender<()>,
    thread: JoinHandle<Option<Cause>>,
}

/// Why a program was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Time,
    Stop,
}

impl Watch {
    pub(crate) fn begin(child: &Child, limit: Duration, stop: Stop) -> Self {
        let (done, waiting) = mpsc::channel();
        let id = child.id();
        // The child is waited for only after this thread has ended, so its id cannot belong to another yet.
        let thread = thread::spawn(move || {
            let begun = Instant::now();
            let cause = loop {
                let left = limit.saturating_sub(begun.elapsed());
                match waiting.recv_timeout(left.min(LOOK_EVERY)) {
                    Err(RecvTimeoutError::Timeout) if stop.is_asked() => break Cause::Stop,
                    Err(RecvTimeoutError::Timeout) if begun.elapsed() >= limit => break Cause::Time,
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
                }
            };
            end_group(id);
            Some(cause)
        });
        Self { done, thread }
    }

    /// Returns why the program was ended, if it was.
    pub(crate) fn end(self) -> Option<Cause> {
        let _ = self.done.send(());
        self.thread.join().unwrap_or(None)
    }
}

/// Fails once more than the limit was written.
struct Limited<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other("the parser wrote more than the limit; raise the output limit")
        })?;
        Ok(count)
    }
}
