//! Partitions: rows that lie together get a common center; centers that lie together, a common group.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use athenaeum_core::vector::Metric;
use athenaeum_kernels::products_i8;

use crate::{
    pack::{factor, pack},
    rows::Rows,
};

/// Which rows lie together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partitions {
    pub(crate) centers: Centers,
    /// Centers of groups of partitions, which follow each other; none where partitions are few.
    pub(crate) groups: Centers,
    /// The first partition after each group.
    pub(crate) group_ends: Vec<u32>,
    /// The rows' indexes, partition by partition, in a partition in their order.
    pub(crate) order: Vec<u32>,
    /// The first place after each partition.
    pub(crate) ends: Vec<u32>,
}

/// Centers as bytes, and what ranks them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Centers {
    dimensions: usize,
    /// Bytes that stand for -127 to 127, one center behind the other.
    pub(crate) bytes: Vec<u8>,
    /// What each center's bytes are multiplied by.
    pub(crate) factors: Vec<f32>,
    /// Minus half the square of each length.
    biases: Vec<f32>,
}

/// Finds about `count` partitions, or as many as there are rows: k-means over some of the rows, then each row goes to the
/// nearest center. Many are found group by group, and looked for in the groups that are near. The same rows give the same
/// partitions, whatever the number of threads.
pub(crate) fn partitions(rows: &Rows, metric: Metric, count: usize, threads: usize) -> Partitions {
    let count = count.clamp(1, rows.len().max(1));
    let factors: Vec<f32> =
        (0..rows.len()).map(|index| factor(metric, rows.scales[index], rows.row(index))).collect();
    let data = Data { rows, factors: &factors, threads: threads.max(1) };
    let tree = if count < GROUPED_MIN { data.flat(count) } else { data.grouped(count) };
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let nearest = if tree.centers.count() == 1 { vec![0; all.len()] } else { data.nearest(&tree, &all) };
    let mut ends = vec![0_u32; tree.centers.count()];
    nearest.iter().for_each(|partition| ends[*partition as usize] += 1);
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    let mut next: Vec<u32> = [0].into_iter().chain(ends.iter().copied()).collect();
    let mut order = vec![0; all.len()];
    for (row, partition) in nearest.iter().enumerate() {
        let place = &mut next[*partition as usize];
        order[*place as usize] = row as u32;
        *place += 1;
    }
    let Tree { centers, groups, ends: group_ends } = tree;
    Partitions { centers, groups, group_ends, order, ends }
}

/// Returns how many partitions so many rows are worth: one for few, as those are compared in full.
pub(crate) fn count(rows: usize) -> usize {
    match rows {
        ..4_096 => 1,
        _ => (rows / ROWS).min(65_536),
    }
}

/// Rows in a partition, about.
const ROWS: usize = 100;
/// Rows per center that the centers are found with.
const SAMPLE_ROWS: usize = 64;
/// How often centers move.
const ROUNDS: usize = 8;
/// Partitions from which on there are groups.
const GROUPED_MIN: usize = 64;
/// How often all centers move once more that were found group by group.
const ROUNDS_ACROSS: usize = 2;
/// Groups that a row's center is looked for in.
const GROUPS_NEAR: usize = 8;

impl Centers {
    fn new(dimensions: usize) -> Self {
        Self { dimensions, bytes: Vec::new(), factors: Vec::new(), biases: Vec::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.factors.len()
    }

    /// The square of a center's length.
    pub(crate) fn square(&self, center: usize) -> f32 {
        -2.0 * self.biases[center]
    }

    pub(crate) fn bytes_of(&self, center: usize) -> &[u8] {
        &self.bytes[center * self.dimensions..][..self.dimensions]
    }

    fn push(&mut self, center: &[f32]) {
        let start = self.bytes.len();
        let scale = pack(center, &mut self.bytes);
        let square: f32 = self.bytes[start..].iter().map(|byte| f32::from(*byte as i8).powi(2)).sum();
        self.factors.push(scale);
        self.biases.push(-0.5 * scale * scale * square);
    }

    fn append(&mut self, mut other: Self) {
        self.bytes.append(&mut other.bytes);
        self.factors.append(&mut other.factors);
        self.biases.append(&mut other.biases);
    }
}

/// Centers, in the order of their groups.
struct Tree {
    centers: Centers,
    groups: Centers,
    /// The first center after each group.
    ends: Vec<u32>,
}

struct Data<'a> {
    rows: &'a Rows,
    factors: &'a [f32],
    threads: usize,
}

/// What a look for the nearest needs, used again from row to row.
#[derive(Default)]
struct Look {
    row: Vec<i8>,
    products: Vec<i32>,
    ranked: Vec<(f32, u32)>,
}

impl Data<'_> {
    fn flat(&self, count: usize) -> Tree {
        let centers = self.means_of(&sample(self.rows.len(), count * SAMPLE_ROWS), count);
        Tree { centers, groups: Centers::new(self.rows.dimensions), ends: Vec::new() }
    }

    fn grouped(&self, count: usize) -> Tree {
        let wanted = count.isqrt();
        let groups = self.flat(wanted);
        let some = sample(self.rows.len(), count * SAMPLE_ROWS);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); groups.centers.count()];
        for (row, group) in some.iter().zip(self.nearest(&groups, &some)) {
            members[group as usize].push(*row);
        }
        let parts = self.on_threads(&members, |members| {
            let alone = Data { threads: 1, ..*self };
            alone.means_of(members, (members.len() * count / some.len()).max(1))
        });
        let mut tree =
            Tree { centers: Centers::new(self.rows.dimensions), groups: groups.centers, ends: Vec::new() };
        for part in parts {
            tree.centers.append(part);
            tree.ends.push(tree.centers.count() as u32);
        }
        for _ in 0..ROUNDS_ACROSS {
            let nearest = self.nearest(&tree, &some);
            tree.centers = self.means(&tree.centers, &some, &nearest, &[]);
        }
        tree
    }

    /// Finds so many centers of some rows, one at least.
    fn means_of(&self, some: &[u32], count: usize) -> Centers {
        let stride = (some.len() / count).max(1);
        let mut centers = Centers::new(self.rows.dimensions);
        for index in some.iter().step_by(stride).take(count) {
            let row = self.rows.row(*index as usize).iter();
            let factor = self.factors[*index as usize];
            centers.push(&row.map(|byte| f32::from(*byte as i8) * factor).collect::<Vec<_>>());
        }
        if centers.count() == 0 {
            centers.push(&vec![0.0; self.rows.dimensions]);
        }
        let rounds = if count == 1 { 1 } else { ROUNDS };
        for _ in 0..rounds {
            let tree = Tree { centers, groups: Centers::new(self.rows.dimensions), ends: Vec::new() };
            let nearest = self.nearest(&tree, some);
            centers = self.means(&tree.centers, some, &nearest, some);
        }
        centers
    }

    /// Returns the nearest center of each of some rows; in groups, of those in the groups that are near.
    fn nearest(&self, tree: &Tree, some: &[u32]) -> Vec<u32> {
        let shares: Vec<&[u32]> = some.chunks(some.len().div_ceil(8 * self.threads).max(1)).collect();
        let parts = self.on_threads(&shares, |share| {
            let mut look = Look::default();
            share.iter().map(|row| self.nearest_of(tree, *row as usize, &mut look)).collect::<Vec<u32>>()
        });
        parts.concat()
    }

    fn nearest_of(&self, tree: &Tree, row: usize, look: &mut Look) -> u32 {
        look.row.clear();
        look.row.extend(self.rows.row(row).iter().map(|byte| *byte as i8));
        let factor = self.factors[row];
        let mut best = (f32::NEG_INFINITY, 0);
        let mut among = |centers: &Centers, start: usize, end: usize, look: &mut Look| {
            look.products.resize(end - start, 0);
            let bytes = &centers.bytes[start * centers.dimensions..end * centers.dimensions];
            products_i8(&look.row, bytes, &mut look.products);
            let centers = centers.factors[start..end].iter().zip(&centers.biases[start..end]);
            look.products.iter().zip(centers).zip(start as u32..).for_each(
                |((product, (scale, bias)), at)| {
                    let rank = *product as f32 * factor * scale + bias;
                    if rank > best.0 {
                        best = (rank, at);
                    }
                },
            );
        };
        if tree.ends.is_empty() {
            among(&tree.centers, 0, tree.centers.count(), look);
            return best.1;
        }
        look.products.resize(tree.groups.count(), 0);
        products_i8(&look.row, &tree.groups.bytes, &mut look.products);
        let groups = tree.groups.factors.iter().zip(&tree.groups.biases);
        look.ranked.clear();
        let ranked = look.products.iter().zip(groups).zip(0..);
        look.ranked.extend(
            ranked.map(|((product, (scale, bias)), group)| (*product as f32 * factor * scale + bias, group)),
        );
        if look.ranked.len() > GROUPS_NEAR {
            look.ranked
                .select_nth_unstable_by(GROUPS_NEAR - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            look.ranked.truncate(GROUPS_NEAR);
        }
        // In their order, so that of equal centers the first is taken.
        look.ranked.sort_unstable_by_key(|(_, group)| *group);
        for place in 0..look.ranked.len() {
            let group = look.ranked[place].1 as usize;
            let start = group.checked_sub(1).map_or(0, |before| tree.ends[before] as usize);
            among(&tree.centers, start, tree.ends[group] as usize, look);
        }
        best.1
    }

    /// Does something with each of some things; returns what it gave, in their order.
    fn on_threads<T: Sync, R: Send>(&self, things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        if self.threads == 1 || things.len() < 2 {
            return things.iter().map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(things.len()));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(things.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(thing) = things.get(index) else { break };
                        let made = work(thing);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((index, made));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, made)| made).collect()
    }

    /// Returns the means of the rows of each center. One without rows becomes one of `spare`, or stays where these are none.
    fn means(&self, old: &Centers, some: &[u32], nearest: &[u32], spare: &[u32]) -> Centers {
        let dimensions = self.rows.dimensions;
        let mut sums = vec![0.0_f32; old.count() * dimensions];
        let mut counts = vec![0_u32; old.count()];
        for (index, center) in some.iter().zip(nearest) {
            let factor = self.factors[*index as usize];
            let sum = &mut sums[*center as usize * dimensions..][..dimensions];
            sum.iter_mut()
                .zip(self.rows.row(*index as usize))
                .for_each(|(sum, byte)| *sum += f32::from(*byte as i8) * factor);
            counts[*center as usize] += 1;
        }
        let mut centers = Centers::new(dimensions);
        let mut spare = spare.iter().step_by((spare.len() / old.count()).max(1) + 1);
        for (center, count) in counts.iter().enumerate() {
            let sum = &mut sums[center * dimensions..][..dimensions];
            match (count, spare.next()) {
                (0, Some(row)) => {
                    let factor = self.factors[*row as usize];
                    let row = self.rows.row(*row as usize);
                    sum.iter_mut().zip(row).for_each(|(sum, byte)| *sum = f32::from(*byte as i8) * factor);
                }
                (0, None) => {
                    let factor = old.factors[center];
                    let bytes = old.bytes_of(center);
                    sum.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum = f32::from(*byte as i8) * factor);
                }
                _ => sum.iter_mut().for_each(|sum| *sum /= *count as f32),
            }
            centers.push(sum);
        }
        centers
    }
}

/// Chooses at most `count` of `rows`, each with the same right, and the same each time.
fn sample(rows: usize, count: usize) -> Vec<u32> {
    if rows <= count {
        return (0..rows as u32).collect();
    }
    let mut chosen = Vec::with_capacity(count);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for row in 0..rows {
        // xorshift64 (Marsaglia, 2003); row by row, as many of those left as are still wanted.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (wanted, left) = ((count - chosen.len()) as u64, (rows - row) as u64);
        if random % left < wanted {
            chosen.push(row as u32);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(vectors: &[[f32; 4]]) -> Rows {
        let mut rows = Rows::new(4);
        for vector in vectors {
            let scale = pack(vector, &mut rows.values);
            rows.scales.push(scale);
            rows.keys.push([0; 16]);
        }
        rows
    }

    #[test]
    fn what_lies_together_comes_together() {
        let near = |center: [f32; 4], index: usize| center.map(|value| value + (index % 7) as f32 / 50.0);
        let corners = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0]];
        let vectors: Vec<_> = (0..300).map(|index| near(corners[index % 3], index)).collect();
        let rows = rows(&vectors);
        for metric in Metric::ALL {
            let found = partitions(&rows, metric, 12, 1);
            assert_eq!(found, partitions(&rows, metric, 12, 2), "threads change nothing");
            let mut start = 0;
            for end in &found.ends {
                let together = &found.order[start..*end as usize];
                assert!(together.iter().all(|row| row % 3 == together[0] % 3), "{metric:?}");
                start = *end as usize;
            }
            assert_eq!((start, found.ends.len()), (300, 12));
        }
    }

    #[test]
    fn many_partitions_come_in_groups() {
        let near = |place: usize, index: usize| {
            let angle = place as f32 / 90.0 * std::f32::consts::TAU;
            let off = (index % 5) as f32 / 1_000.0;
            [angle.cos() + off, angle.sin(), (3.0 * angle).cos(), off]
        };
        let vectors: Vec<_> = (0..9_000).map(|index| near(index % 90, index / 90)).collect();
        let rows = rows(&vectors);
        let found = partitions(&rows, Metric::Cosine, 90, 1);
        assert_eq!(found, partitions(&rows, Metric::Cosine, 90, 3), "threads change nothing");
        assert_eq!(found.groups.count(), 9);
        assert!(found.group_ends.is_sorted());
        assert_eq!(found.group_ends.last(), Some(&(found.ends.len() as u32)));
        assert!((80..=100).contains(&found.ends.len()), "{}", found.ends.len());
        let mut order = found.order.clone();
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..9_000), "each row is there once");
        // A partition has rows of few places, all of them neighbours.
        let mut start = 0;
        for end in &found.ends {
            let places: std::collections::BTreeSet<u32> =
                found.order[start..*end as usize].iter().map(|row| row % 90).collect();
            assert!(places.len() <= 12, "{places:?}");
            start = *end as usize;
        }
    }

    #[test]
    fn few_rows_and_none() {
        for count in [0, 1, 2] {
            let found = partitions(&rows(&vec![[0.0; 4]; count]), Metric::Cosine, 9, 2);
            assert_eq!(found.order.len(), count);
            assert_eq!(found.ends.last(), Some(&(count as u32)));
            assert_eq!(found.centers.count(), found.ends.len());
        }
    }

    #[test]
    fn a_sample_is_spread() {
        let chosen = sample(1_000, 100);
        assert_eq!(chosen.len(), 100);
        assert!(chosen.is_sorted() && chosen[99] < 1_000 && chosen[50] > 250 && chosen[50] < 750);
    }
}
