//! Numbers by document: fixed width, the least value subtracted.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    error::{Error, Result},
    pages::{PageFile, PageWriter},
};

/// How a column is written, as the segment's meta tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Offset in the file, bytes.
    pub(super) at: u64,
    /// Bytes of a value, 0 to 8.
    pub(super) width: u8,
    /// Least value present.
    pub(super) min: i64,
    /// Greatest value present; less than `min` when there is none.
    pub(super) max: i64,
}

/// Behind each column, so that a value can be read as eight bytes wherever it stands.
const PADDING: usize = 8;

impl Layout {
    /// Returns the layout for values between `min` and `max` (none at all when `max < min`).
    pub(super) fn between(min: i64, max: i64, at: u64) -> Result<Self> {
        // Zero stands for an absent value, so the greatest becomes max − min + 1.
        let most = if max < min { Some(0) } else { max.abs_diff(min).checked_add(1) };
        let most = most.ok_or(Error::Full { what: "numbers too far apart" })?;
        let width = (64 - most.leading_zeros()).div_ceil(8) as u8;
        Ok(Self { at, width, min, max })
    }

    /// Appends a value.
    pub(super) fn put(&self, value: Option<i64>, out: &mut Vec<u8>) {
        let stored = value.map_or(0, |value| (value.wrapping_sub(self.min) as u64).wrapping_add(1));
        out.extend_from_slice(&stored.to_le_bytes()[..usize::from(self.width)]);
    }
}

/// Writes a column of values between `min` and `max`.
pub(super) fn write(
    out: &mut PageWriter,
    (min, max): (i64, i64),
    values: impl Iterator<Item = Option<i64>>,
) -> Result<Layout> {
    let layout = Layout::between(min, max, out.len())?;
    let mut bytes = Vec::with_capacity(1 << 14);
    for value in values {
        layout.put(value, &mut bytes);
        if bytes.len() >= 1 << 14 {
            out.write(&bytes)?;
            bytes.clear();
        }
    }
    bytes.extend_from_slice(&[0; PADDING]);
    out.write(&bytes)?;
    Ok(layout)
}

/// A column in memory.
#[derive(Debug)]
pub(super) struct Column {
    bytes: Vec<u8>,
    width: usize,
    mask: u64,
    min: i64,
}

impl Column {
    /// Reads all of it.
    pub(super) fn load(file: &PageFile, layout: &Layout, docs: u32) -> Result<Self> {
        let width = usize::from(layout.width);
        let mut bytes = Vec::new();
        file.read(layout.at, docs as usize * width + PADDING, &mut bytes)?;
        Ok(Self { bytes, width, mask: mask(width), min: layout.min })
    }

    /// Returns the value of a document; `None` where it has none.
    #[inline]
    pub(super) fn get(&self, doc: u32) -> Option<i64> {
        let at = doc as usize * self.width;
        let bytes = self.bytes.get(at..at + 8)?;
        decode(bytes, self.mask, self.min)
    }
}

/// Reads the value of one document from the file.
pub(super) fn value(file: &PageFile, layout: &Layout, doc: u32) -> Result<Option<i64>> {
    let width = usize::from(layout.width);
    let mut bytes = Vec::new();
    file.read(layout.at + u64::from(doc) * width as u64, 8, &mut bytes)?;
    Ok(decode(&bytes, mask(width), layout.min))
}

fn mask(width: usize) -> u64 {
    if width >= 8 { u64::MAX } else { (1 << (8 * width)) - 1 }
}

#[inline]
fn decode(bytes: &[u8], mask: u64, min: i64) -> Option<i64> {
    let stored = u64::from_le_bytes(bytes.try_into().ok()?) & mask;
    (stored != 0).then(|| min.wrapping_add((stored - 1) as i64))
}

/// Something read from a file when first asked for, and let go of when nobody asked for a while.
#[derive(Debug)]
pub(super) struct Lazy<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Lazy<T> {
    pub(super) fn get(&self, load: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*slot {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(load()?);
        *slot = Some(Arc::clone(&value));
        Ok(value)
    }

    pub(super) fn release(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_come_back(values: Vec<Option<i32>>, scale in 1_i64..1_000_000) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("column");
            let values: Vec<_> = values.into_iter().map(|v| v.map(|v| i64::from(v) * scale)).collect();
            let present = || values.iter().flatten().copied();
            let range = (present().min().unwrap_or(0), present().max().unwrap_or(-1));
            let mut writer = PageWriter::create(&path).unwrap();
            writer.write(b"before").unwrap();
            let layout = write(&mut writer, range, values.iter().copied()).unwrap();
            writer.finish(1, b"").unwrap();
            let (file, _) = PageFile::open(&path, 1).unwrap();
            let column = Column::load(&file, &layout, values.len() as u32).unwrap();
            for (doc, &expected) in values.iter().enumerate() {
                prop_assert_eq!(column.get(doc as u32), expected);
                prop_assert_eq!(value(&file, &layout, doc as u32).unwrap(), expected);
            }
            prop_assert_eq!(column.get(u32::MAX), None);
        }
    }
}
