//! A second import finds the first.

use athenaeum_archive::{Archive, Filters, Outcome, SearchRequest};
use athenaeum_core::{Block, Message, MessageId, Role};
use athenaeum_tenancy::local;

use crate::sample;

async fn messages(archive: &Archive) -> Vec<(MessageId, String)> {
    let listed = archive.conversations(&local(), &Filters::default(), None, 10).await.unwrap();
    let kept = archive.conversation(&local(), listed.items[0].id).await.unwrap();
    kept.messages.into_iter().map(|stored| (stored.id, stored.message.content())).collect()
}

#[tokio::test]
async fn the_same_export_changes_nothing() {
    let (_dir, archive) = sample::archive().await;
    let export = [sample::everything(), sample::conversation("b", "B", &["x"])];
    assert_eq!(sample::import(&archive, &local(), &export).await, [Outcome::Added; 2]);
    let before = messages(&archive).await;
    assert_eq!(sample::import(&archive, &local(), &export).await, [Outcome::Unchanged; 2]);
    assert_eq!(messages(&archive).await, before);
}

#[tokio::test]
async fn a_changed_conversation_keeps_the_ids_of_unchanged_messages() {
    let (_dir, archive) = sample::archive().await;
    let mut conversation = sample::conversation("a", "A", &["one", "two", "three"]);
    sample::import(&archive, &local(), std::slice::from_ref(&conversation)).await;
    let before = messages(&archive).await;

    conversation.messages[1].blocks = vec![Block::text("two, better")];
    conversation.messages.push(Message::new(Role::Assistant, vec![Block::text("four")]));
    conversation.messages.insert(0, Message::new(Role::System, vec![Block::text("zero")]));
    conversation.raw_json = "{}".into();
    assert_eq!(
        sample::import(&archive, &local(), std::slice::from_ref(&conversation)).await,
        [Outcome::Updated]
    );
    let after = messages(&archive).await;
    let texts: Vec<_> = after.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["zero", "one", "two, better", "three", "four"]);
    assert_eq!(after[1], before[0]);
    assert_eq!(after[3], before[2]);
    assert!(after[2].0 > before[2].0, "a changed message takes a new id");
    assert!(archive.locate(&local(), before[1].0).await.is_err());

    conversation.messages.truncate(1);
    sample::import(&archive, &local(), &[conversation]).await;
    assert_eq!(messages(&archive).await.len(), 1);
}

#[tokio::test]
async fn an_older_export_does_not_undo_a_newer_one() {
    let (_dir, archive) = sample::archive().await;
    let old = sample::conversation("a", "A", &["one"]);
    let new = sample::conversation("a", "A", &["one", "two"]);
    assert_eq!(
        sample::import(&archive, &local(), &[new.clone(), old.clone()]).await,
        [Outcome::Added, Outcome::Unchanged]
    );
    assert_eq!(sample::import(&archive, &local(), &[old, new]).await, [Outcome::Unchanged; 2]);
    assert_eq!(messages(&archive).await.len(), 2);
}

/// What is held here is listed and found at once, and is no import.
#[tokio::test]
async fn a_conversation_is_kept_without_an_import() {
    let (_dir, archive) = sample::archive().await;
    let mut conversation = sample::conversation("a", "A", &["one"]);
    let (id, outcome) = archive.keep(&local(), conversation.clone()).await.unwrap();
    assert_eq!(outcome, Outcome::Added);
    conversation.messages.push(Message::new(Role::Assistant, vec![Block::text("two herons")]));
    assert_eq!(archive.keep(&local(), conversation.clone()).await.unwrap(), (id, Outcome::Updated));
    assert_eq!(archive.keep(&local(), conversation.clone()).await.unwrap(), (id, Outcome::Unchanged));
    assert_eq!(messages(&archive).await.len(), 2);
    let request = SearchRequest { query: "herons".to_owned(), ..SearchRequest::default() };
    assert_eq!(archive.search(&local(), &request).await.unwrap().hits.len(), 1);
    assert!(archive.imports(&local(), None, 10).await.unwrap().items.is_empty());
    let found = archive.find_by_source(&local(), &conversation.provider, "a").await.unwrap();
    assert_eq!(found, Some(id));
    let stranger = athenaeum_tenancy::for_test("stranger");
    assert_eq!(archive.find_by_source(&stranger, &conversation.provider, "a").await.unwrap(), None);
}
