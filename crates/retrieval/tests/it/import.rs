use std::time::Duration;

use athenaeum_archive::{Filters, ImportStatus, Settings};
use athenaeum_retrieval::{CancellationToken, Error, ExternalParser, ImportOptions, Phase, Progress, import};

use crate::support::{Place, export, many};

#[tokio::test]
async fn what_is_imported_is_found_at_once() {
    let place = Place::new().await;
    let path =
        place.write("export.jsonl", &export(&[("a", &["flour and water", "knead"]), ("b", &["tides"])]));
    let report = place.import(&path).await.unwrap();
    assert_eq!((report.conversations, report.messages, report.added), (2, 3, 2));
    assert_eq!((report.files, report.problems.count(), report.mismatches.len()), (1, 0, 0));
    assert_eq!(place.hits("flour").await, 1);

    let event = place.events().await.remove(0);
    assert_eq!((event.id, event.status, event.error), (report.import_id, ImportStatus::Completed, None));
    assert_eq!(event.stats.as_deref(), Some(report.to_json().as_str()));
}

#[tokio::test]
async fn importing_again_adds_nothing_and_a_change_is_updated() {
    let place = Place::new().await;
    let path = place.write("export.jsonl", &export(&[("a", &["one", "two"]), ("b", &["three"])]));
    place.import(&path).await.unwrap();
    let again = place.import(&path).await.unwrap();
    assert_eq!((again.added, again.updated, again.unchanged, again.messages), (0, 0, 2, 3));

    let path = place.write("export.jsonl", &export(&[("a", &["one", "two", "more"]), ("b", &["three"])]));
    let changed = place.import(&path).await.unwrap();
    assert_eq!((changed.added, changed.updated, changed.unchanged), (0, 1, 1));
    assert!(changed.mismatches.is_empty(), "{:?}", changed.mismatches);
    assert_eq!(place.archive.stats(&place.scope).await.unwrap().messages, 4);
}

#[tokio::test]
async fn one_bad_conversation_costs_only_itself() {
    let place = Place::new().await;
    let good = export(&[("a", &["kept"]), ("b", &["kept too"])]);
    let path = place.write("export.jsonl", &good.replacen('\n', "\n{\"messages\": [{\"role\": 7}\n", 1));
    let report = place.import(&path).await.unwrap();
    assert_eq!((report.conversations, report.problems.count()), (2, 1), "{}", report.to_json());
    assert_eq!(place.hits("kept").await, 2);
}

#[tokio::test]
async fn nothing_recognised_is_a_failure() {
    let place = Place::new().await;
    for (name, text) in
        [("a.json", "{\"shopping\": [\"milk\"]}"), ("b.json", "[]"), ("c.txt", "hello"), ("d.json", "")]
    {
        let path = place.write(name, text);
        let error = place.import(&path).await.unwrap_err();
        assert!(matches!(error, Error::NothingFound(_)), "{name}: {error}");
        let event = place.events().await.remove(0);
        assert_eq!(event.status, ImportStatus::Failed, "{name}");
        assert!(event.error.is_some(), "{name}");
    }
    let absent = place.import(&place.folder.path().join("absent.zip")).await.unwrap_err();
    assert!(matches!(absent, Error::Source { .. }), "{absent}");
    assert!(absent.with_causes().contains("absent.zip"), "{}", absent.with_causes());
}

#[tokio::test]
async fn progress_ends_where_the_report_does() {
    let place = Place::new().await;
    let path = place.write("export.jsonl", &many(2_300));
    let mut told: Vec<Progress> = Vec::new();
    let cancel = CancellationToken::new();
    let tell = |progress: &Progress| told.push(*progress);
    let report =
        import(&place.archive, &place.scope, &path, ImportOptions::default(), tell, cancel).await.unwrap();
    let last = told.last().unwrap();
    assert_eq!((last.phase, last.conversations, last.messages), (Phase::Finishing, 2_300, 4_600));
    assert_eq!(last.fraction(), Some(1.0));
    assert_eq!(report.added, 2_300);
    assert!(told.windows(2).all(|pair| pair[0].messages <= pair[1].messages));
}

#[tokio::test]
async fn a_cancelled_import_keeps_what_is_whole_and_is_completed_by_the_next() {
    let place = Place::new().await;
    let path = place.write("export.jsonl", &many(3_000));
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    // The first word of progress comes before the first conversation.
    let tell = move |progress: &Progress| {
        if progress.phase == Phase::Reading {
            stop.cancel();
        }
    };
    let error = import(&place.archive, &place.scope, &path, ImportOptions::default(), tell, cancel)
        .await
        .unwrap_err();
    let Error::Cancelled(report) = &error else { panic!("{error}") };
    let kept = place.archive.stats(&place.scope).await.unwrap();
    assert_eq!((kept.conversations, kept.messages), (report.conversations, report.messages));
    assert!(kept.conversations < 3_000);
    assert_eq!(place.events().await[0].status, ImportStatus::Failed);

    let report = place.import(&path).await.unwrap();
    assert_eq!(report.conversations, 3_000);
    assert_eq!(place.archive.stats(&place.scope).await.unwrap().messages, 6_000);
}

/// The parser writes some conversations (eight are read ahead), waits until one has been deleted behind the import's back, and goes on.
#[tokio::test]
async fn what_the_archive_does_not_hold_is_told() {
    let place = Place::with(Settings { batch_conversations: 1, ..Settings::default() }).await;
    let lost = place.write("lost.jsonl", &many(9));
    let kept = place.write("kept.jsonl", &export(&[("kept", &["three"])]));
    let go_on = place.folder.path().join("go-on");
    let (first, second, wait) = (lost.display(), kept.display(), go_on.display());
    let mut parser = ExternalParser::new("sh");
    let script = format!("cat {first}; until [ -e {wait} ]; do sleep 0.01; done; cat {second}");
    parser.arguments = vec!["-c".into(), script];
    let options = ImportOptions { parser: Some(parser), ..ImportOptions::default() };
    let (archive, scope) = (&place.archive, &place.scope);
    let delete = async {
        let summary = loop {
            let page = archive.conversations(scope, &Filters::default(), None, 10).await.unwrap();
            match page.items.into_iter().next() {
                Some(summary) => break summary,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        archive.delete(scope, summary.id).await.unwrap();
        std::fs::write(&go_on, "").unwrap();
    };
    let importing = import(archive, scope, &lost, options, |_| {}, CancellationToken::new());
    let both = async { tokio::join!(importing, delete) };
    let (report, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    let report = report.unwrap();
    assert_eq!((report.conversations, report.mismatches.len()), (10, 1), "{}", report.to_json());
    let mismatch = &report.mismatches[0];
    assert_eq!((mismatch.in_source, mismatch.in_archive), (2, None));
    let stats = place.events().await.remove(0).stats.unwrap();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((&stats["mismatches"], &stats["mismatch_details"][0]["in_source"]), (&1.into(), &2.into()));
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let place = Place::new().await;
    let path = place.write("export.jsonl", &export(&[("a", &["secret"])]));
    let other = athenaeum_tenancy::for_test("other");
    let cancel = CancellationToken::new();
    import(&place.archive, &other, &path, ImportOptions::default(), |_| {}, cancel).await.unwrap();
    assert_eq!(place.hits("secret").await, 0);
    assert!(place.events().await.is_empty());
    let mine = place.import(&path).await.unwrap();
    assert_eq!((mine.added, place.hits("secret").await), (1, 1));
}
