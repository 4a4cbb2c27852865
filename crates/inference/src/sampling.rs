//! Which token comes next: from logits to one token, as the request wants it, the same every time.
//!
//! [`Sampling`] is what a request may set; [`Sampling::check`] says what is out of range. A [`Sampler`] serves one
//! sequence: it is told of the prompt ([`Sampler::remember`]), asked for each token ([`Sampler::sample`]) and told
//! which one was taken ([`Sampler::accept`]). [`logprobs`] reads probabilities off the raw logits.
//!
//! The steps, their order and their defaults are those of llama.cpp (`common_params_sampling`, read in the sources
//! that llama-cpp-python 0.3.36 carries); where this differs, the step says so.
//!
//! **Invariant:** what is drawn depends on the settings, the seed, the logits and the tokens told, and on nothing
//! else: no clock, no thread, no neighbour in the batch. Exponentials are our own (`exp`), so that machines agree.

mod candidates;
mod check;
mod dry;
mod exp;
mod logprobs;
mod mirostat;
mod order;
mod penalties;
mod random;
mod sampler;
mod truncate;

pub use check::Error;
pub use dry::Breakers;
pub use logprobs::{LogProbs, Ranked, logprobs};
pub use order::Step;
pub use random::{Random, fresh_seed};
pub use sampler::Sampler;

/// How one sequence is drawn. Every number has a value that switches its step off; [`check`](Sampling::check) knows
/// the ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Flatness of the distribution, 0 to 100; 0 takes the likeliest token always, of equal ones the lower id.
    pub temperature: f32,
    /// Half the span that the temperature moves in, by the entropy of what is left; 0 holds it still.
    pub dynamic_temperature_range: f32,
    /// The power the normalised entropy is raised to before it moves the temperature.
    pub dynamic_temperature_exponent: f32,
    /// How many of the likeliest tokens stay; 0 keeps all.
    pub top_k: u32,
    /// The likeliest tokens stay until their probabilities sum up to this, 0 to 1; 1 keeps all.
    pub top_p: f32,
    /// Tokens stay whose probability is at least this share of the likeliest one's, 0 to 1; 0 keeps all.
    pub min_p: f32,
    /// Tokens whose surprise is nearest to the entropy stay until they sum up to this, 0 to 1; 1 keeps all.
    pub typical_p: f32,
    /// Tokens stay whose logit is at most so many standard deviations below the highest; 0 keeps all.
    pub top_n_sigma: f32,
    /// How often the likeliest tokens are left out, 0 to 1 (XTC); 0 never.
    pub xtc_probability: f32,
    /// Which ones: those at least this likely, but for the least likely of them; above 0.5 none.
    pub xtc_threshold: f32,
    /// How many candidates top-p, min-p, typical and XTC leave at least.
    pub min_keep: u32,
    /// What logits of tokens seen lately are divided by (negative ones: multiplied); 1 is off.
    pub repeat_penalty: f32,
    /// Taken off the logit of a token for each time it was seen lately.
    pub frequency_penalty: f32,
    /// Taken off the logit of a token that was seen lately.
    pub presence_penalty: f32,
    /// How many tokens back "lately" reaches, prompt included; 0 is off, [`u32::MAX`] the whole sequence.
    pub repeat_last_n: u32,
    /// Strength of the penalty for going on with a repetition (DRY); 0 is off.
    pub dry_multiplier: f32,
    /// What that penalty grows by with each token of the repetition, 1 to 100.
    pub dry_base: f32,
    /// Repetitions shorter than this are free of it.
    pub dry_allowed_length: u32,
    /// How many tokens back repetitions are looked for; 0 is off, [`u32::MAX`] the whole sequence.
    pub dry_last_n: u32,
    /// Texts that a repetition never reaches across. Made into tokens by [`Breakers::new`].
    pub dry_sequence_breakers: Vec<String>,
    /// Control of the surprise instead of the steps that cut candidates off.
    pub mirostat: Mirostat,
    /// The surprise mirostat aims at, in bits, 0 to 100.
    pub mirostat_tau: f32,
    /// How fast mirostat corrects itself, 0 to 10.
    pub mirostat_eta: f32,
    /// Added to logits before all else, by token: −10,000 to 10,000, or −∞, which bans the token.
    pub logit_bias: Vec<(u32, f32)>,
    /// So many tokens come before one that ends the generation can.
    pub min_tokens: u32,
    /// Where the draws begin; see [`fresh_seed`] for a request that names none.
    pub seed: u64,
    /// The steps and their order; what is not named is not done.
    pub order: Vec<Step>,
}

/// Which mirostat, if any (Basu et al. 2020, arXiv:2007.14966). It takes the place of the steps that cut off
/// candidates; penalties, DRY and the fixed temperature stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mirostat {
    /// None.
    #[default]
    Off,
    /// The first: the exponent of the distribution is estimated from its hundred likeliest tokens.
    V1,
    /// The second: tokens more surprising than the running bound are cut off.
    V2,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            dynamic_temperature_range: 0.0,
            dynamic_temperature_exponent: 1.0,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            typical_p: 1.0,
            top_n_sigma: 0.0,
            xtc_probability: 0.0,
            xtc_threshold: 0.1,
            min_keep: 0,
            repeat_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repeat_last_n: 64,
            dry_multiplier: 0.0,
            dry_base: 1.75,
            dry_allowed_length: 2,
            dry_last_n: 64,
            dry_sequence_breakers: ["\n", ":", "\"", "*"].map(String::from).into(),
            mirostat: Mirostat::Off,
            mirostat_tau: 5.0,
            mirostat_eta: 0.1,
            logit_bias: Vec::new(),
            min_tokens: 0,
            seed: 0,
            order: Step::DEFAULT_ORDER.to_vec(),
        }
    }
}

impl Sampling {
    /// The likeliest token always, and nothing else changed.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Whether every value is one that means something.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] names the first field that is not, and what it takes: numbers that are not numbers,
    /// infinite ones and negative ones are refused everywhere but where the field says otherwise.
    pub fn check(&self) -> Result<(), Error> {
        check::check(self)
    }
}
