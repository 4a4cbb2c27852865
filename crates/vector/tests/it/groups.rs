//! Vectors in groups, as whoever asks for them sees it.

use athenaeum_core::{
    Timestamp,
    vector::{Entry, Key, Metric, Spec, VectorStorage},
};
use athenaeum_tenancy::{Scope, for_test, local};
use athenaeum_vector::{Collection, ErrorKind, Grouping, Groups, Settings, Vectors, group};

async fn collection(vectors: &Vectors, scope: &Scope, name: &str, model: &str) -> Collection {
    let spec = Spec { name: name.into(), model: model.into(), dimensions: 6, metric: Metric::Cosine };
    vectors.collection(scope, &spec).await.unwrap()
}

/// A vector that points mostly in one of six directions; which one, its key tells.
fn entry(direction: u8, number: u8) -> Entry {
    let mut vector: Vec<f32> =
        (0..6).map(|axis| f32::from((number.wrapping_mul(37) ^ (axis * 11)) % 16) / 80.0).collect();
    vector[usize::from(direction)] += 1.0 + f32::from(number % 3);
    let mut key = [0; 16];
    (key[0], key[1]) = (direction, number);
    Entry::new(Key(key), vector)
}

fn entries(directions: &[u8], each: u8) -> Vec<Entry> {
    let numbered = |direction: u8| (0..each).map(move |number| entry(direction, number));
    directions.iter().flat_map(|direction| numbered(*direction)).collect()
}

/// Lists which directions each group has, and how many members.
fn directions(groups: &Groups) -> Vec<(Vec<u8>, usize)> {
    let mut found = Vec::new();
    for number in 0..groups.count as u32 {
        let members = groups.members.iter().flatten().filter(|member| member.group == number);
        let mut directions: Vec<u8> = members.map(|member| member.key.0[0]).collect();
        let count = directions.len();
        directions.sort_unstable();
        directions.dedup();
        found.push((directions, count));
    }
    found.sort();
    found
}

#[tokio::test]
async fn several_collections_make_common_groups_and_another_tenants_make_none() {
    let dir = tempfile::tempdir().unwrap();
    let vectors = Vectors::open(dir.path(), Settings::default()).await.unwrap();
    let [mine, other] = [local(), for_test("other")];
    let chunks = collection(&vectors, &mine, "chunks m", "m").await;
    let messages = collection(&vectors, &mine, "messages m", "m").await;
    chunks.store(&entries(&[0, 1], 20)).await.unwrap();
    messages.store(&entries(&[1, 2], 30)).await.unwrap();
    collection(&vectors, &other, "chunks m", "m").await.store(&entries(&[3, 4, 5], 40)).await.unwrap();

    let grouping = Grouping { count: Some(3), ..Grouping::default() };
    let both = [chunks.clone(), messages.clone()];
    let groups = group(&both, &grouping).await.unwrap();
    assert_eq!(directions(&groups), [(vec![0], 20), (vec![1], 50), (vec![2], 30)]);
    assert_eq!((groups.members[0].len(), groups.members[1].len()), (40, 60));
    assert!(groups.members.iter().flatten().all(|member| member.score > 0.9));
    assert_eq!(group(&both, &grouping).await.unwrap(), groups);

    // The middles of a part are near enough to those of all that each finds its own.
    let of_few = Grouping { sample_max: 25, ..grouping };
    assert_eq!(directions(&group(&both, &of_few).await.unwrap()), directions(&groups));

    // What has no name of its own in the other model's space has none here.
    let odd = collection(&vectors, &mine, "chunks n", "n").await;
    let refused = group(&[chunks, odd], &grouping).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn nothing_and_little_are_answered_and_what_expired_or_went_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let vectors = Vectors::open(dir.path(), Settings::default()).await.unwrap();
    let chunks = collection(&vectors, &local(), "chunks m", "m").await;
    let all = Grouping::default();
    assert_eq!(group(&[], &all).await.unwrap(), Groups::default());
    assert_eq!(group(std::slice::from_ref(&chunks), &all).await.unwrap().count, 0);

    chunks.store(&[entry(0, 0)]).await.unwrap();
    let groups = group(std::slice::from_ref(&chunks), &all).await.unwrap();
    assert_eq!((groups.count, groups.members[0].len()), (1, 1));

    let gone = Entry { expires: Some(Timestamp::from_micros(5)), ..entry(3, 0) };
    chunks.store(&[entry(0, 1), entry(1, 0), entry(1, 1), gone, entry(2, 0)]).await.unwrap();
    chunks.delete(&[entry(2, 0).key]).await.unwrap();
    let groups = group(&[chunks], &Grouping { count: Some(9), ..all }).await.unwrap();
    assert_eq!(groups.members[0].len(), 4);
    assert!(groups.count <= 4, "{}", groups.count);
}
