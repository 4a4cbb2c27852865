//! Segments in memory, for tests.

use std::io::Cursor;

use athenaeum_core::vector::Metric;
use athenaeum_kernels::Bytes;

use super::{Head, Segment, write};
use crate::{
    pack::pack,
    rows::{Rows, Times},
    train,
};

/// Makes a segment of some vectors, each with its place as its key.
pub(crate) fn segment_of(metric: Metric, vectors: &[Vec<f32>]) -> Segment {
    let mut rows = Rows::new(vectors.first().map_or(16, Vec::len));
    let none = rows.tag_sets.number("").unwrap();
    for (place, vector) in vectors.iter().enumerate() {
        let scale = pack(vector, &mut rows.values);
        rows.scales.push(scale);
        rows.keys.push((place as u128).to_be_bytes());
        rows.sequences.push(1 + place as u64);
        rows.times.push(Times { valid_from: i64::MIN, valid_until: i64::MAX, learnt: 0, expires: i64::MAX });
        rows.tags.push(none);
    }
    let partitions = train::partitions(&rows, metric, train::count(rows.len()), 2);
    let head = Head {
        collection: [7; 16],
        generation: 1,
        after: 0,
        through: vectors.len() as u64,
        removals: 0,
        ..Head::of(metric, &rows, &partitions)
    };
    let mut image = Cursor::new(Vec::new());
    write(&mut image, &head, &rows, &partitions).unwrap();
    Segment::open(&Bytes::from(image.into_inner())).unwrap()
}
