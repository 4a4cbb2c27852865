//! Spherical k-means over bytes.

use std::sync::atomic::{AtomicBool, Ordering};

use athenaeum_core::vector::Metric;
use athenaeum_kernels::products_i8;

use crate::pack::{factor, pack};

/// Vectors as bytes, each with what makes its length 1.
#[derive(Debug, Default)]
pub(super) struct Points {
    dimensions: usize,
    /// One behind the other.
    values: Vec<u8>,
    factors: Vec<f32>,
}

impl Points {
    pub(super) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.factors.len()
    }

    pub(super) fn push(&mut self, row: &[u8], factor: f32) {
        self.values.extend_from_slice(row);
        self.factors.push(factor);
    }

    pub(super) fn replace(&mut self, index: usize, row: &[u8], factor: f32) {
        self.values[index * self.dimensions..][..self.dimensions].copy_from_slice(row);
        self.factors[index] = factor;
    }

    pub(super) fn row(&self, index: usize) -> &[u8] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }

    /// Returns how far all are from one of them, 0 to 2.
    fn far_from(&self, index: usize, room: &mut Vec<i32>) -> Vec<f32> {
        let (row, own): (Vec<i8>, f32) =
            (self.row(index).iter().map(|byte| *byte as i8).collect(), self.factors[index]);
        room.resize(self.len(), 0);
        products_i8(&row, &self.values, room);
        let products = room.iter().zip(&self.factors);
        products.map(|(product, factor)| (1.0 - *product as f32 * factor * own).max(0.0)).collect()
    }
}

/// The middles of groups: vectors of length 1 that others gather around.
#[derive(Debug)]
pub(super) struct Middles(Points);

impl Middles {
    /// Finds `count` middles of some points, of which there is one at least; fewer where points are alike. When told to stop it
    /// returns what it has.
    pub(super) fn of(points: &Points, count: usize, stop: &AtomicBool) -> Self {
        let mut middles = Self::seeds(points, count, stop);
        let mut groups: Vec<u32> = Vec::new();
        for _ in 0..ROUNDS {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let nearest = middles.nearest_of(points);
            let moved = nearest.iter().zip(&groups).filter(|(new, old)| new != old).count();
            let settled = !groups.is_empty() && moved * SETTLED_PER < points.len();
            groups = nearest;
            if settled {
                break;
            }
            middles = middles.moved(points, &groups);
        }
        middles
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the nearest middle of a row, and the cosine with it. `query` and `products` are room.
    pub(super) fn nearest(
        &self,
        row: &[u8],
        own: f32,
        query: &mut Vec<i8>,
        products: &mut Vec<i32>,
    ) -> (u32, f32) {
        query.clear();
        query.extend(row.iter().map(|byte| *byte as i8));
        products.resize(self.count(), 0);
        products_i8(query, &self.0.values, products);
        let scores = products.iter().zip(&self.0.factors).map(|(product, factor)| *product as f32 * factor);
        let mut best = (0, f32::NEG_INFINITY);
        for (group, score) in (0..).zip(scores) {
            if score > best.1 {
                best = (group, score);
            }
        }
        (best.0, best.1 * own)
    }

    fn nearest_of(&self, points: &Points) -> Vec<u32> {
        let (mut query, mut products) = (Vec::new(), Vec::new());
        let rows = points.factors.iter().enumerate();
        rows.map(|(index, own)| self.nearest(points.row(index), *own, &mut query, &mut products).0).collect()
    }

    /// Chooses the first middles among the points.
    fn seeds(points: &Points, count: usize, stop: &AtomicBool) -> Self {
        let mut random = Random::new();
        let mut seeds = Seeds::of(points, count, &mut random, stop);
        seeds.improve(&mut random, stop);
        let mut middles = Points::new(points.dimensions);
        seeds.chosen.iter().for_each(|point| middles.push(points.row(*point), points.factors[*point]));
        Self(middles)
    }

    /// Moves each middle to where its points are; one without points stays.
    fn moved(&self, points: &Points, groups: &[u32]) -> Self {
        let dimensions = points.dimensions;
        let mut sums = vec![0.0_f32; self.count() * dimensions];
        let mut counts = vec![0_usize; self.count()];
        for (index, group) in groups.iter().enumerate() {
            let (group, own) = (*group as usize, points.factors[index]);
            counts[group] += 1;
            let sum = &mut sums[group * dimensions..][..dimensions];
            sum.iter_mut()
                .zip(points.row(index))
                .for_each(|(sum, byte)| *sum += f32::from(*byte as i8) * own);
        }
        let mut middles = Points::new(dimensions);
        for (group, sum) in sums.chunks_exact(dimensions).enumerate() {
            let mut row = Vec::with_capacity(dimensions);
            let scale = pack(sum, &mut row);
            let own = factor(Metric::Cosine, scale, &row);
            // Points that point everywhere have no middle.
            if counts[group] == 0 || own == 0.0 {
                middles.push(self.0.row(group), self.0.factors[group]);
            } else {
                middles.push(&row, own);
            }
        }
        Self(middles)
    }
}

/// Points chosen to begin with. How far a point is from another is 1 less their cosine: half the square of their distance on
/// the sphere.
struct Seeds<'p> {
    points: &'p Points,
    chosen: Vec<usize>,
    /// How far all points are from each of those chosen.
    columns: Vec<Vec<f32>>,
    /// Which of those chosen each point is nearest to, and how far it is from that one and from the next.
    nearest: Vec<(usize, f32, f32)>,
    room: Vec<i32>,
}

impl<'p> Seeds<'p> {
    /// Each is far from those before it; of some that the lot falls on, the one that brings all points nearest (greedy
    /// k-means++).
    fn of(points: &'p Points, count: usize, random: &mut Random, stop: &AtomicBool) -> Self {
        let (chosen, columns) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut seeds = Self { points, chosen, columns, nearest: Vec::new(), room: Vec::new() };
        let first = random.below(points.len());
        seeds.add(first);
        let candidates = 2 + count.ilog2() as usize;
        while seeds.chosen.len() < count && !stop.load(Ordering::Relaxed) {
            let sum = seeds.sum();
            if sum <= ALIKE * points.len() as f64 {
                break;
            }
            let mut best = (f64::INFINITY, first);
            for _ in 0..candidates {
                let drawn = seeds.drawn(random.share() * sum);
                let column = seeds.column(drawn);
                let near = column.iter().zip(&seeds.nearest).map(|(far, (_, least, _))| far.min(*least));
                let left: f64 = near.map(f64::from).sum();
                if left < best.0 {
                    best = (left, drawn);
                }
            }
            seeds.add(best.1);
        }
        seeds
    }

    /// Draws points, and has each take the place of the one that is missed least, where that brings all points nearer: where
    /// points of one group lie far apart, two of it may have been chosen, and none of another (Lattanzi and Sohler, "A Better
    /// k-means++ Algorithm via Local Search", 2019).
    fn improve(&mut self, random: &mut Random, stop: &AtomicBool) {
        for _ in 0..DRAWN_PER * self.chosen.len() {
            let sum = self.sum();
            if self.chosen.len() < 2
                || stop.load(Ordering::Relaxed)
                || sum <= ALIKE * self.points.len() as f64
            {
                break;
            }
            let drawn = self.drawn(random.share() * sum);
            let column = self.column(drawn);
            let mut with = 0.0;
            // What it costs to do without each.
            let mut without = vec![0.0_f64; self.chosen.len()];
            for (far, (own, least, next)) in column.iter().zip(&self.nearest) {
                with += f64::from(far.min(*least));
                without[*own] += f64::from(far.min(*next) - far.min(*least));
            }
            let least = without.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            let Some((place, cost)) = least else { break };
            if with + cost < sum * (1.0 - GAIN_LEAST) {
                (self.chosen[place], self.columns[place]) = (drawn, column);
                self.look();
            }
        }
    }

    fn add(&mut self, point: usize) {
        let column = self.column(point);
        self.chosen.push(point);
        self.columns.push(column);
        self.look();
    }

    /// Finds the nearest of those chosen for each point.
    fn look(&mut self) {
        self.nearest.clear();
        self.nearest.resize(self.points.len(), (0, f32::INFINITY, f32::INFINITY));
        for (place, column) in self.columns.iter().enumerate() {
            for (far, nearest) in column.iter().zip(&mut self.nearest) {
                let (_, least, next) = *nearest;
                if *far < least {
                    *nearest = (place, *far, least);
                } else if *far < next {
                    nearest.2 = *far;
                }
            }
        }
    }

    fn sum(&self) -> f64 {
        self.nearest.iter().map(|(_, least, _)| f64::from(*least)).sum()
    }

    fn column(&mut self, point: usize) -> Vec<f32> {
        self.points.far_from(point, &mut self.room)
    }

    /// Finds the point that `at`, from 0 to the sum, falls on: the farther from those chosen, the likelier.
    fn drawn(&self, at: f64) -> usize {
        let mut sum = 0.0;
        let mut last = 0;
        for (index, (_, least, _)) in self.nearest.iter().enumerate().filter(|(_, far)| far.1 > 0.0) {
            sum += f64::from(*least);
            last = index;
            if sum > at {
                break;
            }
        }
        last
    }
}

/// The same numbers each time: splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        Self(SEED)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to below `end`, which is 1 at least.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// 0 up to below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const SEED: u64 = 0x746f_7069_6373;

/// How often middles move at most; some ten times are the rule.
const ROUNDS: usize = 40;

/// Where fewer than one in so many points went to another middle, they have settled.
const SETTLED_PER: usize = 1_000;

/// Points drawn to take the place of others, for each that was chosen.
const DRAWN_PER: usize = 2;

/// Share of the sum of distances that it must be worth.
const GAIN_LEAST: f64 = 1e-4;

/// Mean of 1 less the cosine at which points are the same but for rounding to bytes.
const ALIKE: f64 = 1e-5;

#[cfg(test)]
mod tests {
    use super::*;

    fn points(vectors: &[Vec<f32>]) -> Points {
        let mut points = Points::new(vectors[0].len());
        for vector in vectors {
            let mut row = Vec::new();
            let scale = pack(vector, &mut row);
            points.push(&row, factor(Metric::Cosine, scale, &row));
        }
        points
    }

    /// Vectors around `count` directions that are chosen by lot, in turn.
    fn planted(count: usize, each: usize, dimensions: usize, spread: f32) -> Vec<Vec<f32>> {
        let mut random = Random(7);
        let mut vector = |length: f32| -> Vec<f32> {
            (0..dimensions).map(|_| (random.share() as f32 - 0.5) * length).collect()
        };
        let middles: Vec<Vec<f32>> = (0..count).map(|_| vector(1.0)).collect();
        (0..count * each)
            .map(|index| {
                let away = vector(spread);
                middles[index % count].iter().zip(away).map(|(middle, away)| middle + away).collect()
            })
            .collect()
    }

    #[test]
    fn planted_groups_are_found_again() {
        for (count, each, dimensions, spread) in [(2, 30, 8, 0.5), (8, 40, 64, 1.0), (50, 20, 128, 1.0)] {
            let points = points(&planted(count, each, dimensions, spread));
            let middles = Middles::of(&points, count, &AtomicBool::new(false));
            let groups = middles.nearest_of(&points);
            assert_eq!(middles.count(), count);
            for (index, group) in groups.iter().enumerate() {
                assert_eq!(*group, groups[index % count], "point {index} of {count} groups");
            }
            let distinct: std::collections::BTreeSet<&u32> = groups.iter().collect();
            assert_eq!(distinct.len(), count);
            let again = Middles::of(&points, count, &AtomicBool::new(false));
            assert_eq!(again.0.values, middles.0.values, "the same points give the same middles");
        }
    }

    #[test]
    fn middles_lie_nearer_than_the_points_they_began_as() {
        let points = points(&planted(12, 60, 32, 2.5));
        let sum = |middles: &Middles| -> f32 {
            let (mut query, mut products) = (Vec::new(), Vec::new());
            let each = points.factors.iter().enumerate();
            each.map(|(index, own)| middles.nearest(points.row(index), *own, &mut query, &mut products).1)
                .sum()
        };
        let seeds = Middles::seeds(&points, 12, &AtomicBool::new(false));
        let middles = Middles::of(&points, 12, &AtomicBool::new(false));
        assert!(sum(&middles) > 1.1 * sum(&seeds), "{} {}", sum(&middles), sum(&seeds));
    }

    #[test]
    fn points_that_are_alike_make_one_group_and_nothing_makes_none() {
        let stop = AtomicBool::new(false);
        let alike = points(&vec![vec![0.3, -0.2, 0.9]; 20]);
        assert_eq!(Middles::of(&alike, 5, &stop).count(), 1);
        let zeros = points(&vec![vec![0.0; 3]; 4]);
        let middles = Middles::of(&zeros, 2, &stop);
        assert!(middles.nearest_of(&zeros).iter().all(|group| (*group as usize) < middles.count()));
        let two = points(&[vec![1.0, 0.0], vec![-1.0, 0.0]]);
        let middles = Middles::of(&two, 2, &stop);
        let groups = middles.nearest_of(&two);
        assert_ne!(groups[0], groups[1]);
        // Told to stop at once, there is still something to answer with.
        assert!(Middles::of(&two, 2, &AtomicBool::new(true)).count() >= 1);
    }
}
