//! What is done for one tenant, in the background.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use athenaeum_archive::{Archive, Stamp, library::Library};
use athenaeum_core::ConversationId;
use athenaeum_tenancy::Scope;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Activity, Embedding, Folder, Librarian, Pace, Taken};
use crate::{
    documents::{self, Change, Options, Report},
    meaning::{Filling, Meaning, MeaningError},
    search::Coverage,
    with_causes,
};

pub(super) struct Desk {
    librarian: Librarian,
    scope: Scope,
    pub(super) activity: watch::Sender<Activity>,
    tray: Mutex<Tray>,
    /// Vectors may be missing.
    missing: Notify,
}

/// What waits, and who works.
#[derive(Default)]
struct Tray {
    /// To be read; those with `true` though they are as the ledger knows them.
    paths: Vec<(PathBuf, bool)>,
    /// What changed in watched folders, by path.
    changes: HashMap<PathBuf, Change>,
    reads: bool,
    fills: bool,
    paused: bool,
    /// Ends the embedding that is under way.
    filling: CancellationToken,
    interrupt: Interrupt,
    /// Conversations that somebody opened, and how often; the most opened first.
    opened: Vec<(ConversationId, u32)>,
}

/// What is read in one go.
enum Errand {
    Paths(Vec<PathBuf>, bool),
    Changes(Vec<Change>),
}

impl Desk {
    pub(super) fn new(librarian: Librarian, scope: Scope) -> Self {
        Self {
            librarian,
            scope,
            activity: watch::Sender::new(Activity::default()),
            tray: Mutex::default(),
            missing: Notify::new(),
        }
    }

    fn tray(&self) -> std::sync::MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has paths read, by the task that reads or by a new one.
    pub(super) fn hand_in(&self, paths: Vec<PathBuf>, again: bool) {
        let mut tray = self.tray();
        for path in paths {
            if !tray.paths.contains(&(path.clone(), again)) {
                tray.paths.push((path, again));
            }
        }
        self.begin_reading(&mut tray);
    }

    /// Has followed what changed in watched folders. False where too much waits already: then nothing of it is taken.
    pub(super) fn follow(&self, changes: Vec<Change>) -> bool {
        let mut tray = self.tray();
        if tray.changes.len() + changes.len() > CHANGES_MAX {
            return false;
        }
        for change in changes {
            let before = tray.changes.remove(&change.path).and_then(|known| known.before);
            let change = Change { before: change.before.or(before), ..change };
            tray.changes.insert(change.path.clone(), change);
        }
        self.begin_reading(&mut tray);
        true
    }

    /// Tells whether something is read, or waits for it.
    pub(super) fn is_reading(&self) -> bool {
        self.tray().reads
    }

    pub(super) fn tell_folders(&self, folders: Arc<[Folder]>) {
        self.activity.send_if_modified(|activity| {
            let is_other = activity.folders != folders;
            activity.folders = folders;
            is_other
        });
    }

    fn begin_reading(&self, tray: &mut Tray) {
        let waiting = tray.waiting();
        self.activity.send_modify(|activity| activity.waiting = waiting);
        if !std::mem::replace(&mut tray.reads, true) {
            let (librarian, scope) = (self.librarian.clone(), self.scope.clone());
            self.librarian.spawn(async move { librarian.desk(&scope).read().await });
        }
    }

    /// Reads until nothing waits.
    async fn read(&self) {
        while let Some(errand) = self.next_errand() {
            let (taken, report) = match errand {
                Errand::Paths(paths, again) => self.add(&paths, again).await,
                Errand::Changes(changes) => self.follow_now(&changes).await,
            };
            // Most of what happens in a folder that is watched changes nothing in the library.
            let is_news = report.is_none_or(|report| report.files > report.unchanged || report.gone > 0);
            self.activity.send_modify(|activity| {
                activity.adding = None;
                if is_news || activity.last.is_none() {
                    let before = activity.last.as_ref().map_or(0, |last| last.reading);
                    activity.last = Some(Taken { reading: before + 1, ..taken });
                }
                activity.changes += u64::from(is_news);
            });
            // The first time, an earlier run may have left some without vectors.
            if is_news || !self.tray().fills {
                self.fill();
            }
        }
    }

    /// Takes what is to be read next off the tray, and says that it is read.
    fn next_errand(&self) -> Option<Errand> {
        let mut tray = self.tray();
        if self.librarian.0.stopping.is_cancelled() {
            tray.reads = false;
            return None;
        }
        // What somebody has just put there is little, and waited for.
        let errand = if !tray.changes.is_empty() {
            Errand::Changes(std::mem::take(&mut tray.changes).into_values().collect())
        } else if let Some((_, again)) = tray.paths.first().cloned() {
            let (now, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut tray.paths).into_iter().partition(|path| path.1 == again);
            tray.paths = later;
            Errand::Paths(now.into_iter().map(|(path, _)| path).collect(), again)
        } else {
            tray.reads = false;
            return None;
        };
        let waiting = tray.waiting();
        self.activity.send_modify(|activity| {
            activity.waiting = waiting;
            activity.adding = Some(documents::Progress::default());
        });
        Some(errand)
    }

    async fn add(&self, paths: &[PathBuf], again: bool) -> (Taken, Option<Report>) {
        let library = match self.librarian.library().await {
            Ok(library) => library,
            Err(error) => return (Taken { error: Some(with_causes(&error)), ..Taken::default() }, None),
        };
        // A file of the ledger that is gone is no reason to read nothing; its folder's next reading notes it.
        let there: Vec<PathBuf> =
            paths.iter().filter(|path| path.symlink_metadata().is_ok()).cloned().collect();
        let options = Options { again, ..self.librarian.0.options.clone() };
        let tell = |progress: &documents::Progress| self.tell_progress(progress);
        let cancel = self.librarian.0.stopping.child_token();
        let added = documents::add(library, &self.scope, &there, &options, tell, cancel).await;
        self.taken(added).await
    }

    async fn follow_now(&self, changes: &[Change]) -> (Taken, Option<Report>) {
        let library = match self.librarian.library().await {
            Ok(library) => library,
            Err(error) => return (Taken { error: Some(with_causes(&error)), ..Taken::default() }, None),
        };
        let tell = |progress: &documents::Progress| self.tell_progress(progress);
        let cancel = self.librarian.0.stopping.child_token();
        let options = &self.librarian.0.options;
        let followed = documents::follow(library, &self.scope, changes, options, tell, cancel).await;
        self.taken(followed).await
    }

    fn tell_progress(&self, progress: &documents::Progress) {
        self.activity.send_modify(|activity| {
            // What was kept until now can be found already.
            let kept = activity.adding.is_some_and(|before| before.kept != progress.kept);
            activity.changes += u64::from(kept);
            activity.adding = Some(*progress);
        });
    }

    async fn taken(&self, added: Result<Report, documents::Error>) -> (Taken, Option<Report>) {
        let (report, error) = match &added {
            Ok(report) => (Some(report), None),
            Err(error) => (error.report(), Some(with_causes(error))),
        };
        if let Some(error) = &error {
            tracing::warn!(error, "documents could not be taken in");
        }
        self.remove_vectors(report).await;
        let report = report.cloned();
        let counts = report.clone().unwrap_or_default();
        let taken = Taken {
            added: counts.added,
            updated: counts.updated,
            unchanged: counts.unchanged + counts.same,
            failed: counts.failed,
            skipped: counts.skipped,
            error,
            ..Taken::default()
        };
        (taken, report)
    }

    async fn remove_vectors(&self, report: Option<&Report>) {
        let removed = report.map(|report| report.chunks_removed.as_slice()).unwrap_or_default();
        if removed.is_empty() {
            return;
        }
        if let Some(meaning) = self.librarian.meaning().await
            && let Err(error) = meaning.remove_chunks(&self.scope, removed).await
        {
            tracing::warn!(error = with_causes(&error), "vectors of what is gone stay for now");
        }
    }

    pub(super) fn changed(&self) {
        self.activity.send_modify(|activity| activity.changes += 1);
        self.fill();
    }

    /// Notes that somebody reads a conversation: it is embedded before others.
    pub(super) fn opened(&self, id: ConversationId) {
        let mut tray = self.tray();
        match tray.opened.iter_mut().find(|(known, _)| *known == id) {
            Some((_, times)) => *times += 1,
            None => tray.opened.push((id, 1)),
        }
        // Those that are opened most; among equals, the last ones.
        tray.opened.reverse();
        tray.opened.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        tray.opened.truncate(OPENED_MAX);
        tray.interrupt(false);
    }

    /// Has vectors made where some are missing, by the task that makes them or by a new one. Documents come before
    /// conversations: what is under way for those begins again after them.
    pub(super) fn fill(&self) {
        self.missing.notify_one();
        let mut tray = self.tray();
        tray.interrupt(true);
        if !std::mem::replace(&mut tray.fills, true) {
            let (librarian, scope) = (self.librarian.clone(), self.scope.clone());
            self.librarian.spawn(async move { librarian.desk(&scope).keep_filling().await });
        }
    }

    pub(super) fn pause(&self, paused: bool) {
        {
            let mut tray = self.tray();
            tray.paused = paused;
            if paused {
                tray.filling.cancel();
            }
        }
        self.activity.send_modify(|activity| {
            activity.embedding.pace = if paused { Pace::Paused } else { Pace::Idle };
            activity.embedding.remaining = None;
        });
        if !paused {
            self.fill();
        }
    }

    /// Makes vectors whenever some may be missing, until all is shut down.
    async fn keep_filling(&self) {
        let stopping = self.librarian.0.stopping.clone();
        let mut seen = self.stamp();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.missing.notified() => {}
                () = self.conversations_rest(seen) => {}
            }
            let cancel = {
                let mut tray = self.tray();
                if tray.paused {
                    continue;
                }
                tray.filling = stopping.child_token();
                tray.filling.clone()
            };
            seen = self.stamp();
            if let Err(error) = self.fill_once(&cancel).await {
                let said = with_causes(&error);
                tracing::warn!(error = said, "vectors could not be made");
                self.embedding(|embedding| {
                    *embedding = Embedding { pace: Pace::Failed, error: Some(said), ..embedding.clone() };
                });
            }
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        self.librarian.0.conversations.get().map(Archive::stamp)
    }

    /// Waits until the archive is another than it was when it was `seen`, and has been left alone for a moment: whoever imports
    /// is not to be held up. Other programs write to it, too, and nobody tells.
    async fn conversations_rest(&self, seen: Option<Stamp>) {
        let mut last = seen;
        loop {
            tokio::time::sleep(REST).await;
            let now = self.stamp();
            if now != seen && now == last {
                return;
            }
            last = now;
        }
    }

    async fn fill_once(&self, cancel: &CancellationToken) -> Result<(), MeaningError> {
        let library = self.librarian.library().await?;
        let archive = self.librarian.0.conversations.get();
        let chunks = library.chunk_count(&self.scope).await?;
        let messages = match archive {
            Some(archive) => archive.count(&self.scope).await?.1,
            None => 0,
        };
        if chunks + messages == 0 {
            self.embedding(|embedding| {
                let messages = archive.map(|_| Coverage::default());
                *embedding =
                    Embedding { coverage: Some(Coverage::default()), messages, ..Embedding::default() };
            });
            return Ok(());
        }
        let Some(meaning) = self.librarian.meaning().await else {
            self.embedding(|embedding| {
                *embedding = Embedding { pace: Pace::NoModel, ..Embedding::default() };
            });
            return Ok(());
        };
        let before = Embedding {
            pace: Pace::Running,
            coverage: Some(meaning.progress(&self.scope, Some(library), None).await?),
            messages: match archive {
                Some(archive) => Some(meaning.progress(&self.scope, None, Some(archive)).await?),
                None => None,
            },
            model: Some(meaning.embedder().model().name.clone()),
            formers: meaning.formers(&self.scope).await?,
            ..Embedding::default()
        };
        self.embedding(|embedding| *embedding = before.clone());
        let mut pace = self.fill_documents(meaning, library, cancel).await?;
        if let Some(archive) = archive.filter(|_| pace == Pace::Idle) {
            pace = self.fill_conversations(meaning, archive, cancel).await?;
        }
        let coverage = meaning.progress(&self.scope, Some(library), None).await?;
        let messages = match archive {
            Some(archive) => Some(meaning.progress(&self.scope, None, Some(archive)).await?),
            None => None,
        };
        let formers = meaning.formers(&self.scope).await?;
        self.embedding(|embedding| {
            *embedding = Embedding { pace, coverage: Some(coverage), messages, formers, ..before };
        });
        Ok(())
    }

    async fn fill_documents(
        &self,
        meaning: &Meaning,
        library: &Library,
        cancel: &CancellationToken,
    ) -> Result<Pace, MeaningError> {
        let tell = |filling: &Filling| {
            self.tell(filling, |embedding| {
                embedding.coverage = Some(Coverage { embedded: filling.seen, total: filling.total });
            });
        };
        let stopped = meaning.fill(&self.scope, library, tell, cancel).await?.stopped;
        Ok(if stopped { Pace::Paused } else { Pace::Idle })
    }

    /// Goes through the conversations. Where documents came or the archive changed meanwhile, it ends as running, and begins
    /// again after them.
    async fn fill_conversations(
        &self,
        meaning: &Meaning,
        archive: &Archive,
        cancel: &CancellationToken,
    ) -> Result<Pace, MeaningError> {
        let interrupt = cancel.child_token();
        let opened: Vec<ConversationId> = {
            let mut tray = self.tray();
            tray.interrupt = Interrupt { token: interrupt.clone(), since: Instant::now() };
            tray.opened.iter().map(|(id, _)| *id).collect()
        };
        let tell = |filling: &Filling| {
            self.tell(filling, |embedding| {
                embedding.messages = Some(Coverage { embedded: filling.seen, total: filling.total });
            });
        };
        let seen = self.stamp();
        let filling = meaning.fill_conversations(&self.scope, archive, &opened, tell, &interrupt);
        let changing = async {
            self.conversations_rest(seen).await;
            interrupt.cancel();
            self.missing.notify_one();
            std::future::pending::<()>().await;
        };
        let filled = tokio::select! {
            filled = filling => filled?,
            () = changing => return Ok(Pace::Running),
        };
        if filled.stopped && !cancel.is_cancelled() {
            // Something else comes first; the rest follows it.
            self.missing.notify_one();
            return Ok(Pace::Running);
        }
        Ok(if filled.stopped { Pace::Paused } else { Pace::Idle })
    }

    fn tell(&self, filling: &Filling, covers: impl FnOnce(&mut Embedding)) {
        self.embedding(|embedding| {
            if filling.waiting {
                embedding.pace = Pace::Elsewhere;
                return;
            }
            embedding.pace = Pace::Running;
            embedding.remaining = filling.remaining();
            covers(embedding);
        });
    }

    fn embedding(&self, change: impl FnOnce(&mut Embedding)) {
        self.activity.send_modify(|activity| change(&mut activity.embedding));
    }
}

/// What ends the embedding of conversations when something else comes first.
struct Interrupt {
    token: CancellationToken,
    since: Instant,
}

impl Tray {
    fn waiting(&self) -> usize {
        self.paths.len() + self.changes.len()
    }

    /// Has what comes first done first; what is not for documents waits until a little has been done.
    fn interrupt(&self, documents: bool) {
        if documents || self.interrupt.since.elapsed() > A_WHILE {
            self.interrupt.token.cancel();
        }
    }
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { token: CancellationToken::new(), since: Instant::now() }
    }
}

/// How often the archive is looked at, and how long it is left alone before what changed in it is embedded.
const REST: Duration = Duration::from_secs(5);

/// Whoever opens one conversation after another does not have it begin anew each time.
const A_WHILE: Duration = Duration::from_secs(20);

/// Conversations that come before the newest.
const OPENED_MAX: usize = 256;

/// Changes that may wait to be read: some megabytes of names.
const CHANGES_MAX: usize = 20_000;
