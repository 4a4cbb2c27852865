use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustc_hash::FxHashSet;

use super::{
    buffer::{Buffer, Tokens},
    document::Document,
    error::{Error, Result},
    manifest::{Manifest, SegmentRef},
    merge,
    removed::{self, Removed},
    segment::{self, Segment},
};
use crate::fts5::HandOver;

const LOCK: &str = "writer.lock";

/// Bytes of memory that documents may take before they become a segment.
const MEMORY: usize = 40 << 20;

/// Segments of about one size that are merged while publishing.
const TIER: usize = 16;

/// Segments that remain when there is time to merge: few enough for searches, and without writing the large ones
/// anew for the sake of small ones.
const SEGMENTS_IDLE: usize = 8;

/// Adds to an index and removes from it. There is one writer at a time, over all processes.
///
/// Nothing is seen by readers, and nothing survives a crash, before [`Writer::publish`].
pub struct Writer {
    dir: PathBuf,
    manifest: Manifest,
    segments: Vec<Part>,
    buffer: Buffer,
    /// What SQLite's text index is to learn of documents that have left the buffer.
    for_fts5: HandOver,
    memory: usize,
    /// Segments and removals were changed since the last manifest.
    pending: bool,
    /// Files that the next manifest no longer names.
    garbage: Vec<PathBuf>,
    /// Held until the writer is dropped.
    _lock: File,
}

/// A segment with its removals.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    pub(super) removed: Option<Arc<Removed>>,
    /// Number of the file of removals, and whether memory is ahead of it.
    removals: u32,
    dirty: bool,
}

impl Part {
    fn live(&self) -> u32 {
        self.segment.meta.docs.saturating_sub(self.removed.as_ref().map_or(0, |removed| removed.count))
    }
}

impl Writer {
    /// Opens the index in `dir` for writing; makes it when there is none.
    ///
    /// # Errors
    /// [`Error::Busy`] while another writer is open. [`Error::Damaged`] and [`Error::Version`] when what is
    /// there cannot be used: then [`Writer::rebuild`].
    pub fn open(dir: &Path) -> Result<Self> {
        let lock = lock(dir)?;
        let manifest = Manifest::load(dir)?;
        let mut segments = Vec::new();
        for entry in &manifest.segments {
            segments.push(Part {
                segment: Arc::new(Segment::open(dir, entry.number)?),
                removed: match entry.removals {
                    0 => None,
                    removals => Some(Arc::new(Removed::load(dir, entry.number, removals)?)),
                },
                removals: entry.removals,
                dirty: false,
            });
        }
        let mut writer = Self::new(dir, lock, manifest, segments);
        writer.sweep()?;
        Ok(writer)
    }

    /// Opens `dir` for writing and throws away whatever index is there, sound or not.
    ///
    /// # Errors
    /// [`Error::Busy`] while another writer is open.
    pub fn rebuild(dir: &Path) -> Result<Self> {
        let lock = lock(dir)?;
        let mut manifest = Manifest::load(dir).unwrap_or_default();
        // Numbers and generations must not come twice, or a reader would take the new for the old.
        manifest.generation = manifest.generation.max(Manifest::generation_on_disk(dir).unwrap_or(0));
        manifest.next_segment = manifest.next_segment.max(highest_number(dir)? + 1);
        let mut writer = Self::new(dir, lock, manifest, Vec::new());
        writer.clear()?;
        Ok(writer)
    }

    fn new(dir: &Path, lock: File, manifest: Manifest, segments: Vec<Part>) -> Self {
        Self {
            dir: dir.to_owned(),
            manifest,
            segments,
            buffer: Buffer::default(),
            for_fts5: HandOver::default(),
            memory: MEMORY,
            pending: false,
            garbage: Vec::new(),
            _lock: lock,
        }
    }

    /// Sets how many bytes of memory documents may take before they are written out; 40 MiB at first.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Returns what the last [`Writer::publish`] was told; 0 for a new index.
    pub fn watermark(&self) -> i64 {
        self.manifest.watermark
    }

    /// Adds a document. `text` pushes its terms.
    ///
    /// # Errors
    /// [`Error::Io`] if the memory was full and could not be written out, [`Error::Full`].
    pub fn add(&mut self, document: &Document<'_>, text: impl FnOnce(&mut Tokens<'_>)) -> Result<()> {
        self.buffer.add(document, text)?;
        if self.buffer.bytes() > self.memory { self.flush() } else { Ok(()) }
    }

    /// Removes the messages with these ids, added before. Returns how many documents went.
    pub fn remove_messages(&mut self, ids: &[i64]) -> Result<u64> {
        let ids: FxHashSet<i64> = ids.iter().copied().collect();
        self.remove(&ids, |segment| segment.meta.ids, |id, _| id.is_some_and(|id| ids.contains(&id)))
    }

    /// Removes the titles of these conversations. Returns how many documents went.
    pub fn remove_titles(&mut self, conversations: &[i64]) -> Result<u64> {
        let rows: FxHashSet<i64> = conversations.iter().copied().collect();
        self.remove(
            &rows,
            |segment| segment.meta.conversations,
            |id, row| id.is_none() && rows.contains(&row),
        )
    }

    /// Removes the messages and titles of these conversations. Returns how many documents went.
    pub fn remove_conversations(&mut self, conversations: &[i64]) -> Result<u64> {
        let rows: FxHashSet<i64> = conversations.iter().copied().collect();
        self.remove(&rows, |segment| segment.meta.conversations, |_, row| rows.contains(&row))
    }

    fn remove(
        &mut self,
        wanted: &FxHashSet<i64>,
        column: impl Fn(&Segment) -> super::columns::Layout,
        test: impl Fn(Option<i64>, i64) -> bool,
    ) -> Result<u64> {
        let (Some(&min), Some(&max)) = (wanted.iter().min(), wanted.iter().max()) else { return Ok(0) };
        if self.buffer.any(&test) {
            self.flush()?;
        }
        let mut count = 0;
        for part in &mut self.segments {
            let segment = &part.segment;
            let range = column(segment);
            if range.max < min || range.min > max {
                continue;
            }
            let (ids, rows) = (segment.ids()?, segment.conversations()?);
            let mut removed = part.removed.as_deref().cloned().unwrap_or_default();
            let before = removed.count;
            for doc in 0..segment.meta.docs {
                if test(ids.get(doc), rows.get(doc).unwrap_or(0)) {
                    removed.add(doc);
                }
            }
            segment.release();
            if removed.count > before {
                count += u64::from(removed.count - before);
                part.removed = Some(Arc::new(removed));
                part.dirty = true;
                self.pending = true;
            }
        }
        Ok(count)
    }

    /// Makes everything so far durable and visible to readers, and notes `watermark` with it. Merges small
    /// segments on the way.
    pub fn publish(&mut self, watermark: i64) -> Result<()> {
        self.flush()?;
        if !self.pending && watermark == self.manifest.watermark {
            return Ok(());
        }
        while self.merge(&merge::choose(&self.sizes(), TIER))? {}
        self.manifest.watermark = watermark;
        self.store()
    }

    /// Merges a few segments if that helps readers, and publishes that. Returns whether it did; call again
    /// until it does not. Does nothing while there is something unpublished. The largest step of an archive
    /// of a million messages takes some seconds.
    pub fn merge_step(&mut self) -> Result<bool> {
        if self.pending
            || !self.buffer.is_empty()
            || !self.merge(&merge::smallest(&self.sizes(), SEGMENTS_IDLE))?
        {
            return Ok(false);
        }
        self.store()?;
        Ok(true)
    }

    /// Returns what SQLite's text index is to learn of the documents that were added for it since the last call.
    pub(crate) fn hand_over(&mut self) -> Result<HandOver> {
        self.flush()?;
        Ok(std::mem::take(&mut self.for_fts5))
    }

    /// Removes everything, at once and for good, and sets the watermark to 0.
    pub fn clear(&mut self) -> Result<()> {
        self.buffer.clear();
        self.for_fts5 = HandOver::default();
        self.segments.clear();
        self.manifest.watermark = 0;
        self.store()?;
        self.sweep()
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let number = self.take_number();
        let means = self.means();
        let for_fts5 = self.buffer.flush(&self.dir, number, means)?;
        self.for_fts5.append(for_fts5);
        self.push(number)
    }

    /// Mean lengths of messages and titles, over segments and buffer.
    fn means(&self) -> [f64; 2] {
        let mut sums = self.buffer.statistics();
        for part in &self.segments {
            for (field, sum) in sums.iter_mut().enumerate() {
                sum.0 += u64::from(part.segment.meta.counts[field]);
                sum.1 += part.segment.meta.tokens[field];
            }
        }
        sums.map(|(documents, tokens)| tokens as f64 / documents.max(1) as f64)
    }

    fn take_number(&mut self) -> u64 {
        let number = self.manifest.next_segment.max(1);
        self.manifest.next_segment = number + 1;
        number
    }

    fn push(&mut self, number: u64) -> Result<()> {
        let segment = Arc::new(Segment::open(&self.dir, number)?);
        self.segments.push(Part { segment, removed: None, removals: 0, dirty: false });
        self.pending = true;
        Ok(())
    }

    /// Live and total documents of each segment.
    fn sizes(&self) -> Vec<(u32, u32)> {
        self.segments.iter().map(|part| (part.live(), part.segment.meta.docs)).collect()
    }

    fn merge(&mut self, chosen: &[usize]) -> Result<bool> {
        if chosen.is_empty() {
            return Ok(false);
        }
        let mut sources = Vec::new();
        let mut kept = Vec::new();
        for (i, part) in std::mem::take(&mut self.segments).into_iter().enumerate() {
            if chosen.contains(&i) { sources.push(part) } else { kept.push(part) }
        }
        self.segments = kept;
        self.segments.extend(sources.iter().cloned());
        let kept = self.segments.len() - sources.len();
        let (number, means) = (self.take_number(), self.means());
        let documents = merge::merge(&self.dir, number, &sources, means)?;
        self.segments.truncate(kept);
        for part in &sources {
            self.discard(part);
        }
        self.pending = true;
        if documents > 0 {
            self.push(number)?;
        } else {
            self.discard_files(number);
        }
        Ok(true)
    }

    fn discard(&mut self, part: &Part) {
        let number = part.segment.number;
        if part.removals > 0 {
            self.garbage.push(removed::path(&self.dir, number, part.removals));
        }
        self.discard_files(number);
    }

    fn discard_files(&mut self, number: u64) {
        for extension in ["seg", "pos"] {
            self.garbage.push(segment::path(&self.dir, number, extension));
        }
    }

    fn store(&mut self) -> Result<()> {
        for part in &mut self.segments {
            if let Some(removed) = &part.removed
                && part.dirty
            {
                removed.store(&self.dir, part.segment.number, part.removals + 1)?;
                if part.removals > 0 {
                    self.garbage.push(removed::path(&self.dir, part.segment.number, part.removals));
                }
                part.removals += 1;
                part.dirty = false;
            }
        }
        self.manifest.generation += 1;
        self.manifest.segments = self
            .segments
            .iter()
            .map(|part| SegmentRef {
                number: part.segment.number,
                removals: part.removals,
                removed: part.removed.as_ref().map_or(0, |removed| removed.count),
            })
            .collect();
        self.manifest.store(&self.dir)?;
        self.pending = false;
        for path in self.garbage.drain(..) {
            // Readers may hold it open where that forbids removal; the next writer sweeps again.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Removes files that the manifest does not name: what a crash, or a reader that held on, left behind.
    fn sweep(&mut self) -> Result<()> {
        let mut named = FxHashSet::default();
        for entry in &self.manifest.segments {
            named.insert(segment::path(&self.dir, entry.number, "seg"));
            named.insert(segment::path(&self.dir, entry.number, "pos"));
            named.insert(removed::path(&self.dir, entry.number, entry.removals));
        }
        for path in files(&self.dir)? {
            let ours = path.extension().is_some_and(|end| end == "seg" || end == "pos" || end == "del");
            if ours && !named.contains(&path) {
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<File> {
    fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
    let path = dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    list().map_err(Error::io("list", dir))
}

fn highest_number(dir: &Path) -> Result<u64> {
    let number = |path: PathBuf| path.file_name()?.to_str()?.split('.').next()?.parse().ok();
    Ok(files(dir)?.into_iter().filter_map(number).max().unwrap_or(0))
}
