//! Texts that programs hand in, and the rooms that they keep them in.
//!
//! A *room* is a part of a tenant's library that stands apart, such as what belongs to one session
//! ([`athenaeum_tenancy::Room`]): what is put into it is found when that room is searched, and never otherwise. Texts that are put
//! into no room are documents of the tenant's library like those that were read from files.
//!
//! [`Rooms::keep`] cuts texts, keeps them and makes their vectors before it returns; [`Rooms::search`] is the search of
//! [`crate::search`] within one room. A room may have a time to live: what was put there longer ago is taken out before anything
//! else is done with the room, and by [`Rooms::sweep`].
//!
//! A [`Session`] is known by name, tags and status; its texts and artifacts are in the room that [`room_of`] names.
//!
//! **Invariant:** whoever names a room reaches that room and no other; what has expired is not found, whoever sweeps when.

mod artifacts;
mod cut;
mod sessions;

use std::{collections::HashSet, sync::Arc, time::Duration};

use athenaeum_archive::{
    ErrorKind, Notice,
    library::{Having, Library, LibraryStats, RoomEntry},
};
use athenaeum_core::{DocumentId, Timestamp};
use athenaeum_tenancy::{Room, Scope};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

pub use artifacts::{Artifact, ArtifactKind, InvalidArtifact, NewArtifact};
pub use athenaeum_archive::library::{NewSession, Session, SessionStatus, SessionsWanted};
pub use cut::{By, Cutting, InvalidText, Text};
pub use sessions::{InvalidSession, room_of};

use crate::{
    meaning::{Meaning, MeaningError},
    search::{Found, Mode, Request, SearchError, Searcher, Within},
};

/// The rooms of a library. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    library: Library,
    meaning: Option<Meaning>,
    searcher: Searcher,
}

/// Why nothing was kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomsError {
    /// A text cannot be kept as it is.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// An artifact cannot be kept as it is.
    #[error(transparent)]
    Artifact(#[from] InvalidArtifact),
    /// A session is not made, found or changed.
    #[error(transparent)]
    Session(#[from] InvalidSession),
    /// A least similarity was asked for, and no model is there to tell it.
    #[error(
        "there is no model to tell how similar texts are, so no threshold can be kept; see `library.embedder`"
    )]
    NoModel,
    /// The library could not be read or written.
    #[error("the library could not be read or written")]
    Library(#[from] athenaeum_archive::Error),
    /// The vectors could not be made, read or written. What was kept is found by its words.
    #[error("the vectors could not be made or read")]
    Meaning(#[from] MeaningError),
    /// The search failed.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Work in the background broke down.
    #[error("the texts could not be cut; please report this")]
    Broken,
}

impl RoomsError {
    /// Says what can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Session(InvalidSession::Missing(_)) => ErrorKind::NotFound,
            Self::Text(_) | Self::Artifact(_) | Self::Session(_) | Self::NoModel => ErrorKind::InvalidRequest,
            Self::Library(error) => error.kind(),
            Self::Meaning(error) => error.kind(),
            Self::Search(error) => error.kind(),
            Self::Broken => ErrorKind::Internal,
        }
    }
}

/// What [`Rooms::keep`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptTexts {
    /// The ids of the texts, in the order that they were handed in.
    pub ids: Vec<String>,
    /// Chunks that are new.
    pub chunks: u64,
    /// Vectors that were made.
    pub vectors: u64,
    /// Tokens of the texts, by estimate.
    pub tokens: u64,
}

/// What to look for in a room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// Any text.
    pub query: String,
    /// How many hits at most; more than [`Request::LIMIT_MAX`] is cut to it.
    pub limit: usize,
    /// By word, by meaning, or by both.
    pub mode: Mode,
    /// The least [`RoomHit::similarity`].
    pub threshold: Option<f64>,
    /// What of the metadata has to hold.
    pub having: Vec<Having>,
}

/// What was found in a room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// In the order of the search: best first.
    pub hits: Vec<RoomHit>,
    /// What was understood differently than asked; for people.
    pub notices: Vec<Notice>,
}

/// A piece of a text that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomHit {
    /// The id that the text was handed in with; the path of a document that was read from a file.
    pub id: String,
    /// The document.
    pub document: DocumentId,
    /// The piece.
    pub text: String,
    /// The title of the text.
    pub title: Option<String>,
    /// The cosine of the piece with the query, -1.0 to 1.0; `None` where there is no model.
    pub similarity: Option<f64>,
    /// What the order is by; comparable within one answer only.
    pub rank_score: f64,
    /// As it was handed in.
    pub metadata: Map<String, Value>,
}

/// What is in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomStats {
    /// Documents, chunks and bytes of text.
    pub library: LibraryStats,
    /// Vectors that answer.
    pub vectors: u64,
    /// Bytes on disk of texts and vectors, by estimate.
    pub bytes: u64,
    /// How long a document stays; `None` where it is not taken out.
    pub ttl: Option<Duration>,
}

/// What [`Rooms::sweep`] took out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Documents that had expired.
    pub documents: u64,
    /// Rooms that are gone and had left vectors.
    pub rooms: u64,
}

impl Rooms {
    /// Works with a library and what makes its vectors; hits are ordered as `searcher` does, which searches that library.
    pub fn new(library: Library, meaning: Option<Meaning>, searcher: Searcher) -> Self {
        Self { library, meaning, searcher }
    }

    /// Returns the model that makes vectors.
    pub fn meaning(&self) -> Option<&Meaning> {
        self.meaning.as_ref()
    }

    /// Returns a room, made where there is none, and whether it was made now; see
    /// [`Library::open_room`](athenaeum_archive::library::Library::open_room).
    ///
    /// # Errors
    /// [`RoomsError::Library`].
    pub async fn open(
        &self,
        scope: &Scope,
        room: &Room,
        ttl: Option<Duration>,
    ) -> Result<(RoomEntry, bool), RoomsError> {
        Ok(self.library.open_room(scope, room, ttl).await?)
    }

    /// Lists a tenant's rooms.
    ///
    /// # Errors
    /// [`RoomsError::Library`].
    pub async fn list(&self, scope: &Scope) -> Result<Vec<RoomEntry>, RoomsError> {
        Ok(self.library.rooms(scope).await?)
    }

    /// Keeps texts, in place of those with their ids, and makes their vectors: in a room, which is made where there is none, or in
    /// the tenant's library. A batch of 256 is kept as a whole or not at all.
    ///
    /// # Cancellation
    /// After `cancel` no more vectors are made; what is kept is found by its words, and the next call makes the rest.
    ///
    /// # Errors
    /// [`RoomsError::Text`] before anything is kept; what library and model say.
    pub async fn keep(
        &self,
        scope: &Scope,
        room: Option<&Room>,
        texts: Vec<Text>,
        cutting: Cutting,
        cancel: &CancellationToken,
    ) -> Result<KeptTexts, RoomsError> {
        let cut = tokio::task::spawn_blocking(move || {
            texts.into_iter().map(|text| cut::cut(text, cutting)).collect()
        });
        let cut: Result<Vec<cut::Cut>, InvalidText> = cut.await.map_err(|_| RoomsError::Broken)?;
        let own = match room {
            Some(room) => self.library.open_room(scope, room, None).await?.0.scope,
            None => scope.clone(),
        };
        self.expire(&own, Timestamp::now()).await?;
        let mut kept = KeptTexts::default();
        let mut removed = Vec::new();
        let mut cut = cut?.into_iter().peekable();
        while cut.peek().is_some() {
            let mut batch = Vec::new();
            for cut::Cut { id, file, document, tokens } in cut.by_ref().take(BATCH) {
                kept.ids.push(id);
                kept.tokens += tokens;
                batch.push((file, document));
            }
            for done in self.library.keep(&own, batch).await? {
                kept.chunks += u64::from(done.added);
                removed.extend(done.removed);
            }
        }
        if let Some(meaning) = &self.meaning {
            meaning.remove_chunks(&own, &removed).await?;
            kept.vectors = meaning.fill(&own, &self.library, |_| {}, cancel).await?.made;
        }
        Ok(kept)
    }

    /// Finds pieces of texts in a room, or in the documents of the tenant's library. A room that is not there holds nothing.
    ///
    /// # Errors
    /// [`RoomsError::NoModel`] and what the search says.
    pub async fn search(
        &self,
        scope: &Scope,
        room: Option<&Room>,
        asked: &Asked,
    ) -> Result<Answer, RoomsError> {
        let own = match room {
            Some(room) => match self.library.room(scope, room).await? {
                Some(entry) => entry.scope,
                None => return Ok(Answer::default()),
            },
            None => scope.clone(),
        };
        if asked.threshold.is_some() && self.meaning.is_none() {
            return Err(RoomsError::NoModel);
        }
        self.expire(&own, Timestamp::now()).await?;
        let documents = match asked.having.as_slice() {
            [] => None,
            having => Some(Arc::new(self.library.having(&own, having).await?)),
        };
        // What is too far away is left out of what was found, so more is looked at.
        let limit = if asked.threshold.is_some() { Request::LIMIT_MAX } else { asked.limit };
        let request = Request {
            query: asked.query.clone(),
            within: Within::Library,
            mode: asked.mode,
            documents,
            limit,
            ..Request::default()
        };
        let found = self.searcher.search(&own, &request).await?;
        let hits = found.hits.into_iter().filter_map(|hit| match hit.found {
            Found::Chunk(chunk) => {
                let near = hit.why.meaning.map(|rank| rank.score);
                Some((near, hit.score, chunk.chunk))
            }
            Found::Message(_) => None,
        });
        let mut hits: Vec<(Option<f64>, f64, athenaeum_archive::library::Chunk)> = hits.collect();
        self.measure(&asked.query, &mut hits).await?;
        let passes =
            |near: Option<f64>| asked.threshold.is_none_or(|least| near.is_some_and(|near| near >= least));
        hits.retain(|(near, _, _)| passes(*near));
        hits.truncate(asked.limit.min(Request::LIMIT_MAX));
        let hits = hits.into_iter().map(|(similarity, rank_score, chunk)| RoomHit {
            id: cut::id_of(chunk.document.path.as_deref().unwrap_or_default()),
            document: chunk.document.id,
            title: chunk.document.title.clone(),
            metadata: metadata(chunk.document.metadata.as_deref()),
            similarity,
            rank_score,
            text: chunk.text,
        });
        Ok(Answer { hits: hits.collect(), notices: found.notices })
    }

    /// Gives those their similarity that were found by their words alone.
    async fn measure(
        &self,
        query: &str,
        hits: &mut [(Option<f64>, f64, athenaeum_archive::library::Chunk)],
    ) -> Result<(), RoomsError> {
        let Some(meaning) = &self.meaning else { return Ok(()) };
        let unmeasured = hits.iter_mut().filter(|(near, _, _)| near.is_none());
        let (places, texts): (Vec<&mut Option<f64>>, Vec<String>) =
            unmeasured.map(|(near, _, chunk)| (near, chunk.searched())).unzip();
        if !texts.is_empty() {
            let near = meaning.near_to(query, &texts).await?;
            places.into_iter().zip(near).for_each(|(place, near)| *place = Some(near));
        }
        Ok(())
    }

    /// Counts what is in a room, or in the tenant's library; `None` where there is no such room.
    ///
    /// # Errors
    /// What library and vectors say.
    pub async fn stats(&self, scope: &Scope, room: Option<&Room>) -> Result<Option<RoomStats>, RoomsError> {
        let (own, ttl) = match room {
            Some(room) => match self.library.room(scope, room).await? {
                Some(entry) => (entry.scope, entry.ttl),
                None => return Ok(None),
            },
            None => (scope.clone(), None),
        };
        self.expire(&own, Timestamp::now()).await?;
        let library = self.library.stats(&own).await?;
        let (vectors, bytes) = match &self.meaning {
            Some(meaning) => meaning.size(&own).await?,
            None => (0, 0),
        };
        let bytes = bytes + library.text_bytes;
        Ok(Some(RoomStats { library, vectors, bytes, ttl }))
    }

    /// Removes a room with all that is in it; returns how many documents that were, `None` where there is no such room.
    ///
    /// # Errors
    /// What library and vectors say.
    pub async fn remove(&self, scope: &Scope, room: &Room) -> Result<Option<u64>, RoomsError> {
        let removed = self.library.remove_room(scope, room).await?;
        if let (Some(meaning), Some(own)) = (&self.meaning, scope.room(room)) {
            meaning.forget_room(&own).await?;
        }
        Ok(removed)
    }

    /// Takes out of all rooms what has expired by `now`, and the vectors of rooms that are gone.
    ///
    /// # Errors
    /// What library and vectors say.
    pub async fn sweep(&self, scope: &Scope, now: Timestamp) -> Result<Swept, RoomsError> {
        let mut swept = Swept::default();
        // Looked for first: a room is listed before it has vectors, and one that comes meanwhile keeps its own.
        let with_vectors = match &self.meaning {
            Some(meaning) => meaning.rooms(scope).await?,
            None => Vec::new(),
        };
        for own in self.library.expiring(scope, now).await? {
            swept.documents += self.expire(&own, now).await?;
        }
        if let Some(meaning) = self.meaning.as_ref().filter(|_| !with_vectors.is_empty()) {
            let rooms: HashSet<Scope> =
                self.library.rooms(scope).await?.into_iter().map(|room| room.scope).collect();
            for own in with_vectors.iter().filter(|own| !rooms.contains(own)) {
                meaning.forget_room(own).await?;
                swept.rooms += 1;
            }
        }
        Ok(swept)
    }

    /// Puts the vectors of a room together, so that the next program that searches it has less to read. All is on the disk before.
    ///
    /// # Errors
    /// What the vectors say.
    pub async fn gather(&self, scope: &Scope, room: Option<&Room>) -> Result<(), RoomsError> {
        let own = match room {
            Some(room) => scope.room(room),
            None => Some(scope.clone()),
        };
        if let (Some(meaning), Some(own)) = (&self.meaning, own) {
            meaning.persist(&own).await?;
        }
        Ok(())
    }

    /// Closes the library. Clones answer errors afterwards.
    pub async fn close(&self) {
        self.library.close().await;
    }

    async fn expire(&self, own: &Scope, now: Timestamp) -> Result<u64, RoomsError> {
        if !own.is_room() {
            return Ok(0);
        }
        let (documents, chunks) = self.library.expire(own, now).await?;
        if let Some(meaning) = &self.meaning {
            meaning.remove_chunks(own, &chunks).await?;
        }
        Ok(documents)
    }
}

/// Tells whether a name of the ledger is that of a text or an artifact which a program handed in, and of no file.
pub fn is_of_a_program(path: &str) -> bool {
    path.starts_with(cut::OF_PROGRAMS) || path.starts_with(artifacts::OF_ARTIFACTS)
}

/// Reads what the library keeps of a text's metadata.
fn metadata(stored: Option<&str>) -> Map<String, Value> {
    stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default()
}

/// Texts kept in one transaction.
const BATCH: usize = 256;
