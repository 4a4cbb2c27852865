//! A query with its terms looked up: what they weigh, and where they stand in each segment.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    dictionary::Entry,
    error::Result,
    prefix::Union,
    query::Query,
    score::{IDF_LEAST, Norm, idf},
    segment::{Field, Segment, key},
    snapshot::{Snapshot, SnapshotPart},
};

/// Postings of prefixes that are read for one query at most: some 100 ms. Beyond, the rarest terms are left out.
const POSTINGS_MAX: u64 = if cfg!(test) { 200_000 } else { 24_000_000 };

/// Deepest nesting that is looked at; anything below matches nothing.
const DEPTH_MAX: usize = 64;

/// A query, ready to be run against any segment of the snapshot.
#[derive(Debug)]
pub(super) enum Plan {
    Term(PlanTerm),
    Phrase {
        terms: Vec<(u32, PlanTerm)>,
        idf: f64,
    },
    All {
        required: Vec<Plan>,
        excluded: Vec<Plan>,
    },
    Any(Vec<Plan>),
    /// Several terms that count as one.
    Prefix(PlanPrefix),
    /// Messages of these conversations.
    Conversations(FxHashSet<i64>),
    Every,
    Nothing,
}

/// A term: its entry in each segment, in the order of the snapshot.
#[derive(Debug)]
pub(super) struct PlanTerm {
    pub(super) entries: Vec<Option<Entry>>,
    pub(super) df: u64,
    pub(super) idf: f64,
}

/// A prefix: what its terms come to in each segment, in the order of the snapshot.
#[derive(Debug)]
pub(super) struct PlanPrefix {
    pub(super) unions: Vec<Option<Union>>,
    pub(super) df: u64,
    pub(super) idf: f64,
}

/// Looks up the terms of queries.
pub(super) struct Planner<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) field: Field,
    /// Finds the conversations whose title matches; not needed for titles themselves.
    pub(super) titles: &'a dyn Fn(&Query) -> Result<FxHashSet<i64>>,
    /// Set when a prefix stood for more terms than are looked at.
    pub(super) cut: bool,
    pub(super) documents: u64,
    mean: f64,
    /// Postings of prefixes that may still be read.
    postings_left: u64,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        field: Field,
        titles: &'a dyn Fn(&Query) -> Result<FxHashSet<i64>>,
    ) -> Self {
        let (documents, mean) = snapshot.statistics(field);
        Self { snapshot, field, titles, cut: false, documents, mean, postings_left: POSTINGS_MAX }
    }

    pub(super) fn plan(&mut self, query: &Query, depth: usize) -> Result<Plan> {
        if depth > DEPTH_MAX {
            return Ok(Plan::Nothing);
        }
        Ok(match query {
            Query::Term(term) => Plan::Term(self.term(term)?),
            Query::Phrase(terms) => self.phrase(terms)?,
            Query::Prefix { beginning, stems } => self.prefix(beginning, stems)?,
            Query::All(members) => self.all(members, depth)?,
            Query::Any(members) => {
                let mut plans = Vec::new();
                for member in members {
                    match self.plan(member, depth + 1)? {
                        Plan::Any(inner) => plans.extend(inner),
                        Plan::Nothing => {}
                        plan => plans.push(plan),
                    }
                }
                match plans.len() {
                    0 => Plan::Nothing,
                    1 => plans.remove(0),
                    _ => Plan::Any(plans),
                }
            }
            Query::Not(_) => self.all(std::slice::from_ref(query), depth)?,
            Query::Title(inner) if self.field == Field::Title => self.plan(inner, depth + 1)?,
            Query::Title(inner) => Plan::Conversations((self.titles)(inner)?),
        })
    }

    fn all(&mut self, members: &[Query], depth: usize) -> Result<Plan> {
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        for member in members {
            if let Query::Not(inner) = member {
                excluded.push(self.plan(inner, depth + 1)?);
                continue;
            }
            match self.plan(member, depth + 1)? {
                Plan::All { required: inner, excluded: without } => {
                    required.extend(inner);
                    excluded.extend(without);
                }
                Plan::Every => {}
                plan => required.push(plan),
            }
        }
        excluded.retain(|plan| !matches!(plan, Plan::Nothing));
        Ok(match (required.len(), excluded.len()) {
            (0, 0) => Plan::Every,
            (1, 0) => required.remove(0),
            (0, _) => Plan::All { required: vec![Plan::Every], excluded },
            _ => Plan::All { required, excluded },
        })
    }

    fn term(&self, term: &str) -> Result<PlanTerm> {
        let mut entries = Vec::with_capacity(self.snapshot.parts.len());
        for part in &self.snapshot.parts {
            entries.push(part.segment.find(self.field, term)?);
        }
        let df = entries.iter().flatten().map(|entry| u64::from(entry.df)).sum();
        Ok(PlanTerm { entries, df, idf: idf(self.documents, df) })
    }

    /// A phrase weighs what its terms weigh together: how many documents hold it is only known afterwards.
    fn phrase(&self, terms: &[(u32, String)]) -> Result<Plan> {
        let mut planned = Vec::with_capacity(terms.len());
        for (offset, term) in terms {
            planned.push((*offset, self.term(term)?));
        }
        Ok(match planned.len() {
            0 => Plan::Nothing,
            1 => Plan::Term(planned.remove(0).1),
            _ => {
                let idf = planned.iter().map(|(_, term)| term.idf).sum();
                Plan::Phrase { terms: planned, idf }
            }
        })
    }

    /// A prefix that is a term itself is a whole word, and stems that do not begin with it are mostly those of
    /// other words (`ra` for `rain`, of *raing*): they match, but weigh next to nothing. Where it is none, they
    /// are what it stands for (`run` for `runni`).
    fn prefix(&mut self, beginning: &str, stems: &[String]) -> Result<Plan> {
        let is_whole = self.term(beginning)?.df > 0;
        let (mut own, mut beside) = (Vec::new(), Vec::new());
        for part in &self.snapshot.parts {
            own.push(beginning_with(&part.segment, self.field, beginning)?);
            let mut entries = Vec::new();
            for stem in stems.iter().filter(|stem| !stem.starts_with(beginning)) {
                entries.extend(part.segment.find(self.field, stem)?);
            }
            beside.push(entries);
        }
        if !is_whole {
            own.iter_mut().zip(&mut beside).for_each(|(own, beside)| own.append(beside));
        }
        let own = self.union(own)?;
        let beside = self.union(beside)?.map(|prefix| PlanPrefix { idf: IDF_LEAST, ..prefix });
        Ok(match (own, beside) {
            (None, None) => Plan::Nothing,
            (Some(one), None) | (None, Some(one)) => Plan::Prefix(one),
            (Some(own), Some(beside)) => Plan::Any(vec![Plan::Prefix(own), Plan::Prefix(beside)]),
        })
    }

    /// Adds up terms, given for each segment, as if they were one; `None` if there are none.
    fn union(&mut self, mut parts: Vec<Vec<Entry>>) -> Result<Option<PlanPrefix>> {
        self.keep_affordable(&mut parts);
        if parts.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        let norm = Norm::new(self.mean);
        let mut unions = Vec::with_capacity(parts.len());
        for (part, entries) in self.snapshot.parts.iter().zip(&mut parts) {
            entries.sort_unstable_by_key(|entry| entry.postings);
            entries.dedup();
            unions.push(match entries.as_slice() {
                [] => None,
                some => Some(Union::read(&part.segment, some, &part.segment.lengths()?, norm)?),
            });
        }
        let df = unions.iter().flatten().map(|union| u64::from(union.df)).sum();
        Ok(Some(PlanPrefix { unions, df, idf: idf(self.documents, df) }))
    }

    /// Leaves out the rarest terms where all together are too many postings.
    fn keep_affordable(&mut self, parts: &mut [Vec<Entry>]) {
        let postings = |parts: &[Vec<Entry>]| parts.iter().flatten().map(|e| u64::from(e.df)).sum::<u64>();
        let wanted = postings(parts);
        if wanted > self.postings_left {
            self.cut = true;
            let mut dfs: Vec<u32> = parts.iter().flatten().map(|entry| entry.df).collect();
            dfs.sort_unstable_by(|a, b| b.cmp(a));
            let mut left = self.postings_left;
            let fits = |df: &u32| {
                let rest = left.checked_sub(u64::from(*df));
                left = rest.unwrap_or(0);
                rest.is_some()
            };
            let kept = dfs.iter().copied().take_while(fits).count();
            // All of one frequency go together, so that the choice depends on nothing else.
            let rare = dfs.get(kept).copied().unwrap_or(0);
            parts.iter_mut().for_each(|entries| entries.retain(|entry| entry.df > rare));
        }
        // Memory is bounded too: an array of two bytes a document counts as half as many postings.
        let charge = |(part, entries): (&SnapshotPart, &Vec<Entry>)| {
            let postings = entries.iter().map(|entry| u64::from(entry.df)).sum();
            let docs = part.segment.meta.docs;
            if Union::is_dense(postings, docs) { postings.max(u64::from(docs / 2)) } else { postings }
        };
        let charged: u64 = self.snapshot.parts.iter().zip(parts.iter()).map(charge).sum();
        self.postings_left = self.postings_left.saturating_sub(charged);
    }
}

fn beginning_with(segment: &Segment, field: Field, beginning: &str) -> Result<Vec<Entry>> {
    let prefix = key(field, beginning);
    let mut entries = Vec::new();
    let any = || 0;
    segment.dictionary.scan(&segment.file, &prefix, any, |term, entry| {
        let begins = term.starts_with(&prefix);
        if begins {
            entries.push(*entry);
        }
        begins
    })?;
    Ok(entries)
}

/// Returns the `limit` most frequent terms that begin with `prefix`, with their document frequencies; of equal ones
/// the first by name. A term that is among the `2 · limit` most
/// frequent of no segment can be missed.
pub(super) fn expand(
    snapshot: &Snapshot,
    field: Field,
    prefix: &str,
    limit: usize,
) -> Result<Vec<(String, u64)>> {
    let mut sums: FxHashMap<Vec<u8>, u64> = FxHashMap::default();
    let prefix = key(field, prefix);
    for part in &snapshot.parts {
        let segment = &part.segment;
        // A heap of the most frequent so far; its least is what a block must beat to be opened at all.
        let most = std::cell::RefCell::new(std::collections::BinaryHeap::new());
        let room = 2 * limit.max(1);
        let least = || {
            let most = most.borrow();
            if most.len() < room { 0 } else { most.peek().map_or(0, |std::cmp::Reverse((df, _))| *df + 1) }
        };
        segment.dictionary.scan(&segment.file, &prefix, least, |term, entry| {
            if !term.starts_with(&prefix) {
                return false;
            }
            if entry.df >= least() {
                let mut most = most.borrow_mut();
                most.push(std::cmp::Reverse((entry.df, term.to_vec())));
                if most.len() > room {
                    most.pop();
                }
            }
            true
        })?;
        for std::cmp::Reverse((df, term)) in most.into_inner() {
            *sums.entry(term).or_default() += u64::from(df);
        }
    }
    let mut terms: Vec<(Vec<u8>, u64)> = sums.into_iter().collect();
    terms.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    terms.truncate(limit);
    let text = |term: &[u8]| String::from_utf8_lossy(term.get(1..).unwrap_or_default()).into_owned();
    Ok(terms.into_iter().map(|(term, df)| (text(&term), df)).collect())
}
