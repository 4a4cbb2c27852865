//! What browsers hold instead of keys: cookies travel to every port of a host, and keys should not.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    secret::{self, Hash},
};

/// What a browser shows instead of the key that it signed in with.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// Returns the text to keep in a cookie: 43 letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(hidden)")
    }
}

/// The sessions of one run of the program, by the hashes of their tokens.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Hash, Session>>);

#[derive(Clone)]
pub(crate) struct Session {
    /// The key that it was begun with.
    pub(crate) key: Hash,
    /// Ends with that key.
    pub(crate) ended: CancellationToken,
    used: Instant,
}

impl Sessions {
    /// Begins one for the key with the hash `key`, whose end is `ended`.
    pub(crate) fn begin(&self, key: Hash, ended: &CancellationToken) -> Result<SessionToken, Error> {
        let token = secret::random_text(43)?;
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| !session.is_over());
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash);
            oldest.and_then(|hash| sessions.remove(&hash)).inspect(|session| session.ended.cancel());
        }
        let session = Session { key, ended: ended.child_token(), used: Instant::now() };
        sessions.insert(secret::hash(&token), session);
        Ok(SessionToken(token))
    }

    /// Finds a session, and notes that it is used.
    pub(crate) fn find(&self, token: &str) -> Option<(Hash, Session)> {
        let hash = secret::hash(token);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&hash).filter(|session| !session.is_over())?;
        session.used = Instant::now();
        Some((hash, session.clone()))
    }

    pub(crate) fn end(&self, session: &Hash) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
        ended.inspect(|session| session.ended.cancel());
    }
}

impl Session {
    fn is_over(&self) -> bool {
        self.ended.is_cancelled() || self.used.elapsed() > IDLE_MAX
    }
}

/// Beyond this number the one that was not used for longest goes.
const SESSIONS_MAX: usize = 1_000;

/// How long a browser may stay away.
const IDLE_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_too_many_goes() {
        let sessions = Sessions::default();
        let key = CancellationToken::new();
        let first = sessions.begin([0; 32], &key).unwrap();
        let second = sessions.begin([0; 32], &key).unwrap();
        let (_, watched) = sessions.find(first.as_str()).unwrap();
        sessions.find(second.as_str()).unwrap();
        for _ in 2..=SESSIONS_MAX {
            sessions.begin([0; 32], &key).unwrap();
        }
        assert!(sessions.find(first.as_str()).is_none() && watched.ended.is_cancelled());
        assert!(sessions.find(second.as_str()).is_some());
        key.cancel();
        assert!(sessions.find(second.as_str()).is_none(), "it ends with its key");
        assert!(!format!("{second:?}").contains(second.as_str()));
    }
}
