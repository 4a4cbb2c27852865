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
    /// How many parts all were, when all were found by meaning.
    embedded: Option<u64>,
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
        // By its count: between two looks here one more part may have come and got its vector.
        let coverage = now.embedding.coverage.filter(|_| now.embedding.pace == Pace::Idle);
        let embedded = coverage.map(|coverage| (coverage.embedded, coverage.total));
        let embedded =
            embedded.filter(|(embedded, total)| *total > 0 && embedded == total).map(|(all, _)| all);
        if let Some(all) = embedded.filter(|_| embedded != self.embedded) {
            lines.push(format!("all {all} parts are found by meaning"));
        }
        self.embedded = embedded;
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

#[cfg(test)]
mod tests {
    use athenaeum::retrieval::{librarian::Embedding, search::Coverage};

    use super::*;

    fn at_rest(reading: u64, parts: u64) -> Activity {
        Activity {
            last: Some(Taken { reading, added: 1, ..Taken::default() }),
            embedding: Embedding {
                coverage: Some(Coverage { embedded: parts, total: parts }),
                ..Embedding::default()
            },
            ..Activity::default()
        }
    }

    /// Between two looks a note may have come, been read and found its vector.
    #[test]
    fn what_happened_between_two_looks_is_told() {
        let mut told = Told::default();
        let lines = |parts| vec!["read: 1 new".to_owned(), format!("all {parts} parts are found by meaning")];
        assert_eq!(told.lines(&at_rest(1, 50)), lines(50));
        assert_eq!(told.lines(&at_rest(1, 50)), Vec::<String>::new());
        assert_eq!(told.lines(&at_rest(2, 51)), lines(51));
    }
}
