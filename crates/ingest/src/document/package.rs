//! Zip archives that are documents: DOCX, PPTX, ODT, EPUB.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use zip::{ZipArchive, read::read_zipfile_from_stream};

use super::{Error, draft::Draft, letters};

/// Entries of one document.
const ENTRIES_MAX: usize = 50_000;
/// What one entry may inflate to.
const ENTRY_BYTES_MAX: u64 = 128 << 20;
/// What all that is read of one document may inflate to.
const TOTAL_BYTES_MAX: u64 = 512 << 20;
/// XML packs 10 to 60 times, empty cells a little more; the worst that deflate can do is 1,032.
const RATIO_MAX: u64 = 150;
/// From which size on the ratio is looked at.
const RATIO_FROM: u64 = 16 << 20;

/// An archive whose entries are opened by name; nothing is ever written to the disk.
pub(super) struct Package<'a> {
    source: Source<'a>,
    inflated: u64,
}

enum Source<'a> {
    Whole(Box<ZipArchive<Cursor<&'a [u8]>>>),
    /// The directory at its end is lost; these entries were found from the front.
    Salvaged(BTreeMap<String, (Vec<u8>, Option<String>)>),
}

impl<'a> Package<'a> {
    /// Opens an archive; one that was cut off gives what stands before the cut.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let source = match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => Source::Whole(Box::new(archive)),
            Err(error) => {
                let found = salvage(bytes);
                if found.is_empty() {
                    return Err(Error::damaged(format!("its archive cannot be read: {error}")));
                }
                Source::Salvaged(found)
            }
        };
        let package = Self { source, inflated: 0 };
        if matches!(&package.source, Source::Whole(archive) if archive.len() > ENTRIES_MAX) {
            return Err(Error::damaged(format!("its archive has more than {ENTRIES_MAX} entries")));
        }
        Ok(package)
    }

    pub(super) fn names(&self) -> Vec<String> {
        match &self.source {
            Source::Whole(archive) => {
                archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect()
            }
            Source::Salvaged(entries) => entries.keys().cloned().collect(),
        }
    }

    pub(super) fn tell_if_salvaged(&self, draft: &mut Draft) {
        if matches!(self.source, Source::Salvaged(_)) {
            draft.broken("", "the file ends too early; what stands before its end was read");
        }
    }

    /// The bytes of an entry; where it is damaged those before the damage, with what is wrong.
    pub(super) fn bytes(&mut self, name: &str) -> Result<(Vec<u8>, Option<String>), String> {
        let archive = match &mut self.source {
            Source::Salvaged(entries) => return entries.get(name).cloned().ok_or_else(|| MISSING.to_owned()),
            Source::Whole(archive) => archive,
        };
        let place = archive.index_for_name(name).ok_or(MISSING)?;
        let entry = archive.by_index(place).map_err(|error| error.to_string())?;
        if entry.encrypted() {
            return Err("it is encrypted".to_owned());
        }
        let most = TOTAL_BYTES_MAX.saturating_sub(self.inflated);
        let packed = entry.compressed_size();
        let read = inflate(entry, packed, most);
        self.inflated += read.0.len() as u64;
        Ok(read)
    }

    /// An entry as text; empty where it is not there.
    pub(super) fn text(&mut self, name: &str) -> String {
        self.bytes(name).map(|(bytes, _)| as_text(&bytes)).unwrap_or_default()
    }

    /// Targets of a part's relationships: id, kind (the last word of its address), target from the root of the archive.
    pub(super) fn relations(&mut self, part: &str) -> Vec<(String, String, String)> {
        let (folder, base) = part.rsplit_once('/').unwrap_or(("", part));
        let xml = self.text(&format!("{folder}/_rels/{base}.rels"));
        let relation = |event| {
            let super::xml::Event::Open(element) = event else { return None };
            if element.name != "Relationship"
                || element.attribute("TargetMode").as_deref() == Some("External")
            {
                return None;
            }
            let kind = element.attribute("Type")?.rsplit('/').next()?.to_owned();
            Some((element.attribute("Id")?, kind, joined(folder, &element.attribute("Target")?)))
        };
        super::xml::events(&xml).filter_map(relation).collect()
    }
}

const MISSING: &str = "it is not in the archive";

/// Reads an entry within the limits.
fn inflate(entry: impl Read, packed: u64, most: u64) -> (Vec<u8>, Option<String>) {
    let most = ENTRY_BYTES_MAX.min(most).min(packed.saturating_mul(RATIO_MAX).max(RATIO_FROM));
    let mut bytes = Vec::new();
    let read = entry.take(most + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > most {
        bytes.truncate(most as usize);
        return (bytes, Some(format!("it unpacks to more than {most} bytes, which no document does")));
    }
    (bytes, read.err().map(|error| error.to_string()))
}

/// Entries one after the other, as far as they can be made out.
fn salvage(bytes: &[u8]) -> BTreeMap<String, (Vec<u8>, Option<String>)> {
    let mut found = BTreeMap::new();
    let mut source = Cursor::new(bytes);
    let mut inflated = 0;
    while let Ok(Some(mut entry)) = read_zipfile_from_stream(&mut source) {
        let Ok(name) = entry.name().map(std::borrow::Cow::into_owned) else { break };
        let packed = entry.compressed_size();
        let read = inflate(&mut entry, packed, TOTAL_BYTES_MAX.saturating_sub(inflated));
        inflated += read.0.len() as u64;
        let broken = read.1.is_some();
        found.insert(name, read);
        if broken || found.len() > ENTRIES_MAX {
            // What is left of the entry cannot be passed over either.
            std::mem::forget(entry);
            break;
        }
    }
    found
}

pub(super) fn as_text(bytes: &[u8]) -> String {
    letters::decode(bytes, None).text.into_owned()
}

/// A path from the root of the archive; `..` leads no further than there.
pub(super) fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}
