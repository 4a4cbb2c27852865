//! What goes in comes out to the letter.

use athenaeum_archive::{Filters, ImportStatus, SearchRequest};
use athenaeum_core::Provider;
use athenaeum_tenancy::local;

use crate::sample;

#[tokio::test]
async fn every_field_survives() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    let source = sample::everything();
    sample::import(&archive, &scope, std::slice::from_ref(&source)).await;

    let listed = archive.conversations(&scope, &Filters::default(), None, 10).await.unwrap();
    let summary = &listed.items[0];
    let kept = archive.conversation(&scope, summary.id).await.unwrap();

    assert_eq!(&kept.summary, summary);
    assert_eq!(summary.provider, source.provider);
    assert_eq!(summary.external_id, source.external_id);
    assert_eq!(summary.title, source.title);
    assert_eq!(summary.model, source.model);
    assert_eq!(summary.created_at, source.created_at);
    assert_eq!(summary.updated_at, source.updated_at);
    assert_eq!(summary.user_id, source.user_id);
    assert_eq!(kept.system_prompt, source.system_prompt);
    assert_eq!(kept.temperature, source.temperature);
    assert_eq!(kept.max_tokens, source.max_tokens);
    let messages: Vec<_> = kept.messages.iter().map(|stored| stored.message.clone()).collect();
    assert_eq!(messages, source.messages);
    assert_eq!(archive.raw_json(&scope, summary.id).await.unwrap(), source.raw_json);
    for (position, stored) in (0_u32..).zip(&kept.messages) {
        assert_eq!(archive.locate(&scope, stored.id).await.unwrap(), (summary.id, position));
    }
}

#[tokio::test]
async fn a_part_is_what_the_whole_holds_there() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    sample::import(&archive, &scope, &[sample::conversation("before", "Other", &["x", "y"])]).await;
    sample::import(&archive, &scope, &[sample::everything()]).await;
    let listed = archive.conversations(&scope, &Filters::default(), None, 10).await.unwrap();
    let id = listed.items.iter().find(|summary| summary.external_id == "full").unwrap().id;
    let whole = archive.conversation(&scope, id).await.unwrap().messages;
    for (positions, expected) in [
        (0..u32::MAX, &whole[..]),
        (0..2, &whole[..2]),
        (1..4, &whole[1..4]),
        (4..99, &whole[4..]),
        (99..200, &[]),
        (2..2, &[]),
        (u32::MAX..u32::MAX, &[]),
    ] {
        assert_eq!(archive.messages(&scope, id, positions.clone()).await.unwrap(), expected, "{positions:?}");
    }
}

#[tokio::test]
async fn an_import_leaves_a_record() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    let mut import = archive.begin_import(&scope, "a.zip", None).await.unwrap();
    let id = import.id();
    assert_eq!(archive.import_event(&scope, id).await.unwrap().status, ImportStatus::InProgress);
    import.add(sample::everything()).await.unwrap();
    import.finish("{\"conversations\":1}").await.unwrap();

    let event = archive.import_event(&scope, id).await.unwrap();
    assert_eq!(event.status, ImportStatus::Completed);
    assert_eq!(event.provider, Some(Provider::CHATGPT));
    assert_eq!(event.file_path, "a.zip");
    assert_eq!(event.stats.as_deref(), Some("{\"conversations\":1}"));

    let import = archive.begin_import(&scope, "b.zip", Some(Provider::CLAUDE)).await.unwrap();
    import.fail("the file ends early", "{}").await.unwrap();
    let imports = archive.imports(&scope, None, 1).await.unwrap();
    assert_eq!(imports.items[0].status, ImportStatus::Failed);
    assert_eq!(imports.items[0].error.as_deref(), Some("the file ends early"));
    let rest = archive.imports(&scope, imports.next.as_ref(), 1).await.unwrap();
    assert_eq!((rest.items[0].id, rest.next), (id, None));
}

#[tokio::test]
async fn lists_page_from_newest_to_oldest() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    let mut conversations: Vec<_> =
        (0..7).map(|i| sample::conversation(&format!("c{i}"), "Bread", &["hello"])).collect();
    for (i, conversation) in (0..).zip(&mut conversations) {
        conversation.created_at = Some(sample::time(i / 2));
    }
    sample::import(&archive, &scope, &conversations).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = archive.conversations(&scope, &Filters::default(), cursor.as_ref(), 3).await.unwrap();
        seen.extend(page.items.into_iter().map(|summary| summary.external_id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]);
}

#[tokio::test]
async fn stats_count_everything_once() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    let mut second = sample::conversation("b", "Second", &["x", "y"]);
    second.provider = Provider::CLAUDE;
    sample::import(&archive, &scope, &[sample::conversation("a", "First", &["x", "y", "z"]), second]).await;
    let stats = archive.stats(&scope).await.unwrap();
    assert_eq!((stats.conversations, stats.messages), (2, 5));
    let providers: Vec<_> =
        stats.facets.providers.iter().map(|count| (count.value.as_str(), count.count)).collect();
    assert_eq!(providers, [("chatgpt", 3), ("claude", 2)]);
    assert_eq!(stats.facets.months[0].value, "2024-05");
    assert_eq!((stats.days[0].value.as_str(), stats.days[0].count), ("2024-05-17", 5));
    assert_eq!(stats.span, Some((sample::time(0), sample::time(2))));
    assert!(stats.database_bytes > 0);
}

#[tokio::test]
async fn suggestions_are_titles_that_begin_so() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    let titles = ["Sourdough", "sourdough, again", "A sourdough", "100%"];
    let conversations: Vec<_> =
        titles.iter().map(|title| sample::conversation(title, title, &["x"])).collect();
    sample::import(&archive, &scope, &conversations).await;
    let suggest = async |prefix: &str| {
        let found = archive.suggest(&scope, prefix, 10).await.unwrap();
        found.into_iter().filter_map(|summary| summary.title).collect::<Vec<_>>()
    };
    assert_eq!(suggest("SOUR").await, ["sourdough, again", "Sourdough"]);
    assert_eq!(suggest("100%").await, ["100%"]);
    assert!(suggest("%").await.is_empty());
    assert!(suggest("").await.is_empty());
}

#[tokio::test]
async fn what_was_imported_is_found() {
    let (_dir, archive) = sample::archive().await;
    let scope = local();
    sample::import(
        &archive,
        &scope,
        &[sample::conversation("a", "Bread", &["I was running late", "Then bake it"])],
    )
    .await;
    let search = async |query: &str| {
        let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
        archive.search(&scope, &request).await.unwrap().hits
    };
    let hits = search("run").await;
    assert_eq!(hits.len(), 1);
    let marks: Vec<_> =
        hits[0].snippet.marks.iter().map(|mark| &hits[0].snippet.text[mark.clone()]).collect();
    assert_eq!(marks, ["running"]);
    for hostile in ["\"", "-", "*", "AND", "", "NEAR(", "a\"b OR 'c", "content:x", "(((", "\u{0}"] {
        search(hostile).await;
    }
}
