use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use athenaeum_inference::{
    batched::{self, Batched},
    catalog::{self, Catalog, Entry, Purpose, Unknown},
    embedder::{self, Embedder},
    local::LocalModel,
    reranker::Reranker,
    residents::{self, Lease, Residents},
};
use athenaeum_providers::Remote;
use tokio::{task::spawn_blocking, time::sleep};
use tracing::Instrument as _;

use crate::{
    failure::sentence,
    problem::{Kind, Problem},
};

/// The models that a server answers with: which there are, and which are in memory. Cheap to clone.
///
/// Nothing is made before somebody asks, so that a server which is never asked for a model pays nothing for them.
#[derive(Clone)]
pub struct Models {
    made: Arc<LazyLock<Made, Make>>,
    remotes: Arc<[Remote]>,
}

type Made = (Catalog, Arc<Residents>);
type Make = Box<dyn FnOnce() -> Made + Send>;

/// A model that is in memory for as long as this is held.
#[derive(Debug)]
pub(crate) struct Loaded<M = LocalModel> {
    pub(crate) entry: Entry,
    pub(crate) model: Lease<M>,
}

impl Models {
    /// Of those of a catalogue, kept in memory by `residents`.
    pub fn new(catalog: Catalog, residents: Arc<Residents>) -> Self {
        Self::lazily(move || (catalog, residents))
    }

    /// The same, made when somebody first asks.
    pub fn lazily(make: impl FnOnce() -> (Catalog, Arc<Residents>) + Send + 'static) -> Self {
        Self { made: Arc::new(LazyLock::new(Box::new(make))), remotes: Arc::default() }
    }

    /// The same, and those that other engines have. Where one of them has a name that a model of this server has as well, it is
    /// the one that is meant.
    #[must_use]
    pub fn with_remotes(mut self, remotes: Vec<Remote>) -> Self {
        self.remotes = remotes.into();
        self
    }

    /// Returns those on other engines.
    pub(crate) fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// Of none.
    pub(crate) fn none() -> Self {
        Self::new(Catalog::new(catalog::Settings::default()), Residents::new(residents::Settings::default()))
    }

    /// Returns which there are.
    pub fn catalog(&self) -> &Catalog {
        &self.made.0
    }

    /// Returns those in memory.
    pub fn residents(&self) -> &Arc<Residents> {
        &self.made.1
    }

    /// The same, where anybody has asked for a model yet.
    pub(crate) fn residents_if_made(&self) -> Option<&Arc<Residents>> {
        LazyLock::get(&self.made).map(|(_, residents)| residents)
    }

    /// Lets models go whose time is over, or for which memory is short, for ever. A server runs this beside its listener.
    /// `free_bytes` tells how much memory is free, and may block.
    pub async fn sweep(self, free_bytes: fn() -> Option<u64>) {
        loop {
            sleep(SWEEP_EVERY).await;
            if LazyLock::get(&self.made).is_some() {
                let models = self.clone();
                // Giving gigabytes back takes a while.
                let look = move || {
                    let residents = models.residents();
                    if let Some(free_bytes) = free_bytes() {
                        residents.relieve(free_bytes);
                    }
                    residents.sweep();
                };
                let _ = in_background(look).await;
            }
        }
    }

    /// Finds a model by a name that somebody wrote; the usual one where nothing is named.
    pub(crate) async fn find(&self, name: Option<&str>) -> Result<Entry, Problem> {
        if let Some(remote) = self.elsewhere(name).await? {
            let name = &remote.settings().name;
            let detail = format!(
                "The model {name} runs on another engine, so that its tokens and files are not known here; ask it for \
                 answers, or name a model of this server."
            );
            return Err(Problem::new(Kind::Unprocessable, detail).about("model"));
        }
        let (models, name) = (self.clone(), name.map(str::to_owned));
        in_background(move || models.catalog().resolve(name.as_deref())).await?.map_err(Problem::from)
    }

    /// Returns the name of the model that is meant where none is named; `None` where the settings name none.
    pub(crate) async fn usual(&self) -> Result<Option<String>, Problem> {
        let models = self.clone();
        let usual = move || models.catalog().settings().default.clone().filter(|name| !name.is_empty());
        in_background(usual).await
    }

    /// Lists all there are, each with whether it is in memory.
    pub(crate) async fn list(&self) -> Result<Vec<(Entry, bool)>, Problem> {
        let models = self.clone();
        in_background(move || {
            let residents = models.residents().list();
            let loaded = |entry: &Entry| residents.iter().any(|resident| resident.path == entry.path);
            models.catalog().list().into_iter().map(|entry| (entry.clone(), loaded(&entry))).collect()
        })
        .await
    }

    /// Says whether a model is in memory.
    pub(crate) fn is_loaded(&self, entry: &Entry) -> bool {
        self.residents().list().iter().any(|resident| resident.path == entry.path)
    }

    /// Brings a model that writes into memory. `keep_alive` is how long it stays after its last use, `Some(None)` for
    /// ever, where the request says so.
    pub(crate) async fn load(
        &self,
        name: Option<&str>,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<Loaded, Problem> {
        self.bring(name, keep_alive).instrument(tracing::debug_span!("model")).await
    }

    async fn bring(
        &self,
        name: Option<&str>,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<Loaded, Problem> {
        let entry = self.find(name).await?;
        self.check_memory()?;
        if entry.purpose == Purpose::Rerank {
            let detail =
                format!("The model {} scores texts, and writes none; choose another one.", entry.name);
            return Err(Problem::new(Kind::Unprocessable, detail));
        }
        let (models, path) = (self.clone(), entry.path.clone());
        let model = in_background(move || models.residents().get(&path, keep_alive)).await??;
        Ok(Loaded { entry, model })
    }

    /// Brings a model into memory that makes vectors of texts: one for that, or any that writes.
    pub(crate) async fn embedder(
        &self,
        name: Option<&str>,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<Loaded<Batched<Embedder>>, Problem> {
        let entry = self.find_for(Purpose::Embed, name).await?;
        self.check_memory()?;
        let (models, path) = (self.clone(), entry.path.clone());
        let model = in_background(move || models.residents().embedder(&path, keep_alive)).await??;
        Ok(Loaded { entry, model })
    }

    /// The same for one that scores documents against a query.
    pub(crate) async fn reranker(
        &self,
        name: Option<&str>,
        keep_alive: Option<Option<Duration>>,
    ) -> Result<Loaded<Batched<Reranker>>, Problem> {
        let entry = self.find_for(Purpose::Rerank, name).await?;
        self.check_memory()?;
        let (models, path) = (self.clone(), entry.path.clone());
        let model = in_background(move || models.residents().reranker(&path, keep_alive)).await??;
        Ok(Loaded { entry, model })
    }

    /// Refuses while the machine is so short of memory that an answer might be its end.
    fn check_memory(&self) -> Result<(), Problem> {
        if self.residents().memory().takes_requests() {
            return Ok(());
        }
        let detail = "The machine is short of memory; end other programs, or ask again in a while.";
        Err(Problem::new(Kind::NoRoom, detail).retry_after(SWEEP_EVERY))
    }

    /// Finds a model for a purpose.
    async fn find_for(&self, purpose: Purpose, name: Option<&str>) -> Result<Entry, Problem> {
        let (models, name) = (self.clone(), name.map(str::to_owned));
        let find = move || models.catalog().resolve_for(name.as_deref(), purpose);
        in_background(find).await?.map_err(Problem::from)
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let made = LazyLock::get(&self.made);
        f.debug_struct("Models").field("made", &made).field("remotes", &self.remotes).finish()
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs what blocks beside the runtime.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let span = tracing::Span::current();
    spawn_blocking(move || span.in_scope(work)).await.map_err(|error| {
        tracing::error!(%error, "work beside the runtime ended early");
        Problem::new(Kind::Internal, "The request hit a defect; please report it with the server's log.")
    })
}

impl From<Unknown> for Problem {
    fn from(unknown: Unknown) -> Self {
        let kind = match unknown {
            Unknown::OtherPurpose { .. } | Unknown::NoneFor { .. } => Kind::Unprocessable,
            _ => Kind::UnknownModel,
        };
        Self::new(kind, sentence(&unknown)).about("model")
    }
}

impl From<batched::Error> for Problem {
    fn from(error: batched::Error) -> Self {
        match error {
            batched::Error::Texts(error) => match error {
                embedder::Error::TooLong { tokens, tokens_max, .. }
                | embedder::Error::NoRoom { tokens, tokens_max, .. } => {
                    Self::context_length(tokens, tokens_max, sentence(&error))
                }
                embedder::Error::Dimensions { .. } => {
                    Self::new(Kind::BadRequest, sentence(&error)).about("dimensions")
                }
                _ => Self::new(Kind::BadRequest, sentence(&error)).about("input"),
            },
            batched::Error::Refused(refused) => refused.into(),
            batched::Error::Deadline => Self::new(Kind::TimedOut, sentence(&error)),
            _ => Self::new(Kind::Internal, sentence(&error)),
        }
    }
}

impl From<residents::Error> for Problem {
    fn from(error: residents::Error) -> Self {
        match &error {
            residents::Error::NoRoom { .. } | residents::Error::ShortOfMemory { .. } => {
                Self::new(Kind::NoRoom, sentence(&error)).retry_after(Duration::from_secs(10))
            }
            _ => {
                tracing::warn!(error = %whole(&error), "a model cannot be loaded");
                Self::new(Kind::Unprocessable, whole(&error)).about("model")
            }
        }
    }
}

/// An error with its reasons: what is wrong with a model file is for whoever chose it.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = sentence(error);
    let mut cause = error.source();
    while let Some(lower) = cause {
        text = format!("{}: {lower}.", text.trim_end_matches('.'));
        cause = lower.source();
    }
    text
}
