//! What is being done, for people, on stderr.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use athenaeum::retrieval::librarian::{Activity, Pace, Taken, Watched};
use tokio::sync::watch;

/// What was said until now, so that it is not said again.
#[derive(Debug, Default)]
pub(crate) struct Told {
    folders: Vec<String>,
    last: Option<Taken>,
    is_embedded: bool,
    told_at: Option<Instant>,
}

impl Told {
    /// Tells what changes until there is nothing more to come.
    pub(crate) async fn follow(mut self, mut watch: watch::Receiver<Activity>) {
        loop {
            let now = watch.borrow_and_update().clone();
            for line in self.lines(&now) {
                // Whoever no longer reads it wants the work done all the same.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            tokio::time::sleep(APART).await;
            if watch.changed().await.is_err() {
                return;
            }
        }
    }

    fn lines(&mut self, now: &Activity) -> Vec<String> {
        let mut lines = Vec::new();
        let folders: Vec<String> = now.folders.iter().filter_map(folder).collect();
        if folders != self.folders {
            lines.extend(folders.iter().filter(|line| !self.folders.contains(line)).cloned());
            self.folders = folders;
        }
        if now.last != self.last {
            lines.extend(now.last.as_ref().and_then(taken));
            self.last.clone_from(&now.last);
        }
        let coverage = now.embedding.coverage;
        let is_embedded = now.embedding.pace == Pace::Idle
            && coverage.is_some_and(|coverage| coverage.total > 0 && coverage.embedded == coverage.total);
        if is_embedded && !self.is_embedded {
            lines.extend(
                coverage.map(|coverage| format!("all {} parts are found by meaning", coverage.total)),
            );
        }
        self.is_embedded = is_embedded;
        let is_time = self.told_at.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if !lines.is_empty() {
            self.told_at = Some(Instant::now());
        } else if is_time && let Some(line) = progress(now) {
            self.told_at = Some(Instant::now());
            lines.push(line);
        }
        lines
    }
}

fn folder(folder: &athenaeum::retrieval::librarian::Folder) -> Option<String> {
    let path = folder.path.display();
    match &folder.watched {
        Watched::Always => Some(format!("watching {path}")),
        Watched::NowAndThen { every, why } => {
            Some(format!("looking at {path} every {} seconds: {why}", every.as_secs()))
        }
        Watched::ByAnother => {
            Some(format!("{path} is watched by another program; this one waits for its end"))
        }
        // The folder for what is handed in is made when something is.
        Watched::Missing if path.to_string().ends_with("local") => None,
        Watched::Missing => Some(format!("{path} is not there; it is watched as soon as it is")),
    }
}

fn taken(taken: &Taken) -> Option<String> {
    let counts = [
        (taken.added, "new"),
        (taken.updated, "changed"),
        (taken.failed, "could not be read"),
        (taken.skipped, "of no format that is read"),
        (taken.unchanged, "known"),
    ];
    let parts = counts.iter().filter(|(count, _)| *count > 0);
    let mut parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    parts.extend(taken.error.clone());
    (!parts.is_empty()).then(|| format!("read: {}", parts.join(", ")))
}

fn progress(now: &Activity) -> Option<String> {
    if let Some(adding) = now.adding.filter(|adding| adding.files > 0) {
        return Some(format!("{} of {} files read", adding.done(), adding.files));
    }
    let coverage = now.embedding.coverage.filter(|_| now.embedding.pace == Pace::Running)?;
    let left =
        now.embedding.remaining.map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
    Some(format!("{} of {} parts are found by meaning{left}", coverage.embedded, coverage.total))
}

/// Lines come no faster than one can read.
const APART: Duration = Duration::from_millis(200);

const TOLD_EVERY: Duration = Duration::from_secs(5);
