//! The segments that a search looks at: one state of the index, kept while it is used.

use std::{io, path::Path, sync::Arc};

use super::{
    error::{Error, Result},
    manifest::Manifest,
    removed::Removed,
    segment::{Field, Segment},
};

/// A writer may replace files between our reading the list and opening them; then the list has changed too.
const OPEN_ATTEMPTS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) manifest: Manifest,
    pub(super) parts: Vec<SnapshotPart>,
}

/// A segment and what was removed from it.
#[derive(Debug, Clone)]
pub(super) struct SnapshotPart {
    pub(super) segment: Arc<Segment>,
    pub(super) removed: Option<Arc<Removed>>,
    removals: u32,
}

impl Snapshot {
    /// Opens what the manifest names now, and keeps what `old` has open already.
    pub(super) fn open(dir: &Path, old: &Self) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let manifest = Manifest::load(dir)?;
            match Self::parts(dir, &manifest, old) {
                Ok(parts) => return Ok(Self { manifest, parts }),
                Err(error) if attempt < OPEN_ATTEMPTS && is_gone(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn parts(dir: &Path, manifest: &Manifest, old: &Self) -> Result<Vec<SnapshotPart>> {
        let mut parts = Vec::with_capacity(manifest.segments.len());
        for entry in &manifest.segments {
            let known = old.parts.iter().find(|part| part.segment.number == entry.number);
            let segment = match known {
                Some(part) => Arc::clone(&part.segment),
                None => Arc::new(Segment::open(dir, entry.number)?),
            };
            let removed = match (entry.removals, known) {
                (0, _) => None,
                (removals, Some(part)) if part.removals == removals => part.removed.clone(),
                (removals, _) => Some(Arc::new(Removed::load(dir, entry.number, removals)?)),
            };
            parts.push(SnapshotPart { segment, removed, removals: entry.removals });
        }
        Ok(parts)
    }

    /// Documents and their mean length, removed ones included until they are merged away.
    pub(super) fn statistics(&self, field: Field) -> (u64, f64) {
        let (mut documents, mut tokens) = (0, 0);
        for part in &self.parts {
            documents += u64::from(part.segment.meta.counts[field as usize]);
            tokens += part.segment.meta.tokens[field as usize];
        }
        (documents, tokens as f64 / documents.max(1) as f64)
    }

    /// Documents that hold a term, likewise.
    pub(super) fn document_frequency(&self, field: Field, term: &str) -> Result<u64> {
        let mut documents = 0;
        for part in &self.parts {
            documents += part.segment.find(field, term)?.map_or(0, |entry| u64::from(entry.df));
        }
        Ok(documents)
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
