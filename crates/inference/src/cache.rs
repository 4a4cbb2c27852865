//! Keys and values of tokens that were computed, in pages of [`PAGE`] tokens.
//!
//! A sequence is a list of pages; sequences with the same beginning share its full pages. [`Cache`] holds the
//! numbers; [`Pages`] says who holds which page, and which beginnings are still known.

pub mod disk;
mod pages;

pub use pages::{Pages, Prefix};

use athenaeum_kernels::{Error, Format};

/// Tokens of a page.
pub const PAGE: usize = 32;

/// The number of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Page(pub u32);

/// The numbers of all pages, by layer.
///
/// Within a layer, keys and values each lie as `[page][head][token of the page][head_size]`, so that what one head
/// goes through lies together.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<Layer>,
    format: Format,
    kv_heads: usize,
    row_bytes: usize,
    pages: usize,
}

#[derive(Debug)]
struct Layer {
    keys: Vec<u8>,
    values: Vec<u8>,
}

/// The sizes of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Layers of the model.
    pub layers: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_size: usize,
    /// How they are stored: `F32`, `F16` or `Q8_0`, the last for heads whose size is a multiple of 32.
    pub format: Format,
}

impl Shape {
    /// Returns the bytes that one page takes, or `None` for a format that cannot hold such heads.
    pub fn page_bytes(&self) -> Option<usize> {
        Some(2 * self.layers * self.kv_heads * PAGE * self.format.row_bytes(self.head_size)?)
    }
}

impl Cache {
    /// Makes room for `pages` pages. The system hands out the memory when it is first written.
    ///
    /// # Errors
    ///
    /// If the format cannot hold heads of that size.
    pub fn new(shape: Shape, pages: usize) -> Result<Self, Error> {
        let row_bytes = shape
            .format
            .row_bytes(shape.head_size)
            .ok_or(Error::NotWholeBlocks { format: shape.format, count: shape.head_size })?;
        athenaeum_kernels::quantize(shape.format, &vec![0.0; shape.head_size], &mut vec![0; row_bytes])?;
        let bytes = pages * shape.kv_heads * PAGE * row_bytes;
        let layer = || Layer { keys: vec![0; bytes], values: vec![0; bytes] };
        let layers = (0..shape.layers).map(|_| layer()).collect();
        Ok(Self { layers, format: shape.format, kv_heads: shape.kv_heads, row_bytes, pages })
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// How numbers are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the bytes of a page, in all layers.
    pub fn page_bytes(&self) -> usize {
        2 * self.layers.len() * self.kv_heads * PAGE * self.row_bytes
    }

    /// Appends the numbers of a page: layer by layer, keys before values.
    pub fn take_out(&self, page: Page, out: &mut Vec<u8>) {
        let range = self.row(page, 0, 0)..self.row(page, self.kv_heads, 0);
        for layer in &self.layers {
            out.extend_from_slice(&layer.keys[range.clone()]);
            out.extend_from_slice(&layer.values[range.clone()]);
        }
    }

    /// Sets the numbers of a page.
    ///
    /// # Panics
    ///
    /// If `bytes` are not [`Cache::page_bytes`] long.
    pub fn put_back(&mut self, page: Page, bytes: &[u8]) {
        assert_eq!(bytes.len(), self.page_bytes(), "the bytes of a page");
        let range = self.row(page, 0, 0)..self.row(page, self.kv_heads, 0);
        for (layer, bytes) in self.layers.iter_mut().zip(bytes.chunks_exact(2 * range.len())) {
            let (keys, values) = bytes.split_at(range.len());
            layer.keys[range.clone()].copy_from_slice(keys);
            layer.values[range.clone()].copy_from_slice(values);
        }
    }

    /// Keeps the keys and values of one token, all heads one after another.
    pub(crate) fn store(&mut self, layer: usize, (page, slot): (Page, usize), keys: &[f32], values: &[f32]) {
        let head_size = keys.len() / self.kv_heads;
        for head in 0..self.kv_heads {
            let at = self.row(page, head, slot);
            let numbers = head * head_size..(head + 1) * head_size;
            let Layer { keys: key_rows, values: value_rows } = &mut self.layers[layer];
            for (rows, numbers) in [(key_rows, &keys[numbers.clone()]), (value_rows, &values[numbers])] {
                let stored =
                    athenaeum_kernels::quantize(self.format, numbers, &mut rows[at..at + self.row_bytes]);
                debug_assert!(stored.is_ok(), "Cache::new takes only formats that can be written");
            }
        }
    }

    /// Returns the keys and the values of a head in a page, a row per token.
    pub(crate) fn rows(&self, layer: usize, page: Page, head: usize) -> (&[u8], &[u8]) {
        let start = self.row(page, head, 0);
        let all = start..start + PAGE * self.row_bytes;
        (&self.layers[layer].keys[all.clone()], &self.layers[layer].values[all])
    }

    fn row(&self, Page(page): Page, head: usize, slot: usize) -> usize {
        ((page as usize * self.kv_heads + head) * PAGE + slot) * self.row_bytes
    }
}
