use std::io::Cursor;

use athenaeum_core::vector::{Effort, Filter};
use proptest::prelude::*;

use super::*;
use crate::{
    pack::{Probe, pack},
    rows::Rows,
    search::{Best, allowed, estimate_some, search},
    train::partitions,
};

fn image(metric: Metric, count: usize, partition_count: usize) -> Vec<u8> {
    let mut rows = Rows::new(12);
    for index in 0..count {
        let vector: Vec<f32> = (0..12).map(|at| ((index * 12 + at) as f32 * 0.7).sin()).collect();
        let scale = pack(&vector, &mut rows.values);
        rows.scales.push(scale);
        rows.keys.push([index as u8; 16]);
        rows.sequences.push(10 + 3 * index as u64);
        let expires = if index == 5 { 1_000 } else { i64::MAX };
        rows.times.push(Times { valid_from: i64::MIN, valid_until: i64::MAX, learnt: index as i64, expires });
        let text = if index % 3 == 0 { r#"[["role","user"],["x","y"]]"# } else { "" };
        let set = rows.tag_sets.number(text).unwrap();
        rows.tags.push(set);
    }
    let partitions = partitions(&rows, metric, partition_count, 1);
    let head = Head {
        collection: [7; 16],
        generation: 1,
        after: 9,
        through: 10 + 3 * count as u64,
        removals: 2,
        ..Head::of(metric, &rows, &partitions)
    };
    let mut out = Cursor::new(Vec::new());
    write(&mut out, &head, &rows, &partitions).unwrap();
    out.into_inner()
}

/// Does with a segment all that can be done.
fn use_up(segment: &Segment) {
    segment.is_sound();
    for sequence in [0, 10, 13, 14, u64::MAX] {
        segment.row_of(sequence);
    }
    let tagged = Filter { keys: Some(std::sync::Arc::default()), ..Filter::tag("role", "user") };
    for filter in [Filter::default(), Filter::tag("role", "user"), tagged] {
        for effort in [Effort::Quick, Effort::Thorough, Effort::Exact] {
            let allowed = allowed(segment, None, &filter, 2_000);
            let probe = Probe::new(segment.metric(), &vec![0.5; segment.head.dimensions]);
            estimate_some(segment, allowed.as_ref(), &probe);
            let mut best = Best::new(3);
            search(segment, allowed.as_ref(), &probe, effort, &mut best);
            best.finish(&probe);
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for metric in Metric::ALL {
        let segment = Segment::open(&Bytes::from(image(metric, 30, 4))).unwrap();
        assert!(segment.is_sound());
        assert_eq!((segment.rows(), segment.metric(), segment.head.through), (30, metric, 100));
        for index in 0..30 {
            let row = segment.row_of(10 + 3 * index).unwrap();
            assert_eq!(segment.key(row), Key([index as u8; 16]));
            assert_eq!(segment.times(row).unwrap().learnt, index as i64);
        }
        assert_eq!((segment.row_of(11), segment.row_of(9), segment.row_of(1_000)), (None, None, None));
        assert_eq!(segment.tagged(&Condition::any("role", ["user".into()])).count(), 10);
        assert_eq!(segment.tagged(&Condition::any("x", [])).count(), 10);
        assert_eq!(segment.tagged(&Condition::any("x", ["user".into()])).count(), 0);
        use_up(&segment);
    }
}

#[test]
fn damage_is_noticed() {
    let good = image(Metric::Cosine, 30, 4);
    let mut at_the_end = good.clone();
    *at_the_end.last_mut().unwrap() ^= 1;
    assert!(!Segment::open(&Bytes::from(at_the_end)).unwrap().is_sound());
    for at in [0, 30, 100, 400, 445] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        assert!(Segment::open(&Bytes::from(damaged)).is_err(), "byte {at}");
    }
    assert_eq!(
        Segment::open(&Bytes::from(good[..good.len() - 1].to_vec())).unwrap_err(),
        Unreadable::Section
    );
    assert_eq!(Segment::open(&Bytes::from(Vec::new())).unwrap_err(), Unreadable::Foreign);
}

proptest! {
    /// With a head whose hash holds, so that what comes after it is looked at, too.
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
        metric in 0_usize..3,
        grouped in any::<bool>(),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let (count, partitions) = if grouped { (200, 66) } else { (30, 4) };
        let mut bytes = image(Metric::ALL[metric], count, partitions);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if bytes.len() >= 448 {
            let hash = xxhash_rust::xxh3::xxh3_64(&bytes[..440]);
            bytes[440..448].copy_from_slice(&hash.to_le_bytes());
        }
        if let Ok(segment) = Segment::open(&Bytes::from(bytes)) {
            use_up(&segment);
        }
    }
}
