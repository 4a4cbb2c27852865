//! Vectors after what they are of was put back from a backup.

use athenaeum_archive::{Archive, library::Library};
use athenaeum_core::{
    ChunkId,
    vector::{Key, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::{Collection, Vectors};

use super::{Kind, MeaningError, conversations};

/// Takes the vectors away that are not of what `library` and `archive` hold, after a backup was put in their place, and with
/// them what was known of who has one: the next run looks for all. What is there as it was keeps its vectors. Needs no model.
///
/// Without this, a chunk that was forgotten after the backup would never get a vector again, and a message that has the number
/// of another one, which was said after the backup, would be found by what that one meant.
///
/// # Errors
/// What library, archive and vectors say.
pub async fn follow_restored(
    vectors: &Vectors,
    scope: &Scope,
    library: Option<&Library>,
    archive: &Archive,
) -> Result<(), MeaningError> {
    let rooms = match library {
        Some(library) => library.rooms(scope).await?,
        None => Vec::new(),
    };
    follow(vectors, scope, library, archive).await?;
    for room in rooms {
        follow(vectors, &room.scope, library, archive).await?;
    }
    Ok(())
}

async fn follow(
    vectors: &Vectors,
    scope: &Scope,
    library: Option<&Library>,
    archive: &Archive,
) -> Result<(), MeaningError> {
    for spec in vectors.collections(scope).await? {
        let collection = vectors.collection(scope, &spec).await?;
        if spec.name.starts_with(Kind::Chunks.beginning()) {
            forget_marks(&collection).await?;
            remove_unknown(&collection, scope, library).await?;
        } else if spec.name.starts_with(Kind::Messages.beginning()) {
            conversations::remove_others(&collection, scope, archive).await?;
        }
    }
    Ok(())
}

/// They say that all up to a chunk had their vectors; of those that came back, some had lost theirs.
async fn forget_marks(collection: &Collection) -> Result<(), MeaningError> {
    loop {
        let marks = collection.sources_after(None, PAGE).await?;
        if marks.is_empty() {
            return Ok(());
        }
        collection.remove_sources(&marks).await?;
    }
}

async fn remove_unknown(
    collection: &Collection,
    scope: &Scope,
    library: Option<&Library>,
) -> Result<(), MeaningError> {
    let Some(library) = library else { return Ok(collection.clear().await?) };
    let mut after = None;
    loop {
        let keys = collection.keys_after(after, PAGE).await?;
        let Some(last) = keys.last() else { return Ok(()) };
        after = Some(*last);
        let chunks: Vec<ChunkId> = keys.iter().map(|key| ChunkId::from_bytes(key.0)).collect();
        let known = library.known(scope, &chunks).await?;
        let unknown: Vec<Key> =
            chunks.iter().filter(|id| !known.contains(id)).map(|id| Key(*id.as_bytes())).collect();
        if !unknown.is_empty() {
            collection.delete(&unknown).await?;
        }
    }
}

/// Keys looked at, and removed, at once.
const PAGE: usize = 512;
