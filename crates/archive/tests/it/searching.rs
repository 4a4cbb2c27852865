//! Searching from the text typed to the passage shown.

use std::path::PathBuf;

use athenaeum_archive::{Archive, Filters, Place, SearchRequest, SearchResults, Settings, Total};
use athenaeum_core::Provider;
use athenaeum_tenancy::{for_test, local};

use crate::sample;

async fn search(archive: &Archive, query: &str) -> SearchResults {
    let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
    archive.search(&local(), &request).await.unwrap()
}

/// Searches and writes what was found a line each: title, position, and the passage with its marks.
async fn check(archive: &Archive, query: &str, expected: &[&str]) {
    let results = search(archive, query).await;
    same_in_two_steps(archive, query, &results).await;
    let found: Vec<String> = results.hits.iter().map(shown).collect();
    assert_eq!(found, expected, "{query}: {:?}", results.notices);
    assert_eq!(results.total, Total::Exactly(expected.len() as u64), "{query}");
}

/// Ranking first and reading what is shown then gives what a search gives at once.
async fn same_in_two_steps(archive: &Archive, query: &str, results: &SearchResults) {
    let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
    let ranking = archive.rank(&local(), &request).await.unwrap();
    assert_eq!(ranking.notices, results.notices, "{query}");
    let places: Vec<Place> = ranking.places.iter().map(|(place, _)| *place).collect();
    let mut hits = archive.hits(&local(), &places, query).await.unwrap();
    assert!(archive.hits(&for_test("other"), &places, query).await.unwrap().is_empty());
    for (hit, (_, score)) in hits.iter_mut().zip(&ranking.places) {
        hit.score = *score;
    }
    assert_eq!(hits, results.hits, "{query}");
}

fn shown(hit: &athenaeum_archive::Hit) -> String {
    let mark = |text: &str, marks: &[std::ops::Range<usize>]| {
        let mut text = text.to_owned();
        for mark in marks.iter().rev() {
            text.insert(mark.end, ']');
            text.insert(mark.start, '[');
        }
        text
    };
    let title = mark(hit.conversation.title.as_deref().unwrap_or_default(), &hit.title_marks);
    match hit.message {
        Some(_) => format!("{title}/{}: {}", hit.position, mark(&hit.snippet.text, &hit.snippet.marks)),
        None => title,
    }
}

async fn library() -> (tempfile::TempDir, Archive) {
    let (dir, archive) = sample::archive().await;
    let mut claude =
        sample::conversation("b", "Garden", &["When do I plant onions?", "In spring, running late is fine."]);
    claude.provider = Provider::CLAUDE;
    let bread =
        sample::conversation("a", "Sourdough bread", &["How does the starter rise?", "It rises slowly."]);
    sample::import(&archive, &local(), &[bread, claude]).await;
    (dir, archive)
}

#[tokio::test]
async fn words_phrases_titles_and_filters() {
    let (_dir, archive) = library().await;
    check(&archive, "rising starter", &["Sourdough bread/0: How does the [starter] [rise]?"]).await;
    check(&archive, "\"rises slowly\"", &["Sourdough bread/1: It [rises slowly]."]).await;
    check(&archive, "bread", &["Sourdough [bread]"]).await;
    check(&archive, "oni*", &["Garden/0: When do I plant [onions]?"]).await;
    check(&archive, "late provider:claude", &["Garden/1: In spring, running [late] is fine."]).await;
    check(&archive, "late provider:chatgpt", &[]).await;
    check(&archive, "role:user provider:chatgpt", &["Sourdough bread/0: How does the starter rise?"]).await;
    check(&archive, "rise -slowly", &["Sourdough bread/0: How does the starter [rise]?"]).await;
}

#[tokio::test]
async fn what_was_let_go_of_is_found_again() {
    let (_dir, archive) = library().await;
    let expected = ["Sourdough bread/0: How does the [starter] [rise]?"];
    check(&archive, "rising starter role:user", &expected).await;
    archive.release_idle(std::time::Duration::ZERO);
    check(&archive, "rising starter role:user", &expected).await;
}

#[tokio::test]
async fn where_no_message_holds_all_words_some_are_enough() {
    let (_dir, archive) = library().await;
    let results = search(&archive, "onions sourdoughnuts").await;
    assert_eq!(results.hits.len(), 1);
    assert!(results.notices.iter().any(|notice| notice.0.contains("some of them")));
}

#[tokio::test]
async fn what_changed_or_went_is_no_longer_found() {
    let (_dir, archive) = library().await;
    let changed = {
        let mut changed =
            sample::conversation("a", "Rye bread", &["How does the starter rise?", "It takes a day."]);
        changed.updated_at = Some(sample::time(9));
        changed
    };
    sample::import(&archive, &local(), &[changed]).await;
    check(&archive, "slowly", &[]).await;
    check(&archive, "sourdough", &[]).await;
    check(&archive, "day", &["Rye bread/1: It takes a [day]."]).await;
    check(&archive, "rye", &["[Rye] bread"]).await;
    let id = search(&archive, "day").await.hits[0].conversation.id;
    archive.delete(&local(), id).await.unwrap();
    check(&archive, "day", &[]).await;
    check(&archive, "rye", &[]).await;
    check(&archive, "onions", &["Garden/0: When do I plant [onions]?"]).await;
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (_dir, archive) = sample::archive().await;
    let conversations: Vec<_> =
        (0..9).map(|i| sample::conversation(&format!("c{i}"), "T", &["same words", "other words"])).collect();
    sample::import(&archive, &local(), &conversations).await;
    let mut request = SearchRequest { query: "words".into(), limit: 4, ..SearchRequest::default() };
    let mut seen = std::collections::HashSet::new();
    loop {
        let results = archive.search(&local(), &request).await.unwrap();
        seen.extend(results.hits.iter().map(|hit| hit.message));
        request.cursor = results.next;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 18);
}

/// Both forms are found; the one that was typed comes first, on whichever page.
#[tokio::test]
async fn the_form_typed_comes_first() {
    let (_dir, archive) = sample::archive().await;
    // The newer of equals comes first, and these are the newer ones.
    let conversations: Vec<_> = (0..20)
        .map(|i| {
            let text = if i % 2 == 0 { "They were Running home" } else { "They will run home" };
            let mut conversation = sample::conversation(&format!("c{i}"), "Sport", &[text]);
            conversation.messages[0].created_at = Some(sample::time(i));
            conversation
        })
        .collect();
    sample::import(&archive, &local(), &conversations).await;
    for limit in [1, 3, 7, 10, 20] {
        for (query, typed) in [("running", "Running"), ("run", "run"), ("runs", "")] {
            let mut request = SearchRequest { query: query.into(), limit, ..SearchRequest::default() };
            let mut found = Vec::new();
            loop {
                let results = archive.search(&local(), &request).await.unwrap();
                found.extend(results.hits);
                request.cursor = results.next;
                if request.cursor.is_none() {
                    break;
                }
            }
            let ids: std::collections::HashSet<_> = found.iter().map(|hit| hit.message).collect();
            assert_eq!((found.len(), ids.len()), (20, 20), "{query} {limit}");
            let forms =
                |hit: &athenaeum_archive::Hit| hit.snippet.text[hit.snippet.marks[0].clone()].to_owned();
            let first: Vec<_> = found.iter().take(10).map(forms).collect();
            let expected = first.iter().filter(|form| *form == typed).count();
            assert_eq!(expected, if typed.is_empty() { 0 } else { 5 }, "ten newest hold five of each");
            assert!(first.iter().take(expected).all(|form| form == typed), "{query} {limit}: {first:?}");
            assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn facets_count_the_matches() {
    let (_dir, archive) = library().await;
    let request = SearchRequest { query: "late OR slowly OR onions".into(), ..SearchRequest::default() };
    let facets = archive.facets(&local(), &request).await.unwrap();
    let counts: Vec<_> = facets.providers.iter().map(|count| (count.value.as_str(), count.count)).collect();
    assert_eq!(counts, [("claude", 2), ("chatgpt", 1)]);
    assert_eq!(facets.months[0].value, "2024-05");
}

/// An index is derived: gone, damaged or behind, it comes back from the rows.
#[tokio::test]
async fn a_lost_index_is_made_again() {
    let (dir, archive) = library().await;
    archive.close().await;
    drop(archive);
    let index: PathBuf = dir.path().join("search").join("local");
    for damage in ["gone", "empty files"] {
        if damage == "gone" {
            std::fs::remove_dir_all(&index).unwrap();
        } else {
            for entry in std::fs::read_dir(&index).unwrap() {
                std::fs::write(entry.unwrap().path(), b"").unwrap();
            }
        }
        let archive = Archive::open(dir.path(), &Settings::default()).await.unwrap();
        assert_eq!(search(&archive, "onions").await.hits.len(), 1, "{damage}");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // Searches mend the index in the background; asking for it must not get in the way.
        while !search(&archive, "onions").await.notices.is_empty() {
            assert!(std::time::Instant::now() < deadline, "{damage}: it is never made");
            archive.catch_up(&local()).await.unwrap();
        }
        check(&archive, "onions", &["Garden/0: When do I plant [onions]?"]).await;
        check(&archive, "bread", &["Sourdough [bread]"]).await;
        archive.close().await;
    }
}

/// Nothing is made up where a source tells no time: neither 1970 nor the conversation's.
#[tokio::test]
async fn what_has_no_time_gets_none() {
    let (_dir, archive) = sample::archive().await;
    let mut timeless = sample::conversation("a", "Clocks", &["what time is it"]);
    (timeless.created_at, timeless.updated_at) = (None, None);
    timeless.messages[0].created_at = None;
    let mut dated = sample::conversation("b", "Calendars", &["what day is it"]);
    dated.messages[0].created_at = None;
    sample::import(&archive, &local(), &[timeless, dated]).await;

    for query in ["time", "day"] {
        assert_eq!(search(&archive, query).await.hits[0].created_at, None, "{query}");
    }
    let found = search(&archive, "before:2030-01-01 what").await;
    assert_eq!(found.hits.iter().map(shown).collect::<Vec<_>>(), ["Calendars/0: [what] day is it"]);
    let before = Filters { before: Some(sample::time(9)), ..Filters::default() };
    let listed = archive.conversations(&local(), &before, None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let stats = archive.stats(&local()).await.unwrap();
    assert_eq!(stats.span, Some((sample::time(0), sample::time(0))));
    assert_eq!(stats.days.len(), 1);
}

/// What a conversation is filtered by holds for its unchanged messages too.
#[tokio::test]
async fn a_new_model_or_user_is_found_by_filters() {
    let (_dir, archive) = library().await;
    let mut changed =
        sample::conversation("a", "Sourdough bread", &["How does the starter rise?", "It rises slowly."]);
    changed.model = Some("o3".into());
    changed.user_id = Some("baker".into());
    changed.updated_at = Some(sample::time(9));
    let before = search(&archive, "slowly").await.hits[0].message;
    sample::import(&archive, &local(), &[changed]).await;
    let expected = ["Sourdough bread/1: It rises [slowly]."];
    check(&archive, "slowly model:o3", &expected).await;
    check(&archive, "slowly user:baker", &expected).await;
    check(&archive, "slowly model:gpt-4o", &[]).await;
    check(&archive, "slowly", &expected).await;
    check(&archive, "sourdough model:o3", &["[Sourdough] bread"]).await;
    assert_eq!(search(&archive, "slowly").await.hits[0].message, before, "an unchanged message keeps its id");
}

#[tokio::test]
async fn filters_of_page_and_query_must_both_hold() {
    let (_dir, archive) = library().await;
    let request = |filters: Filters| SearchRequest {
        query: "late provider:claude".into(),
        filters,
        ..SearchRequest::default()
    };
    let filters = Filters { providers: vec![Provider::CHATGPT], ..Filters::default() };
    assert!(archive.search(&local(), &request(filters)).await.unwrap().hits.is_empty());
    let filters = Filters { models: vec!["GPT*".into()], ..Filters::default() };
    assert_eq!(archive.search(&local(), &request(filters)).await.unwrap().hits.len(), 1);
}

/// Whoever found messages otherwise than by words asks which of them a request lets pass.
#[tokio::test]
async fn what_a_request_lets_pass_is_told_of_any_message() {
    let (_dir, archive) = library().await;
    let mut ids = Vec::new();
    let versions = archive.versions(&local(), None, 1).await.unwrap();
    let rest = archive.versions(&local(), versions.next.as_ref(), 9).await.unwrap();
    let both: Vec<_> = versions.items.into_iter().chain(rest.items).collect();
    assert_eq!((both.len(), rest.next), (2, None));
    for versioned in &both {
        let whole = archive.conversation(&local(), versioned.summary.id).await.unwrap();
        ids.extend(whole.messages.into_iter().map(|message| (message.id, message.message.content())));
    }
    let all: Vec<_> = ids.iter().map(|(id, _)| *id).collect();
    let check = async |query: &str, expected: &[&str]| {
        let request = SearchRequest { query: query.into(), ..SearchRequest::default() };
        let passing = archive.passing(&local(), &request, &all).await.unwrap();
        let mut texts: Vec<&str> =
            ids.iter().filter(|(id, _)| passing.contains(id)).map(|(_, text)| text.as_str()).collect();
        texts.sort_unstable();
        assert_eq!(texts, expected, "{query}");
        assert!(archive.passing(&for_test("other"), &request, &all).await.unwrap().is_empty());
    };
    check(
        "no such word here at all",
        &[
            "How does the starter rise?",
            "In spring, running late is fine.",
            "It rises slowly.",
            "When do I plant onions?",
        ],
    )
    .await;
    check("anything provider:claude role:user", &["When do I plant onions?"]).await;
    check("title:bread", &["How does the starter rise?", "It rises slowly."]).await;
    check("-title:bread -onion late", &["In spring, running late is fine."]).await;
    check("it -rising -provider:claude", &[]).await;
    check("-user:nobody -provider:claude", &["How does the starter rise?", "It rises slowly."]).await;
    assert_eq!(archive.count(&local()).await.unwrap(), (2, 4));
    let known: Vec<_> = both.iter().map(|versioned| versioned.summary.id).collect();
    assert_eq!(archive.versions_of(&local(), &known).await.unwrap().len(), 2);
    assert!(archive.versions_of(&for_test("other"), &known).await.unwrap().is_empty());
    assert!(archive.versions(&for_test("other"), None, 9).await.unwrap().items.is_empty());
    assert_eq!(archive.count(&for_test("other")).await.unwrap(), (0, 0));
}
