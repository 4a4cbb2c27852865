use std::{collections::HashMap, ops::ControlFlow, path::Path, rc::Rc};

use athenaeum_core::{Conversation, Problem, Severity, Timestamp};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::{
    options::{Item, Options, Summary},
    problems::Ledger,
    source::{Assets, Meter},
};

/// Progress is told this often.
const PROGRESS_BYTES: u64 = 1 << 20;

/// What a parser knows about where it reads, and where it puts what it finds.
///
/// One for a whole run; the fields that speak of a file are set before each.
pub(crate) struct Context<'s> {
    /// The file's path inside the source, with `/`: `export.zip/conversations.json`.
    pub(crate) file: String,
    /// When the file was last changed; for formats that keep no time of their own.
    pub(crate) modified: Option<Timestamp>,
    /// The members of the top-level object around the records, pruned as in [`crate::sample::glance`].
    pub(crate) head: Value,
    /// Files that came along in the same folder or archive, to be found by their id.
    pub(crate) assets: Assets,
    /// The account that the export says it belongs to.
    pub(crate) account: Option<String>,
    /// The record being read, for problems: `#17`, or a conversation's id once the parser knows it.
    record: String,
    /// The format being read, for the summary.
    format: &'static str,
    /// Reasons already noted for this record, so that a hundred equal blocks make one notice.
    noted: Vec<String>,
    /// The record as it stands in the file, while a repaired one is read in its place.
    original: Option<String>,
    pub(crate) options: &'s Options,
    pub(crate) summary: Summary,
    pub(crate) meter: Rc<Meter>,
    bytes_total: u64,
    /// What the meter showed when progress was last told.
    bytes_told: u64,
    ledger: Ledger,
    /// By what each id's conversation begins.
    beginnings: HashMap<u64, u64>,
    sink: &'s mut dyn FnMut(Item) -> ControlFlow<()>,
}

impl<'s> Context<'s> {
    pub(crate) fn new(
        options: &'s Options,
        sink: &'s mut dyn FnMut(Item) -> ControlFlow<()>,
        meter: Rc<Meter>,
    ) -> Self {
        Self {
            file: String::new(),
            modified: None,
            head: Value::Null,
            assets: Assets::default(),
            account: None,
            record: String::new(),
            format: "",
            noted: Vec::new(),
            original: None,
            options,
            summary: Summary::default(),
            meter,
            bytes_total: 0,
            bytes_told: 0,
            ledger: Ledger::default(),
            beginnings: HashMap::new(),
            sink,
        }
    }

    /// Hands a finished conversation on. One without messages is only counted.
    ///
    /// An empty title becomes none, an empty id one derived from the raw JSON, and a parent that does not stand
    /// before its child none.
    pub(crate) fn emit(&mut self, mut conversation: Conversation) {
        if conversation.messages.is_empty() {
            self.summary.empty += 1;
            return;
        }
        if let Some(original) = &self.original {
            original.clone_into(&mut conversation.raw_json);
        }
        if conversation.external_id.is_empty() {
            conversation.external_id = derived_id(&[&conversation.raw_json]);
        }
        self.tell_apart(&mut conversation);
        conversation.title = conversation.title.filter(|title| !title.trim().is_empty());
        for (index, message) in conversation.messages.iter_mut().enumerate() {
            message.parent = message.parent.filter(|parent| (*parent as usize) < index);
        }
        self.summary.conversations += 1;
        self.summary.messages += conversation.messages.len() as u64;
        match self.summary.providers.get_mut(&conversation.provider) {
            Some(count) => *count += 1,
            None => {
                self.summary.providers.insert(conversation.provider.clone(), 1);
            }
        }
        match self.summary.formats.get_mut(self.format) {
            Some(count) => *count += 1,
            None => {
                self.summary.formats.insert(self.format.to_owned(), 1);
            }
        }
        let file = self.file.clone();
        self.send(Item::Conversation { conversation, file });
    }

    /// Two conversations that begin differently are not one, though their source gives them one id; the second gets
    /// an id of its own. The same beginning under the same id is a later or earlier state of one conversation, and
    /// whoever stores it decides. Costs 16 bytes a conversation.
    fn tell_apart(&mut self, conversation: &mut Conversation) {
        let Some(first) = conversation.messages.first() else { return };
        let said = derived_id(&[first.external_id.as_deref().unwrap_or_default(), &first.content()]);
        let key = |id: &str| xxh3_64(format!("{} {id}", conversation.provider).as_bytes());
        let beginning = xxh3_64(said.as_bytes());
        let known = *self.beginnings.entry(key(&conversation.external_id)).or_insert(beginning);
        if known != beginning {
            let id = format!("{}#{beginning:016x}", conversation.external_id);
            self.beginnings.entry(key(&id)).or_insert(beginning);
            let reason = format!(
                "another conversation with the id '{}' was read before; this one is kept as '{id}'",
                conversation.external_id
            );
            conversation.external_id = id;
            self.notice(reason);
        }
    }

    /// Reports something kept but not understood, about the record at hand; equal ones once a record.
    pub(crate) fn notice(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.noted.contains(&reason) || self.noted.len() >= 100 {
            return;
        }
        self.noted.push(reason.clone());
        self.report(Severity::Notice, reason);
    }

    /// Reports that the record at hand, or a part of it, was left out.
    pub(crate) fn skipped(&mut self, reason: impl Into<String>) {
        self.report(Severity::Skipped, reason.into());
    }

    /// Reports that the rest of the file was left out.
    pub(crate) fn broken(&mut self, reason: impl Into<String>) {
        self.report(Severity::Broken, reason.into());
    }

    /// Names the record that problems from here on are about, and forgets what was noted before.
    pub(crate) fn begin_record(&mut self, record: impl Into<String>) {
        self.record = record.into();
        self.noted.clear();
        let read = self.meter.bytes.get().min(self.bytes_total);
        if read >= self.bytes_told + PROGRESS_BYTES {
            self.tell_progress(read);
        }
    }

    pub(crate) fn begin_source(&mut self, bytes_total: u64) {
        self.bytes_total = bytes_total;
        self.summary.bytes = bytes_total;
    }

    /// Says that what is parsed from here on stands for `original`, which conversations keep as their raw JSON.
    pub(crate) fn reading_instead_of(&mut self, original: Option<&str>) {
        self.original = original.map(str::to_owned);
    }

    /// Sets the fields that speak of a file.
    pub(crate) fn begin_file(&mut self, file: &str, modified: Option<Timestamp>) {
        self.begin_record("");
        file.clone_into(&mut self.file);
        self.modified = modified;
        self.head = Value::Null;
        self.format = "";
    }

    pub(crate) fn begin_format(&mut self, format: &'static str) {
        self.format = format;
    }

    /// The file's name without folders and without its last extension; empty where it has none.
    pub(crate) fn file_stem(&self) -> &str {
        Path::new(&self.file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// The sink has had enough, or whoever began the reading: parsers that loop on their own must return soon.
    pub(crate) fn cancelled(&self) -> bool {
        self.summary.cancelled || self.options.stop.is_asked()
    }

    /// Passes on what the ledger only counted and returns the summary.
    pub(crate) fn finish(mut self, file: &str) -> Summary {
        self.summary.cancelled = self.cancelled();
        for problem in self.ledger.counted(file) {
            self.send(Item::Problem(problem));
        }
        if !self.summary.cancelled {
            self.tell_progress(self.bytes_total);
        }
        self.summary
    }

    fn tell_progress(&mut self, bytes_read: u64) {
        self.bytes_told = bytes_read;
        self.send(Item::Progress { bytes_read, bytes_total: self.bytes_total });
    }

    fn report(&mut self, severity: Severity, reason: String) {
        match severity {
            Severity::Notice => self.summary.notices += 1,
            Severity::Skipped | Severity::Broken => self.summary.problems += 1,
        }
        let problem = Problem { severity, file: self.file.clone(), record: self.record.clone(), reason };
        if let Some(problem) = self.ledger.admit(problem, self.options.problems_max) {
            self.send(Item::Problem(problem));
        }
    }

    fn send(&mut self, item: Item) {
        if !self.summary.cancelled && (self.sink)(item).is_break() {
            self.summary.cancelled = true;
        }
    }
}

/// Derives an id from what identifies a conversation that has none of its own: the same parts give the same id,
/// so choose parts that do not change when the conversation grows (its first message and its beginning).
pub(crate) fn derived_id(parts: &[&str]) -> String {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    format!("x{:032x}", xxh3_128(&bytes))
}
