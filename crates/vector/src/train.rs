//! Partitions: rows that lie together get a common center.

use athenaeum_core::vector::Metric;
use athenaeum_kernels::products_i8;

use crate::{
    pack::{factor, pack},
    rows::Rows,
};

/// Which rows lie together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partitions {
    /// Bytes that stand for -127 to 127, one center behind the other.
    pub(crate) centers: Vec<u8>,
    /// What each center's bytes are multiplied by.
    pub(crate) factors: Vec<f32>,
    /// The rows' indexes, partition by partition, in a partition in their order.
    pub(crate) order: Vec<u32>,
    /// The first place after each partition.
    pub(crate) ends: Vec<u32>,
}

impl Partitions {
    /// The square of a center's length.
    pub(crate) fn square(&self, partition: usize, dimensions: usize) -> f32 {
        let center = &self.centers[partition * dimensions..][..dimensions];
        let square: f32 = center.iter().map(|byte| f32::from(*byte as i8).powi(2)).sum();
        square * self.factors[partition].powi(2)
    }
}

/// Finds `count` partitions, or as many as there are rows: k-means over some of the rows, then each row goes to the nearest
/// center. The same rows give the same partitions, whatever the number of threads.
pub(crate) fn partitions(rows: &Rows, metric: Metric, count: usize, threads: usize) -> Partitions {
    let count = count.clamp(1, rows.len().max(1));
    let factors: Vec<f32> =
        (0..rows.len()).map(|index| factor(metric, rows.scales[index], rows.row(index))).collect();
    let data = Data { rows, factors: &factors, threads: threads.max(1) };
    let sample = sample(rows.len(), count * SAMPLE_ROWS);
    let stride = (sample.len() / count).max(1);
    let mut centers = Centers::new(rows.dimensions);
    for index in sample.iter().step_by(stride).take(count) {
        let row = rows.row(*index as usize).iter();
        centers.push(&row.map(|byte| f32::from(*byte as i8) * factors[*index as usize]).collect::<Vec<_>>());
    }
    if centers.count() == 0 {
        centers.push(&vec![0.0; rows.dimensions]);
    }
    let rounds = if count == 1 { 1 } else { ROUNDS };
    for _ in 0..rounds {
        let nearest = data.nearest(&centers, &sample);
        centers = data.means(&centers, &sample, &nearest);
    }
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let nearest = if centers.count() == 1 { vec![0; all.len()] } else { data.nearest(&centers, &all) };
    let mut ends = vec![0_u32; centers.count()];
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
    Partitions { centers: centers.bytes, factors: centers.factors, order, ends }
}

/// Returns how many partitions so many rows are worth: one for few, as those are compared in full.
pub(crate) fn count(rows: usize) -> usize {
    match rows {
        ..4_096 => 1,
        _ => (rows / ROWS).min(16_384),
    }
}

/// Rows in a partition, about.
const ROWS: usize = 200;
/// Rows per center that the centers are found with.
const SAMPLE_ROWS: usize = 64;
/// How often centers move.
const ROUNDS: usize = 8;

/// Centers as bytes, and what ranks them.
struct Centers {
    dimensions: usize,
    bytes: Vec<u8>,
    factors: Vec<f32>,
    /// Minus half the square of each length.
    biases: Vec<f32>,
}

impl Centers {
    fn new(dimensions: usize) -> Self {
        Self { dimensions, bytes: Vec::new(), factors: Vec::new(), biases: Vec::new() }
    }

    fn count(&self) -> usize {
        self.factors.len()
    }

    fn push(&mut self, center: &[f32]) {
        let start = self.bytes.len();
        let scale = pack(center, &mut self.bytes);
        let square: f32 = self.bytes[start..].iter().map(|byte| f32::from(*byte as i8).powi(2)).sum();
        self.factors.push(scale);
        self.biases.push(-0.5 * scale * scale * square);
    }

    fn bytes_of(&self, center: usize) -> &[u8] {
        &self.bytes[center * self.dimensions..][..self.dimensions]
    }
}

struct Data<'a> {
    rows: &'a Rows,
    factors: &'a [f32],
    threads: usize,
}

impl Data<'_> {
    /// Returns the nearest center of each of some rows.
    fn nearest(&self, centers: &Centers, some: &[u32]) -> Vec<u32> {
        let mut nearest = vec![0_u32; some.len()];
        let share = some.len().div_ceil(self.threads).max(1);
        std::thread::scope(|scope| {
            for (some, nearest) in some.chunks(share).zip(nearest.chunks_mut(share)) {
                let work = move || {
                    let mut row = vec![0_i8; self.rows.dimensions];
                    let mut products = vec![0; centers.count()];
                    for (index, nearest) in some.iter().zip(nearest) {
                        let bytes = self.rows.row(*index as usize);
                        row.iter_mut().zip(bytes).for_each(|(value, byte)| *value = *byte as i8);
                        products_i8(&row, &centers.bytes, &mut products);
                        let factor = self.factors[*index as usize];
                        let mut best = f32::NEG_INFINITY;
                        let ranks = products.iter().zip(&centers.factors).zip(&centers.biases);
                        for (center, ((product, center_factor), bias)) in ranks.enumerate() {
                            let rank = *product as f32 * factor * center_factor + bias;
                            if rank > best {
                                (best, *nearest) = (rank, center as u32);
                            }
                        }
                    }
                };
                if self.threads == 1 { work() } else { drop(scope.spawn(work)) }
            }
        });
        nearest
    }

    /// Returns the means of the rows of each center; a center without rows becomes one of the rows.
    fn means(&self, old: &Centers, some: &[u32], nearest: &[u32]) -> Centers {
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
        let mut spare = some.iter().step_by((some.len() / old.count()).max(1) + 1);
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
    fn few_rows_and_none() {
        for count in [0, 1, 2] {
            let found = partitions(&rows(&vec![[0.0; 4]; count]), Metric::Cosine, 9, 2);
            assert_eq!(found.order.len(), count);
            assert_eq!(found.ends.last(), Some(&(count as u32)));
            assert_eq!(found.centers.len(), 4 * found.ends.len());
        }
    }

    #[test]
    fn a_sample_is_spread() {
        let chosen = sample(1_000, 100);
        assert_eq!(chosen.len(), 100);
        assert!(chosen.is_sorted() && chosen[99] < 1_000 && chosen[50] > 250 && chosen[50] < 750);
    }
}
