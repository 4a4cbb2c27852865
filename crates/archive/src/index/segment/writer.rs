use std::path::Path;

use super::{Field, KIND_POSITIONS, KIND_SEGMENT, Meta, ZONE, Zone, path};
use crate::index::{
    columns::{self, Layout},
    dictionary::DictionaryWriter,
    error::Result,
    pages::PageWriter,
    postings::PostingsWriter,
    score::Norm,
};

/// Writes a segment: all terms in order, then the columns, then [`SegmentWriter::finish`].
///
/// Memory: the lengths, the dictionary (about 12 bytes a term) and one term's postings without positions.
pub(in crate::index) struct SegmentWriter {
    file: PageWriter,
    positions: PageWriter,
    dictionary: DictionaryWriter,
    pub(in crate::index) postings: PostingsWriter,
    lengths: Vec<u16>,
    norms: [Norm; 2],
    meta: Meta,
}

impl SegmentWriter {
    /// `lengths` are those of all documents to come. The caller fills `counts`, `tokens`, `bound_means` and
    /// `shapes` of `meta`.
    pub(in crate::index) fn create(dir: &Path, number: u64, lengths: Vec<u16>, meta: Meta) -> Result<Self> {
        let file = PageWriter::create(&path(dir, number, "seg"))?;
        let positions = PageWriter::create(&path(dir, number, "pos"))?;
        let norms = meta.bound_means.map(Norm::new);
        let meta = Meta { docs: lengths.len() as u32, ..meta };
        let (dictionary, postings) = Default::default();
        Ok(Self { file, positions, dictionary, postings, lengths, norms, meta })
    }

    /// Adds documents of the open term; see [`PostingsWriter::push`].
    pub(in crate::index) fn push(
        &mut self,
        field: Field,
        docs: &[u32],
        tfs: &[u32],
        positions: &[u8],
    ) -> Result<()> {
        let norm = self.norms[field as usize];
        self.postings.push(docs, tfs, positions, &mut self.positions, &self.lengths, norm)
    }

    /// Ends the open term and names it. A term without documents leaves no trace.
    pub(in crate::index) fn end_term(&mut self, key: &[u8]) -> Result<()> {
        if let Some(entry) = self.postings.finish(&mut self.file)? {
            self.dictionary.add(key, &entry);
        }
        Ok(())
    }

    /// Writes dictionary and lengths. The other columns follow.
    pub(in crate::index) fn end_terms(&mut self) -> Result<()> {
        self.dictionary.end_block();
        let DictionaryWriter { blocks, index, top, terms, .. } = std::mem::take(&mut self.dictionary);
        let mut start = 0;
        let mut end = self.file.len();
        self.meta.parts[0] = start..end;
        for (i, part) in [blocks, index, top].into_iter().enumerate() {
            self.file.write(&part)?;
            (start, end) = (end, self.file.len());
            self.meta.parts[i + 1] = start..end;
        }
        self.meta.terms = terms;
        self.meta.lengths = Layout { at: self.file.len(), width: 2, min: 0, max: i64::from(u16::MAX) };
        let mut bytes = Vec::with_capacity(1 << 14);
        for chunk in self.lengths.chunks(1 << 13) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|length| length.to_le_bytes()));
            self.file.write(&bytes)?;
        }
        Ok(())
    }

    pub(in crate::index) fn ids(
        &mut self,
        range: (i64, i64),
        values: impl Iterator<Item = Option<i64>>,
    ) -> Result<()> {
        self.meta.ids = columns::write(&mut self.file, range, values)?;
        Ok(())
    }

    pub(in crate::index) fn conversations(
        &mut self,
        range: (i64, i64),
        values: impl Iterator<Item = Option<i64>>,
    ) -> Result<()> {
        self.meta.conversations = columns::write(&mut self.file, range, values)?;
        Ok(())
    }

    pub(in crate::index) fn shapes(
        &mut self,
        range: (i64, i64),
        values: impl Iterator<Item = Option<i64>>,
    ) -> Result<()> {
        self.meta.shape_of = columns::write(&mut self.file, range, values)?;
        Ok(())
    }

    /// Writes the times and the zones.
    pub(in crate::index) fn times(
        &mut self,
        range: (i64, i64),
        values: impl Iterator<Item = Option<i64>>,
    ) -> Result<()> {
        let mut zones: Vec<Zone> = Vec::new();
        let mut doc = 0_u32;
        let watched = values.inspect(|value| {
            if doc.is_multiple_of(ZONE) {
                zones.push(Zone { min: i64::MAX, max: i64::MIN });
            }
            doc += 1;
            if let Some(zone) = zones.last_mut() {
                zone.min = zone.min.min(value.unwrap_or(i64::MIN));
                zone.max = zone.max.max(value.unwrap_or(i64::MIN));
            }
        });
        self.meta.times = columns::write(&mut self.file, range, watched)?;
        self.meta.zones = self.file.len();
        for zone in zones {
            self.file.write(&zone.min.to_le_bytes())?;
            self.file.write(&zone.max.to_le_bytes())?;
        }
        Ok(())
    }

    /// Waits until the disk holds both files.
    pub(in crate::index) fn finish(self) -> Result<()> {
        self.positions.finish(KIND_POSITIONS, b"")?;
        self.file.finish(KIND_SEGMENT, &self.meta.encode())
    }
}
