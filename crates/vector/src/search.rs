//! The nearest of one segment.

use std::ops::Range;

use athenaeum_core::vector::{Effort, Filter, Key, Metric, Near};
use athenaeum_kernels::{Estimates, product_f32_i8, products_i8, products_i8_at, signs, soon};

use crate::{
    bits::Bits,
    graph::Graph,
    pack::Probe,
    segment::{Lot, Segment},
};

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
    let kept = kept_on_the_way(segment, passing, effort, best.limit);
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
    } else if let Some((graph, kept)) = kept {
        let rows = graph.near(segment, probe, kept).into_iter();
        let rows = rows.filter(|row| allowed.is_none_or(|allowed| allowed.contains(*row as usize)));
        let rows = rows.take(refined(best.limit)).collect::<Vec<u32>>();
        rows.iter().for_each(|row| segment.key_soon(*row as usize));
        refine(segment, probe, rows.into_iter(), best);
    } else {
        let rows = estimate(segment, allowed, probe, &depth, best.limit);
        rows.iter().for_each(|row| segment.factor_soon(*row as usize));
        let mut products = vec![0; rows.len()];
        products_i8_at(&probe.packed, segment.values(), &rows, &mut products);
        refine_best(segment, probe, &rows, &products, best);
    }
}

/// How far to look (`docs/decisions/0200`).
struct Depth {
    /// Where no more rows than this may be found, all are compared.
    compared_in_full: usize,
    /// Rows whose bits are counted, at most.
    estimated: usize,
    /// So many of them in a row that none of the nearest is among are enough.
    patience: usize,
    /// Rows of those that are compared in full.
    compared: usize,
}

impl Depth {
    fn of(effort: Effort, rows: usize, limit: usize) -> Self {
        // Among more rows the nearest are nearer, and lie closer together: patience grows far less than they do.
        let times = |power: f64| (rows as f64 / 100_000.0).powf(power);
        let (patience, estimated, compared) = match effort {
            Effort::Quick => (6_000.0 * times(0.25), 8.0, 100 + 10 * limit),
            Effort::Thorough | Effort::Exact => {
                let more = times(0.4).max(1.0);
                (40_000.0 * times(0.4), 4.0, (more * (200 + 20 * limit) as f64) as usize)
            }
        };
        Self {
            compared_in_full: 2_048 + rows / 100,
            estimated: ((estimated * patience) as usize).max(2 * compared),
            patience: patience as usize,
            compared: compared.min(rows),
        }
    }

    /// What passes a filter may lie far from the query and there in all directions, where bits tell less.
    fn among_few(self) -> Self {
        Self {
            estimated: 2 * self.estimated,
            patience: 2 * self.patience,
            compared: 4 * self.compared,
            ..self
        }
    }
}

/// Returns the rows that are nearest as far as bits tell, in those partitions whose centers are nearest.
fn estimate(
    segment: &Segment,
    allowed: Option<&Bits>,
    probe: &Probe,
    depth: &Depth,
    limit: usize,
) -> Vec<u32> {
    let partitions = nearest_partitions(segment, allowed, probe, depth);
    let mut candidates = Candidates::new(depth.compared);
    let mut leaders = Leaders::new(limit);
    let mut code = vec![0; segment.head.code_bytes()];
    let mut found = Vec::new();
    let mut looked_at = 0;
    for (place, (index, product)) in partitions.iter().enumerate() {
        if looked_at >= depth.estimated || looked_at - leaders.since >= depth.patience {
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
        signs(&probe.exact, segment.centers(*index, *index + 1), partition.factor, &mut code);
        let between = (probe.square() - 2.0 * product + partition.square).max(0.0);
        let base = match segment.metric() {
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
                leaders.add(*rank, looked_at);
            }
        }
    }
    candidates.finish()
}

/// Does so with few rows, which are otherwise compared in full.
#[cfg(test)]
pub(crate) fn estimate_some(segment: &Segment, allowed: Option<&Bits>, probe: &Probe) -> Vec<u32> {
    let depth = Depth { compared_in_full: 0, estimated: 60, patience: 30, compared: 20.min(segment.rows()) };
    if depth.compared == 0 { Vec::new() } else { estimate(segment, allowed, probe, &depth, 3) }
}

/// The best estimates so far, and after how many rows the last one of them came: when none comes any more, the nearest are
/// likely to be found (T. Teofili and J. Lin, "Patience in Proximity", 2025, do so in graphs).
struct Leaders {
    wanted: usize,
    /// The greatest first.
    ranks: Vec<f32>,
    since: usize,
}

impl Leaders {
    fn new(limit: usize) -> Self {
        // One alone changes too seldom to tell anything; of many, a part tells as much.
        let wanted = limit.clamp(10, 200);
        Self { wanted, ranks: Vec::with_capacity(wanted + 1), since: 0 }
    }

    fn add(&mut self, rank: f32, looked_at: usize) {
        if self.ranks.len() == self.wanted {
            if self.ranks.last().is_some_and(|last| *last >= rank) {
                return;
            }
            self.ranks.pop();
        }
        let place = self.ranks.partition_point(|other| *other >= rank);
        self.ranks.insert(place, rank);
        self.since = looked_at;
    }
}

/// Lists partitions with the product of center and query, the nearest first: those that hold so many of the rows that pass,
/// and some more.
fn nearest_partitions(
    segment: &Segment,
    allowed: Option<&Bits>,
    probe: &Probe,
    depth: &Depth,
) -> Vec<(usize, f32)> {
    let mut ranked = Vec::new();
    let mut products = Vec::new();
    for range in near_groups(segment, allowed, probe, depth.patience) {
        products.resize(range.len(), 0);
        let centers = segment.centers(range.start, range.end);
        if centers.len() != range.len() * probe.packed.len() {
            continue;
        }
        products_i8(&probe.packed, centers, &mut products);
        for (index, product) in range.zip(&products) {
            let partition = segment.partitions()[index];
            let (rank, product) = rank(segment, probe, &partition, *product);
            if partition.start < partition.end {
                ranked.push((rank, index, product));
            }
        }
    }
    // Where all may be found: half as many again as hold the rows that are wanted on average; only those are sorted.
    if allowed.is_none() {
        let wanted =
            depth.estimated.min(segment.rows()) * segment.head.partitions / segment.rows().max(1) * 3 / 2 + 8;
        if wanted < ranked.len() {
            ranked.select_nth_unstable_by(wanted, |a, b| b.0.total_cmp(&a.0));
            ranked.truncate(wanted);
        }
    }
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().map(|(_, index, product)| (index, product)).collect()
}

/// Lists the partitions of the groups that are nearest, as many groups as hold [`AROUND`] times so many of the rows that
/// pass: of what is near, the greatest part lies in them.
fn near_groups(segment: &Segment, allowed: Option<&Bits>, probe: &Probe, rows: usize) -> Vec<Range<usize>> {
    let groups = segment.groups();
    if groups.is_empty() {
        return std::iter::once(0..segment.head.partitions).collect();
    }
    let mut products = vec![0; groups.len()];
    products_i8(&probe.packed, segment.group_centers(), &mut products);
    let ranked =
        groups.iter().zip(products).map(|(group, product)| (rank(segment, probe, group, product).0, group));
    let mut ranked: Vec<(f32, &Lot)> = ranked.collect();
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let partitions = segment.partitions();
    let mut around = rows.saturating_mul(AROUND);
    let mut near = Vec::with_capacity(ranked.len());
    for (_, group) in ranked {
        let Some(last) = group.end.checked_sub(1).filter(|last| *last >= group.start) else { continue };
        let (start, end) = (partitions[group.start].start, partitions[last].end);
        let passing = match allowed {
            Some(allowed) => allowed.count_in(start, end),
            None => end.saturating_sub(start),
        };
        if passing > 0 {
            near.push(group.start..group.end);
            around = around.saturating_sub(passing);
        }
        if around == 0 && near.len() >= GROUPS_LEAST {
            break;
        }
    }
    near
}

/// What a partition or a group is ranked by, and the product of its center with the query.
fn rank(segment: &Segment, probe: &Probe, lot: &Lot, product: i32) -> (f32, f32) {
    let product = product as f32 * probe.scale * lot.factor;
    let linear = segment.metric() == Metric::InnerProduct;
    (if linear { product } else { product - 0.5 * lot.square }, product)
}

/// Rows in groups whose centers are compared, as many times the patience.
const AROUND: usize = 60;
/// Groups whose centers are compared in any case.
const GROUPS_LEAST: usize = 6;

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

/// The graph of a segment and how many rows a search keeps on its way there; `None` where it goes by partitions: so many rows
/// are wanted, or so few may be found, that a walk would meet most of the segment.
fn kept_on_the_way(
    segment: &Segment,
    passing: usize,
    effort: Effort,
    limit: usize,
) -> Option<(&Graph, usize)> {
    let (graph, rows) = (segment.graph()?, segment.rows());
    let usual = graph.ef_search() as f64 * if effort == Effort::Quick { 1.0 } else { 4.0 };
    let usual = usual * (rows as f64 / 100_000.0).powf(0.25).max(1.0);
    let kept = (usual as usize).max(refined(limit)).saturating_mul(rows) / passing.max(1);
    (2 * passing >= rows && kept <= rows / 10).then_some((graph, kept))
}

/// How many rows are compared with the query as it was given, where so many are wanted.
fn refined(limit: usize) -> usize {
    2 * limit + 10
}

/// Compares again, with the query as it was given, those rows that the rounded one says are nearest.
fn refine_best(segment: &Segment, probe: &Probe, rows: &[u32], products: &[i32], best: &mut Best) {
    let mut candidates = Candidates::new(refined(best.limit.min(rows.len())));
    for (row, product) in rows.iter().zip(products) {
        let (factor, bias) = segment.factor_and_bias(*row as usize);
        let rank = *product as f32 * probe.scale * factor + bias;
        if rank > candidates.floor {
            candidates.add(rank, *row);
        }
    }
    let rows = candidates.finish();
    rows.iter().for_each(|row| segment.key_soon(*row as usize));
    refine(segment, probe, rows.into_iter(), best);
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
