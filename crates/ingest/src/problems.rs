use std::collections::BTreeMap;

use athenaeum_core::{Problem, Severity};

/// Most distinct reasons counted beyond the limit; the rest share one line.
const REASONS_MAX: usize = 1_000;

/// Keeps a flood of problems from becoming a flood of memory: the first are passed on one by one, the rest are
/// counted by reason.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    passed: usize,
    beyond: BTreeMap<(Severity, String), u64>,
}

impl Ledger {
    /// Returns the problem if it is to be passed on now, counts it otherwise.
    pub(crate) fn admit(&mut self, problem: Problem, limit: usize) -> Option<Problem> {
        if self.passed < limit {
            self.passed += 1;
            return Some(problem);
        }
        let full = self.beyond.len() >= REASONS_MAX;
        let key = (problem.severity, problem.reason);
        match self.beyond.get_mut(&key) {
            Some(count) => *count += 1,
            None if full => *self.beyond.entry((problem.severity, "other reasons".into())).or_default() += 1,
            None => {
                self.beyond.insert(key, 1);
            }
        }
        None
    }

    /// Returns one problem for each reason that was only counted.
    pub(crate) fn counted(&mut self, file: &str) -> Vec<Problem> {
        let beyond = std::mem::take(&mut self.beyond);
        let line = |((severity, reason), count): ((Severity, String), u64)| Problem {
            severity,
            file: file.to_owned(),
            record: format!("{count} more"),
            reason,
        };
        beyond.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_problems_are_counted_by_reason() {
        let mut ledger = Ledger::default();
        let problem = |n: u32| Problem {
            severity: Severity::Skipped,
            file: "a.json".into(),
            record: format!("#{n}"),
            reason: if n.is_multiple_of(2) { "even".into() } else { "odd".into() },
        };
        let passed = (0..7).filter_map(|n| ledger.admit(problem(n), 2)).count();
        let counted: Vec<_> = ledger.counted("a.json").iter().map(ToString::to_string).collect();
        assert_eq!((passed, counted), (2, vec!["a.json, 3 more: even".into(), "a.json, 2 more: odd".into()]));
    }
}
