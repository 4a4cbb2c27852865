//! Zip archives that are documents: DOCX, PPTX, ODT, EPUB.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::{Error, letters};

/// Entries of one document.
const ENTRIES_MAX: usize = 50_000;
/// What one entry may inflate to.
const ENTRY_BYTES_MAX: u64 = 128 << 20;
/// What all that is read of one document may inflate to.
const TOTAL_BYTES_MAX: u64 = 512 << 20;
/// XML packs 10 to 60 times; the worst that deflate can do is 1,032.
const RATIO_MAX: u64 = 300;
/// From which size on the ratio is looked at.
const RATIO_FROM: u64 = 16 << 20;

/// An archive whose entries are opened by name; nothing is ever written to the disk.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    inflated: u64,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| Error::damaged(format!("its archive cannot be read: {error}")))?;
        if archive.len() > ENTRIES_MAX {
            return Err(Error::damaged(format!("its archive has more than {ENTRIES_MAX} entries")));
        }
        Ok(Self { archive, inflated: 0 })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect()
    }

    /// The bytes of an entry; where it is damaged those before the damage, with what is wrong.
    pub(super) fn bytes(&mut self, name: &str) -> Result<(Vec<u8>, Option<String>), String> {
        let place = self.archive.index_for_name(name).ok_or("it is not in the archive")?;
        let entry = self.archive.by_index(place).map_err(|error| error.to_string())?;
        if entry.encrypted() {
            return Err("it is encrypted".to_owned());
        }
        let most = ENTRY_BYTES_MAX.min(TOTAL_BYTES_MAX.saturating_sub(self.inflated));
        let most = most.min(entry.compressed_size().saturating_mul(RATIO_MAX).max(RATIO_FROM));
        let mut bytes = Vec::new();
        let read = entry.take(most + 1).read_to_end(&mut bytes);
        self.inflated += bytes.len() as u64;
        if bytes.len() as u64 > most {
            bytes.truncate(most as usize);
            return Ok((
                bytes,
                Some(format!("it unpacks to more than {most} bytes, which no document does")),
            ));
        }
        Ok((bytes, read.err().map(|error| error.to_string())))
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
