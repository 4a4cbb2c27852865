//! Every implementer of the port does what it promises.

use athenaeum_core::vector::VectorStorage;
use athenaeum_vector::{
    Hnsw, Settings, Vectors,
    testing::{InMemory, conform, isolates},
};

#[tokio::test]
async fn in_memory() {
    let house = InMemory::house();
    conform(async |scope, spec| house(scope, spec)).await;
    isolates(async |scope, spec| house(scope, spec)).await;
}

/// Segments only where the suite asks for them; then such as are made in the background all the time; then
/// with graphs.
#[tokio::test]
async fn on_disk() {
    for settings in [
        Settings { background: false, ..Settings::default() },
        Settings { newest_max: 7, ..Settings::default() },
        Settings { background: false, hnsw: Some(Hnsw { rows_min: 1, ..Hnsw::FAST }), ..Settings::default() },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let vectors = Vectors::open(dir.path(), settings).await.unwrap();
        conform(async |scope, spec| vectors.collection(scope, spec).await.unwrap()).await;
        isolates(async |scope, spec| vectors.collection(scope, spec).await.unwrap()).await;
        vectors.close().await;
    }
}

#[tokio::test]
async fn tenants_have_their_own_dimensions_and_a_collection_keeps_its_own() {
    use athenaeum_core::vector::{Entry, Key, Metric, Query, Spec};
    let dir = tempfile::tempdir().unwrap();
    let vectors = Vectors::open(dir.path(), Settings::default()).await.unwrap();
    let (ours, theirs) = (athenaeum_tenancy::local(), athenaeum_tenancy::for_test("theirs"));
    let small = Spec { name: "chunks".into(), model: "m".into(), dimensions: 2, metric: Metric::Cosine };
    let large = Spec { dimensions: 300, ..small.clone() };
    let a = vectors.collection(&ours, &small).await.unwrap();
    let b = vectors.collection(&theirs, &large).await.unwrap();
    a.store(&[Entry::new(Key([1; 16]), vec![1.0; 2])]).await.unwrap();
    b.store(&[Entry::new(Key([1; 16]), vec![1.0; 300])]).await.unwrap();
    assert_eq!(b.search(&Query::new(vec![1.0; 300], 9)).await.unwrap().len(), 1);
    assert_eq!(vectors.collections(&ours).await.unwrap(), std::slice::from_ref(&small));
    for other in [
        large,
        Spec { metric: Metric::Euclidean, ..small.clone() },
        Spec { model: "another".into(), ..small.clone() },
        Spec { name: String::new(), ..small.clone() },
        Spec { name: "none".into(), dimensions: 0, ..small.clone() },
        Spec { name: "wide".into(), dimensions: 16_385, ..small.clone() },
    ] {
        let error = vectors.collection(&ours, &other).await.unwrap_err();
        assert_eq!(error.kind(), athenaeum_vector::ErrorKind::InvalidRequest, "{error}");
    }
    assert_eq!(vectors.collections(&ours).await.unwrap(), [small]);
}
