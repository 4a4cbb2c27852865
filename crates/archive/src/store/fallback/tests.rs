//! The fallback against the search index: the same matches, whatever is asked.

use std::collections::BTreeSet;

use athenaeum_core::{Block, BlockKind, Conversation, Message, Provider, Role, Timestamp};
use athenaeum_tenancy::local;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::{Archive, SearchRequest, Settings, index::Filter, query, store::filter::both};

const WORDS: &str = "(run|running|runs|bread|Bread|breads|ceasing|ceas|happy|happiness|organ|organization\
                     |naïve|naive|ДОМ|дома|x1|the|node\\.js|QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdA)";

/// Written by us in other words than FTS5's.
const OTHER_WORDS: &str = "(東京|東|京都|用Rust写|ｒｕｎ|ที่บ้าน|e\u{301}te|été|한국어|👍|run|bread)";

const FILTERS: &str = "(provider:claude|-provider:claude|role:user|-role:user|has:code|-has:code|model:gpt*|-model:gpt*\
                       |model:\\*|after:2024-05-02|before:2024-05-03|-after:2024-05-02|-before:2024-05-02|user:u1|-user:u1)";

fn text(words: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(words, 0..9).prop_map(|words| words.join(" "))
}

fn conversation(words: &'static str) -> impl Strategy<Value = Conversation> {
    let message = (text(words), 0_u8..16, proptest::option::of(0_i64..4));
    let about = (proptest::option::of(text(words)), 0_u8..8, proptest::option::of(0_i64..4));
    (about, proptest::collection::vec(message, 1..5)).prop_map(|((title, bits, day), messages)| {
        let provider = if bits & 1 == 0 { Provider::CLAUDE } else { Provider::CHATGPT };
        let mut conversation = Conversation::new(provider, "");
        conversation.title = title;
        conversation.model = (bits & 2 == 0).then(|| "GPT-4".into());
        conversation.user_id = (bits & 4 == 0).then(|| "u1".into());
        conversation.created_at = day.map(moment);
        for (text, bits, day) in messages {
            let role = if bits & 1 == 0 { Role::User } else { Role::Assistant };
            let kind = if bits & 2 == 0 { BlockKind::Text } else { BlockKind::Code };
            let mut message = Message::new(role, vec![Block::new(kind, text)]);
            message.model = (bits & 4 == 0).then(|| "opus".into());
            message.hidden = bits & 8 == 0;
            message.created_at = day.map(moment);
            conversation.messages.push(message);
        }
        conversation
    })
}

fn moment(day: i64) -> Timestamp {
    Timestamp::from_micros(1_714_521_600_000_000 + day * 86_400_000_000)
}

fn asked(words: &'static str) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => words.prop_map(String::from),
        2 => (words, words).prop_map(|(a, b)| format!("\"{a} {b}\"")),
        2 => (words, 1_usize..6).prop_map(|(word, n)| word.chars().take(n).collect::<String>() + "*"),
        1 => words.prop_map(|word| format!("title:{word}")),
        1 => (words, words).prop_map(|(a, b)| format!("title:({a} OR {b})")),
    ];
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" "))),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|any| format!("({})", any.join(" OR "))),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} -{b})")),
        ]
    });
    (tree, proptest::collection::vec(FILTERS, 0..2))
        .prop_map(|(tree, filters)| format!("{tree} {}", filters.join(" ")))
}

/// Asks the index and the fallback, and compares what they find as sets.
async fn check(archive: &Archive, text: &str, every: usize) {
    let scope = local();
    let mut analyzer = Analyzer::new();
    let parsed = query::parse(text);
    let filters = both(&Filters::default(), &parsed.filters).unwrap();
    let Some(query) = parsed.expr.and_then(|expr| query::lower(&expr, &mut analyzer)) else { return };
    let index = archive.indexes.of(&archive.files, &scope).unwrap();
    let filter = Filter { filters: filters.clone(), ..Filter::default() };
    let found = index.search(&query, &filter, Sort::Relevance, 1_000, 0).unwrap();
    let expected: BTreeSet<(bool, i64)> = found
        .hits
        .iter()
        .map(|hit| (hit.is_title, if hit.is_title { hit.conversation_row } else { hit.message_id }))
        .collect();
    let bounds = Bounds { every, ..Bounds::USUAL };
    let found = matches(&archive.files, &scope, &query, &filters, bounds).await.unwrap();
    let found: BTreeSet<(bool, i64)> = found.docs.iter().map(|doc| (doc.is_title, doc.id)).collect();
    assert_eq!(found, expected, "{text:?} as {query:?} with {filters:?}, {every}");
}

fn compare(words: &'static str, every: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..4 {
        let corpus = proptest::collection::vec(conversation(words), 30);
        let mut conversations = corpus.new_tree(&mut runner).unwrap().current();
        for (i, conversation) in conversations.iter_mut().enumerate() {
            conversation.external_id = i.to_string();
        }
        let dir = tempfile::TempDir::new().unwrap();
        let archive = runtime.block_on(async {
            let archive = Archive::open(dir.path(), &Settings::default()).await.unwrap();
            let mut import = archive.begin_import(&local(), "x", None).await.unwrap();
            for conversation in conversations {
                import.add(conversation).await.unwrap();
            }
            import.finish("{}").await.unwrap();
            archive
        });
        runner
            .run(&asked(words), |text| {
                runtime.block_on(check(&archive, &text, every));
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn finds_what_the_index_finds_by_fts5() {
    compare(WORDS, 0);
}

#[test]
fn finds_what_the_index_finds_by_reading_all() {
    compare(WORDS, 1_000);
    compare(OTHER_WORDS, 1_000);
}

#[tokio::test]
async fn tells_what_it_did_not_look_at() {
    let dir = tempfile::TempDir::new().unwrap();
    let archive = Archive::open(dir.path(), &Settings::default()).await.unwrap();
    let mut import = archive.begin_import(&local(), "x", None).await.unwrap();
    for i in 0..3 {
        let mut conversation = Conversation::new(Provider::CLAUDE, i.to_string());
        conversation.title = Some("Rye".into());
        conversation.messages.push(Message::new(Role::User, vec![Block::text("rye 東 bread")]));
        import.add(conversation).await.unwrap();
    }
    import.finish("{}").await.unwrap();
    let filters = Filters::default();
    let ask = async |term: &str, bounds| {
        matches(&archive.files, &local(), &Query::Term(term.into()), &filters, bounds).await.unwrap()
    };
    let found = ask("bread", Bounds { every: 0, ..Bounds::USUAL }).await;
    assert_eq!((found.docs.len(), found.cut, found.notice), (3, false, Some(BY_WORDS)));
    for bounds in [Bounds { every: 0, messages: 2, ..Bounds::USUAL }, Bounds { titles: 2, ..Bounds::USUAL }] {
        let found = ask("rye", bounds).await;
        assert_eq!((found.docs.len(), found.cut, found.notice), (5, true, Some(CUT)));
    }
    let found = ask("東", Bounds { messages: 2, ..Bounds::USUAL }).await;
    assert_eq!((found.docs.len(), found.notice), (2, Some(CUT)));
}

/// Without an index the pages, totals, marks and facets are those of the same question.
#[tokio::test]
async fn answers_like_the_index() {
    let dir = tempfile::TempDir::new().unwrap();
    let archive = Archive::open(dir.path(), &Settings::default()).await.unwrap();
    let mut import = archive.begin_import(&local(), "x", None).await.unwrap();
    for i in 0..9 {
        let mut conversation = Conversation::new(Provider::CLAUDE, i.to_string());
        conversation.title = Some(format!("Rye bread {i}"));
        let texts =
            ["rye bread rises", "bread of rye"].map(|text| Message::new(Role::User, vec![Block::text(text)]));
        conversation.messages.extend(texts);
        import.add(conversation).await.unwrap();
    }
    import.finish("{}").await.unwrap();
    let indexed = pages(&archive).await;
    assert_eq!(indexed.0.len(), 18);
    archive.close().await;
    std::fs::remove_dir_all(dir.path().join("search")).unwrap();
    // Read-only, so that nobody makes the index anew.
    let archive = Archive::open_read_only(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(pages(&archive).await, indexed);
}

async fn pages(archive: &Archive) -> (BTreeSet<String>, Facets, Total) {
    let mut request = SearchRequest { query: "\"rye bread\"".into(), limit: 4, ..SearchRequest::default() };
    let facets = archive.facets(&local(), &request).await.unwrap();
    let mut seen = BTreeSet::new();
    let mut total;
    loop {
        let results = archive.search(&local(), &request).await.unwrap();
        for hit in results.hits {
            let shown = format!(
                "{:?} {:?} {:?} {:?}",
                hit.conversation.id, hit.message, hit.title_marks, hit.snippet
            );
            assert!(seen.insert(shown), "a hit comes twice");
        }
        total = results.total;
        request.cursor = results.next;
        if request.cursor.is_none() {
            return (seen, facets, total);
        }
    }
}
