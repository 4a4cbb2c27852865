//! Formats whose readers may be driven to abort, read in a process of their own.
//!
//! A program that reads documents composes this: it hands [`Child`] over in [`Options::child`], with the arguments that
//! make it call [`main`], and nothing else:
//!
//! ```no_run
//! use athenaeum_ingest::document::{Options, child::{self, Child}};
//!
//! # fn start() -> Option<std::process::ExitCode> {
//! let arguments: Vec<String> = std::env::args().skip(1).collect();
//! if arguments.first().is_some_and(|first| first == "read-document") {
//!     return Some(child::main(&arguments[1..]));
//! }
//! let child = Child::new(std::env::current_exe().ok()?, ["read-document"]);
//! let options = Options { child: Some(child), ..Options::default() };
//! # None }
//! ```
//!
//! The child gets the document as its standard input and no path, an empty environment, limits of memory and processor
//! time that the kernel keeps, and is ended with all that it started when its time is over. What it wrote until then is
//! kept: a PDF whose page 400 is a trap gives 399 pages and a problem.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Error, Format, Ocr, Options,
    draft::{Draft, Piece},
};
use crate::{
    external::{Cause, Watch, settle, tail},
    options::Stop,
};

/// Stack of the thread that reads; more than any document needs that is not nested on purpose.
const STACK_BYTES: usize = 64 << 20;
/// One line of a child's output.
const LINE_BYTES_MAX: u64 = 512 << 20;

/// How to start a process that calls [`main`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The program, usually the one that is running.
    pub program: PathBuf,
    /// Arguments before those that are added here.
    pub arguments: Vec<String>,
    /// After this it is ended, and what it wrote until then is kept.
    pub time_limit: Duration,
    /// Bytes of address space that it may have.
    pub memory_max: u64,
}

impl Child {
    /// A child with the default limits: 20 seconds, 1 GiB.
    pub fn new<A: Into<String>>(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: program.into(), arguments, time_limit: Duration::from_secs(20), memory_max: 1 << 30 }
    }
}

/// What a child writes, one JSON value a line.
#[derive(Serialize, Deserialize)]
enum Message {
    Piece(Piece),
    /// A page that is a picture, its bytes in hexadecimal digits.
    Picture(u32, String),
    Said {
        title: Option<String>,
        language: Option<String>,
        metadata: BTreeMap<String, String>,
    },
    Failed(Failure),
}

#[derive(Serialize, Deserialize)]
enum Failure {
    Locked,
    Damaged(String),
    Pictures(u32),
    Other(String),
}

/// Reads one document from standard input and writes what it found to standard output, for [`Child`] alone.
///
/// `arguments` are those that follow [`Child::arguments`].
pub fn main(arguments: &[String]) -> ExitCode {
    let [format, name, text_bytes_max, pictures_max, memory_max, seconds] = arguments else {
        return ExitCode::from(2);
    };
    let numbers = (text_bytes_max.parse(), pictures_max.parse(), memory_max.parse(), seconds.parse());
    let (Some(format), (Ok(text_bytes_max), Ok(pictures_max), Ok(memory_max), Ok(seconds))) =
        (Format::named(format), numbers)
    else {
        return ExitCode::from(2);
    };
    confine(memory_max, seconds);
    // Pictures are read by the parent; here they are only found.
    let ocr = Some(Ocr { pictures_max, ..Ocr::default() });
    let options = Options { format: Some(format), text_bytes_max, ocr, child: None, ..Options::default() };
    let name = name.clone();
    let reader =
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || read_input(format, &name, &options));
    match reader.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn read_input(format: Format, name: &str, options: &Options) -> io::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let mut draft = Draft::new(name, options);
    draft.pass_on(Box::new(|piece| write(&Message::Piece(piece)).is_ok()));
    let read = catch_unwind(AssertUnwindSafe(|| super::read_here(format, &bytes, &mut draft)));
    let read =
        read.unwrap_or_else(|_| Err(Error::damaged("its reader gave up on it; please report the file")));
    draft.flush();
    for (page, picture) in draft.take_pictures() {
        let digits = picture.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
        write(&Message::Picture(page, digits))?;
    }
    let (title, language, metadata) =
        (draft.title.take(), draft.language.take(), std::mem::take(&mut draft.metadata));
    write(&Message::Said { title, language, metadata })?;
    match read {
        Ok(()) => Ok(()),
        Err(error) => write(&Message::Failed(match error {
            Error::Locked => Failure::Locked,
            Error::Damaged { reason } => Failure::Damaged(reason),
            Error::Pictures { pages } => Failure::Pictures(pages),
            other => Failure::Other(other.to_string()),
        })),
    }
}

fn write(message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

#[cfg(unix)]
fn confine(memory_max: u64, seconds: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    for (resource, most) in [(Resource::As, memory_max), (Resource::Cpu, seconds), (Resource::Core, 0)] {
        // A limit that is lower already is kept.
        let _ = setrlimit(resource, limit(most));
    }
}

#[cfg(not(unix))]
fn confine(_: u64, _: u64) {}

/// Has `input` read by a child, into `draft`.
pub(super) fn read(child: &Child, format: Format, input: File, draft: &mut Draft) -> Result<(), Error> {
    let given_up = |reason: String| Error::GivenUp { reason };
    let mut process = command(child, format, draft, input).spawn().map_err(|error| {
        given_up(format!("its reader {} cannot be started: {error}", child.program.display()))
    })?;
    let output = process.stdout.take();
    let said = process.stderr.take().map(tail);
    let watch = Watch::begin(&process, child.time_limit, Stop::default());
    let mut failure = None;
    let mut whole = false;
    for line in output.into_iter().flat_map(lines) {
        match serde_json::from_slice(&line) {
            Ok(Message::Piece(piece)) => draft.absorb(piece),
            Ok(Message::Picture(page, digits)) => {
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                if draft.wants_pictures() {
                    draft.picture(page, digits.as_bytes().chunks_exact(2).filter_map(byte).collect());
                }
            }
            Ok(Message::Said { title, language, metadata }) => {
                (draft.title, draft.language, whole) = (title, language, true);
                metadata.iter().for_each(|(name, value)| draft.tell(name, value));
            }
            Ok(Message::Failed(found)) => failure = Some(found),
            // What else the program prints at its start.
            Err(_) => {}
        }
    }
    let ended = watch.end();
    let status = settle(&mut process);
    drop(said.and_then(|thread| thread.join().ok()));
    let reason = match (failure, ended) {
        (Some(Failure::Locked), _) => return Err(Error::Locked),
        (Some(Failure::Pictures(pages)), _) => return Err(Error::Pictures { pages }),
        (Some(Failure::Damaged(reason) | Failure::Other(reason)), _) => {
            if draft.is_empty() {
                return Err(Error::Damaged { reason });
            }
            reason
        }
        (None, Some(Cause::Time)) => {
            format!("reading it took more than {} s", child.time_limit.as_secs_f64())
        }
        (None, _) if whole && status.as_ref().is_ok_and(std::process::ExitStatus::success) => return Ok(()),
        (None, _) => {
            let mib = child.memory_max >> 20;
            format!("its reader broke down, perhaps for want of memory ({mib} MiB are allowed)")
        }
    };
    if draft.is_empty() {
        return Err(given_up(reason));
    }
    draft.broken("", format!("the rest was not read: {reason}"));
    Ok(())
}

fn command(child: &Child, format: Format, draft: &Draft, input: File) -> Command {
    let seconds = child.time_limit.as_secs().saturating_add(1);
    let mut command = Command::new(&child.program);
    command.args(&child.arguments).arg(format.as_str()).arg(draft.name());
    let pictures = draft.options.ocr.as_ref().map_or(0, |ocr| ocr.pictures_max);
    let numbers = [draft.options.text_bytes_max as u64, u64::from(pictures), child.memory_max, seconds];
    command.args(numbers.map(|number| number.to_string()));
    command.stdin(Stdio::from(input)).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

fn lines(output: impl Read) -> impl Iterator<Item = Vec<u8>> {
    let mut output = BufReader::new(output);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = (&mut output).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).ok()?;
        (read > 0 && line.ends_with(b"\n")).then_some(line)
    })
}
