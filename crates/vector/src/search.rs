//! The nearest of one segment.

use athenaeum_core::vector::{Effort, Filter, Key, Metric, Near};
use athenaeum_kernels::{Estimates, product_f32_i8, products_i8, products_i8_at, signs, soon};

use crate::{bits::Bits, pack::Probe, segment::Segment};

/// The nearest so far, over all segments.
pub(crate) struct Best {
    limit: usize,
    /// Ranks and keys, sometimes more than are wanted.
    found: Vec<(f32, Key)>,
    /// What is not above this is not among the nearest.
    floor: f32,
}

impl Best {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, found: Vec::new(), floor: f32::NEG_INFINITY }
    }

    fn add(&mut self, rank: f32, key: impl FnOnce() -> Key) {
        // Equal ranks are kept, so that keys decide among them.
        if self.limit == 0 || rank < self.floor {
            return;
        }
        self.found.push((rank, key()));
        if self.found.len() >= 2 * self.limit + 64 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.found.len() > self.limit {
            self.found.select_nth_unstable_by(self.limit - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            self.found.truncate(self.limit);
            self.floor = self.found.iter().fold(f32::INFINITY, |floor, found| floor.min(found.0));
        }
    }

    /// The nearest first, with the metric's scores.
    pub(crate) fn finish(mut self, probe: &Probe) -> Vec<Near> {
        if self.limit == 0 {
            return Vec::new();
        }
        self.cut();
        let mut near: Vec<Near> =
            self.found.iter().map(|(rank, key)| Near { key: *key, score: probe.score(*rank) }).collect();
        near.sort_unstable_by(Near::order);
        near
    }
}

/// Which rows of a segment may be found; `None` where all may.
pub(crate) fn allowed(segment: &Segment, alive: Option<&Bits>, filter: &Filter, now: i64) -> Option<Bits> {
    let expired = segment.head.first_expiry <= now;
    if alive.is_none() && filter.is_empty() && !expired {
        return None;
    }
    let mut bits = alive.cloned().unwrap_or_else(|| Bits::all(segment.rows()));
    for condition in &filter.tags {
        let tagged = segment.tagged(condition);
        if condition.negated { bits.subtract(&tagged) } else { bits.intersect(&tagged) }
    }
    if let Some(keys) = &filter.keys {
        bits.retain(|row| keys.contains(&segment.key(row)));
    }
    if expired || filter.valid.is_some() || filter.learnt.is_some() {
        bits.retain(|row| {
            segment.times(row).is_some_and(|times| {
                times.expires > now
                    && filter.valid.is_none_or(|span| times.meets(&span))
                    && filter.learnt.is_none_or(|span| times.was_learnt_in(&span))
            })
        });
    }
    Some(bits)
}

/// Adds the nearest rows of a segment to `best`.
pub(crate) fn search(
    segment: &Segment,
    allowed: Option<&Bits>,
    probe: &Probe,
    effort: Effort,
    best: &mut Best,
) {
    let passing = allowed.map_or(segment.rows(), Bits::count);
    let mut depth = Depth::of(effort, segment.rows(), best.limit.min(segment.rows()));
    if passing < segment.rows() / 10 * 9 {
        depth = depth.among_few();
    }
    if passing == 0 || best.limit == 0 {
        return;
    }
    if effort == Effort::Exact || passing <= depth.compared_in_full {
        let (rows, products) = match allowed {
            Some(allowed) => {
                let rows = allowed.rows();
                let mut products = vec![0; rows.len()];
                products_i8_at(&probe.packed, segment.values(), &rows, &mut products);
                (rows, products)
            }
            None => {
                let mut products = vec![0; segment.rows()];
                products_i8(&probe.packed, segment.values(), &mut products);
                ((0..segment.rows() as u32).collect(), products)
            }
        };
        refine_best(segment, probe, &rows, &products, best);
    } else {
        let rows = estimate(segment, allowed, probe, &depth);
        let mut products = vec![0; rows.len()];
        products_i8_at(&probe.packed, segment.values(), &rows, &mut products);
        refine_best(segment, probe, &rows, &products, best);
    }
}

/// How far to look (`docs/decisions/0200`).
struct Depth {
    /// Where no more rows than this may be found, all are compared.
    compared_in_full: usize,
    /// Rows whose bits are counted.
    estimated: usize,
    /// Rows of those that are compared in full.
    compared: usize,
}

impl Depth {
    fn of(effort: Effort, rows: usize, limit: usize) -> Self {
        // Of more rows a smaller share is looked at. The power is a guess that 100,000 rows bear out; at a million
        // `Quick` looks at more than it needs (docs/benchmarks.md).
        let wide = (rows as f64).powf(0.7);
        let compared_in_full = 2_048 + rows / 100;
        let (estimated, compared) = match effort {
            Effort::Quick => (5.2 * wide, 100 + 10 * limit),
            Effort::Thorough | Effort::Exact => (21.0 * wide, 200 + 20 * limit),
        };
        Self {
            compared_in_full,
            estimated: (estimated as usize).max(2 * compared),
            compared: compared.min(rows),
        }
    }
}

impl Depth {
    /// What passes a filter may lie far from the query and there in all directions, where bits tell less.
    fn among_few(self) -> Self {
        Self { estimated: 2 * self.estimated, compared: 4 * self.compared, ..self }
    }
}

/// Returns the rows that are nearest as far as bits tell, in those partitions whose centers are nearest.
fn estimate(segment: &Segment, allowed: Option<&Bits>, probe: &Probe, depth: &Depth) -> Vec<u32> {
    let metric = segment.metric();
    // Those that pass may all lie in partitions that are far away.
    let rows = if allowed.is_some() { usize::MAX } else { depth.estimated };
    let partitions = nearest_partitions(segment, probe, rows);
    let mut candidates = Candidates::new(depth.compared);
    let mut code = vec![0; segment.head.code_bytes()];
    let mut found = Vec::new();
    let mut looked_at = 0;
    for (place, (index, product)) in partitions.iter().enumerate() {
        if looked_at >= depth.estimated {
            break;
        }
        let partition = segment.partitions()[*index];
        if let Some((next, _)) = partitions.get(place + 1) {
            let next = segment.partitions()[*next];
            soon(segment.codes(next.start, next.end));
            soon(segment.estimates(next.start, next.end).as_flattened());
        }
        let count = partition.end - partition.start;
        let passing = allowed.map_or(count, |allowed| allowed.count_in(partition.start, partition.end));
        looked_at += passing;
        if passing == 0 {
            continue;
        }
        let codes = segment.codes(partition.start, partition.end);
        let factors = segment.estimates(partition.start, partition.end);
        if codes.len() != factors.len() * code.len() {
            continue;
        }
        signs(&probe.exact, segment.center(*index), partition.factor, &mut code);
        let between = (probe.square() - 2.0 * product + partition.square).max(0.0);
        let base = match metric {
            Metric::InnerProduct => product - partition.square,
            Metric::Cosine | Metric::Euclidean => -0.5 * between,
        };
        let estimates = Estimates { code: &code, codes, factors, length: between.sqrt(), base };
        found.clear();
        estimates.above(candidates.floor, &mut found);
        for (rank, row) in &found {
            let row = partition.start as u32 + row;
            if allowed.is_none_or(|allowed| allowed.contains(row as usize)) {
                candidates.add(*rank, row);
            }
        }
    }
    candidates.finish()
}

/// Lists partitions with the product of center and query, the nearest first: those that hold so many rows, and some more.
fn nearest_partitions(segment: &Segment, probe: &Probe, rows: usize) -> Vec<(usize, f32)> {
    let mut products = vec![0; segment.head.partitions];
    products_i8(&probe.packed, segment.centers(), &mut products);
    let linear = segment.metric() == Metric::InnerProduct;
    let mut ranked = Vec::with_capacity(products.len());
    for (index, (product, partition)) in products.into_iter().zip(segment.partitions()).enumerate() {
        let product = product as f32 * probe.scale * partition.factor;
        let rank = if linear { product } else { product - 0.5 * partition.square };
        if partition.start < partition.end {
            ranked.push((rank, index, product));
        }
    }
    // Half as many again as hold the rows that are wanted on average; only those are sorted.
    let wanted = (rows.min(segment.rows()) * ranked.len() / segment.rows().max(1)) * 3 / 2 + 8;
    if wanted < ranked.len() {
        ranked.select_nth_unstable_by(wanted, |a, b| b.0.total_cmp(&a.0));
        ranked.truncate(wanted);
    }
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().map(|(_, index, product)| (index, product)).collect()
}

/// Rows that may be among the nearest.
struct Candidates {
    wanted: usize,
    rows: Vec<(f32, u32)>,
    floor: f32,
}

impl Candidates {
    fn new(wanted: usize) -> Self {
        Self { wanted, rows: Vec::with_capacity(2 * wanted), floor: f32::NEG_INFINITY }
    }

    fn add(&mut self, rank: f32, row: u32) {
        self.rows.push((rank, row));
        if self.rows.len() == 2 * self.wanted {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.rows.len() > self.wanted {
            let (_, last, _) = self.rows.select_nth_unstable_by(self.wanted - 1, |a, b| b.0.total_cmp(&a.0));
            self.floor = last.0;
            self.rows.truncate(self.wanted);
        }
    }

    fn finish(mut self) -> Vec<u32> {
        self.cut();
        self.rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// Compares again, with the query as it was given, those rows that the rounded one says are nearest.
fn refine_best(segment: &Segment, probe: &Probe, rows: &[u32], products: &[i32], best: &mut Best) {
    let mut candidates = Candidates::new(2 * best.limit.min(rows.len()) + 10);
    for (row, product) in rows.iter().zip(products) {
        let (factor, bias) = segment.factor_and_bias(*row as usize);
        let rank = *product as f32 * probe.scale * factor + bias;
        if rank > candidates.floor {
            candidates.add(rank, *row);
        }
    }
    refine(segment, probe, candidates.finish().into_iter(), best);
}

fn refine(segment: &Segment, probe: &Probe, rows: impl Iterator<Item = u32>, best: &mut Best) {
    for row in rows {
        let row = row as usize;
        let values = segment.row_values(row);
        if values.len() != probe.exact.len() {
            continue;
        }
        let (factor, bias) = segment.factor_and_bias(row);
        best.add(product_f32_i8(&probe.exact, values) * factor + bias, || segment.key(row));
    }
}
