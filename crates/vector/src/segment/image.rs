//! The bytes of a segment: a head that says where what lies, then sections.

use athenaeum_core::vector::Metric;
use athenaeum_kernels::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::Lot;
use crate::{rows::Rows, train::Partitions};

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) dimensions: usize,
    pub(crate) metric: Metric,
    pub(crate) rows: usize,
    pub(crate) partitions: usize,
    /// Of partitions; 0 where there are few.
    pub(crate) groups: usize,
    /// Which collection it was made of, and which of its lives: clearing begins another one.
    pub(crate) collection: [u8; 16],
    pub(crate) generation: u64,
    /// It has the rows with sequence numbers after this one …
    pub(crate) after: u64,
    /// … up to this one, included,
    pub(crate) through: u64,
    /// but for those that were removed up to this removal.
    pub(crate) removals: u64,
    /// When the first of its rows expires, in microseconds.
    pub(crate) first_expiry: i64,
}

impl Head {
    /// What rows and their partitions say; whose they are is still to be said.
    pub(crate) fn of(metric: Metric, rows: &Rows, partitions: &Partitions) -> Self {
        Self {
            dimensions: rows.dimensions,
            metric,
            rows: rows.len(),
            partitions: partitions.ends.len(),
            groups: partitions.group_ends.len(),
            collection: [0; 16],
            generation: 0,
            after: 0,
            through: 0,
            removals: 0,
            first_expiry: rows.first_expiry(),
        }
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.dimensions.div_ceil(8)
    }
}

/// Why an image cannot be used. It is made anew, so this is only told to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is no segment of this version")]
    Foreign,
    #[error("its head is damaged")]
    Head,
    #[error("a section is not as long as it must be")]
    Section,
}

/// The sections.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) centers: Bytes,
    pub(super) partitions: Bytes,
    pub(super) group_centers: Bytes,
    pub(super) groups: Bytes,
    pub(super) codes: Bytes,
    pub(super) estimates: Bytes,
    pub(super) values: Bytes,
    pub(super) factors: Bytes,
    pub(super) keys: Bytes,
    pub(super) sequences: Bytes,
    pub(super) order: Bytes,
    pub(super) times: Bytes,
    pub(super) tags: Bytes,
    all: Bytes,
    hashes: [u64; SECTIONS],
}

/// In the order in which they lie.
pub(super) const SECTIONS: usize = 13;
pub(super) const ALIGNMENT: usize = 64;
pub(super) const MAGIC: [u8; 8] = *b"ATHVECS\x02";
pub(super) const HEAD_BYTES: usize = 448;
const SECTIONS_AT: usize = 104;
const HASH_AT: usize = HEAD_BYTES - 8;

/// Rows beyond this number are not put into one segment: they are counted in 32 bits.
pub(crate) const ROWS_MAX: usize = 1 << 30;
pub(crate) const DIMENSIONS_MAX: usize = 16_384;

/// Writes a head; sections are given as offset, bytes and hash.
pub(super) fn write_head(head: &Head, sections: &[[u64; 3]; SECTIONS]) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&head.collection);
    let metric = Metric::ALL.iter().position(|metric| *metric == head.metric).unwrap_or(0);
    let numbers = [
        head.dimensions as u64,
        metric as u64,
        head.rows as u64,
        head.partitions as u64,
        head.generation,
        head.after,
        head.through,
        head.removals,
        head.first_expiry.cast_unsigned(),
        head.groups as u64,
    ];
    let numbers = numbers.into_iter().chain(sections.iter().flatten().copied());
    for (place, number) in bytes[24..HASH_AT].as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    let hash = xxh3_64(&bytes[..HASH_AT]);
    bytes[HASH_AT..].copy_from_slice(&hash.to_le_bytes());
    bytes
}

pub(super) fn open(all: &Bytes) -> Result<(Head, Image), Unreadable> {
    let bytes = all.first_chunk::<HEAD_BYTES>().ok_or(Unreadable::Foreign)?;
    if bytes[..8] != MAGIC {
        return Err(Unreadable::Foreign);
    }
    let number = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if number(HASH_AT) != xxh3_64(&bytes[..HASH_AT]) {
        return Err(Unreadable::Head);
    }
    let size = |at: usize, max: usize| {
        usize::try_from(number(at)).ok().filter(|size| *size <= max).ok_or(Unreadable::Head)
    };
    let head = Head {
        dimensions: size(24, DIMENSIONS_MAX)?,
        metric: *Metric::ALL.get(size(32, 2)?).ok_or(Unreadable::Head)?,
        rows: size(40, ROWS_MAX)?,
        partitions: size(48, ROWS_MAX)?,
        collection: *bytes[8..].first_chunk().ok_or(Unreadable::Head)?,
        generation: number(56),
        after: number(64),
        through: number(72),
        removals: number(80),
        first_expiry: number(88).cast_signed(),
        groups: size(96, ROWS_MAX)?,
    };
    let mut hashes = [0; SECTIONS];
    let mut section = |index: usize, wanted: &[usize]| {
        let at = SECTIONS_AT + 24 * index;
        let (offset, bytes) = (size(at, usize::MAX)?, size(at + 8, usize::MAX)?);
        hashes[index] = number(at + 16);
        let end = offset.checked_add(bytes).ok_or(Unreadable::Section)?;
        let fits = wanted.is_empty() || wanted.contains(&bytes);
        all.slice(offset..end).filter(|_| fits).ok_or(Unreadable::Section)
    };
    let Head { rows, dimensions, partitions, .. } = head;
    let times = |a: usize, b: usize| a.checked_mul(b).ok_or(Unreadable::Section);
    let image = Image {
        centers: section(0, &[times(partitions, dimensions)?])?,
        partitions: section(1, &[times(partitions, 12)?])?,
        group_centers: section(2, &[times(head.groups, dimensions)?])?,
        groups: section(3, &[times(head.groups, 12)?])?,
        codes: section(4, &[times(rows, head.code_bytes())?])?,
        estimates: section(5, &[times(rows, 8)?])?,
        values: section(6, &[times(rows, dimensions)?])?,
        factors: section(7, &[times(rows, 8)?])?,
        keys: section(8, &[times(rows, 16)?])?,
        sequences: section(9, &[times(rows, 8)?])?,
        order: section(10, &[times(rows, 4)?])?,
        times: section(11, &[times(rows, 32)?])?,
        tags: section(12, &[])?,
        all: all.clone(),
        hashes,
    };
    Ok((head, image))
}

impl Image {
    /// The partitions, each with its rows.
    pub(super) fn partitions(&self, head: &Head) -> Vec<Lot> {
        lots(&self.partitions, head.rows)
    }

    /// The groups, each with its partitions.
    pub(super) fn groups(&self, head: &Head) -> Vec<Lot> {
        lots(&self.groups, head.partitions)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.all.len() as u64
    }

    /// A number that no other image has: the hash of its head, which holds those of its sections.
    pub(super) fn identity(&self) -> u64 {
        self.all
            .get(HASH_AT..HEAD_BYTES)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |hash| u64::from_le_bytes(*hash))
    }

    pub(super) fn is_mapped(&self) -> bool {
        self.all.is_mapped()
    }

    pub(super) fn is_sound(&self) -> bool {
        let sections = [
            &self.centers,
            &self.partitions,
            &self.group_centers,
            &self.groups,
            &self.codes,
            &self.estimates,
            &self.values,
            &self.factors,
            &self.keys,
            &self.sequences,
            &self.order,
            &self.times,
            &self.tags,
        ];
        sections.into_iter().zip(self.hashes).all(|(section, hash)| xxh3_64(section) == hash)
    }
}

/// Reads where each of some things ends that hold so many in all. Those of which the bytes tell nonsense hold none.
fn lots(entries: &[u8], all: usize) -> Vec<Lot> {
    let mut start = 0;
    let read = |entry: &[u8; 12]| {
        let number = |at: usize| entry[at..].first_chunk().copied().unwrap_or_default();
        let end = u32::from_le_bytes(number(0)) as usize;
        let held = if start <= end && end <= all { start..end } else { 0..0 };
        start = end;
        let (factor, square) = (f32::from_le_bytes(number(4)), f32::from_le_bytes(number(8)));
        Lot { start: held.start, end: held.end, factor, square }
    };
    entries.as_chunks().0.iter().map(read).collect()
}
