use std::{
    path::Path,
    time::{Duration, Instant},
};

use athenaeum_archive::{Archive, Import, Outcome};
use athenaeum_core::{Conversation, Provider};
use athenaeum_ingest::{Item, Summary};
use athenaeum_tenancy::Scope;
use tokio_util::sync::CancellationToken;

use crate::{Error, Mismatch, Phase, Progress, Report, chats::Twins, reader::Reader};

/// One run's books: takes items from the reader, stores, counts, compares, and tells how far it is.
pub(crate) struct Intake<'a, P> {
    archive: &'a Archive,
    scope: &'a Scope,
    import: Import,
    report: Report,
    twins: Twins,
    batch: Vec<Taken>,
    /// When the first of the batch came.
    batch_began: Instant,
    bytes_read: u64,
    bytes_total: u64,
    tell: P,
    started: Instant,
    told: Instant,
}

/// How the reading ended.
pub(crate) enum Ending {
    Read(Summary),
    Unreadable(athenaeum_ingest::Error),
    Panicked,
    Cancelled,
}

/// A conversation handed to the archive and not yet compared.
struct Taken {
    provider: Provider,
    external_id: String,
    messages: u64,
    outcome: Outcome,
}

impl<'a, P: FnMut(&Progress) + Send> Intake<'a, P> {
    pub(crate) fn new(
        archive: &'a Archive,
        scope: &'a Scope,
        import: Import,
        report: Report,
        twins: Twins,
        tell: P,
    ) -> Self {
        let started = Instant::now();
        Self {
            archive,
            scope,
            import,
            report,
            twins,
            batch: Vec::new(),
            batch_began: started,
            bytes_read: 0,
            bytes_total: 0,
            tell,
            started,
            told: started,
        }
    }

    /// Takes items until the source ends (`false`) or `cancel` is set (`true`).
    pub(crate) async fn take_all(
        &mut self,
        reader: &mut Reader,
        cancel: &CancellationToken,
    ) -> Result<bool, athenaeum_archive::Error> {
        self.show(Phase::Reading);
        loop {
            let item = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(true),
                item = reader.next() => item,
                // A source that pauses must not keep other writers waiting behind a batch half full.
                () = tokio::time::sleep(IDLE), if !self.batch.is_empty() => {
                    self.settle().await?;
                    continue;
                }
            };
            match item {
                Some(Item::Conversation { conversation, .. }) => self.take(conversation).await?,
                Some(Item::Problem(problem)) => self.report.problems.push(problem),
                Some(Item::Progress { bytes_read, bytes_total }) => {
                    (self.bytes_read, self.bytes_total) = (bytes_read, bytes_total);
                }
                None => return Ok(cancel.is_cancelled()),
            }
            if self.told.elapsed() >= TELL_EVERY {
                self.show(Phase::Reading);
            }
        }
    }

    async fn take(&mut self, conversation: Conversation) -> Result<(), athenaeum_archive::Error> {
        if conversation.messages.is_empty() {
            self.report.empty += 1;
            return Ok(());
        }
        let (provider, external_id) = (conversation.provider.clone(), conversation.external_id.clone());
        let messages = conversation.messages.len() as u64;
        self.twins.compare(&conversation);
        let outcome = self.import.add(conversation).await?;
        let taken = Taken { provider, external_id, messages, outcome };
        self.report.conversations += 1;
        self.report.messages += taken.messages;
        *self.report.providers.entry(taken.provider.clone()).or_default() += 1;
        *match outcome {
            Outcome::Added => &mut self.report.added,
            Outcome::Updated => &mut self.report.updated,
            Outcome::Unchanged => &mut self.report.unchanged,
        } += 1;
        if self.batch.is_empty() {
            self.batch_began = Instant::now();
        }
        self.batch.push(taken);
        let is_due = self.batch.len() >= BATCH || self.batch_began.elapsed() >= BATCH_AGE;
        if is_due { self.settle().await } else { Ok(()) }
    }

    /// Commits what is whole and compares it with what was read.
    async fn settle(&mut self) -> Result<(), athenaeum_archive::Error> {
        self.import.commit_now().await?;
        let batch = std::mem::take(&mut self.batch);
        let keys: Vec<_> =
            batch.iter().map(|taken| (taken.provider.clone(), taken.external_id.clone())).collect();
        let kept = self.archive.message_counts(self.scope, &keys).await?;
        for (position, (taken, in_archive)) in batch.iter().zip(kept).enumerate() {
            if taken.is_as_kept(in_archive) || is_among(taken, &batch[position + 1..]) {
                continue;
            }
            tracing::error!(id = %taken.external_id, "the archive holds something else than was read");
            if self.report.mismatches.len() < MISMATCHES_MAX {
                self.report.mismatches.push(Mismatch {
                    provider: taken.provider.clone(),
                    external_id: taken.external_id.clone(),
                    in_source: taken.messages,
                    in_archive,
                });
            }
        }
        Ok(())
    }

    /// Closes the books and records the run's end.
    pub(crate) async fn finish(
        mut self,
        path: &Path,
        ending: Result<Ending, athenaeum_archive::Error>,
    ) -> Result<Report, Error> {
        self.show(Phase::Finishing);
        let ending = match ending {
            Ok(ending) => self.settle().await.map(|()| ending),
            Err(error) => Err(error),
        };
        if let Ok(Ending::Read(summary)) = &ending {
            self.report.files = summary.files;
            self.report.bytes = summary.bytes;
            self.report.empty += summary.empty;
            self.bytes_read = self.bytes_total;
        } else {
            self.report.bytes = self.bytes_read;
        }
        self.report.duration = self.started.elapsed();
        self.show(Phase::Finishing);
        let (import, report) = (self.import, Box::new(self.report));
        let json = report.to_json();
        let error = match ending {
            Ok(Ending::Read(_)) if report.conversations > 0 => {
                let recorded = import.finish(&json).await;
                let replaced = match recorded {
                    Ok(()) => self.twins.replace(self.archive, self.scope).await,
                    Err(error) => Err(error),
                };
                return match replaced {
                    Ok(replaced) => Ok(Report { replaced, ..*report }),
                    Err(source) => Err(Error::Archive { report: Some(report), source }),
                };
            }
            Ok(Ending::Read(_)) => Error::NothingFound(report),
            Ok(Ending::Cancelled) => Error::Cancelled(report),
            Ok(Ending::Unreadable(source)) => Error::Source { path: path.to_owned(), report, source },
            Ok(Ending::Panicked) => Error::Parser { path: path.to_owned(), report },
            Err(source) => Error::Archive { report: Some(report), source },
        };
        if let Err(unrecorded) = import.fail(&error.with_causes(), &json).await {
            tracing::warn!(error = %unrecorded, "the import's failure could not be recorded");
        }
        Err(error)
    }

    fn show(&mut self, phase: Phase) {
        self.told = Instant::now();
        let report = &self.report;
        (self.tell)(&Progress {
            phase,
            bytes_read: self.bytes_read,
            bytes_total: self.bytes_total,
            conversations: report.conversations,
            messages: report.messages,
            added: report.added,
            updated: report.updated,
            unchanged: report.unchanged,
            problems: report.problems.count(),
            elapsed: self.started.elapsed(),
        });
    }
}

impl Taken {
    /// Tells whether the archive holds what was read. An older copy leaves the newer one as it is, with
    /// whatever number of messages that has.
    fn is_as_kept(&self, in_archive: Option<u64>) -> bool {
        match self.outcome {
            Outcome::Unchanged => in_archive.is_some(),
            Outcome::Added | Outcome::Updated => in_archive == Some(self.messages),
        }
    }
}

/// Tells whether the same conversation comes again: then the later copy is what is kept.
fn is_among(taken: &Taken, later: &[Taken]) -> bool {
    later.iter().any(|other| other.external_id == taken.external_id && other.provider == taken.provider)
}

/// Conversations in one transaction.
const BATCH: usize = 1_000;

/// How long other writers wait behind a batch at most, however slowly the source comes. A batch of common size is
/// full in a tenth of this.
const BATCH_AGE: Duration = Duration::from_secs(2);

/// Most mismatches told; a run with more is broken altogether.
const MISMATCHES_MAX: usize = 1_000;

const IDLE: Duration = Duration::from_secs(1);

const TELL_EVERY: Duration = Duration::from_millis(100);
