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

    /// Has those pages of a sequence written that are not on the disk yet.
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
    }
}
