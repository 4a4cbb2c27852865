use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use athenaeum_inference::{
    catalog::Catalog,
    model::SafePath,
    pull::{self, Error, Progress, Pulled, Source},
    shelf::{self, Shelf},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::models::whole;
use crate::{
    failure::sentence,
    problem::{Kind, Problem},
};

/// The models that are being fetched, and those that were lately. Cheap to clone; clones share them.
///
/// Fetching goes on when whoever asked for it leaves, and several may follow it. What was cancelled, or broke off, is gone
/// on with by the next who asks for the same.
#[derive(Clone)]
pub struct Pulls(Arc<Shared>);

struct Shared {
    shelf: Shelf,
    settings: pull::Settings,
    /// The newest last.
    pulls: Mutex<Vec<Pull>>,
}

/// One that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) id: String,
    /// As it would be typed.
    pub(crate) source: String,
    /// What the model is to be called; `None` for what it is called there.
    pub(crate) name: Option<String>,
    pub(crate) state: watch::Receiver<Fetch>,
    cancel: CancellationToken,
}

/// How far a model has come.
#[derive(Debug, Clone)]
pub(crate) enum Fetch {
    Running(Progress),
    Completed(Arc<Pulled>),
    Failed(Problem),
    Cancelled,
}

/// Models that are fetched at once.
const RUNNING_MAX: usize = 4;
/// Those that have ended and are still told of.
const ENDED_MAX: usize = 16;

impl Pulls {
    /// Fetches models into `shelf`, from where `settings` say. Who asks may sit elsewhere, so that the addresses of files
    /// that they name are of the Internet only.
    pub fn new(shelf: Shelf, settings: pull::Settings) -> Self {
        let settings = pull::Settings { internet_only: true, ..settings };
        Self(Arc::new(Shared { shelf, settings, pulls: Mutex::default() }))
    }

    /// Returns the folder that models are fetched into.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// Lists them, the newest last.
    pub(crate) fn list(&self) -> Vec<Pull> {
        self.pulls().clone()
    }

    /// Begins to fetch a model, or returns the pull that fetches it already. Learning of it when it has come is for
    /// `catalog`.
    ///
    /// # Errors
    ///
    /// If `source` says nothing that can be fetched, `name` cannot be one, or too many are fetched already.
    pub(crate) fn start(&self, source: &str, name: Option<&str>, catalog: &Catalog) -> Result<Pull, Problem> {
        let source: Source = source.parse().map_err(|error: pull::InvalidSource| {
            Problem::new(Kind::BadRequest, sentence(&error)).about("source")
        })?;
        if let Some(Err(error)) = name.map(SafePath::from_name) {
            return Err(Problem::new(Kind::BadRequest, sentence(&error)).about("name"));
        }
        let (text, name) = (source.to_string(), name.map(str::to_owned));
        let mut pulls = self.pulls();
        let running = || pulls.iter().filter(|pull| !pull.has_ended());
        if let Some(same) = running().find(|pull| pull.source == text && pull.name == name) {
            return Ok(same.clone());
        }
        if running().count() >= RUNNING_MAX {
            let detail = format!("{RUNNING_MAX} models are being fetched already; wait for one of them.");
            return Err(Problem::new(Kind::Conflict, detail).retry_after(std::time::Duration::from_secs(30)));
        }
        let asking = Progress {
            phase: pull::Phase::Asking,
            file: String::new(),
            file_sha256: None,
            file_bytes: 0,
            file_bytes_total: None,
            bytes: 0,
            bytes_total: None,
            bytes_per_second: None,
        };
        let (tell, state) = watch::channel(Fetch::Running(asking));
        let id = uuid::Uuid::now_v7().to_string();
        let pull = Pull { id, source: text, name, state, cancel: CancellationToken::new() };
        let surplus = pulls.iter().filter(|pull| pull.has_ended()).count().saturating_sub(ENDED_MAX - 1);
        let mut left = surplus;
        pulls.retain(|pull| {
            let goes = left > 0 && pull.has_ended();
            left -= usize::from(goes);
            !goes
        });
        pulls.push(pull.clone());
        drop(pulls);
        let fetching = self.clone().fetch(source, pull.clone(), tell, catalog.clone());
        tokio::spawn(fetching.in_current_span());
        Ok(pull)
    }

    async fn fetch(self, source: Source, pull: Pull, tell: watch::Sender<Fetch>, catalog: Catalog) {
        let tell = Arc::new(tell);
        let progress = Arc::clone(&tell);
        let report: pull::Report = Arc::new(move |now| {
            progress.send_replace(Fetch::Running(now.clone()));
        });
        let Shared { shelf, settings, .. } = &*self.0;
        let fetched = pull::pull(&source, shelf, pull.name.as_deref(), settings, report, &pull.cancel).await;
        let state = match fetched {
            Ok(pulled) => {
                catalog.refresh();
                Fetch::Completed(Arc::new(pulled))
            }
            Err(_) if pull.cancel.is_cancelled() => Fetch::Cancelled,
            Err(error) => {
                tracing::warn!(source = pull.source, error = %whole(&error), "a model was not fetched");
                Fetch::Failed(error.into())
            }
        };
        tell.send_replace(state);
    }

    fn pulls(&self) -> MutexGuard<'_, Vec<Pull>> {
        self.0.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Pulls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulls").field("shelf", &self.0.shelf).finish_non_exhaustive()
    }
}

impl Pull {
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(*self.state.borrow(), Fetch::Running(_))
    }

    /// Ends it soon. What has come stays, and the next pull goes on with it.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NotFound { .. } | Error::NoSuchFile { .. } => Kind::NotFound,
            Error::Shelf(shelf::Error::Exists { .. } | shelf::Error::Busy { .. }) => Kind::Conflict,
            Error::Unreachable { .. } | Error::Broken { .. } | Error::Unwell { .. } => Kind::Busy,
            Error::Disk { .. } | Error::Panicked | Error::Tls(_) | Error::Client(_) => Kind::Internal,
            _ => Kind::Unprocessable,
        };
        Self::new(kind, whole(&error))
    }
}

impl From<shelf::Error> for Problem {
    fn from(error: shelf::Error) -> Self {
        let kind = match &error {
            shelf::Error::NotFound { .. } | shelf::Error::Name(_) => Kind::UnknownModel,
            shelf::Error::Exists { .. } | shelf::Error::Busy { .. } => Kind::Conflict,
            shelf::Error::Disk { .. } => Kind::Internal,
            _ => Kind::Unprocessable,
        };
        Self::new(kind, whole(&error))
    }
}
