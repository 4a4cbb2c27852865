//! One tenant never sees another's.

use athenaeum_archive::{Error, ErrorKind, Filters, SearchRequest};
use athenaeum_tenancy::{for_test, local};

use crate::sample;

#[tokio::test]
async fn another_tenants_ids_are_not_found() {
    let (_dir, archive) = sample::archive().await;
    let (ours, theirs) = (local(), for_test("other"));
    sample::import(&archive, &ours, &[sample::conversation("a", "Bread", &["secret bread"])]).await;
    let conversation =
        archive.conversations(&ours, &Filters::default(), None, 10).await.unwrap().items[0].clone();
    let message = archive.conversation(&ours, conversation.id).await.unwrap().messages[0].id;
    let import = archive.imports(&ours, None, 10).await.unwrap().items[0].id;

    fn absent<T: std::fmt::Debug>(result: Result<T, Error>) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    }
    absent(archive.conversation(&theirs, conversation.id).await);
    absent(archive.messages(&theirs, conversation.id, 0..9).await);
    absent(archive.raw_json(&theirs, conversation.id).await);
    absent(archive.delete(&theirs, conversation.id).await);
    absent(archive.locate(&theirs, message).await);
    absent(archive.import_event(&theirs, import).await);

    for query in ["bread", "", "title:bread"] {
        let request = SearchRequest {
            query: query.into(),
            filters: Filters { conversation: Some(conversation.id), ..Filters::default() },
            ..SearchRequest::default()
        };
        assert!(archive.search(&theirs, &request).await.unwrap().hits.is_empty());
        let facets = archive.facets(&theirs, &request).await.unwrap();
        assert_eq!(facets, athenaeum_archive::Facets::default());
    }
    assert!(archive.suggest(&theirs, "Br", 10).await.unwrap().is_empty());
    assert!(archive.conversations(&theirs, &Filters::default(), None, 10).await.unwrap().items.is_empty());
    assert!(archive.imports(&theirs, None, 10).await.unwrap().items.is_empty());
    let stats = archive.stats(&theirs).await.unwrap();
    assert_eq!((stats.conversations, stats.messages, stats.days.len()), (0, 0, 0));

    // The same export in another tenant is another conversation.
    sample::import(&archive, &theirs, &[sample::conversation("a", "Bread", &["their bread"])]).await;
    assert_eq!(archive.stats(&ours).await.unwrap().messages, 1);
    archive.delete(&ours, conversation.id).await.unwrap();
    assert_eq!(archive.stats(&theirs).await.unwrap().messages, 1);
}
