use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use athenaeum_core::Timestamp;
use jiff::civil;
use zip::{ZipArchive, read::read_zipfile_from_stream};

use super::{Entry, ZipFault, meter::Metered, name::harmless};
use crate::context::Context;

/// What an entry may inflate to before its ratio is looked at.
const RATIO_FROM: u64 = 64 << 20;
/// Text of exports packs 5 to 20 times; the worst that deflate can do is 1,032.
const RATIO_MAX: u64 = 250;

/// Entries that a directory may name: some 100 MB of memory. Larger archives are read from the front to the end.
const ENTRIES_MAX: usize = 200_000;

/// A zip archive with a readable directory.
pub(super) struct Zipped {
    archive: ZipArchive<BufReader<Metered>>,
    /// Place in the archive's directory of each entry that is a file.
    places: Vec<usize>,
    entry_bytes_max: u64,
}

impl Zipped {
    pub(super) fn open(
        mut source: Metered,
        context: &mut Context<'_>,
    ) -> Result<(Self, Vec<Entry>), ZipFault> {
        let announced = entries_announced(&mut source).map_err(ZipFault::Io)?;
        let spare = source.into_file();
        let again = spare.try_clone().map_err(ZipFault::Io)?;
        let damaged = |reason: String, file: File| ZipFault::Directory { reason, file };
        let entries_max = context.options.files_max.min(ENTRIES_MAX);
        if announced.is_some_and(|count| count > entries_max as u64) {
            let reason = format!("it names more than {entries_max} entries; unpack it and import the folder");
            return Err(damaged(reason, again));
        }
        let source = BufReader::with_capacity(128 * 1024, Metered::new(spare, context.meter.clone()));
        let mut archive = match ZipArchive::new(source) {
            Ok(archive) => archive,
            Err(error) => return Err(damaged(error.to_string(), again)),
        };
        let named = archive.len();
        if let Some(missing) = announced.and_then(|count| count.checked_sub(named as u64)).filter(|n| *n > 0)
        {
            let entries = if missing == 1 { "1 entry has" } else { &format!("{missing} entries have") };
            context.skipped(format!(
                "{entries} the name of another one; only the last of a name is read; \
                 unpack the archive with a program that renames them"
            ));
        }
        let mut listed = list(&mut archive, context);
        listed.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let (entries, places) = listed.into_iter().unzip();
        Ok((Self { archive, places, entry_bytes_max: context.options.entry_bytes_max }, entries))
    }

    pub(super) fn open_entry(&mut self, index: usize) -> io::Result<Box<dyn Read + '_>> {
        let place = *self.places.get(index).ok_or(io::ErrorKind::NotFound)?;
        let file = self.archive.by_index(place).map_err(io::Error::other)?;
        let packed = file.compressed_size();
        Ok(Box::new(Inflating { source: file, packed, inflated: 0, bytes_max: self.entry_bytes_max }))
    }
}

/// Takes an entry and its bytes.
type Visit<'v> = dyn FnMut(&mut Context<'_>, Entry, Box<dyn Read + '_>) + 'v;

/// Calls `visit` for each entry of an archive without a usable directory, in the order of the file, until no
/// further entry can be made out.
pub(crate) fn each_streamed(file: File, context: &mut Context<'_>, visit: &mut Visit<'_>) {
    let mut source = BufReader::new(Metered::new(file, context.meter.clone()));
    if source.seek(SeekFrom::Start(0)).is_err() {
        return;
    }
    let bytes_max = context.options.entry_bytes_max;
    for _ in 0..context.options.files_max {
        let Ok(Some(file)) = read_zipfile_from_stream(&mut source) else { return };
        if context.cancelled() {
            return;
        }
        let name = file.name().map(|name| harmless(&name).0).unwrap_or_default();
        let entry = Entry { name, size: file.size(), modified: None };
        let packed = file.compressed_size();
        if file.is_file() {
            visit(context, entry, Box::new(Inflating { source: file, packed, inflated: 0, bytes_max }));
        }
    }
}

fn list(archive: &mut ZipArchive<BufReader<Metered>>, context: &mut Context<'_>) -> Vec<(Entry, usize)> {
    let archive_name = context.file.clone();
    let mut listed = Vec::new();
    let mut seen = BTreeSet::new();
    let mut spans = Vec::new();
    let entries_end = archive.central_directory_start();
    for place in 0..archive.len() {
        let file = match archive.by_index_raw(place) {
            Ok(file) => file,
            Err(error) => {
                context.begin_record(format!("entry {}", place + 1));
                context.skipped(format!("the entry cannot be read: {error}"));
                continue;
            }
        };
        if file.is_dir() {
            continue;
        }
        let raw =
            file.name().map_or_else(|_| String::from_utf8_lossy(file.name_raw()).into_owned(), Into::into);
        if file.is_symlink() {
            context.begin_record(raw.escape_debug().to_string());
            context.notice("a link; it was not followed");
            continue;
        }
        let (mut name, changed) = harmless(&raw);
        context.begin_record(raw.escape_debug().to_string());
        if changed {
            context.notice(format!("the entry's name leads out of the archive; it is read as '{name}'"));
        }
        if !seen.insert(name.clone()) {
            context.notice("another entry has the same name; both are read");
            name = format!("{name}#{}", place + 1);
        }
        if file.encrypted() {
            context.skipped("the entry is encrypted; unpack the archive with its password first");
            continue;
        }
        let modified = file.last_modified().and_then(modified);
        let content = file.data_start().unwrap_or(file.header_start());
        let end = content.saturating_add(file.compressed_size());
        // One that says it goes on beyond the archive's entries takes nothing from the others.
        spans.push((file.header_start(), if end > entries_end { content } else { end }, place));
        listed.push((Entry { name, size: file.size(), modified }, place));
    }
    let shared = overlapping(spans);
    if !shared.is_empty() {
        context.begin_record("");
        context.skipped(format!(
            "{} of the archive's entries share their bytes with others, which no export does; they are not read",
            shared.len()
        ));
        listed.retain(|(_, place)| !shared.contains(place));
    }
    context.begin_file(&archive_name, None);
    listed
}

/// Returns the places of the entries that begin within an earlier one. A few bytes can stand for terabytes so (Fifield,
/// "A better zip bomb", 2019).
fn overlapping(mut spans: Vec<(u64, u64, usize)>) -> BTreeSet<usize> {
    spans.sort_unstable();
    let mut free = 0;
    let mut shared = BTreeSet::new();
    for (start, end, place) in spans {
        if start < free {
            shared.insert(place);
        } else {
            free = end;
        }
    }
    shared
}

fn modified(time: zip::DateTime) -> Option<Timestamp> {
    let part = |value: u8| i8::try_from(value).ok();
    let year = i16::try_from(time.year()).ok()?;
    let (month, day) = (part(time.month())?, part(time.day())?);
    let (hour, minute, second) = (part(time.hour())?, part(time.minute())?, part(time.second())?);
    let time = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

/// Reads how many entries the archive says it has (APPNOTE 4.3.16 and 4.3.14), so that a directory of millions
/// is not loaded to find that out. `None` where the archive does not say.
fn entries_announced(source: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    let length = source.seek(SeekFrom::End(0))?;
    let tail = length.min(22 + 0xFFFF + 20);
    source.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = Vec::new();
    source.take(tail).read_to_end(&mut bytes)?;
    let Some(end) = memchr::memmem::rfind(&bytes, b"PK\x05\x06") else { return Ok(None) };
    let Some(count) = bytes.get(end + 10..end + 12) else { return Ok(None) };
    let count = u16::from_le_bytes([count[0], count[1]]);
    if count != u16::MAX {
        return Ok(Some(u64::from(count)));
    }
    let Some(locator) = end.checked_sub(20).and_then(|at| bytes.get(at + 8..at + 16)) else {
        return Ok(None);
    };
    let place = locator.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    source.seek(SeekFrom::Start(place.saturating_add(32)))?;
    let mut count = [0; 8];
    Ok(source.read_exact(&mut count).is_ok().then(|| u64::from_le_bytes(count)))
}

/// Gives up on an entry that grows out of all proportion.
struct Inflating<R> {
    source: R,
    packed: u64,
    inflated: u64,
    bytes_max: u64,
}

impl<R: Read> Read for Inflating<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        self.inflated += count as u64;
        let swollen = self.inflated > RATIO_FROM && self.inflated / RATIO_MAX > self.packed;
        if swollen || self.inflated > self.bytes_max {
            let reason = format!("it unpacks to more than {} bytes, which no export does", self.inflated);
            return Err(io::Error::other(reason));
        }
        Ok(count)
    }
}
