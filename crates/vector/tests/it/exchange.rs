//! MessagePack out and in again.

use athenaeum_core::{
    Timestamp,
    vector::{Effort, Entry, Key, Metric, Query, Span, Spec, Tag, VectorStorage},
};
use athenaeum_vector::{ExchangeError, Settings, Vectors};

#[tokio::test]
async fn an_export_read_elsewhere_answers_the_same() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scope = athenaeum_tenancy::local();
    let vectors = Vectors::open(here.path(), Settings::default()).await.unwrap();
    let other = Vectors::open(there.path(), Settings::default()).await.unwrap();
    for metric in Metric::ALL {
        let spec = Spec { name: metric.as_str().into(), model: "m".into(), dimensions: 20, metric };
        let chunks = vectors.collection(&scope, &spec).await.unwrap();
        let vector = |index: usize| {
            (0..20).map(|at| ((index * 20 + at) as f32 * 0.7).sin() * index as f32).collect::<Vec<_>>()
        };
        let entries: Vec<Entry> = (0..2_345)
            .map(|index| Entry {
                tags: vec![Tag::new("third", (index % 3).to_string()), Tag::new("ünïcode", "✓")],
                valid: Span { from: Some(Timestamp::from_micros(index as i64)), until: None },
                learnt: Some(Timestamp::from_micros(77)),
                expires: (index % 2 == 0).then_some(Timestamp::from_micros(1_000)),
                ..Entry::new(Key((index as u128).to_be_bytes()), vector(index))
            })
            .collect();
        chunks.store(&entries).await.unwrap();
        chunks.delete(&[entries[9].key]).await.unwrap();

        let mut bytes = Vec::new();
        assert_eq!(chunks.export(&mut bytes).await.unwrap(), 2_344);
        let (read, count) = other.import(&scope, &mut &bytes[..]).await.unwrap();
        assert_eq!((read.spec(), count), (&spec, 2_344));
        for index in [3, 9, 500, 2_000] {
            for filter in [Default::default(), athenaeum_core::vector::Filter::tag("third", "1")] {
                let now = Some(Timestamp::from_micros(500 + index as i64));
                let query = Query { filter, now, effort: Effort::Exact, ..Query::new(vector(index), 20) };
                assert_eq!(read.search(&query).await.unwrap(), chunks.search(&query).await.unwrap());
            }
        }
        let mut again = Vec::new();
        read.export(&mut again).await.unwrap();
        assert!(again == bytes, "nothing is lost on the way");

        let cut = other.import(&scope, &mut &bytes[..bytes.len() - 1]).await.unwrap_err();
        assert!(matches!(cut, ExchangeError::Io(_)), "{cut}");
        let wrong = other.import(&scope, &mut &b"\x81\xa6format\xa1?"[..]).await.unwrap_err();
        assert!(matches!(wrong, ExchangeError::Format { index: 0, .. }), "{wrong}");
    }
}
