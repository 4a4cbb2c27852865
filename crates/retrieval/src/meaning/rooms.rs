//! Vectors of rooms.

use std::sync::PoisonError;

use athenaeum_core::vector::VectorStorage as _;
use athenaeum_tenancy::Scope;

use super::{Kind, Meaning, MeaningError};

impl Meaning {
    /// Removes all vectors of a room, whichever model made them.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn forget_room(&self, room: &Scope) -> Result<(), MeaningError> {
        debug_assert!(room.is_room(), "a tenant's vectors are not thrown away so");
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened().retain(|(tenant, _), _| tenant != room.tenant());
        Ok(self.vectors.remove_all(room).await?)
    }

    /// Lists the rooms of a tenant that have vectors.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn rooms(&self, scope: &Scope) -> Result<Vec<Scope>, MeaningError> {
        let names = self.vectors.tenants().await?;
        Ok(names.iter().filter_map(|name| scope.room_named(name)).collect())
    }

    /// Counts the vectors of chunks that answer, and the bytes that they take on disk, by estimate.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn size(&self, scope: &Scope) -> Result<(u64, u64), MeaningError> {
        let Some((_, collection)) = self.answering(scope, Kind::Chunks).await? else { return Ok((0, 0)) };
        let stats = collection.stats().await?;
        Ok((stats.vectors, stats.bytes))
    }

    /// Puts the vectors of chunks into segments, so that whoever opens them next has less to read.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn persist(&self, scope: &Scope) -> Result<(), MeaningError> {
        for (collection, _) in self.held(scope, Kind::Chunks).await? {
            collection.persist().await?;
        }
        Ok(())
    }
}
