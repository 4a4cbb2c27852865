use std::sync::{Mutex, PoisonError};

use athenaeum_kernels::{Format, Pool};

use super::{LoadError, needs_all};
use crate::{
    cache::{Cache, PAGE, Page},
    decoder::{self, Decoder, Row, Want},
    encoder::{self, Encoder, Input, Pooling},
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

/// Tokens that are computed together, so that buffers stay small; one text may have more.
const TOKENS_AT_ONCE: usize = 1024;

impl Backbone {
    pub(crate) fn load(model: &Model, access: Access) -> Result<Self, LoadError> {
        match Encoder::load(model, access) {
            Ok(encoder) => return Ok(Self::Encoder(Computing::boxed(encoder))),
            Err(encoder::Error::Architecture { .. }) => {}
            Err(error) => return Err(LoadError::Encoder(error)),
        }
        let context_tokens = decoder::Config::of(model).map(|config| config.context_tokens);
        let context_tokens = context_tokens.map_err(|error| LoadError::Decoder(error.into()))?;
        let decoder = Decoder::load(model, access, context_tokens).map_err(LoadError::Decoder)?;
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

    /// Computes texts, none of them empty or too long, and hands out the vectors of each one's tokens, in order; only the
    /// last token's where a pooling needs no more and that is less work.
    pub(crate) fn hidden(
        &self,
        texts: &[&[u32]],
        pooling: Pooling,
        pool: &Pool,
        take: &mut dyn FnMut(&[f32]),
    ) {
        let width = self.width();
        match self {
            Self::Encoder(encoder) => encoder.with_work(|encoder, work| {
                for group in groups(texts) {
                    let inputs: Vec<Input<'_>> =
                        group.iter().map(|tokens| Input { tokens, second_from: tokens.len() }).collect();
                    let mut hidden = encoder.forward(&inputs, work, pool);
                    for tokens in group {
                        let (these, others) = hidden.split_at(tokens.len() * width);
                        take(these);
                        hidden = others;
                    }
                }
            }),
            Self::Decoder(decoder) => decoder.with_work(|decoder, work| {
                for group in groups(texts) {
                    let want = if needs_all(pooling) { Want::Hidden } else { Want::Nothing };
                    forward(decoder, group, (want, Want::Hidden), work, pool, &mut |output| {
                        let mut hidden = output.hidden;
                        for tokens in group {
                            let rows = if needs_all(pooling) { tokens.len() } else { 1 };
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

/// Computes texts with a decoder that has seen nothing before; `wants` are those of all tokens but the last, and of the
/// last.
pub(crate) fn forward(
    decoder: &Decoder,
    texts: &[&[u32]],
    wants: (Want, Want),
    work: &mut decoder::Work,
    pool: &Pool,
    take: &mut dyn FnMut(decoder::Output<'_>),
) {
    let mut rows = Vec::new();
    let mut pages: Vec<Vec<Page>> = Vec::new();
    let mut page_count = 0_u32;
    for (sequence, tokens) in texts.iter().enumerate() {
        let last = tokens.len().saturating_sub(1);
        rows.extend(tokens.iter().zip(0_u32..).map(|(token, position)| Row {
            token: *token,
            position,
            sequence,
            want: if position as usize == last { wants.1 } else { wants.0 },
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
pub(crate) fn groups<'a>(texts: &'a [&'a [u32]]) -> impl Iterator<Item = &'a [&'a [u32]]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let more = |text: &&&[u32]| {
            tokens += text.len();
            tokens <= TOKENS_AT_ONCE
        };
        let count = rest.iter().take_while(more).count().max(1).min(rest.len());
        let (group, others) = rest.split_at(count);
        rest = others;
        (!group.is_empty()).then_some(group)
    })
}
