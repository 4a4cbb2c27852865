use std::io;

use super::{Backend, Settings};
use crate::cache::{
    PAGE, Page, Pages,
    disk::{Disk, Name},
};

/// Beginnings on the disk, where the settings ask for them and the backend can take pages out.
#[derive(Debug)]
pub(super) struct Keep {
    disk: Option<Disk>,
    bytes: Vec<u8>,
}

impl Keep {
    pub(super) fn open(settings: &Settings, backend: &dyn Backend) -> io::Result<Self> {
        let disk = match (&settings.disk, backend.page_bytes()) {
            (Some(disk), Some(page_bytes)) => {
                Some(Disk::open(disk, settings.cache_format.name(), page_bytes)?)
            }
            _ => None,
        };
        Ok(Self { disk, bytes: Vec::new() })
    }

    /// Goes on where the beginnings in memory end: brings the pages of `tokens` that are on the disk. `held` are those
    /// that the sequence has already.
    pub(super) fn bring(
        &mut self,
        (owner, tokens): (u64, &[u32]),
        held: &mut Vec<Page>,
        pages: &mut Pages,
        backend: &mut dyn Backend,
    ) {
        let Some(disk) = &self.disk else { return };
        let mut before = None;
        for (index, tokens) in tokens.chunks_exact(PAGE).enumerate() {
            let name = disk.name(owner, before, tokens);
            if index >= held.len() {
                if !disk.has(name) {
                    return;
                }
                let Some(page) = pages.take() else { return };
                if !disk.read(name, before, tokens, &mut self.bytes) {
                    pages.release(page);
                    return;
                }
                backend.put_back(page, &self.bytes);
                held.push(page);
            }
            before = Some(name);
        }
    }

    /// Goes on behind the full pages that the sequence has: brings the page that was begun there, and returns how many of
    /// `tokens` it holds.
    pub(super) fn bring_begun(
        &mut self,
        (owner, tokens): (u64, &[u32]),
        held: &mut Vec<Page>,
        pages: &mut Pages,
        backend: &mut dyn Backend,
    ) -> usize {
        let Some(disk) = &self.disk else { return 0 };
        let (full, rest) = tokens.split_at(tokens.len().min(held.len() * PAGE));
        let name_of = |before, tokens: &[u32]| Some(disk.name(owner, before, tokens));
        let before = full.chunks_exact(PAGE).fold(None, name_of);
        let begun = disk.name(owner, before, &[]);
        if rest.is_empty() || !disk.has(begun) {
            return 0;
        }
        let count = disk.read_begun(begun, before, rest, &mut self.bytes).min(PAGE);
        let Some(page) = (count > 0).then(|| pages.take()).flatten() else { return 0 };
        backend.put_back(page, &self.bytes);
        held.push(page);
        count
    }

    /// Has those pages of a sequence written that are not on the disk yet, and the last as far as it goes.
    pub(super) fn keep(&mut self, (owner, tokens): (u64, &[u32]), held: &[Page], backend: &dyn Backend) {
        let Some(disk) = &self.disk else { return };
        let mut before: Option<Name> = None;
        for (tokens, &page) in tokens.chunks_exact(PAGE).zip(held) {
            let name = disk.name(owner, before, tokens);
            if !disk.has(name) {
                self.bytes.clear();
                backend.take_out(page, &mut self.bytes);
                disk.write(name, before, tokens, &self.bytes);
            }
            before = Some(name);
        }
        let rest = tokens.chunks_exact(PAGE).remainder();
        if let Some(&page) = held.get(tokens.len() / PAGE).filter(|_| !rest.is_empty()) {
            self.bytes.clear();
            backend.take_out(page, &mut self.bytes);
            disk.write(disk.name(owner, before, &[]), before, rest, &self.bytes);
        }
    }
}
