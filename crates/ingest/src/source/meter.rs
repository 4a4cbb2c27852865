use std::{
    cell::Cell,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    rc::Rc,
};

/// Counts the bytes that a run has read from the disk.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) bytes: Cell<u64>,
}

/// A file that tells the meter what is read of it.
pub(super) struct Metered {
    file: File,
    meter: Rc<Meter>,
}

impl Metered {
    pub(super) fn new(file: File, meter: Rc<Meter>) -> Self {
        Self { file, meter }
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(out)?;
        self.meter.bytes.set(self.meter.bytes.get() + count as u64);
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}
