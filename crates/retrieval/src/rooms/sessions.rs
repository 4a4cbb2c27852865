//! Sessions by name: what is known of each, beside the room that holds its texts and artifacts.

use athenaeum_archive::library::{NewSession, Session, SessionStatus, SessionsWanted};
use athenaeum_core::SessionId;
use athenaeum_tenancy::{Room, Scope};
use serde_json::Value;

use super::{Rooms, RoomsError};

/// Why a session is not made, found or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSession {
    /// Its name is none.
    #[error("a session's name has 1 to {NAME_MAX} characters")]
    Name,
    /// What it is about is too long.
    #[error("a session's description may have {DESCRIPTION_BYTES_MAX} bytes, and this has {0}")]
    Description(usize),
    /// Its tags are none.
    #[error("a session may have {TAGS_MAX} tags of 1 to {TAG_MAX} characters each")]
    Tags,
    /// Its metadata are too long.
    #[error("metadata may have {METADATA_BYTES_MAX} bytes as JSON, and this has {0}")]
    Metadata(usize),
    /// There is no such session.
    #[error("there is no session '{0}'")]
    Missing(String),
    /// What is asked for does not follow its status.
    #[error("the session '{id}' is {}, and cannot become {}", .from.as_str(), .to.as_str())]
    Status {
        /// Its id.
        id: SessionId,
        /// What it is.
        from: SessionStatus,
        /// What it should become.
        to: SessionStatus,
    },
}

impl Rooms {
    /// Makes a session, which is active. Its room is made when something is put into it.
    ///
    /// # Errors
    /// [`RoomsError::Session`] where what is known of it is too long; [`RoomsError::Library`].
    pub async fn begin_session(&self, scope: &Scope, about: NewSession) -> Result<Session, RoomsError> {
        check(&about)?;
        Ok(self.library.add_session(scope, about).await?)
    }

    /// Returns a session by its id.
    ///
    /// # Errors
    /// [`InvalidSession::Missing`] where there is none, in [`RoomsError::Session`]; [`RoomsError::Library`].
    pub async fn session(&self, scope: &Scope, id: &str) -> Result<Session, RoomsError> {
        let found = match id.parse() {
            Ok(id) => self.library.session(scope, id).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| missing(id))
    }

    /// Lists sessions, the newest first.
    ///
    /// # Errors
    /// [`RoomsError::Library`].
    pub async fn sessions(&self, scope: &Scope, wanted: &SessionsWanted) -> Result<Vec<Session>, RoomsError> {
        Ok(self.library.sessions(scope, wanted).await?)
    }

    /// Gives a session another status: an active one may rest ([`SessionStatus::Suspended`]), one that rests be taken up again,
    /// and both come to their end ([`SessionStatus::Completed`]), behind which nothing comes.
    ///
    /// # Errors
    /// [`RoomsError::Session`] where there is none, or where it has another status; [`RoomsError::Library`].
    pub async fn turn_session(
        &self,
        scope: &Scope,
        id: &str,
        to: SessionStatus,
    ) -> Result<Session, RoomsError> {
        use SessionStatus::{Active, Completed, Suspended};
        let from: &[SessionStatus] = match to {
            Active => &[Suspended],
            Suspended => &[Active],
            Completed => &[Active, Suspended],
        };
        let parsed: SessionId = id.parse().map_err(|_| missing(id))?;
        match self.library.turn_session(scope, parsed, from, to).await? {
            Some((session, true)) => Ok(session),
            Some((Session { id, status: from, .. }, false)) => {
                Err(InvalidSession::Status { id, from, to }.into())
            }
            None => Err(missing(id)),
        }
    }

    /// Removes a session with its room, texts and artifacts.
    ///
    /// # Errors
    /// [`RoomsError::Session`] where there is none; what library and vectors say.
    pub async fn remove_session(&self, scope: &Scope, id: &str) -> Result<(), RoomsError> {
        let session = self.session(scope, id).await?;
        // The room first: where this ends half-way, the session is still there to be removed.
        self.remove(scope, &room_of(session.id)).await?;
        self.library.remove_session(scope, session.id).await?;
        Ok(())
    }
}

/// Names the room that holds a session's texts and artifacts.
#[expect(clippy::missing_panics_doc, reason = "the id of a session is the id of a room")]
pub fn room_of(session: SessionId) -> Room {
    Room::new("session", &session.to_string()).expect("a UUID is an id of a room")
}

fn missing(id: &str) -> RoomsError {
    InvalidSession::Missing(id.chars().take(64).collect()).into()
}

fn check(NewSession { name, description, tags, metadata }: &NewSession) -> Result<(), InvalidSession> {
    let is_within = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
    if name.as_ref().is_some_and(|name| !is_within(name, NAME_MAX)) {
        return Err(InvalidSession::Name);
    }
    if let Some(bytes) = description.as_ref().map(String::len).filter(|bytes| *bytes > DESCRIPTION_BYTES_MAX)
    {
        return Err(InvalidSession::Description(bytes));
    }
    if tags.len() > TAGS_MAX || !tags.iter().all(|tag| is_within(tag, TAG_MAX)) {
        return Err(InvalidSession::Tags);
    }
    match Value::Object(metadata.clone()).to_string().len() {
        bytes if bytes > METADATA_BYTES_MAX => Err(InvalidSession::Metadata(bytes)),
        _ => Ok(()),
    }
}

const NAME_MAX: usize = 255;

const DESCRIPTION_BYTES_MAX: usize = 64 << 10;

const TAGS_MAX: usize = 64;

const TAG_MAX: usize = 64;

const METADATA_BYTES_MAX: usize = super::cut::METADATA_BYTES_MAX;
