//! Many vectors of one thing, such as a conversation of many messages: whether they are all there, of which state of it.

use std::collections::HashSet;

use athenaeum_core::vector::Key;

use crate::{Collection, Error};

/// Something that many vectors are of. Their keys begin with [`Source::beginning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its id; the last eight bytes tell it from the others of its collection.
    pub id: Key,
    /// Which state of it the vectors show.
    pub version: [u8; 16],
    /// What it counts for among all, such as its messages.
    pub weight: u64,
}

/// What of its sources a collection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Sources.
    pub sources: u64,
    /// Their weights together.
    pub weight: u64,
}

impl Source {
    /// Returns what the keys of a source's vectors begin with.
    pub fn beginning(id: Key) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, h] = id.0;
        [a, b, c, d, e, f, g, h]
    }
}

impl Collection {
    /// Enters that all vectors of some sources are there: those of the keys beside each. Others of them are removed; returns
    /// how many.
    ///
    /// # Errors
    /// Where the database fails; then nothing has changed.
    pub async fn settle(&self, sources: &[(Source, Vec<Key>)]) -> Result<u64, Error> {
        if sources.is_empty() {
            return Ok(0);
        }
        self.database().settle(self.id(), sources).await
    }

    /// Returns of each source the version whose vectors are all there.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn versions(&self, sources: &[Key]) -> Result<Vec<Option<[u8; 16]>>, Error> {
        self.database().versions(self.id(), sources).await
    }

    /// Removes sources with all their vectors, entered or not, and returns how many vectors there were.
    ///
    /// # Errors
    /// Where the database fails; then nothing has changed.
    pub async fn remove_sources(&self, sources: &[Key]) -> Result<u64, Error> {
        self.database().remove_sources(self.id(), sources).await
    }

    /// Lists sources by id, from after one on.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn sources_after(&self, after: Option<Key>, limit: usize) -> Result<Vec<Key>, Error> {
        self.database().sources_after(self.id(), after, limit).await
    }

    /// Returns the keys of a source's vectors, at most so many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn keys_of(&self, source: Key, limit: usize) -> Result<HashSet<Key>, Error> {
        self.database().keys_of(self.id(), source, limit).await
    }

    /// Lists keys of vectors in their order, from after one on.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn keys_after(&self, after: Option<Key>, limit: usize) -> Result<Vec<Key>, Error> {
        self.database().keys_after(self.id(), after, limit).await
    }

    /// Counts sources whose vectors are all there. The number is kept with every change.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn settled(&self) -> Result<Settled, Error> {
        self.database().settled(self.id()).await
    }
}
