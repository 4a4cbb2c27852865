//! Models in memory: they come when they are asked for, and go when nobody has used them for a while or others need
//! the room.

use std::{
    collections::HashMap,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::local::{self, LocalModel};

/// The models in memory, several at once, within a budget.
#[derive(Debug)]
pub struct Residents {
    settings: Settings,
    state: Mutex<HashMap<PathBuf, Resident>>,
    changed: Condvar,
}

/// How models come and go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// How each is loaded.
    pub load: local::Settings,
    /// Bytes that all together may take, files and caches; `None` for no limit.
    pub budget_bytes: Option<u64>,
    /// How long one stays after its last use; `None` for ever.
    pub keep_alive: Option<Duration>,
}

#[derive(Debug)]
enum Resident {
    /// Somebody is loading it; the bytes are set aside.
    Loading {
        bytes: u64,
    },
    Here(Here),
}

#[derive(Debug)]
struct Here {
    model: Arc<LocalModel>,
    bytes: u64,
    used: Instant,
    keep_alive: Option<Duration>,
}

/// A model in use: it stays for as long as this is held.
#[derive(Debug)]
pub struct Lease {
    model: Arc<LocalModel>,
    residents: Arc<Residents>,
}

/// One of the models in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where it lies.
    pub path: PathBuf,
    /// What its files and its cache take.
    pub bytes: u64,
    /// How many use it.
    pub users: usize,
    /// Whether it is still being loaded.
    pub loading: bool,
    /// When it goes if nobody uses it; `None` if it stays, or is in use.
    pub leaves_in: Option<Duration>,
}

/// Why a model is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] Box<local::Error>),
    /// It does not fit beside those that are in use.
    #[error(
        "{} takes {needed} bytes, and {free} of the {budget} that models may take are left beside those in use; \
         wait for them, or raise the memory that models may take",
        path.display()
    )]
    NoRoom {
        /// The model.
        path: PathBuf,
        /// What it takes.
        needed: u64,
        /// What is not in use.
        free: u64,
        /// What all together may take.
        budget: u64,
    },
}

impl Residents {
    /// Starts with none.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self { settings, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Returns a model, loading it first where it is not in memory; whoever asks for one that is being loaded waits
    /// for it. `keep_alive` overrides the settings for this model from now on. Blocks.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded, or does not fit beside those in use.
    pub fn get(self: &Arc<Self>, path: &Path, keep_alive: Option<Option<Duration>>) -> Result<Lease, Error> {
        let mut state = self.lock();
        loop {
            match state.get_mut(path) {
                Some(Resident::Here(here)) => {
                    here.used = Instant::now();
                    here.keep_alive = keep_alive.unwrap_or(here.keep_alive);
                    return Ok(self.lease(&here.model));
                }
                Some(Resident::Loading { .. }) => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        let bytes = local::bytes_of(path, &self.settings.load).map_err(Box::new)?;
        self.make_room(&mut state, path, bytes)?;
        state.insert(path.to_owned(), Resident::Loading { bytes });
        drop(state);
        let loading = Loading { residents: self, path };
        let model = Arc::new(LocalModel::load(path, &self.settings.load).map_err(Box::new)?);
        std::mem::forget(loading);
        let keep_alive = keep_alive.unwrap_or(self.settings.keep_alive);
        let here = Here { model: Arc::clone(&model), bytes, used: Instant::now(), keep_alive };
        self.lock().insert(path.to_owned(), Resident::Here(here));
        self.changed.notify_all();
        Ok(self.lease(&model))
    }

    /// Lists them, by path.
    pub fn list(&self) -> Vec<Status> {
        let state = self.lock();
        let mut list: Vec<Status> = state.iter().map(|(path, resident)| resident.status(path)).collect();
        list.sort_by(|a, b| a.path.cmp(&b.path));
        list
    }

    /// Lets a model go as soon as nobody uses it. Says whether it was there.
    pub fn unload(&self, path: &Path) -> bool {
        let mut state = self.lock();
        let Some(Resident::Here(here)) = state.get_mut(path) else { return false };
        here.keep_alive = Some(Duration::ZERO);
        drop(state);
        self.sweep();
        true
    }

    /// Lets those go whose time is over, and returns when to look again. Whoever serves models calls this.
    pub fn sweep(&self) -> Option<Duration> {
        let mut gone = Vec::new();
        let mut state = self.lock();
        state.retain(|_, resident| match resident {
            Resident::Here(here)
                if here.users() == 0 && here.leaves_in().is_some_and(|left| left.is_zero()) =>
            {
                gone.push(Arc::clone(&here.model));
                false
            }
            _ => true,
        });
        let next = state.values().filter_map(|resident| resident.status(Path::new("")).leaves_in).min();
        drop(state);
        // Memory is given back without anybody waiting for the lock meanwhile.
        drop(gone);
        next
    }

    /// Makes room for `needed` bytes, letting those go that were not used for longest.
    fn make_room(
        &self,
        state: &mut MutexGuard<'_, HashMap<PathBuf, Resident>>,
        path: &Path,
        needed: u64,
    ) -> Result<(), Error> {
        let Some(budget) = self.settings.budget_bytes else { return Ok(()) };
        let bytes = |resident: &Resident| match resident {
            Resident::Loading { bytes } => *bytes,
            Resident::Here(here) => here.bytes,
        };
        let in_use = |resident: &Resident| !matches!(resident, Resident::Here(here) if here.users() == 0);
        let used: u64 = state.values().filter(|resident| in_use(resident)).map(bytes).sum();
        let free = budget.saturating_sub(used);
        if needed > free {
            return Err(Error::NoRoom { path: path.to_owned(), needed, free, budget });
        }
        while state.values().map(bytes).sum::<u64>() + needed > budget {
            let idle = state.iter().filter_map(|(path, resident)| match resident {
                Resident::Here(here) if here.users() == 0 => Some((here.used, path.clone())),
                _ => None,
            });
            let Some((_, oldest)) = idle.min() else { break };
            tracing::info!("{} makes room for {}", oldest.display(), path.display());
            state.remove(&oldest);
        }
        Ok(())
    }

    fn lease(self: &Arc<Self>, model: &Arc<LocalModel>) -> Lease {
        Lease { model: Arc::clone(model), residents: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Resident>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the place back when loading fails, or panics.
struct Loading<'a> {
    residents: &'a Residents,
    path: &'a Path,
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.residents.lock().remove(self.path);
        self.residents.changed.notify_all();
    }
}

// === impl Resident, Here ===

impl Resident {
    fn status(&self, path: &Path) -> Status {
        let path = path.to_owned();
        match self {
            Self::Loading { bytes } => {
                Status { path, bytes: *bytes, users: 0, loading: true, leaves_in: None }
            }
            Self::Here(here) => {
                let users = here.users();
                let leaves_in = here.leaves_in().filter(|_| users == 0);
                Status { path, bytes: here.bytes, users, loading: false, leaves_in }
            }
        }
    }
}

impl Here {
    /// Everybody but this entry itself.
    fn users(&self) -> usize {
        Arc::strong_count(&self.model) - 1
    }

    fn leaves_in(&self) -> Option<Duration> {
        Some(self.keep_alive?.saturating_sub(self.used.elapsed()))
    }
}

// === impl Lease ===

impl Deref for Lease {
    type Target = LocalModel;

    fn deref(&self) -> &LocalModel {
        &self.model
    }
}

impl Drop for Lease {
    /// A model stays for its time from the end of its last use, not from the beginning.
    fn drop(&mut self) {
        if let Some(Resident::Here(here)) = self.residents.lock().get_mut(self.model.path()) {
            here.used = Instant::now();
        }
    }
}
