//! Groups of vectors that lie together, found without a question.

mod means;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use athenaeum_core::{
    Timestamp,
    vector::{Key, Metric, Spec},
};

use self::means::{Middles, Points, Random};
use crate::{Collection, Error, pack::factor, rows::Rows};

/// How vectors are put into groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// How many groups at most, from 1; `None`: as many as the vectors are worth ([`Grouping::worth`]).
    pub count: Option<usize>,
    /// Of how many vectors the middles of the groups are found, chosen by lot. All vectors are then put to the nearest one.
    pub sample_max: usize,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { count: None, sample_max: 20_000 }
    }
}

impl Grouping {
    /// Most groups that anybody gets.
    pub const COUNT_MAX: usize = 200;

    /// Returns how many groups so many vectors are worth: their square root, 2 to 50, and never more than there are vectors.
    pub fn worth(vectors: usize) -> usize {
        vectors.isqrt().clamp(2, 50).min(vectors)
    }
}

/// The vectors of some collections in groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups {
    /// How many groups there are. Some may have no member, where vectors are fewer or more alike than groups were asked for.
    pub count: usize,
    /// The vectors of each collection, in the order in which they came.
    pub members: Vec<Vec<Member>>,
}

/// A vector and its group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// What the vector stands for.
    pub key: Key,
    /// The number of its group, from 0.
    pub group: u32,
    /// The cosine with the group's middle; the greatest are what the group is most about.
    pub score: f32,
}

/// Puts the vectors of some collections of one model into groups by the angles between them, whatever metric they are
/// searched by: spherical k-means (Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering",
/// 2001), begun as greedy k-means++ does (Arthur and Vassilvitskii, 2007). The same vectors in the same order give the
/// same groups.
///
/// Reads every vector twice, a page at a time; holds the sample, and 24 bytes for each vector. Computes on a thread that may
/// block. What has expired is left out, and what is stored meanwhile may be.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) where the collections are of several models or
/// dimensions; else those of the disk.
///
/// # Cancellation
/// Dropping the future ends the work within a round.
pub async fn group(collections: &[Collection], grouping: &Grouping) -> Result<Groups, Error> {
    let Some(first) = collections.first().map(Collection::spec) else { return Ok(Groups::default()) };
    let same = |spec: &Spec| spec.model == first.model && spec.dimensions == first.dimensions;
    if !collections.iter().all(|collection| same(collection.spec())) {
        return Err(Error::invalid("vectors of several models cannot be put into common groups"));
    }
    let stop = Stop::default();
    let now = Timestamp::now().as_micros();
    let mut lot = Lot::new(first.dimensions, grouping.sample_max.max(1));
    for collection in collections {
        let mut pages = Pages::of(collection);
        while let Some(rows) = pages.next().await? {
            lot.take(&rows, now);
        }
    }
    let count = grouping.count.unwrap_or_else(|| Grouping::worth(lot.seen));
    let count = count.clamp(1, Grouping::COUNT_MAX).min(lot.seen);
    if count == 0 {
        return Ok(Groups { count: 0, members: vec![Vec::new(); collections.len()] });
    }
    let told = Arc::clone(&stop.0);
    let middles = blocking(move || Middles::of(&lot.chosen, count, &told)).await;
    let middles = Arc::new(middles);
    let mut members = Vec::with_capacity(collections.len());
    for collection in collections {
        let mut all = Vec::new();
        let mut pages = Pages::of(collection);
        while let Some(rows) = pages.next().await? {
            let middles = Arc::clone(&middles);
            all.append(&mut blocking(move || placed(&middles, &rows, now)).await);
        }
        members.push(all);
    }
    Ok(Groups { count: middles.count(), members })
}

/// Puts each row to the middle nearest to it.
fn placed(middles: &Middles, rows: &Rows, now: i64) -> Vec<Member> {
    let mut products = Vec::new();
    let mut query = Vec::new();
    let rows_there = (0..rows.len()).filter(|index| rows.times[*index].expires > now);
    let place = |index: usize| {
        let row = rows.row(index);
        let own = factor(Metric::Cosine, rows.scales[index], row);
        let (group, score) = middles.nearest(row, own, &mut query, &mut products);
        Member { key: Key(rows.keys[index]), group, score: score.clamp(-1.0, 1.0) }
    };
    rows_there.map(place).collect()
}

/// The rows of a collection, a page at a time.
struct Pages<'c> {
    collection: &'c Collection,
    after: u64,
}

impl<'c> Pages<'c> {
    fn of(collection: &'c Collection) -> Self {
        Self { collection, after: 0 }
    }

    async fn next(&mut self) -> Result<Option<Rows>, Error> {
        let rows = self.collection.rows_after(self.after, PAGE).await?;
        let Some(last) = rows.sequences.last() else { return Ok(None) };
        self.after = *last;
        Ok(Some(rows))
    }
}

/// Some vectors, chosen by lot as they come: each has the same right, however many there are (Vitter's Algorithm R, 1985).
struct Lot {
    chosen: Points,
    most: usize,
    seen: usize,
    random: Random,
}

impl Lot {
    fn new(dimensions: usize, most: usize) -> Self {
        Self { chosen: Points::new(dimensions), most, seen: 0, random: Random::new() }
    }

    fn take(&mut self, rows: &Rows, now: i64) {
        for index in (0..rows.len()).filter(|index| rows.times[*index].expires > now) {
            let row = rows.row(index);
            let own = factor(Metric::Cosine, rows.scales[index], row);
            self.seen += 1;
            if self.chosen.len() < self.most {
                self.chosen.push(row, own);
                continue;
            }
            let place = self.random.below(self.seen);
            if place < self.most {
                self.chosen.replace(place, row, own);
            }
        }
    }
}

/// Tells the thread that computes when nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Rows read at once: some 2 MB with 384 dimensions.
const PAGE: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_vectors_are_worth_few_groups() {
        let check = |vectors: usize, groups: usize| assert_eq!(Grouping::worth(vectors), groups, "{vectors}");
        check(0, 0);
        check(1, 1);
        check(7, 2);
        check(200, 14);
        check(1_000_000, 50);
    }

    /// Otherwise the first import alone would say what there is.
    #[test]
    fn a_lot_falls_on_late_rows_as_often_as_on_early_ones() {
        let mut lot = Lot::new(1, 500);
        for page in 0..10_u8 {
            let mut rows = Rows::new(1);
            for _ in 0..1_000 {
                rows.keys.push([0; 16]);
                rows.scales.push(1.0);
                rows.values.push(page + 1);
                rows.times.push(crate::rows::Times::new(
                    athenaeum_core::vector::Span::ALWAYS,
                    Timestamp::from_micros(0),
                    (page == 9).then(|| Timestamp::from_micros(5)),
                ));
            }
            lot.take(&rows, 6);
        }
        assert_eq!((lot.seen, lot.chosen.len()), (9_000, 500), "what has expired has no lot");
        for page in 1..=9 {
            let drawn = (0..500).filter(|point| lot.chosen.row(*point)[0] == page).count();
            assert!((25..90).contains(&drawn), "{drawn} of page {page}");
        }
    }
}
