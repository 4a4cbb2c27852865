use std::{num::NonZeroUsize, sync::Arc};

use athenaeum_kernels::Format;

use crate::{
    cache::{Cache, Page, Shape},
    decoder::{Decoder, Given, Output, Row, Work},
    processor::Processor,
};

/// Whatever computes batches, with the keys and values of all sequences in its keeping.
///
/// The same rows must give the same logits: on one processor bit for bit, whatever else is in the batch.
pub trait Backend: Send {
    /// Tokens that the model knows.
    fn vocabulary(&self) -> usize;

    /// Pages that its cache has.
    fn pages(&self) -> usize;

    /// Computes a batch. Each of `sequences` lists the pages of its tokens, with room for those of the batch.
    ///
    /// # Errors
    ///
    /// In words for people; what was computed of the batch is lost.
    fn forward(&mut self, rows: &[Row], sequences: &[&[Page]]) -> Result<Output<'_>, String>;

    /// The same where some rows are given as numbers, in the batch's order.
    ///
    /// # Errors
    ///
    /// As of [`Backend::forward`]; and always, where it takes tokens alone.
    fn forward_given(
        &mut self,
        (rows, given): (&[Row], &[Given<'_>]),
        sequences: &[&[Page]],
    ) -> Result<Output<'_>, String> {
        if given.is_empty() {
            return self.forward(rows, sequences);
        }
        Err("pictures are not computed on this device; compute the model on the processor".to_owned())
    }

    /// Bytes of a page, if pages can be taken out and put back.
    fn page_bytes(&self) -> Option<usize> {
        None
    }

    /// Appends the numbers of a page.
    fn take_out(&self, page: Page, out: &mut Vec<u8>) {
        let _ = (page, out);
    }

    /// Sets the numbers of a page to what [`Backend::take_out`] gave.
    fn put_back(&mut self, page: Page, bytes: &[u8]) {
        let _ = (page, bytes);
    }

    /// Copies a page to another; `false` where pages cannot be taken out.
    fn copy(&mut self, from: Page, to: Page) -> bool {
        let Some(page_bytes) = self.page_bytes() else { return false };
        let mut bytes = Vec::with_capacity(page_bytes);
        self.take_out(from, &mut bytes);
        self.put_back(to, &bytes);
        true
    }
}

/// The processor, by our own kernels.
#[derive(Debug)]
pub struct Cpu {
    decoder: Arc<Decoder>,
    cache: Cache,
    work: Work,
    processor: Processor,
}

impl Cpu {
    /// Makes room for `pages` pages, and starts the threads.
    ///
    /// # Errors
    ///
    /// If keys and values of this model cannot be stored in the format.
    pub fn new(
        decoder: Arc<Decoder>,
        format: Format,
        pages: usize,
        threads: usize,
    ) -> Result<Self, UnfitFormat> {
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        Self::by(&Processor::new(threads), decoder, format, pages)
    }

    /// The same by threads that other models are computed with, in turn with this one.
    ///
    /// # Errors
    ///
    /// As of [`Cpu::new`].
    pub fn by(
        processor: &Processor,
        decoder: Arc<Decoder>,
        format: Format,
        pages: usize,
    ) -> Result<Self, UnfitFormat> {
        let shape = decoder.cache_shape(format);
        let Shape { head_size, .. } = shape;
        let cache = Cache::new(shape, pages).map_err(|_| UnfitFormat { format, head_size })?;
        Ok(Self { decoder, cache, work: Work::default(), processor: processor.clone() })
    }

    /// The same by this one's threads.
    ///
    /// # Errors
    ///
    /// As of [`Cpu::new`].
    pub fn beside(&self, decoder: Arc<Decoder>, format: Format, pages: usize) -> Result<Self, UnfitFormat> {
        Self::by(&self.processor, decoder, format, pages)
    }
}

/// The format takes blocks that heads cannot be cut into, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("keys and values cannot be stored as {} for heads of {head_size} numbers; choose F16", format.name())]
pub struct UnfitFormat {
    /// What was asked for.
    pub format: Format,
    /// Numbers in a head.
    pub head_size: usize,
}

impl Backend for Cpu {
    fn vocabulary(&self) -> usize {
        self.decoder.config().vocabulary
    }

    fn pages(&self) -> usize {
        self.cache.pages()
    }

    fn forward(&mut self, rows: &[Row], sequences: &[&[Page]]) -> Result<Output<'_>, String> {
        self.forward_given((rows, &[]), sequences)
    }

    fn forward_given(
        &mut self,
        batch: (&[Row], &[Given<'_>]),
        sequences: &[&[Page]],
    ) -> Result<Output<'_>, String> {
        let Self { decoder, cache, work, processor } = self;
        Ok(processor.turn(|pool| decoder.forward_given(batch, sequences, cache, work, pool)))
    }

    fn page_bytes(&self) -> Option<usize> {
        Some(self.cache.page_bytes())
    }

    fn take_out(&self, page: Page, out: &mut Vec<u8>) {
        self.cache.take_out(page, out);
    }

    fn put_back(&mut self, page: Page, bytes: &[u8]) {
        self.cache.put_back(page, bytes);
    }
}
