//! Models fetched from where others publish them: resumed where they stopped, checked, and whole or not there.
//!
//! [`pull`] takes a [`Source`], asks its server which files a model has, fetches them one after the other into
//! [`Shelf`]'s folder of what is still coming, checks each by its length and SHA-256, opens the whole as a model, and
//! only then gives it its name. Broken connections and busy servers are met with patience; after a crash the next
//! call goes on with what was on the disk.
//!
//! Files come one at a time over one connection, because that is what servers of models ask for, and what makes the
//! order of bytes, and so the checksum, simple.
//!
//! **Invariant:** no name from the network leaves the folder, no token goes to another server than the one that it is
//! for, and no server of the Internet can lead a request into this machine's own network.

mod address;
mod error;
mod fetch;
mod hub;
mod net;
mod ollama;
mod part;
mod plan;
mod progress;
mod source;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use url::Url;

pub use athenaeum_outbound::{Proxy, Token};
pub use error::Error;
pub use progress::{Phase, Progress};
pub use source::{HubSource, InvalidSource, OllamaSource, Source};

use crate::{
    model::{Record, SafePath, Summary},
    shelf::{Error as ShelfError, Kept, Shelf, Staging, room},
};
use fetch::Fetching;
use net::Net;
use plan::Plan;
use progress::Tracker;

/// How models are fetched.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the hub is, or a mirror of it.
    pub hub: Url,
    /// What says to the hub who asks. Sent to the hub's own address only.
    pub hub_token: Option<Token>,
    /// Where Ollama's registry is, or one that speaks like it.
    pub ollama_registry: Url,
    /// What stands between this machine and the Internet, if anything does. It then judges where connections lead.
    pub proxy: Option<Proxy>,
    /// Addresses of files may be of the Internet only, not of this machine's own network: for those who fetch on behalf
    /// of others. What is set above may be of any network.
    pub internet_only: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a server may say nothing.
    pub idle_timeout: Duration,
    /// How often in a row a request may fail, without a single byte, until it is given up.
    pub retries_max: u32,
    /// How long to wait after the first failure; twice as long after each further one, at most half a minute.
    pub retry_wait: Duration,
}

/// What is to be told while a model is fetched. Called from any thread, ten times a second at most.
pub type Report = Arc<dyn Fn(&Progress) + Send + Sync>;

/// A model that was fetched.
#[derive(Debug)]
pub struct Pulled {
    /// The model as it is kept.
    pub kept: Kept,
    /// What it says of itself; `None` where it had come before.
    pub summary: Option<Summary>,
    /// Bytes that came now.
    pub fetched_bytes: u64,
    /// Bytes that had come before and were gone on with.
    pub resumed_bytes: u64,
    /// Choices that were made, and what was left out.
    pub notes: Vec<String>,
}

/// Fetches the model at `source` into `shelf`, as `name` or as it is called there.
///
/// Where the very same files are there already, nothing is fetched. `cancel` ends it soon.
///
/// # Errors
///
/// See [`Error`]. What has come stays in the folder of what is still coming, and the next call goes on with it, except
/// where it proved wrong.
///
/// # Cancellation
///
/// May be dropped at any point, which is as good as a crash: nothing is lost or half there.
pub async fn pull(
    source: &Source,
    shelf: &Shelf,
    name: Option<&str>,
    settings: &Settings,
    report: Report,
    cancel: &CancellationToken,
) -> Result<Pulled, Error> {
    let name = name.map(SafePath::from_name).transpose()?;
    let (net, tracker) = (Net::new(settings)?, Arc::new(Tracker::new(report)));
    let fetching = Fetching { net: &net, settings, tracker: &tracker, cancel };
    let plan = plan::of(source, &fetching).await?;
    let name = name.unwrap_or_else(|| plan.name.clone()).to_name();
    if let Some(kept) = same(shelf, &name, &plan)? {
        let notes = plan.notes;
        return Ok(Pulled { kept, summary: None, fetched_bytes: 0, resumed_bytes: 0, notes });
    }
    let mut staging = Staging::open(shelf, &name)?;
    let result = files(&plan, &mut staging, &fetching).await;
    let record = match result {
        Ok(record) => record,
        Err(error) => {
            staging.leave();
            return Err(error);
        }
    };
    tracker.phase(Phase::Opening);
    let summary = match staging.check(plan.main.as_ref()) {
        Ok(model) => model.summary(),
        Err(error) => {
            staging.discard()?;
            return Err(not_a_model(error));
        }
    };
    let kept = staging.finish(record)?;
    let (fetched_bytes, resumed_bytes) = tracker.counts();
    Ok(Pulled { kept, summary: Some(summary), fetched_bytes, resumed_bytes, notes: plan.notes })
}

/// Brings all files of a plan into the folder of what is still coming.
async fn files(plan: &Plan, staging: &mut Staging, fetching: &Fetching<'_>) -> Result<Record, Error> {
    let paths: Vec<SafePath> = plan.files.iter().map(|wanted| wanted.path.clone()).collect();
    staging.keep_only(&paths)?;
    let is_same_source = staging.of() == plan.identity();
    let is_done = |staging: &Staging, wanted: &plan::Wanted| {
        staging.done().iter().find(|done| wanted.is(done, is_same_source)).cloned()
    };
    let missing = plan.files.iter().filter(|wanted| is_done(staging, wanted).is_none());
    let needed = missing.fold(0_u64, |sum, wanted| {
        let there = wanted.path.within(staging.folder()).with_added_extension("part").metadata();
        let there = there.map_or(0, |there| there.len());
        sum.saturating_add(wanted.bytes.unwrap_or(0).saturating_sub(there))
    });
    room(staging.folder(), needed)?;
    fetching.tracker.expect(plan.bytes_total());
    for wanted in &plan.files {
        match is_done(staging, wanted) {
            Some(done) => fetching.tracker.skip(done.bytes),
            None => {
                let file = fetch::fetch(fetching, wanted, staging.folder()).await?;
                staging.add_done(&plan.identity(), file)?;
            }
        }
    }
    let revision = plan.revision.clone();
    Ok(Record::new(plan.source.clone(), revision, staging.done().to_vec()))
}

/// Returns what is there under the name, if it is the very same; fails if it is something else.
fn same(shelf: &Shelf, name: &SafePath, plan: &Plan) -> Result<Option<Kept>, Error> {
    let kept = match shelf.get(name.as_str()) {
        Ok(kept) if kept.name == name.as_str() => kept,
        Ok(_) | Err(ShelfError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let from = kept.record.as_ref().map(|record| record.source.clone());
    let is_same = kept.record.as_ref().is_some_and(|record| {
        record.files.len() == plan.files.len()
            && plan
                .files
                .iter()
                .all(|wanted| record.files.iter().any(|file| wanted.is_known_to_be(file, record, plan)))
    });
    match is_same {
        true => Ok(Some(kept)),
        false => Err(ShelfError::Exists { name: name.to_string(), from }.into()),
    }
}

/// Whether servers can be asked below an address.
pub fn is_base(url: &Url) -> bool {
    let has_name = !url.username().is_empty() || url.password().is_some();
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && !has_name
}

fn not_a_model(error: ShelfError) -> Error {
    match error {
        ShelfError::NotAModel(source) => Error::NotAModel(source),
        other => Error::Shelf(other),
    }
}

// === impl Settings ===

impl Settings {
    /// Where people's models are published: huggingface.co.
    pub const HUB: &'static str = "https://huggingface.co";
    /// Where Ollama's models are published: registry.ollama.ai.
    pub const OLLAMA_REGISTRY: &'static str = "https://registry.ollama.ai";

    /// Returns settings with the usual patience for these addresses.
    pub fn new(hub: Url, ollama_registry: Url) -> Self {
        Self {
            hub,
            hub_token: None,
            ollama_registry,
            proxy: None,
            internet_only: false,
            connect_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            retries_max: 6,
            retry_wait: Duration::from_secs(1),
        }
    }
}
