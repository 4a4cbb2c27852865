use std::{sync::Arc, time::Duration};

use athenaeum_archive::{Archive, State};
use athenaeum_hardware::{Backends, Overrides, Probe};
use athenaeum_retrieval::{Chats, Imports, librarian::Librarian, memory::Place};
use athenaeum_tenancy::{Keys, Scope};
use tokio::sync::Semaphore;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Access, LlamaServer, Metrics, Models, Problem, Pulls, Settings,
    hardware::Machine,
    openai::Running,
    problem::Kind,
    resume::Streams,
    serving::{Ask, Counts, Input, Keeping, Limits},
    watch::ArchiveWatch,
};

/// What the routes work with. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Api {
    pub(crate) archive: Archive,
    pub(crate) imports: Imports,
    pub(crate) librarian: Option<Librarian>,
    pub(crate) memory: Option<Place>,
    pub(crate) scope: Scope,
    pub(crate) access: Access,
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Metrics,
    pub(crate) watch: Arc<ArchiveWatch>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) models: Models,
    pub(crate) state: Option<State>,
    pub(crate) chats: Option<Chats>,
    pub(crate) resumable: Streams,
    pub(crate) running: Running,
    pub(crate) pulls: Option<Pulls>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) llama_server: Arc<LlamaServer>,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
}

impl Api {
    /// Answers for this installation's one tenant.
    pub fn new(archive: Archive, imports: Imports, settings: Settings) -> Self {
        Self {
            archive,
            imports,
            librarian: None,
            memory: None,
            scope: athenaeum_tenancy::local(),
            access: Access::new(Keys::none(), &settings),
            metrics: Metrics::new(),
            watch: Arc::default(),
            machine: Arc::new(Machine::new(Probe::default(), Overrides::default(), Backends::default())),
            models: Models::none(),
            state: None,
            chats: None,
            resumable: Streams::default(),
            running: Running::default(),
            pulls: None,
            counts: Arc::default(),
            llama_server: Arc::default(),
            uploads: Arc::new(Semaphore::new(settings.uploads_max.max(1))),
            streams: Arc::new(Semaphore::new(settings.streams_max.max(1))),
            settings: Arc::new(settings),
        }
    }

    /// Answers for whomever `scope` belongs to instead.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Keeps documents, searches them and answers from them; without this there is no library of documents.
    #[must_use]
    pub fn with_librarian(mut self, librarian: Librarian) -> Self {
        self.librarian = Some(librarian);
        self
    }

    /// Remembers what clients ask for; nothing is remembered without this.
    #[must_use]
    pub fn with_memory(mut self, memory: Place) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Lets in whom `keys` let in, instead of everybody.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.access = Access::new(keys, &self.settings);
        self
    }

    /// Tells of the machine that `probe` sees, with what `overrides` want of it and what the program can use. It is looked
    /// at when somebody asks.
    #[must_use]
    pub fn with_hardware(mut self, probe: Probe, overrides: Overrides, backends: Backends) -> Self {
        self.machine = Arc::new(Machine::new(probe, overrides, backends));
        self
    }

    /// Answers with these models; with none where nothing is said.
    #[must_use]
    pub fn with_models(mut self, models: Models) -> Self {
        self.models = models;
        self
    }

    /// Keeps there what clients want to come back to; nothing is kept without this.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Keeps what is said to models as conversations of the archive; nothing is kept there without this.
    #[must_use]
    pub fn with_chats(mut self, chats: Chats) -> Self {
        self.chats = Some(chats);
        self
    }

    /// Fetches models for those who ask for it; nobody may where nothing is said.
    #[must_use]
    pub fn with_pulls(mut self, pulls: Pulls) -> Self {
        self.pulls = Some(pulls);
        self
    }

    /// Returns what fetches models and keeps them.
    pub(crate) fn pulls(&self) -> Result<&Pulls, Problem> {
        self.pulls.as_ref().ok_or_else(|| {
            Problem::new(Kind::Unsupported, "This server was not set up to fetch and remove models.")
        })
    }

    /// Answers at llama.cpp's addresses as its server does that is started so.
    #[must_use]
    pub fn with_llama_server(mut self, flags: LlamaServer) -> Self {
        self.llama_server = Arc::new(flags);
        self
    }

    /// Begins what a request asks of a model, with what this server lays down.
    pub(crate) fn ask(&self, input: Input) -> Ask {
        Ask {
            time: Duration::from_secs(self.settings.answer_seconds.max(1)),
            owner: self.owner(),
            counts: Arc::clone(&self.counts),
            pictures: self.pictures(),
            keeping: self.chats.clone().map(|chats| Keeping::new(chats, self.scope.clone())),
            ..Ask::new(input)
        }
    }

    /// Says how much of pictures is taken of one request.
    pub(crate) fn pictures(&self) -> Limits {
        Limits::from(&*self.settings)
    }

    /// Returns who shares a cache: see [`athenaeum_inference::engine::Request::owner`].
    pub(crate) fn owner(&self) -> u64 {
        xxh3_64(self.scope.tenant().as_str().as_bytes())
    }

    /// Returns the counters that `/metrics` writes, to hand to [`crate::observe`].
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns who is let in, to hand to [`crate::protect`].
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the limits that the routes keep, to hand to [`crate::protect`].
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
