use std::{
    fs::{self, File},
    path::PathBuf,
};

use athenaeum_tenancy::Scope;

use crate::{Error, Vectors, error::io};

/// Held by whoever makes a tenant's vectors: no two do so at once, in whichever process. The system gives it back when the
/// process ends, however it does.
#[derive(Debug)]
pub struct Turn {
    #[expect(dead_code, reason = "held, not read")]
    lock: File,
    said: PathBuf,
}

impl Turn {
    /// Leaves word for others of how it stands: see [`Vectors::said`]. What cannot be left is not.
    pub fn say(&self, what: &str) {
        let fresh = self.said.with_extension("new");
        let written = fs::write(&fresh, what).and_then(|()| fs::rename(&fresh, &self.said));
        if let Err(error) = written {
            tracing::debug!(%error, "no word is left of how far the vectors are");
        }
    }
}

impl Vectors {
    /// Takes the turn to make a tenant's vectors; `None` while somebody else has it. Storing needs none: it keeps two from
    /// making the same vectors, not from keeping them.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn turn(&self, scope: &Scope) -> Result<Option<Turn>, Error> {
        let folder = self.0.dir.join(scope.tenant().as_str());
        fs::create_dir_all(&folder).map_err(io("create the folder", &folder))?;
        let path = folder.join("turn.lock");
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = options.map_err(io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Turn { lock, said: folder.join(SAID) })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(io("lock", path)(error)),
        }
    }

    /// Returns what the one who has the turn said last; `None` where nobody has it.
    ///
    /// # Errors
    /// As [`Vectors::turn`].
    pub fn said(&self, scope: &Scope) -> Result<Option<String>, Error> {
        if self.turn(scope)?.is_some() {
            return Ok(None);
        }
        let path = self.0.dir.join(scope.tenant().as_str()).join(SAID);
        Ok(Some(fs::read_to_string(path).unwrap_or_default()))
    }
}

const SAID: &str = "turn.txt";
