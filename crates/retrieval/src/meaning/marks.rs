//! Up to which chunk all have their vectors, so that a library of a million chunks is not gone through because of one.
//!
//! After every run that came to its end the chunk that was the newest at its beginning is entered among the vectors, as a
//! source without vectors of its own. It holds whatever else happens: rows of chunks are never used twice, a chunk never
//! changes, and what is behind a mark came later. A mark is worth nothing once its chunk is gone, or where the library is
//! another one or an older state of itself; then the mark before it is asked, and in the end every chunk. Vectors that are
//! cleared take the marks with them.

use athenaeum_archive::library::{Library, Mark};
use athenaeum_core::{ChunkId, vector::Key};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Source};

use super::MeaningError;

/// The marks of a collection.
pub(super) struct Marks {
    /// Those whose chunks are there, the last one first.
    holding: Vec<Mark>,
    going: Vec<Mark>,
}

impl Marks {
    pub(super) async fn of(
        collection: &Collection,
        scope: &Scope,
        library: &Library,
    ) -> Result<Self, MeaningError> {
        let keys = collection.sources_after(None, LISTED).await?;
        let versions = collection.versions(&keys).await?;
        let mark = |(key, version): (&Key, Option<[u8; 16]>)| {
            let [.., a, b, c, d, e, f, g, h] = version?;
            let row = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
            Some(Mark { row, chunk: ChunkId::from_bytes(key.0) })
        };
        let mut marks: Vec<Mark> = keys.iter().zip(versions).filter_map(mark).collect();
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.row));
        let chunks: Vec<ChunkId> = marks.iter().map(|mark| mark.chunk).collect();
        let known = library.known(scope, &chunks).await?;
        let (holding, going) = marks.into_iter().partition(|mark| known.contains(&mark.chunk));
        Ok(Self { holding, going })
    }

    /// Returns the last one, and how many chunks are behind it.
    pub(super) async fn last(
        &self,
        scope: &Scope,
        library: &Library,
    ) -> Result<Option<(Mark, u64)>, MeaningError> {
        let Some(last) = self.holding.first() else { return Ok(None) };
        Ok(library.newer_than(scope, last).await?.map(|newer| (*last, newer)))
    }

    /// Enters that all chunks up to `newest` have their vectors. Of the other marks those that hold stay, far apart where they
    /// are old: whoever writes at one document for days has each of its last states go.
    pub(super) async fn enter(self, collection: &Collection, newest: Mark) -> Result<(), MeaningError> {
        let Self { holding, mut going } = self;
        if holding.first() != Some(&newest) {
            let mut version = [0; 16];
            version[8..].copy_from_slice(&newest.row.to_be_bytes());
            let source = Source { id: Key(*newest.chunk.as_bytes()), version, weight: 0 };
            collection.settle(&[(source, Vec::new())]).await?;
        }
        if holding.len() >= MARKS_MAX {
            going.extend(holding.iter().skip(1).step_by(2));
        }
        remove(collection, &going).await
    }

    /// Takes all marks away.
    pub(super) async fn forget(self, collection: &Collection) -> Result<(), MeaningError> {
        remove(collection, &[self.holding, self.going].concat()).await
    }
}

/// No chunk's vector goes with a mark: ids begin with a time, and what a source's keys begin with, the end of its id, never
/// looks like one (RFC 9562, section 5.7).
async fn remove(collection: &Collection, marks: &[Mark]) -> Result<(), MeaningError> {
    let keys: Vec<Key> = marks.iter().map(|mark| Key(*mark.chunk.as_bytes())).collect();
    if !keys.is_empty() {
        collection.remove_sources(&keys).await?;
    }
    Ok(())
}

/// Marks that are kept.
const MARKS_MAX: usize = 16;

/// More than there ever are.
const LISTED: usize = 1_000;
