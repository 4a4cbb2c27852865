use std::sync::{Mutex, PoisonError};

use athenaeum_kernels::{Format, Pool};

use super::LoadError;
use crate::{
    cache::{Cache, PAGE, Page},
    decoder::{self, Decoder, Row, Want},
    encoder::{self, Encoder, Input},
    model::Model,
    weights::Access,
};

/// What computes the vectors of tokens.
#[derive(Debug)]
pub(crate) enum Backbone {
    Encoder(Box<Computing<Encoder, encoder::Work>>),
    Decoder(Box<Computing<Decoder, decoder::Work>>),
}

/// A model, and buffers that wait for the next call.
#[derive(Debug)]
pub(crate) struct Computing<M, W> {
    pub(crate) model: M,
    idle: Mutex<Vec<W>>,
}

/// Tokens that are computed together, by the room they take, so that buffers stay small; one text may have more.
pub(crate) const TOKENS_AT_ONCE: usize = 512;

impl Backbone {
    pub(crate) fn load(model: &Model, access: Access) -> Result<Self, LoadError> {
        match Encoder::load(model, access) {
            Ok(encoder) => return Ok(Self::Encoder(Computing::boxed(encoder))),
            Err(encoder::Error::Architecture { .. }) => {}
            Err(error) => return Err(LoadError::Encoder(error)),
        }
        let config = decoder::Config::of(model).map_err(|error| LoadError::Decoder(error.into()))?;
        let context_tokens = config.context_tokens;
        let decoder =
            Decoder::with_config(model, config, access, context_tokens).map_err(LoadError::Decoder)?;
        Ok(Self::Decoder(Computing::boxed(decoder)))
    }

    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Encoder(encoder) => encoder.model.config().width,
            Self::Decoder(decoder) => decoder.model.config().width,
        }
    }

    pub(crate) fn tokens_max(&self) -> usize {
        match self {
            Self::Encoder(encoder) => encoder.model.config().tokens_max,
            Self::Decoder(decoder) => decoder.model.config().context_tokens,
        }
    }

    pub(crate) fn vocabulary(&self) -> usize {
        match self {
            Self::Encoder(encoder) => encoder.model.config().vocabulary,
            Self::Decoder(decoder) => decoder.model.config().vocabulary,
        }
    }

    /// Returns the tokens that a text of so many takes room for: decoders keep keys and values by the page.
    pub(crate) fn room(&self, tokens: usize) -> usize {
        match self {
            Self::Encoder(_) => tokens,
            Self::Decoder(_) => tokens.next_multiple_of(PAGE),
        }
    }

    /// Computes texts, none of them empty or too long, and hands out the vectors of each one's tokens, in order. Of texts that
    /// are asked for their last token's alone, it is the only one where that is less work.
    pub(crate) fn hidden(&self, texts: &[Asked<'_>], pool: &Pool, take: &mut dyn FnMut(&[f32])) {
        let width = self.width();
        match self {
            Self::Encoder(encoder) => encoder.with_work(|encoder, work| {
                for group in groups(texts, |text| self.room(text.tokens.len())) {
                    let inputs: Vec<Input<'_>> = group.iter().map(|text| Input::from(text.tokens)).collect();
                    let mut hidden = encoder.forward(&inputs, work, pool);
                    for text in group {
                        let (these, others) = hidden.split_at(text.tokens.len() * width);
                        take(these);
                        hidden = others;
                    }
                }
            }),
            Self::Decoder(decoder) => decoder.with_work(|decoder, work| {
                for group in groups(texts, |text| self.room(text.tokens.len())) {
                    forward(decoder, group, Want::Hidden, work, pool, &mut |output| {
                        let mut hidden = output.hidden;
                        for text in group {
                            let rows = if text.last_alone { 1 } else { text.tokens.len() };
                            let (these, others) = hidden.split_at(rows * width);
                            take(these);
                            hidden = others;
                        }
                    });
                }
            }),
        }
    }
}

/// A text, and which of its tokens are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) tokens: &'a [u32],
    pub(crate) last_alone: bool,
}

impl<M, W: Default> Computing<M, W> {
    fn boxed(model: M) -> Box<Self> {
        Box::new(Self { model, idle: Mutex::default() })
    }

    /// Runs with buffers of a call before, if some are free.
    pub(crate) fn with_work<T>(&self, run: impl FnOnce(&M, &mut W) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut work = idle().pop().unwrap_or_default();
        let result = run(&self.model, &mut work);
        idle().push(work);
        result
    }
}

/// Computes texts with a decoder that has seen nothing before; `want` is what is wanted of the tokens that are asked for.
pub(crate) fn forward(
    decoder: &Decoder,
    texts: &[Asked<'_>],
    want: Want,
    work: &mut decoder::Work,
    pool: &Pool,
    take: &mut dyn FnMut(decoder::Output<'_>),
) {
    let mut rows = Vec::new();
    let mut pages: Vec<Vec<Page>> = Vec::new();
    let mut page_count = 0_u32;
    for (sequence, Asked { tokens, last_alone }) in texts.iter().enumerate() {
        let last = tokens.len().saturating_sub(1);
        rows.extend(tokens.iter().zip(0_u32..).map(|(token, position)| Row {
            token: *token,
            position,
            sequence,
            want: if *last_alone && position as usize != last { Want::Nothing } else { want },
        }));
        let needed = u32::try_from(tokens.len().div_ceil(PAGE)).unwrap_or(u32::MAX);
        pages.push((page_count..page_count + needed).map(Page).collect());
        page_count += needed;
    }
    // Heads of every size can be held in this format.
    let Ok(mut cache) = Cache::new(decoder.cache_shape(Format::F32), page_count as usize) else { return };
    let pages: Vec<&[Page]> = pages.iter().map(Vec::as_slice).collect();
    take(decoder.forward(&rows, &pages, &mut cache, work, pool));
}

/// Parts texts into groups that are computed together.
pub(crate) fn groups<T>(texts: &[T], room_of: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let more = |text: &&T| {
            tokens += room_of(text);
            tokens <= TOKENS_AT_ONCE
        };
        let count = rest.iter().take_while(more).count().max(1).min(rest.len());
        let (group, others) = rest.split_at(count);
        rest = others;
        (!group.is_empty()).then_some(group)
    })
}

/// Returns the bytes that a batch takes while it is computed, if no text has more than `tokens_max` tokens.
pub(crate) fn working_bytes(model: &Model, tokens_max: usize) -> Result<u64, LoadError> {
    let (numbers, tokens_of_model) = match encoder::Config::of(model) {
        // What goes in, what is normalised, queries, keys (twice), values, what attention gave and a part gave; gate and up.
        Ok(config) => (8 * config.width + 2 * config.feed_forward, config.tokens_max),
        Err(encoder::Error::Architecture { .. }) => {
            let config = decoder::Config::of(model).map_err(|error| LoadError::Decoder(error.into()))?;
            let heads = config.heads.saturating_mul(config.head_size);
            let keys = config.kv_heads.saturating_mul(config.head_size);
            let kept = config.layers.saturating_mul(2 * keys);
            let working = 5 * config.width + 2 * heads + 2 * keys + 2 * config.feed_forward;
            (working.saturating_add(kept), config.context_tokens)
        }
        Err(error) => return Err(LoadError::Encoder(error)),
    };
    let tokens = tokens_of_model.min(tokens_max).max(TOKENS_AT_ONCE);
    Ok((numbers as u64).saturating_mul(tokens as u64).saturating_mul(size_of::<f32>() as u64))
}
