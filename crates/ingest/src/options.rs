use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use athenaeum_core::{Conversation, Problem, Provider};

/// How to read; the default suits every export that is not meant to hurt.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only formats of this provider are tried; `None` recognises each file by its content.
    pub provider: Option<Provider>,
    /// A program that reads the source instead of our own formats.
    pub parser: Option<ExternalParser>,
    /// Records larger than this many bytes are reported and passed over without being held in memory.
    pub record_bytes_max: usize,
    /// Brackets nested deeper than this make a record unreadable.
    pub depth_max: u32,
    /// Most files looked at in one folder or archive.
    pub files_max: usize,
    /// Most bytes that one archive entry may inflate to.
    pub entry_bytes_max: u64,
    /// Problems reported one by one; those beyond are counted by reason.
    pub problems_max: usize,
    /// Ends the reading from outside, also while there is nothing to push.
    pub stop: Stop,
}

/// A question asked while reading: is it enough? Between records, and every 50 ms of a silent external parser.
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Stop {
    /// Reading ends once `asked` returns true. It is called from other threads too and must be quick.
    pub fn when(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(asked)))
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| asked())
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.is_asked()).finish()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            provider: None,
            parser: None,
            record_bytes_max: 256 << 20,
            depth_max: 512,
            files_max: 1_000_000,
            entry_bytes_max: 64 << 30,
            problems_max: 10_000,
            stop: Stop::default(),
        }
    }
}

/// A program that turns a file or folder into conversations.
///
/// It is started with the source's path as its last argument, with an environment of `PATH`, `LANG` and
/// `ATHENAEUM_IMPORT_FORMAT` (the version of the format) and nothing to read from, and writes one conversation a
/// line to its standard output, in the format of `docs/formats/import-jsonl.md`. What it writes to its standard
/// error is shown when it fails. It is the person's own program: it is bounded in time and output, not confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalParser {
    /// The program, as a path or as a name to be found in `PATH`.
    pub program: PathBuf,
    /// Arguments before the path.
    pub arguments: Vec<String>,
    /// After this the program is ended, with every process it started; what it wrote until then is kept.
    pub time_limit: Duration,
    /// Bytes of output after which it is ended.
    pub output_limit: u64,
}

impl ExternalParser {
    /// A program with the default limits: one hour, 16 GiB.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let time_limit = Duration::from_secs(3_600);
        Self { program: program.into(), arguments: Vec::new(), time_limit, output_limit: 16 << 30 }
    }
}

/// What [`read`](crate::read) pushes, in the order of the source.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A conversation with at least one message.
    Conversation {
        /// The conversation, whole.
        conversation: Conversation,
        /// Where it was: the file as given, or a path inside a folder or archive (`export.zip/a.json`).
        file: String,
    },
    /// Something that could not be taken as it stands.
    Problem(Problem),
    /// How far the reading is; about once a megabyte.
    Progress {
        /// Bytes of the source read so far, compressed ones where it is compressed.
        bytes_read: u64,
        /// Bytes of the source in all.
        bytes_total: u64,
    },
}

/// What a run of [`read`](crate::read) came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files in which conversations were looked for.
    pub files: u64,
    /// Files passed over on purpose: pictures, sound, lists of settings.
    pub companions: u64,
    /// Bytes of the source.
    pub bytes: u64,
    /// Conversations with at least one message.
    pub conversations: u64,
    /// Conversations without any message; not reported as [`Item`]s.
    pub empty: u64,
    /// Messages of all branches.
    pub messages: u64,
    /// Problems that cost a record or more.
    pub problems: u64,
    /// Problems that cost nothing.
    pub notices: u64,
    /// Conversations by provider.
    pub providers: BTreeMap<Provider, u64>,
    /// Conversations by the name of their format.
    pub formats: BTreeMap<String, u64>,
    /// The sink or [`Options::stop`] asked to stop before the end.
    pub cancelled: bool,
}
