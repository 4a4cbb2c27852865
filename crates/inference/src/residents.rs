//! Models in memory: they come when they are asked for, and go when nobody has used them for a while or others need
//! the room.
//!
//! One budget holds for all of them, whatever they are for, and one set of threads computes them in turn. A file that is
//! asked for as a decoder and as an embedder is loaded twice, and counts twice. A file that was replaced since it was loaded
//! is loaded anew; those that use the old one keep it until they are done.

mod guard;
mod seat;

use std::{
    collections::HashMap,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use guard::{Level, Thresholds};

use self::seat::{Here, Seated};
use crate::{
    batched::Batched,
    catalog::Purpose,
    embedder::{self, Embedder},
    engine,
    local::{self, LocalModel},
    model::{self, Stamp},
    processor::Processor,
    reranker::Reranker,
};

/// The models in memory, several at once, within a budget.
#[derive(Debug)]
pub struct Residents {
    settings: Settings,
    processor: Processor,
    state: Mutex<State>,
    changed: Condvar,
}

/// How models come and go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// How each is loaded. Those that make something of texts take what it says of memory, context, threads and queues.
    pub load: local::Settings,
    /// Bytes that all together may take, files and caches; `None` for no limit.
    pub budget_bytes: Option<u64>,
    /// How long one stays after its last use; `None` for ever.
    pub keep_alive: Option<Duration>,
    /// When [`Residents::relieve`] finds memory to be short.
    pub short_of_memory: Thresholds,
}

#[derive(Debug, Default)]
struct State {
    residents: HashMap<Key, Resident>,
    /// Whose files were replaced while somebody used them.
    replaced: Vec<(Key, Here)>,
    /// Bytes that were free when somebody last looked, and what they mean.
    memory: Option<(u64, Level)>,
}

/// A file, and what it was loaded for.
type Key = (PathBuf, Purpose);

#[derive(Debug)]
enum Resident {
    /// Somebody is loading it; the bytes are set aside.
    Loading {
        bytes: u64,
    },
    Here(Here),
}

/// A model in use: it stays for as long as this is held. Derefs to the model.
#[derive(Debug)]
pub struct Lease<M = LocalModel> {
    model: Arc<M>,
    key: Key,
    residents: Arc<Residents>,
}

/// An embedder in use.
pub type EmbedderLease = Lease<Batched<Embedder>>;

/// A reranker in use.
pub type RerankerLease = Lease<Batched<Reranker>>;

/// One of the models in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where it lies.
    pub path: PathBuf,
    /// What it was loaded for.
    pub purpose: Purpose,
    /// What its files and its cache take.
    pub bytes: u64,
    /// How many use it.
    pub users: usize,
    /// Whether it is still being loaded.
    pub loading: bool,
    /// Whether its files have been replaced by others since, which the next who asks gets.
    pub replaced: bool,
    /// When it goes if nobody uses it; `None` if it stays, or is in use.
    pub leaves_in: Option<Duration>,
    /// How long it stays after its last use; `None` for ever.
    pub stays: Option<Duration>,
    /// What its engine is doing, where it has one.
    pub engine: Option<engine::Stats>,
}

/// Why a model is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] Box<local::Error>),
    /// It cannot be loaded to make something of texts.
    #[error("{} cannot be loaded", path.display())]
    Texts {
        /// The model.
        path: PathBuf,
        /// Why.
        source: Box<embedder::LoadError>,
    },
    /// The system gives no thread.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
    /// The machine is short of memory.
    #[error(
        "{} is not loaded while only {} MiB of memory are free; end other programs, or wait until models go",
        path.display(),
        free_bytes >> 20
    )]
    ShortOfMemory {
        /// The model.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
    },
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
        let processor = Processor::new(settings.load.engine.threads);
        Arc::new(Self { settings, processor, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Returns a model that generates, loading it first where it is not in memory; whoever asks for one that is being
    /// loaded waits for it. `keep_alive` overrides the settings for this model from now on. Blocks.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded, or does not fit beside those in use.
    pub fn get(self: &Arc<Self>, path: &Path, keep_alive: Option<Option<Duration>>) -> Result<Lease, Error> {
        self.seat(path, keep_alive)
    }

    /// The same for a model that makes vectors of texts.
    ///
    /// # Errors
    ///
    /// As of [`Residents::get`].
    pub fn embedder(
        self: &Arc<Self>,
        path: &Path,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<EmbedderLease, Error> {
        self.seat(path, keep_alive)
    }

    /// The same for a model that scores pairs of texts.
    ///
    /// # Errors
    ///
    /// As of [`Residents::get`].
    pub fn reranker(
        self: &Arc<Self>,
        path: &Path,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<RerankerLease, Error> {
        self.seat(path, keep_alive)
    }

    /// Lists them, by path and purpose.
    pub fn list(&self) -> Vec<Status> {
        let state = self.lock();
        let here = state.residents.iter().map(|(key, resident)| resident.status(key));
        let replaced = state.replaced.iter().map(|(key, here)| Status { replaced: true, ..here.status(key) });
        let mut list: Vec<Status> = here.chain(replaced).collect();
        list.sort_by(|a, b| (&a.path, a.purpose, a.replaced).cmp(&(&b.path, b.purpose, b.replaced)));
        list
    }

    /// Lets a model go as soon as nobody uses it, whatever it was loaded for. Says whether it was there.
    pub fn unload(&self, path: &Path) -> bool {
        let mut state = self.lock();
        let mut found = false;
        for (_, resident) in state.residents.iter_mut().filter(|((at, _), _)| at == path) {
            if let Resident::Here(here) = resident {
                here.keep_alive = Some(Duration::ZERO);
                found = true;
            }
        }
        drop(state);
        self.sweep();
        found
    }

    /// Lets those go whose time is over, and returns when to look again. Whoever serves models calls this.
    pub fn sweep(&self) -> Option<Duration> {
        let mut state = self.lock();
        let over = |here: &Here| here.leaves_in().is_some_and(|left| left.is_zero());
        let gone = state.take_idle(over);
        let next = state.residents.iter().filter_map(|(key, resident)| resident.status(key).leaves_in).min();
        drop(state);
        // Memory is given back without anybody waiting for the lock meanwhile.
        drop(gone);
        next
    }

    /// Takes note of how much memory is free, does what that level asks for ([`Level`]), and returns it. Whoever serves
    /// models calls this now and then, before it takes requests; where nobody does, memory is never short.
    pub fn relieve(&self, free_bytes: u64) -> Level {
        let level = Level::of(free_bytes, &self.settings.short_of_memory);
        let mut state = self.lock();
        state.memory = Some((free_bytes, level));
        let gone = if level.takes_requests() { Vec::new() } else { state.take_idle(|_| true) };
        if level == Level::Emergency {
            for resident in state.residents.values_mut() {
                if let Resident::Here(here) = resident {
                    here.keep_alive = Some(Duration::ZERO);
                }
            }
        }
        drop(state);
        if !gone.is_empty() {
            tracing::warn!("{} models go: only {} MiB of memory are free", gone.len(), free_bytes >> 20);
        }
        drop(gone);
        level
    }

    /// Returns what [`Residents::relieve`] found last.
    pub fn memory(&self) -> Level {
        self.lock().memory.map_or(Level::Safe, |(_, level)| level)
    }

    /// How all of them are computed.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn seat<M: Seated>(
        self: &Arc<Self>,
        path: &Path,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<Lease<M>, Error> {
        let key = (path.to_owned(), M::PURPOSE);
        let stamp = Stamp::of(path).map_err(|source| opening(path, source))?;
        if let Some(lease) = self.known(&key, &stamp, keep_alive) {
            return Ok(lease);
        }
        let bytes = M::bytes_of(path, &self.settings.load)?;
        // Somebody else may have begun meanwhile.
        let mut state = self.lock();
        if state.residents.contains_key(&key) {
            drop(state);
            return self.seat(path, keep_alive);
        }
        if let Some((free_bytes, level)) = state.memory
            && !level.loads_more()
        {
            return Err(Error::ShortOfMemory { path: path.to_owned(), free_bytes });
        }
        self.make_room(&mut state, path, bytes)?;
        state.residents.insert(key.clone(), Resident::Loading { bytes });
        drop(state);
        let loading = Loading { residents: self, key: &key };
        let model = Arc::new(M::load(&self.processor, path, &self.settings.load)?);
        std::mem::forget(loading);
        let keep_alive = keep_alive.unwrap_or(self.settings.keep_alive);
        let here = Here { model: M::keep(&model), bytes, used: Instant::now(), keep_alive, stamp };
        self.lock().residents.insert(key.clone(), Resident::Here(here));
        self.changed.notify_all();
        Ok(Lease { model, key, residents: Arc::clone(self) })
    }

    /// Returns a model that is in memory, waiting for it where somebody is loading it. One whose files are others by now is
    /// none.
    fn known<M: Seated>(
        self: &Arc<Self>,
        key: &Key,
        stamp: &Stamp,
        keep_alive: Option<Option<Duration>>,
    ) -> Option<Lease<M>> {
        let mut state = self.lock();
        loop {
            match state.residents.get_mut(key) {
                Some(Resident::Here(here)) if here.stamp == *stamp => {
                    here.used = Instant::now();
                    here.keep_alive = keep_alive.unwrap_or(here.keep_alive);
                    let model = M::of(&here.model)?;
                    return Some(Lease { model, key: key.clone(), residents: Arc::clone(self) });
                }
                Some(Resident::Loading { .. }) => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(Resident::Here(_)) => {
                    tracing::info!("the files of {} are others now, and are loaded anew", key.0.display());
                    let gone = state.replace(key);
                    drop(state);
                    drop(gone);
                    return None;
                }
                None => return None,
            }
        }
    }

    /// Makes room for `needed` bytes, letting those go that were not used for longest.
    fn make_room(&self, state: &mut MutexGuard<'_, State>, path: &Path, needed: u64) -> Result<(), Error> {
        let Some(budget) = self.settings.budget_bytes else { return Ok(()) };
        let free = budget.saturating_sub(state.bytes(true));
        if needed > free {
            return Err(Error::NoRoom { path: path.to_owned(), needed, free, budget });
        }
        while state.bytes(false).saturating_add(needed) > budget {
            let Some(oldest) = state.oldest_idle() else { break };
            tracing::info!("{} makes room for {}", oldest.0.display(), path.display());
            state.residents.remove(&oldest);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn opening(path: &Path, source: std::io::Error) -> Error {
    Error::Load(Box::new(model::Error::Open { path: path.to_owned(), source }.into()))
}

/// Takes the place back when loading fails, or panics.
struct Loading<'a> {
    residents: &'a Residents,
    key: &'a Key,
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.residents.lock().residents.remove(self.key);
        self.residents.changed.notify_all();
    }
}

// === impl State, Resident ===

impl State {
    /// Adds up what all take, or those alone that are in use.
    fn bytes(&self, in_use: bool) -> u64 {
        let here = self.residents.values().filter(|resident| !in_use || resident.is_in_use());
        let replaced = self.replaced.iter().filter(|(_, here)| !in_use || here.users() > 0);
        let bytes = here.map(Resident::bytes).chain(replaced.map(|(_, here)| here.bytes));
        bytes.fold(0, u64::saturating_add)
    }

    fn oldest_idle(&mut self) -> Option<Key> {
        self.replaced.retain(|(_, here)| here.users() > 0);
        let idle = self.residents.iter().filter_map(|(key, resident)| match resident {
            Resident::Here(here) if here.users() == 0 => Some((here.used, key.clone())),
            _ => None,
        });
        idle.min().map(|(_, key)| key)
    }

    /// Takes out those that nobody uses and that `go`.
    fn take_idle(&mut self, go: impl Fn(&Here) -> bool) -> Vec<Resident> {
        let idle = |_: &Key, resident: &mut Resident| matches!(resident, Resident::Here(here) if here.users() == 0 && go(here));
        let gone = self.residents.extract_if(idle).map(|(_, resident)| resident);
        let mut gone: Vec<Resident> = gone.collect();
        let replaced = self.replaced.extract_if(.., |(_, here)| here.users() == 0);
        gone.extend(replaced.map(|(_, here)| Resident::Here(here)));
        gone
    }

    /// Makes the place of one free whose files were replaced, and returns it if nobody uses it.
    fn replace(&mut self, key: &Key) -> Option<Resident> {
        match self.residents.remove(key)? {
            Resident::Here(here) if here.users() > 0 => {
                self.replaced.push((key.clone(), here));
                None
            }
            other => Some(other),
        }
    }
}

impl Resident {
    fn bytes(&self) -> u64 {
        match self {
            Self::Loading { bytes } => *bytes,
            Self::Here(here) => here.bytes,
        }
    }

    fn is_in_use(&self) -> bool {
        !matches!(self, Self::Here(here) if here.users() == 0)
    }

    fn status(&self, key: &Key) -> Status {
        match self {
            Self::Loading { bytes } => Status {
                path: key.0.clone(),
                purpose: key.1,
                bytes: *bytes,
                users: 0,
                loading: true,
                replaced: false,
                leaves_in: None,
                stays: None,
                engine: None,
            },
            Self::Here(here) => here.status(key),
        }
    }
}

// === impl Lease ===

impl<M> Deref for Lease<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.model
    }
}

impl<M> Drop for Lease<M> {
    /// A model stays for its time from the end of its last use, not from the beginning.
    fn drop(&mut self) {
        if let Some(Resident::Here(here)) = self.residents.lock().residents.get_mut(&self.key) {
            here.used = Instant::now();
        }
    }
}
