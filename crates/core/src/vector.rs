//! Vectors that stand for texts: what is kept of them, what is asked, and the port [`VectorStorage`] behind which they are.
//!
//! What is kept belongs to one tenant and one *collection*: vectors of one model and one number of dimensions, compared
//! in one way ([`Spec`]). Whoever opens a collection shows the scope for it, so nothing here names a tenant.

use std::{collections::HashSet, fmt, str::FromStr, sync::Arc};

use crate::Timestamp;

/// Names a vector within its collection: the 16 bytes of whatever it stands for, such as a chunk's id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 16]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:032x})", u128::from_be_bytes(self.0))
    }
}

/// What makes vectors comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The collection's name, 1 to 200 bytes; one tenant's collections differ in it.
    pub name: String,
    /// Which model made the vectors. Vectors of another one are refused, since they mean something else.
    pub model: String,
    /// Numbers in each vector: 1 to 16,384.
    pub dimensions: usize,
    /// How two are compared.
    pub metric: Metric,
}

/// How two vectors are compared. Scores are greater for those that are nearer, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The cosine of the angle between them, -1 to 1. A vector of zeros has 0 with all others.
    Cosine,
    /// Their distance, with a minus sign: 0 and less.
    Euclidean,
    /// The sum of their products.
    InnerProduct,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cosine, Self::Euclidean, Self::InnerProduct];

    /// Returns the stable lower-case name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Euclidean => "euclidean",
            Self::InnerProduct => "inner_product",
        }
    }

    /// Compares two vectors of one length, as exactly as `f32` allows.
    pub fn score(self, a: &[f32], b: &[f32]) -> f32 {
        let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        match self {
            Self::InnerProduct => product(a, b),
            Self::Euclidean => -a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt(),
            Self::Cosine => {
                let lengths = product(a, a).sqrt() * product(b, b).sqrt();
                if lengths > 0.0 { product(a, b) / lengths } else { 0.0 }
            }
        }
    }
}

/// A text that names no [`Metric`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMetric(String);

impl fmt::Display for InvalidMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no way to compare vectors; there are cosine, euclidean and inner_product", self.0)
    }
}

impl std::error::Error for InvalidMetric {}

impl FromStr for Metric {
    type Err = InvalidMetric;

    fn from_str(text: &str) -> Result<Self, InvalidMetric> {
        let invalid = || InvalidMetric(text.chars().take(64).collect());
        Self::ALL.into_iter().find(|metric| metric.as_str() == text).ok_or_else(invalid)
    }
}

/// A vector to keep, with what it can be found by.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it stands for. A vector that is stored under the same key takes the place of this one.
    pub key: Key,
    /// As many finite numbers as the collection has dimensions.
    pub vector: Vec<f32>,
    /// What filters look at; the same name may occur with several values.
    pub tags: Vec<Tag>,
    /// When what it says was so.
    pub valid: Span,
    /// When we learnt it; when it is stored, where nothing is said.
    pub learnt: Option<Timestamp>,
    /// From when on it is found no longer, and may be removed.
    pub expires: Option<Timestamp>,
}

impl Entry {
    /// A vector without tags that was always so and is never forgotten.
    pub fn new(key: Key, vector: Vec<f32>) -> Self {
        Self { key, vector, tags: Vec::new(), valid: Span::ALWAYS, learnt: None, expires: None }
    }
}

/// One thing to filter by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// Such as `role`.
    pub name: String,
    /// Such as `user`.
    pub value: String,
}

impl Tag {
    /// Puts a name and a value together.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// From one moment (included) to another (not included); without bound where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Option<Timestamp>,
}

impl Span {
    /// All time.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// The one microsecond `at`.
    pub fn at(at: Timestamp) -> Self {
        Self { from: Some(at), until: Some(Timestamp::from_micros(at.as_micros().saturating_add(1))) }
    }

    /// Tells whether the two have a moment in common.
    pub fn meets(&self, other: &Self) -> bool {
        let before = |until: Option<Timestamp>, from: Option<Timestamp>| {
            until.zip(from).is_none_or(|(until, from)| from < until)
        };
        before(self.until, other.from) && before(other.until, self.from)
    }
}

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// As many finite numbers as the collection has dimensions.
    pub vector: Vec<f32>,
    /// How many at most, the nearest first.
    pub limit: usize,
    /// Which ones may be found.
    pub filter: Filter,
    /// How much may be missed for speed's sake.
    pub effort: Effort,
    /// The time it is: what has expired by then is not found. The clock's, where nothing is said.
    pub now: Option<Timestamp>,
}

impl Query {
    /// Looks for the `limit` nearest of all.
    pub fn new(vector: Vec<f32>, limit: usize) -> Self {
        Self { vector, limit, filter: Filter::default(), effort: Effort::default(), now: None }
    }
}

/// Which vectors may be found: those that meet every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// For each of these, a tag of its name with one of its values; or, where it is negated, none such.
    pub tags: Vec<Condition>,
    /// Was so at a moment within.
    pub valid: Option<Span>,
    /// Was learnt within.
    pub learnt: Option<Span>,
    /// One of these keys.
    pub keys: Option<Arc<HashSet<Key>>>,
}

impl Filter {
    /// Lets through what has the tag.
    pub fn tag(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tags: vec![Condition::any(name, [value.into()])], ..Self::default() }
    }

    /// Tells whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.valid.is_none() && self.learnt.is_none() && self.keys.is_none()
    }

    /// Tells whether a vector passes; `learnt` is when it was.
    pub fn passes(&self, entry: &Entry, learnt: Timestamp) -> bool {
        self.tags.iter().all(|condition| condition.holds(&entry.tags))
            && self.valid.is_none_or(|valid| valid.meets(&entry.valid))
            && self.learnt.is_none_or(|span| span.meets(&Span::at(learnt)))
            && self.keys.as_ref().is_none_or(|keys| keys.contains(&entry.key))
    }
}

/// One condition on tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The tags' name.
    pub name: String,
    /// Any of these; with no values at all, a tag of the name with whatever value.
    pub values: Vec<String>,
    /// The condition is that there is no such tag.
    pub negated: bool,
}

impl Condition {
    /// A tag of the name with one of the values.
    pub fn any(name: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        Self { name: name.into(), values: values.into_iter().collect(), negated: false }
    }

    /// No tag of the name with any of the values.
    pub fn none(name: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        Self { negated: true, ..Self::any(name, values) }
    }

    /// Tells whether the condition speaks of this tag.
    pub fn names(&self, name: &str, value: &str) -> bool {
        self.name == name && (self.values.is_empty() || self.values.iter().any(|wanted| wanted == value))
    }

    fn holds(&self, tags: &[Tag]) -> bool {
        tags.iter().any(|tag| self.names(&tag.name, &tag.value)) != self.negated
    }
}

/// How hard to look. What a level finds of the ten nearest is measured (`docs/benchmarks.md`), not promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Effort {
    /// At least 95 of a hundred, soonest.
    Quick,
    /// At least 99 of a hundred.
    #[default]
    Thorough,
    /// Everything is compared.
    Exact,
}

/// Something found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// What the vector stands for.
    pub key: Key,
    /// How near it is by the collection's [`Metric`]; greater is nearer.
    pub score: f32,
}

impl Near {
    /// Orders by score, the nearest first, and those with one score by key.
    pub fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        b.score.total_cmp(&a.score).then(a.key.cmp(&b.key))
    }
}

/// What a collection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Vectors that can be found; those that expired and were not removed yet count, too.
    pub vectors: u64,
    /// Numbers in each.
    pub dimensions: usize,
    /// On disk, or in memory where there is no disk: vectors, keys, tags and what makes search fast. An estimate.
    pub bytes: u64,
}

/// Vectors of one tenant and one collection, kept somewhere.
///
/// Implementers promise: what [`store`](VectorStorage::store) and [`delete`](VectorStorage::delete) returned from is seen
/// by every search that begins afterwards; a batch is stored or deleted as a whole or not at all; whatever is asked,
/// nothing of another tenant or collection is answered. The conformance suite of the crate `vector` shows it.
pub trait VectorStorage: Send + Sync {
    /// Why it could not be done.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Keeps vectors, in the place of those with the same keys. Of several with one key in a batch the last one stays.
    fn store(&self, entries: &[Entry]) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Finds the nearest, nearest first.
    fn search(&self, query: &Query) -> impl Future<Output = Result<Vec<Near>, Self::Error>> + Send;

    /// Answers several queries, in their order.
    fn search_all(
        &self,
        queries: &[Query],
    ) -> impl Future<Output = Result<Vec<Vec<Near>>, Self::Error>> + Send {
        async move {
            let mut found = Vec::with_capacity(queries.len());
            for query in queries {
                found.push(self.search(query).await?);
            }
            Ok(found)
        }
    }

    /// Removes vectors and returns how many there were.
    fn delete(&self, keys: &[Key]) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Tells for each key whether there is a vector.
    fn contains(&self, keys: &[Key]) -> impl Future<Output = Result<Vec<bool>, Self::Error>> + Send;

    /// Tells what is there.
    fn stats(&self) -> impl Future<Output = Result<Stats, Self::Error>> + Send;

    /// Removes all vectors.
    fn clear(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Removes what has expired by `now`, and returns how many that were.
    fn expire(&self, now: Timestamp) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Returns when everything stored would survive a crash, and what makes search fast has been written.
    fn persist(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_each_metric() {
        let check = |metric: Metric, a: &[f32], b: &[f32], score: f32| {
            assert_eq!(metric.score(a, b), score, "{metric:?} of {a:?} and {b:?}");
        };
        check(Metric::Cosine, &[3.0, 0.0], &[5.0, 0.0], 1.0);
        check(Metric::Cosine, &[3.0, 4.0], &[-4.0, 3.0], 0.0);
        check(Metric::Cosine, &[0.0, 0.0], &[1.0, 0.0], 0.0);
        check(Metric::Euclidean, &[1.0, 2.0], &[4.0, 6.0], -5.0);
        check(Metric::InnerProduct, &[1.0, 2.0], &[4.0, 6.0], 16.0);
        assert_eq!("euclidean".parse(), Ok(Metric::Euclidean));
        assert!("manhattan".parse::<Metric>().is_err());
    }

    #[test]
    fn spans_meet_where_they_share_a_moment() {
        let span = |from: Option<i64>, until: Option<i64>| Span {
            from: from.map(Timestamp::from_micros),
            until: until.map(Timestamp::from_micros),
        };
        let check = |a: Span, b: Span, meets: bool| {
            assert_eq!((a.meets(&b), b.meets(&a)), (meets, meets), "{a:?} {b:?}");
        };
        check(Span::ALWAYS, Span::ALWAYS, true);
        check(span(Some(1), Some(2)), span(Some(2), None), false);
        check(span(Some(1), Some(3)), span(Some(2), None), true);
        check(span(None, Some(5)), Span::at(Timestamp::from_micros(4)), true);
        check(span(None, Some(5)), Span::at(Timestamp::from_micros(5)), false);
    }
}
