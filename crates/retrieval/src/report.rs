use std::{collections::BTreeMap, time::Duration};

use athenaeum_core::{ImportId, Problem, Provider, Severity};
use serde::Serialize;

use crate::Error;

/// What one import did: the object that `athenaeum import --json` ends with, and that the archive keeps
/// beside the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The run, as the archive records it.
    pub import_id: ImportId,
    /// What was imported, as its person would call it.
    pub source: String,
    /// Files read, entries of archives counted each.
    pub files: u64,
    /// Bytes of the source.
    pub bytes: u64,
    /// Conversations found in the source that hold at least one message. Always
    /// `added + updated + unchanged` when the run came to its end.
    pub conversations: u64,
    /// Messages in them, those of other branches included.
    pub messages: u64,
    /// Conversations that the archive did not have.
    pub added: u64,
    /// Conversations that changed since they were imported last.
    pub updated: u64,
    /// Conversations that the archive had already, to the letter.
    pub unchanged: u64,
    /// Conversations that were kept as they were held over the API, and gave way to the same ones from this source.
    pub replaced: u64,
    /// Conversations without a single message: found, counted, and not kept.
    pub empty: u64,
    /// Conversations by provider.
    pub providers: BTreeMap<Provider, u64>,
    /// What could not be taken as it stands.
    pub problems: Problems,
    /// Where the archive holds something else than was read, compared after each batch.
    pub mismatches: Vec<Mismatch>,
    /// How long it took, waiting not counted.
    pub duration: Duration,
}

impl Report {
    pub(crate) fn new(import_id: ImportId, source: String) -> Self {
        Self {
            import_id,
            source,
            files: 0,
            bytes: 0,
            conversations: 0,
            messages: 0,
            added: 0,
            updated: 0,
            unchanged: 0,
            replaced: 0,
            empty: 0,
            providers: BTreeMap::new(),
            problems: Problems::default(),
            mismatches: Vec::new(),
            duration: Duration::ZERO,
        }
    }

    /// Writes the report as one JSON object on one line.
    pub fn to_json(&self) -> String {
        self.write(None)
    }

    /// Writes the report of an import that failed: the same object with the reason as `error`.
    pub fn to_json_failed(&self, error: &Error) -> String {
        self.write(Some(error.with_causes()))
    }

    fn write(&self, error: Option<String>) -> String {
        // A plain tree of numbers and text: writing it into memory cannot fail.
        serde_json::to_string(&Wire::new(self, error)).unwrap_or_default()
    }
}

/// A conversation of which the archive holds another number of messages than the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Who served it.
    pub provider: Provider,
    /// The source's id.
    pub external_id: String,
    /// Messages read.
    pub in_source: u64,
    /// Messages kept; `None` where the archive does not know the conversation.
    pub in_archive: Option<u64>,
}

/// Everything that was wrong with a source: all of it counted, the first of it in detail.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problems {
    losses: u64,
    notices: u64,
    details: Vec<Problem>,
    by_reason: BTreeMap<(Severity, String), u64>,
}

impl Problems {
    /// Most problems told in detail.
    pub const DETAILS_MAX: usize = 1_000;
    /// Most reasons told apart; what comes after is counted as one.
    const REASONS_MAX: usize = 200;

    pub(crate) fn push(&mut self, problem: Problem) {
        match problem.severity {
            Severity::Notice => self.notices += 1,
            Severity::Skipped | Severity::Broken => self.losses += 1,
        }
        let mut key = (problem.severity, problem.reason.clone());
        if self.by_reason.len() >= Self::REASONS_MAX && !self.by_reason.contains_key(&key) {
            key.1 = "for other reasons".to_owned();
        }
        *self.by_reason.entry(key).or_default() += 1;
        if self.details.len() < Self::DETAILS_MAX {
            self.details.push(problem);
        }
    }

    /// Returns how many cost a record or more.
    pub fn count(&self) -> u64 {
        self.losses
    }

    /// Returns how many cost nothing: all was kept, though not all was understood.
    pub fn notices(&self) -> u64 {
        self.notices
    }

    /// Returns the first [`Problems::DETAILS_MAX`] of both kinds, in the order of the source.
    pub fn details(&self) -> &[Problem] {
        &self.details
    }

    /// Returns each reason with its severity and how often it occurred, most frequent first.
    pub fn by_reason(&self) -> Vec<(Severity, &str, u64)> {
        let mut reasons: Vec<_> = self
            .by_reason
            .iter()
            .map(|((severity, reason), count)| (*severity, reason.as_str(), *count))
            .collect();
        reasons.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        reasons
    }
}

/// The report on the wire. Names and types are stable; fields may be added.
#[derive(Serialize)]
struct Wire<'a> {
    conversations: u64,
    messages: u64,
    added: u64,
    updated: u64,
    unchanged: u64,
    /// Told to whoever waits for the report; the run is recorded before.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<u64>,
    problems: u64,
    notices: u64,
    empty: u64,
    mismatches: u64,
    import_id: String,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    files: u64,
    bytes: u64,
    providers: BTreeMap<&'a str, u64>,
    duration_ms: u64,
    messages_per_second: u64,
    problem_reasons: Vec<WireReason<'a>>,
    problem_details: Vec<WireProblem<'a>>,
    mismatch_details: Vec<WireMismatch<'a>>,
}

#[derive(Serialize)]
struct WireReason<'a> {
    severity: &'static str,
    reason: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct WireProblem<'a> {
    severity: &'static str,
    file: &'a str,
    record: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct WireMismatch<'a> {
    provider: &'a str,
    external_id: &'a str,
    in_source: u64,
    in_archive: Option<u64>,
}

impl<'a> Wire<'a> {
    fn new(report: &'a Report, error: Option<String>) -> Self {
        let seconds = report.duration.as_secs_f64();
        Self {
            import_id: report.import_id.to_string(),
            source: &report.source,
            files: report.files,
            bytes: report.bytes,
            conversations: report.conversations,
            messages: report.messages,
            added: report.added,
            updated: report.updated,
            unchanged: report.unchanged,
            replaced: Some(report.replaced).filter(|replaced| *replaced > 0),
            empty: report.empty,
            problems: report.problems.losses,
            notices: report.problems.notices,
            error,
            mismatches: report.mismatches.len() as u64,
            providers: report.providers.iter().map(|(provider, count)| (provider.as_str(), *count)).collect(),
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            messages_per_second: if seconds > 0.0 { (report.messages as f64 / seconds) as u64 } else { 0 },
            problem_reasons: report
                .problems
                .by_reason()
                .into_iter()
                .map(|(severity, reason, count)| WireReason { severity: severity.as_str(), reason, count })
                .collect(),
            problem_details: report.problems.details.iter().map(WireProblem::from).collect(),
            mismatch_details: report.mismatches.iter().map(WireMismatch::from).collect(),
        }
    }
}

impl<'a> From<&'a Problem> for WireProblem<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            severity: problem.severity.as_str(),
            file: &problem.file,
            record: &problem.record,
            reason: &problem.reason,
        }
    }
}

impl<'a> From<&'a Mismatch> for WireMismatch<'a> {
    fn from(mismatch: &'a Mismatch) -> Self {
        Self {
            provider: mismatch.provider.as_str(),
            external_id: &mismatch.external_id,
            in_source: mismatch.in_source,
            in_archive: mismatch.in_archive,
        }
    }
}

#[cfg(test)]
mod tests {
    use athenaeum_core::Timestamp;

    use super::*;

    fn problem(n: usize, reason: &str) -> Problem {
        Problem {
            severity: Severity::Skipped,
            file: "conversations.json".into(),
            record: format!("conversation {n}"),
            reason: reason.into(),
        }
    }

    #[test]
    fn the_first_thousand_are_told_and_all_are_counted() {
        let mut problems = Problems::default();
        for n in 0..1_500 {
            problems.push(problem(n, if n % 3 == 0 { "no id" } else { "not an object" }));
        }
        assert_eq!((problems.count(), problems.details().len()), (1_500, 1_000));
        assert_eq!(
            problems.by_reason(),
            [(Severity::Skipped, "not an object", 1_000), (Severity::Skipped, "no id", 500)]
        );
    }

    #[test]
    fn reasons_without_end_stay_bounded() {
        let mut problems = Problems::default();
        for n in 0..5_000 {
            problems.push(problem(n, &format!("unexpected byte {n}")));
        }
        let reasons = problems.by_reason();
        assert_eq!(reasons.len(), 201);
        assert_eq!(reasons.iter().map(|(_, _, count)| count).sum::<u64>(), 5_000);
    }

    #[test]
    fn the_wire_begins_with_the_numbers_people_script_against() {
        let mut report = Report::new(ImportId::mint(Timestamp::from_micros(0)), "export.zip".into());
        report.conversations = 3;
        report.added = 2;
        report.unchanged = 1;
        report.messages = 40;
        report.problems.push(problem(1, "no id"));
        let value: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        for (name, expected) in [
            ("conversations", 3),
            ("messages", 40),
            ("added", 2),
            ("updated", 0),
            ("unchanged", 1),
            ("problems", 1),
        ] {
            assert_eq!(value[name], expected, "{name}");
        }
        assert_eq!(value["problem_details"][0]["record"], "conversation 1");
        assert!(!report.to_json().contains('\n'));
    }
}
