use std::{collections::VecDeque, io::Read};

use serde_json::Value;

use crate::{
    context::Context,
    sample::{Layout, glance},
    split::{Fault, Limits, Piece, Probe, Splitter},
};

/// Records and bytes read ahead to recognise a format.
const AHEAD_RECORDS: usize = 8;
const AHEAD_BYTES: usize = 64 * 1024;

/// The JSON records of one file, one at a time.
pub(crate) struct Records<'r> {
    splitter: Splitter<Box<dyn Read + 'r>>,
    probe: Probe<'r>,
    ahead: VecDeque<Ahead>,
    /// Holds the record at hand where it does not lie in the splitter's buffer.
    current: String,
    count: u64,
}

/// One JSON value of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Bytes that are not UTF-8 are replaced, with a notice.
    pub(crate) text: &'a str,
    /// Place of its first byte in the file (after unpacking and decoding).
    pub(crate) offset: u64,
}

enum Ahead {
    Record { text: String, offset: u64, lossy: bool },
    Fault { fault: Fault, offset: u64 },
}

impl<'r> Records<'r> {
    pub(crate) fn new(source: Box<dyn Read + 'r>, limits: Limits, probe: Probe<'r>) -> Self {
        let splitter = Splitter::new(source, limits, probe);
        let mut records = Self { splitter, probe, ahead: VecDeque::new(), current: String::new(), count: 0 };
        records.read_ahead();
        records
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.splitter.layout()
    }

    pub(crate) fn head(&self) -> &Value {
        self.splitter.head()
    }

    /// The first records, pruned.
    pub(crate) fn sample(&self) -> Vec<Value> {
        let glances = self.ahead.iter().filter_map(|ahead| match ahead {
            Ahead::Record { text, .. } => Some(glance(text)),
            Ahead::Fault { .. } => None,
        });
        glances.collect()
    }

    /// Returns the next record and makes it the one that problems are about. Reports what lies between as
    /// problems. `None` at the end, and once the sink has had enough.
    pub(crate) fn next(&mut self, context: &mut Context<'_>) -> Option<Record<'_>> {
        if context.cancelled() {
            return None;
        }
        while let Some(ahead) = self.ahead.pop_front() {
            match ahead {
                Ahead::Record { text, offset, lossy } => {
                    self.current = text;
                    self.step(context, lossy);
                    return Some(Record { text: &self.current, offset });
                }
                Ahead::Fault { fault, offset } => report(context, &fault, offset),
            }
        }
        self.cut_next(context)
    }

    fn cut_next(&mut self, context: &mut Context<'_>) -> Option<Record<'_>> {
        // Split in two because a loop that returns what it borrowed would keep the borrow in every turn.
        let offset = loop {
            match self.splitter.next(self.probe)? {
                Piece::Record { offset, .. } => break offset,
                Piece::Fault { fault, offset } => report(context, &fault, offset),
            }
        };
        let lossy = match str::from_utf8(self.splitter.handed()) {
            Ok(_) => false,
            Err(_) => {
                self.current = String::from_utf8_lossy(self.splitter.handed()).into_owned();
                true
            }
        };
        self.step(context, lossy);
        let text = if lossy { &self.current } else { str::from_utf8(self.splitter.handed()).ok()? };
        Some(Record { text, offset })
    }

    fn step(&mut self, context: &mut Context<'_>, lossy: bool) {
        self.count += 1;
        context.begin_record(format!("#{}", self.count));
        if lossy {
            context.notice("holds bytes that are not UTF-8; they were replaced");
        }
    }

    fn read_ahead(&mut self) {
        let mut bytes_held = 0;
        while self.ahead.len() < AHEAD_RECORDS && bytes_held < AHEAD_BYTES {
            let Some(piece) = self.splitter.next(self.probe) else { return };
            self.ahead.push_back(match piece {
                Piece::Record { bytes, offset } => {
                    bytes_held += bytes.len();
                    let text = String::from_utf8_lossy(bytes);
                    let lossy = matches!(text, std::borrow::Cow::Owned(_));
                    Ahead::Record { text: text.into_owned(), offset, lossy }
                }
                Piece::Fault { fault, offset } => Ahead::Fault { fault, offset },
            });
        }
    }
}

fn report(context: &mut Context<'_>, fault: &Fault, offset: u64) {
    context.begin_record(format!("byte {offset}"));
    match fault {
        Fault::TooLarge { .. } | Fault::TooDeep { .. } | Fault::Unbalanced { .. } | Fault::Garbage(_) => {
            context.skipped(fault.to_string());
        }
        Fault::Truncated | Fault::Unclosed | Fault::Read(_) => context.broken(fault.to_string()),
    }
}
