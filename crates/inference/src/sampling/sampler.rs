//! One sequence's draws.

use super::{
    Breakers, Error, Mirostat, Random, Sampling, Step,
    candidates::{Candidates, Room},
    dry::Dry,
    exp::exp,
    mirostat::Bound,
    penalties::Counts,
    truncate,
};

/// Draws the tokens of one sequence. A clone goes on exactly as the original would.
///
/// ```
/// use athenaeum_inference::sampling::{Sampler, Sampling};
///
/// let settings = Sampling { seed: 7, ..Sampling::default() };
/// let mut sampler = Sampler::new(&settings, 4, &[3], Default::default())?;
/// sampler.remember(&[0, 1]); // the prompt
/// let token = sampler.sample(&mut [0.5, 2.5, 1.0, -1.0])?;
/// sampler.accept(token);
/// # Ok::<(), athenaeum_inference::sampling::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    vocabulary: usize,
    /// Biases by token, ascending, those of one token added up.
    biases: Vec<(u32, f32)>,
    /// Tokens that end the generation, each with room for its logit.
    ends: Vec<(u32, f32)>,
    breakers: Breakers,
    random: Random,
    bound: Bound,
    seen: Seen,
    dry: Dry,
    generated: u32,
    room: Room,
}

impl Sampler {
    /// A sampler for a model of so many tokens. `ends` are the tokens that end its generations (for `min_tokens`);
    /// `breakers` is what [`Breakers::new`] made of `sampling.dry_sequence_breakers`, or the default where DRY is off.
    ///
    /// # Errors
    ///
    /// What [`Sampling::check`] says, and [`Error::UnknownToken`] for a bias of a token the model does not have.
    pub fn new(
        sampling: &Sampling,
        vocabulary: usize,
        ends: &[u32],
        breakers: Breakers,
    ) -> Result<Self, Error> {
        sampling.check()?;
        if let Some(&(token, _)) = sampling.logit_bias.iter().find(|(token, _)| *token as usize >= vocabulary)
        {
            return Err(Error::UnknownToken { field: "logit_bias", token, vocabulary });
        }
        Ok(Self {
            sampling: sampling.clone(),
            vocabulary,
            biases: added_up(&sampling.logit_bias),
            ends: ends.iter().map(|&end| (end, 0.0)).collect(),
            breakers,
            random: Random::new(sampling.seed),
            bound: Bound::new(sampling),
            seen: Seen::new(sampling),
            dry: Dry::default(),
            generated: 0,
            room: Room::default(),
        })
    }

    /// Tokens of the prompt: penalties see them, `min_tokens` does not count them.
    pub fn remember(&mut self, tokens: &[u32]) {
        tokens.iter().for_each(|&token| self.seen.push(token));
    }

    /// A token that was taken, drawn here or not.
    pub fn accept(&mut self, token: u32) {
        self.seen.push(token);
        self.generated = self.generated.saturating_add(1);
    }

    /// The next token. The logits are worked on in place and hold nothing of use afterwards; tokens that must not
    /// come are −∞ in them. Does not [`accept`](Self::accept) the token, and allocates nothing once it has run.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] where a logit is NaN or +∞, [`Error::NothingLeft`] where every token is ruled out, and
    /// [`Error::Length`] where there are not as many as tokens.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<u32, Error> {
        self.with_room(|sampler, room| {
            let mut candidates = sampler.narrow(logits, room)?;
            Ok(match sampler.sampling.mirostat {
                _ if sampler.greedy() => candidates.best(),
                Mirostat::Off => candidates.draw(sampler.random.unit()).0,
                _ => sampler.bound.draw(&sampler.sampling, &mut sampler.random, &mut candidates),
            })
        })
    }

    /// What [`sample`](Self::sample) would draw from: tokens and their probabilities, best first, summing up to 1.
    /// XTC throws its dice here as there.
    ///
    /// # Errors
    ///
    /// As [`sample`](Self::sample).
    pub fn distribution(&mut self, logits: &mut [f32]) -> Result<Vec<(u32, f32)>, Error> {
        self.with_room(|sampler, room| {
            let mut candidates = sampler.narrow(logits, room)?;
            if sampler.greedy() {
                candidates.keep_best(1);
            }
            let highest = candidates.highest();
            let total = candidates.partition(highest);
            let share = |logit: f32| (f64::from(exp(logit - highest)) / total) as f32;
            Ok(candidates.listed().iter().map(|c| (c.token, share(c.logit))).collect())
        })
    }

    fn with_room<T>(&mut self, work: impl FnOnce(&mut Self, &mut Room) -> T) -> T {
        let mut room = std::mem::take(&mut self.room);
        let result = work(self, &mut room);
        self.room = room;
        result
    }

    fn narrow<'a>(&mut self, logits: &'a mut [f32], room: &'a mut Room) -> Result<Candidates<'a>, Error> {
        if logits.len() != self.vocabulary {
            return Err(Error::Length { got: logits.len(), vocabulary: self.vocabulary });
        }
        let mut candidates = Candidates::new(logits, room)?;
        candidates.change(&self.biases, |logit, bias| logit + bias);
        candidates.refuse_empty()?;
        if self.generated < self.sampling.min_tokens {
            candidates.suppress(&mut self.ends);
        }
        let (greedy, mirostat) = (self.greedy(), self.sampling.mirostat);
        for index in 0..self.sampling.order.len() {
            match self.sampling.order[index] {
                Step::Penalties => self.seen.counts.apply(&self.sampling, &mut candidates),
                Step::Dry => {
                    let window = self.seen.last(self.sampling.dry_last_n);
                    self.dry.apply(&self.sampling, &self.breakers, window, &mut candidates);
                }
                // None of the steps takes the best out, but for those two.
                _ if greedy && !self.may_drop_the_best() => {}
                _ if mirostat != Mirostat::Off => {}
                step => truncate::step(step, &self.sampling, &mut self.random, &mut candidates),
            }
        }
        if mirostat != Mirostat::Off && !greedy {
            truncate::fixed(&mut candidates, self.sampling.temperature);
            self.bound.narrow(mirostat, self.vocabulary, &mut candidates);
        }
        Ok(candidates)
    }

    fn greedy(&self) -> bool {
        self.sampling.temperature <= 0.0 && self.sampling.dynamic_temperature_range <= 0.0
    }

    fn may_drop_the_best(&self) -> bool {
        self.sampling.typical_p < 1.0 || self.sampling.xtc_probability > 0.0
    }
}

/// The tokens that penalties look back at.
#[derive(Clone, Debug)]
struct Seen {
    tokens: Vec<u32>,
    counts: Counts,
    counted: usize,
    kept: usize,
}

impl Seen {
    fn new(sampling: &Sampling) -> Self {
        let counted = sampling.repeat_last_n as usize;
        let dry = if Dry::on(sampling) { sampling.dry_last_n as usize } else { 0 };
        Self { tokens: Vec::new(), counts: Counts::default(), counted, kept: counted.max(dry) }
    }

    fn push(&mut self, token: u32) {
        if self.kept == 0 {
            return;
        }
        self.tokens.push(token);
        if self.counted > 0 {
            self.counts.enter(token);
            if self.tokens.len() > self.counted {
                self.counts.leave(self.tokens[self.tokens.len() - 1 - self.counted]);
            }
        }
        // Half of what is held is in use at least, and each token is moved once at most for each of its kind.
        if self.tokens.len() > self.kept.saturating_mul(2).max(64) {
            self.tokens.drain(..self.tokens.len() - self.kept);
        }
    }

    fn last(&self, count: u32) -> &[u32] {
        &self.tokens[self.tokens.len().saturating_sub(count as usize)..]
    }
}

fn added_up(biases: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let mut sorted = biases.to_vec();
    sorted.sort_by_key(|bias| bias.0);
    sorted.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    sorted
}
