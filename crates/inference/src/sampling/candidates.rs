//! The tokens still in the running: first the whole vocabulary as it lies in the logits, then a list.
//!
//! A vocabulary has 150,000 tokens and a step such as top-k leaves forty. So nothing is copied or sorted until a step
//! narrows the field; from there on everything is small.

use std::cmp::Ordering;

use super::{
    Error,
    exp::{self, BLOCK, exp},
};

/// In how many steps distances to the best are told apart, and how many of them go into a unit of logits.
const SLOTS: usize = 1024;
const SLOTS_A_UNIT: f32 = 40.0;

fn slot_of(distance: f32) -> usize {
    ((distance * SLOTS_A_UNIT) as usize).min(SLOTS - 1)
}

/// One token and what speaks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: u32,
    pub(super) logit: f32,
}

/// Room that is kept from one token to the next, so that drawing allocates nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    kept: Vec<Candidate>,
    weights: Vec<f32>,
}

/// What is left to draw from. There is always a token whose logit is finite, and no logit is NaN or +∞.
pub(super) struct Candidates<'a> {
    logits: &'a mut [f32],
    room: &'a mut Room,
    /// Whether `room.kept` holds the candidates, and no longer `logits`.
    narrowed: bool,
    /// `room.kept` is either sorted, best first, or in the order of token ids.
    sorted: bool,
}

impl<'a> Candidates<'a> {
    /// The whole vocabulary.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] for NaN and +∞; [`Error::NothingLeft`] where all is −∞.
    pub(super) fn new(logits: &'a mut [f32], room: &'a mut Room) -> Result<Self, Error> {
        refuse_broken(logits)?;
        let candidates = Self { logits, room, narrowed: false, sorted: false };
        candidates.refuse_empty()?;
        Ok(candidates)
    }

    /// As [`new`](Self::new) says, after changes to logits.
    pub(super) fn refuse_empty(&self) -> Result<(), Error> {
        if self.highest() == f32::NEG_INFINITY { Err(Error::NothingLeft) } else { Ok(()) }
    }

    pub(super) fn highest(&self) -> f32 {
        match (self.narrowed, self.sorted) {
            (false, _) => self.logits.chunks(BLOCK).map(highest).fold(f32::NEG_INFINITY, f32::max),
            (true, true) => self.room.kept.first().map_or(f32::NEG_INFINITY, |best| best.logit),
            (true, false) => self.room.kept.iter().map(|c| c.logit).fold(f32::NEG_INFINITY, f32::max),
        }
    }

    /// How many tokens could still be drawn.
    pub(super) fn count(&self) -> usize {
        if self.narrowed {
            self.room.kept.iter().filter(|c| c.logit > f32::NEG_INFINITY).count()
        } else {
            self.logits.iter().filter(|logit| **logit > f32::NEG_INFINITY).count()
        }
    }

    /// Changes the logits of the tokens named, which are in ascending order.
    pub(super) fn change<T: Copy>(&mut self, changes: &[(u32, T)], new: impl Fn(f32, T) -> f32) {
        // Finite logits and finite penalties may still add up to an infinity.
        let new = |logit: f32, by: T| new(logit, by).min(f32::MAX);
        if self.narrowed {
            for candidate in &mut self.room.kept {
                if let Ok(at) = changes.binary_search_by_key(&candidate.token, |change| change.0) {
                    candidate.logit = new(candidate.logit, changes[at].1);
                }
            }
            if self.sorted {
                self.room.kept.sort_unstable_by(better);
            }
        } else {
            for &(token, by) in changes {
                if let Some(logit) = self.logits.get_mut(token as usize) {
                    *logit = new(*logit, by);
                }
            }
        }
    }

    /// As [`Candidates::change`], and whatever could be drawn still can: penalties of a very low logit do not add up to −∞.
    pub(super) fn penalise<T: Copy>(&mut self, changes: &[(u32, T)], new: impl Fn(f32, T) -> f32) {
        self.change(changes, |logit, by| match logit {
            f32::NEG_INFINITY => logit,
            _ => new(logit, by).max(f32::MIN),
        });
    }

    /// Divides the distances between logits, which is all that matters of them.
    pub(super) fn divide(&mut self, by: f32) {
        let highest = self.highest();
        if self.narrowed {
            self.room.kept.iter_mut().for_each(|c| c.logit = (c.logit - highest) / by);
        } else {
            self.logits.iter_mut().for_each(|logit| *logit = (*logit - highest) / by);
        }
    }

    /// Leaves the `count` best.
    pub(super) fn keep_best(&mut self, count: usize) {
        if self.narrowed {
            self.sort();
            self.room.kept.truncate(count);
        } else {
            gather_best(self.logits, count, &mut self.room.kept);
            (self.narrowed, self.sorted) = (true, true);
        }
    }

    /// Leaves those whose logit is at least `bar`, and the `least` best in any case.
    pub(super) fn keep_from(&mut self, bar: f32, least: usize) {
        if self.narrowed {
            if self.room.kept.iter().filter(|c| c.logit >= bar).count() < least {
                return self.keep_best(least);
            }
            return self.room.kept.retain(|c| c.logit >= bar);
        }
        gather_from(self.logits, bar, &mut self.room.kept);
        if self.room.kept.len() < least {
            return self.keep_best(least);
        }
        (self.narrowed, self.sorted) = (true, false);
    }

    /// Leaves the best until `enough` says so, which is told the sum of their probabilities and their number.
    pub(super) fn keep_until(&mut self, enough: impl Fn(f64, usize) -> bool) {
        let highest = self.highest();
        let total = self.partition(highest);
        let upto = |kept: &[Candidate]| {
            let mut sum = 0.0;
            kept.iter().enumerate().find_map(|(index, candidate)| {
                sum += f64::from(exp(candidate.logit - highest)) / total;
                enough(sum, index + 1).then_some(index + 1)
            })
        };
        if self.narrowed {
            self.sort();
            let count = upto(&self.room.kept).unwrap_or(self.room.kept.len());
            return self.room.kept.truncate(count);
        }
        self.gather_until(highest, total, enough);
        (self.narrowed, self.sorted) = (true, false);
    }

    /// Tokens are counted and weighed by how far they lie below the best, so that only those need an order that lie
    /// where the sum is reached.
    fn gather_until(&mut self, highest: f32, total: f64, enough: impl Fn(f64, usize) -> bool) {
        let mut slots = [(0.0, 0); SLOTS];
        for &logit in self.logits.iter().filter(|logit| **logit > f32::NEG_INFINITY) {
            let slot = &mut slots[slot_of(highest - logit)];
            slot.0 += f64::from(exp(logit - highest)) / total;
            slot.1 += 1;
        }
        let (mut sum, mut count) = (0.0, 0);
        let reached = slots.iter().position(|&(share, tokens)| {
            let there = enough(sum + share, count + tokens);
            if !there {
                (sum, count) = (sum + share, count + tokens);
            }
            there
        });
        let Some(reached) = reached else {
            return gather_from(self.logits, f32::MIN, &mut self.room.kept);
        };
        let kept = &mut self.room.kept;
        gather_from(self.logits, f32::MIN, kept);
        let slot = |candidate: &Candidate| slot_of(highest - candidate.logit);
        kept.retain(|candidate| slot(candidate) == reached);
        kept.sort_unstable_by(better);
        let last = kept.iter().find(|candidate| {
            (sum, count) = (sum + f64::from(exp(candidate.logit - highest)) / total, count + 1);
            enough(sum, count)
        });
        let Some(last) = last.or(kept.last()).copied() else { return };
        gather_from(self.logits, last.logit, kept);
        kept.retain(|candidate| better(candidate, &last) != Ordering::Greater);
    }

    /// The candidates as a list, best first. Sorts the whole vocabulary where no step has narrowed it.
    pub(super) fn listed(&mut self) -> &mut Vec<Candidate> {
        if !self.narrowed {
            gather_from(self.logits, f32::MIN, &mut self.room.kept);
            self.narrowed = true;
        }
        self.sort();
        &mut self.room.kept
    }

    /// The best so many, best first, without leaving the others out.
    pub(super) fn listed_best(&mut self, count: usize) -> &[Candidate] {
        if self.narrowed {
            self.sort();
        } else {
            gather_best(self.logits, count, &mut self.room.kept);
        }
        &self.room.kept[..count.min(self.room.kept.len())]
    }

    /// Takes the tokens named out, which are told with room for their logits, unless no other is left: where a
    /// constraint is fulfilled, ending is all there is to do. Before any step.
    pub(super) fn suppress(&mut self, tokens: &mut [(u32, f32)]) {
        for (token, saved) in tokens.iter_mut() {
            let Some(logit) = self.logits.get_mut(*token as usize) else { continue };
            *saved = std::mem::replace(logit, f32::NEG_INFINITY);
        }
        if self.refuse_empty().is_ok() {
            return;
        }
        // Backwards, so that of a token named twice the first value counts.
        for &(token, saved) in tokens.iter().rev() {
            if let Some(logit) = self.logits.get_mut(token as usize) {
                *logit = saved;
            }
        }
    }

    /// Takes the tokens from this logit upwards, but for the worst of them; `bar` is a logit. Says whether it did.
    pub(super) fn drop_from_but_one(&mut self, bar: f32, least: usize) {
        let above = self.above(bar);
        let Some(worst) = above.worst else { return };
        if above.count < 2 || above.possible - (above.count - 1) < least {
            return;
        }
        let goes = |candidate: &Candidate| candidate.logit >= bar && *candidate != worst;
        if self.narrowed {
            self.room.kept.retain(|candidate| !goes(candidate));
            return;
        }
        for (token, logit) in self.logits.iter_mut().enumerate() {
            if goes(&Candidate { token: token as u32, logit: *logit }) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    /// The sum of e^(logit − highest).
    pub(super) fn partition(&mut self, highest: f32) -> f64 {
        if self.narrowed {
            let Room { kept, weights } = &mut *self.room;
            exp::weigh(kept.iter().map(|c| c.logit), highest, weights)
        } else {
            exp::partition(self.logits, highest)
        }
    }

    /// The entropy of the distribution, in nats.
    pub(super) fn entropy(&mut self) -> f64 {
        let highest = self.highest();
        let (total, moment) = if self.narrowed {
            let Room { kept, weights } = &mut *self.room;
            weights.clear();
            weights.extend(kept.iter().map(|c| c.logit));
            exp::partition_and_moment(weights, highest)
        } else {
            exp::partition_and_moment(self.logits, highest)
        };
        total.ln() - moment / total
    }

    /// Mean and standard deviation of the logits that are finite.
    pub(super) fn spread(&self) -> (f64, f64) {
        let over = |of: &dyn Fn(f64) -> f64| -> (f64, f64) {
            let add = |(sum, count): (f64, f64), logit: f32| match logit > f32::NEG_INFINITY {
                true => (sum + of(f64::from(logit)), count + 1.0),
                false => (sum, count),
            };
            if self.narrowed {
                self.room.kept.iter().map(|c| c.logit).fold((0.0, 0.0), add)
            } else {
                self.logits.iter().copied().fold((0.0, 0.0), add)
            }
        };
        let (sum, count) = over(&|logit| logit);
        let mean = sum / count;
        let (squares, _) = over(&|logit| (logit - mean).powi(2));
        (mean, (squares / count).sqrt())
    }

    /// The likeliest token; of equal ones the lowest id.
    pub(super) fn best(&self) -> u32 {
        let highest = self.highest();
        if self.narrowed {
            return self.room.kept.iter().copied().min_by(better).map_or(0, |best| best.token);
        }
        self.logits.iter().position(|logit| *logit == highest).unwrap_or(0) as u32
    }

    /// The token at `unit` of the distribution (`0.0..1.0`), and its probability.
    pub(super) fn draw(&mut self, unit: f64) -> (u32, f64) {
        let highest = self.highest();
        let Room { kept, weights } = &mut *self.room;
        let total = match self.narrowed {
            true => exp::weigh(kept.iter().map(|c| c.logit), highest, weights),
            false => exp::weigh(self.logits.iter().copied(), highest, weights),
        };
        let index = pick(weights, unit * total);
        let token = if self.narrowed { kept[index].token } else { index as u32 };
        (token, f64::from(weights[index]) / total)
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.room.kept.sort_unstable_by(better);
            self.sorted = true;
        }
    }

    fn above(&self, bar: f32) -> Above {
        let mut above = Above { count: 0, possible: 0, worst: None };
        if self.narrowed {
            self.room.kept.iter().for_each(|candidate| above.see(*candidate, bar));
        } else {
            let all = self.logits.iter().enumerate();
            all.for_each(|(token, &logit)| above.see(Candidate { token: token as u32, logit }, bar));
        }
        above
    }
}

/// What stands at or above a bar.
struct Above {
    count: usize,
    possible: usize,
    worst: Option<Candidate>,
}

impl Above {
    fn see(&mut self, candidate: Candidate, bar: f32) {
        self.possible += usize::from(candidate.logit > f32::NEG_INFINITY);
        if candidate.logit < bar || candidate.logit == f32::NEG_INFINITY {
            return;
        }
        self.count += 1;
        if self.worst.is_none_or(|worst| better(&worst, &candidate) == Ordering::Less) {
            self.worst = Some(candidate);
        }
    }
}

/// Best first: the higher logit, and of equal ones the lower id.
pub(super) fn better(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// The index where the running sum of weights passes `target`; always one that weighs something.
fn pick(weights: &[f32], target: f64) -> usize {
    let mut sum = 0.0;
    for (block_index, block) in weights.chunks(BLOCK).enumerate() {
        let weight = exp::sum(block);
        if sum + weight <= target {
            sum += weight;
            continue;
        }
        let mut within = sum;
        for (index, &weight) in block.iter().enumerate() {
            within += f64::from(weight);
            if within > target {
                return block_index * BLOCK + index;
            }
        }
        break;
    }
    // Only what rounding may miss: the two sums of a block differ in their last bits.
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}

pub(super) fn refuse_broken(logits: &[f32]) -> Result<(), Error> {
    // Without an early end within a block, this is vector code.
    let sound = |block: &[f32]| block.iter().fold(true, |sound, logit| sound & (*logit < f32::INFINITY));
    if logits.chunks(BLOCK).all(sound) {
        return Ok(());
    }
    let broken = logits.iter().enumerate().find(|(_, logit)| logit.is_nan() || **logit == f32::INFINITY);
    broken.map_or(Ok(()), |(token, &value)| Err(Error::NotFinite { token: token as u32, value }))
}

pub(super) fn highest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let chunks = values.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The `count` best into `kept`, sorted. One pass that looks closer only where a group of tokens reaches the bar.
pub(super) fn gather_best(logits: &[f32], count: usize, kept: &mut Vec<Candidate>) {
    kept.clear();
    let count = count.max(1);
    let full = count.saturating_mul(2).max(64);
    let mut bar = f32::NEG_INFINITY;
    for (group_index, group) in logits.chunks(GROUP).enumerate() {
        if highest(group) <= bar {
            continue;
        }
        for (index, &logit) in group.iter().enumerate() {
            if logit > bar {
                kept.push(Candidate { token: (group_index * GROUP + index) as u32, logit });
                if kept.len() >= full {
                    bar = cut(kept, count);
                }
            }
        }
    }
    cut(kept, count);
    kept.sort_unstable_by(better);
}

/// Tokens looked at together.
const GROUP: usize = 32;

/// Leaves the `count` best in any order, and says what one has to exceed to be among them. Later tokens have higher
/// ids, so that an equal one is not.
fn cut(kept: &mut Vec<Candidate>, count: usize) -> f32 {
    if kept.len() < count {
        return f32::NEG_INFINITY;
    }
    let (_, last, _) = kept.select_nth_unstable_by(count - 1, better);
    let bar = last.logit;
    kept.truncate(count);
    bar
}

/// All from `bar` upwards into `kept`, in the order of their ids.
fn gather_from(logits: &[f32], bar: f32, kept: &mut Vec<Candidate>) {
    kept.clear();
    for (group_index, group) in logits.chunks(GROUP).enumerate() {
        if highest(group) < bar {
            continue;
        }
        for (index, &logit) in group.iter().enumerate() {
            if logit >= bar {
                kept.push(Candidate { token: (group_index * GROUP + index) as u32, logit });
            }
        }
    }
}
