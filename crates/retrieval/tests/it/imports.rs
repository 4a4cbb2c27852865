use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_archive::ImportStatus;
use athenaeum_core::{Conversation, ImportId, Provider};
use athenaeum_retrieval::{Error, ExternalParser, ImportOptions, Imports, Phase, Progress, Source, Status};

use crate::support::{Place, export, many};

async fn ended(imports: &Imports, place: &Place, id: ImportId) -> Status {
    let mut status = imports.subscribe(&place.scope, id).unwrap();
    let ended = status.wait_for(Status::is_final);
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap().clone()
}

#[tokio::test]
async fn imports_run_in_turn_and_are_watched_by_id() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let kept = Arc::new(());
    let mut ids = Vec::new();
    for n in 0..3 {
        let path = place.write(&format!("{n}.json"), &export(&[(&format!("c{n}"), &["hello"])]));
        let keep: Option<Box<dyn std::any::Any + Send>> = Some(Box::new(Arc::clone(&kept)));
        let options = ImportOptions { display_name: Some(format!("upload {n}")), ..ImportOptions::default() };
        ids.push(imports.start(&place.scope, Source { path, keep }, options).unwrap());
    }
    for (n, id) in ids.into_iter().enumerate() {
        let Status::Completed(report) = ended(&imports, &place, id).await else {
            panic!("import {n} failed")
        };
        assert_eq!(
            (report.import_id, report.added, report.source.as_str()),
            (id, 1, format!("upload {n}").as_str())
        );
    }
    imports.shut_down().await;
    assert_eq!(Arc::strong_count(&kept), 1, "what was kept for the imports is let go");
    assert_eq!(place.events().await.len(), 3);
}

#[tokio::test]
async fn other_tenants_imports_are_unknown() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let path = place.write("a.json", &export(&[("a", &["hello"])]));
    let id = imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).unwrap();
    let other = athenaeum_tenancy::for_test("other");
    assert!(imports.subscribe(&other, id).is_none());
    assert!(matches!(imports.cancel(&other, id), Err(Error::Unknown(_))));
    assert!(imports.running(&other).is_empty());
    assert!(matches!(ended(&imports, &place, id).await, Status::Completed(_)));
}

#[tokio::test]
async fn shutting_down_ends_what_runs_and_what_waits() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let mut ids = Vec::new();
    for n in 0..3 {
        let path = place.write(&format!("{n}.json"), &many(5_000));
        ids.push(imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).unwrap());
    }
    imports.shut_down().await;
    let mut failed = 0;
    for id in ids {
        failed += usize::from(matches!(ended(&imports, &place, id).await, Status::Failed(_)));
    }
    assert!(failed >= 2, "{failed}");
    let path = place.write("late.json", &export(&[("late", &["hello"])]));
    let late = imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default());
    assert!(matches!(late, Err(Error::Busy { .. })));
}

/// A parser that says nothing until it is ended.
fn silent() -> ExternalParser {
    let mut parser = ExternalParser::new("sh");
    parser.arguments = vec!["-c".into(), "sleep 60".into()];
    parser
}

fn silent_import(place: &Place) -> (Source, ImportOptions) {
    let source = Source { path: place.write("a.json", ""), keep: None };
    (source, ImportOptions { parser: Some(silent()), ..ImportOptions::default() })
}

#[tokio::test]
async fn too_many_are_turned_away() {
    let begun = Instant::now();
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let starts = (0..Imports::WAITING_MAX + 4).map(|_| {
        let (source, options) = silent_import(&place);
        imports.start(&place.scope, source, options)
    });
    let started: Vec<_> = starts.collect();
    let refused = started.iter().filter(|started| matches!(started, Err(Error::Busy { .. }))).count();
    // One runs, the full number waits, three are too many.
    assert_eq!((started.len() - refused, refused), (Imports::WAITING_MAX + 1, 3));
    assert_eq!(imports.running(&place.scope).len(), Imports::WAITING_MAX + 1);
    imports.shut_down().await;
    assert!(imports.running(&place.scope).is_empty());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_place_is_free_again_when_an_import_has_ended() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    for n in 0..2 * Imports::WAITING_MAX {
        let path = place.write("a.json", &export(&[(&format!("c{n}"), &["hello"])]));
        let source = Source { path, keep: None };
        let id = imports.start(&place.scope, source, ImportOptions::default()).unwrap();
        assert!(matches!(ended(&imports, &place, id).await, Status::Completed(_)));
    }
}

/// One that waits once took, or waited half a second for, the index that the running one writes.
#[tokio::test]
async fn one_begins_at_once_while_another_writes() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    // Some conversations (eight are read ahead), and then silence: the index is taken and stays so.
    let line = place.write("line.jsonl", &many(9));
    let mut parser = silent();
    parser.arguments = vec!["-c".into(), format!("cat {}; sleep 60", line.display())];
    let source = Source { path: line, keep: None };
    let options = ImportOptions { parser: Some(parser), ..ImportOptions::default() };
    let first = imports.start(&place.scope, source, options).unwrap();
    while place.archive.stats(&place.scope).await.unwrap().conversations == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    let path = place.write("b.jsonl", &export(&[("second", &["world"])]));
    let second = imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).unwrap();
    assert!(begun.elapsed() < Duration::from_millis(300), "{:?}", begun.elapsed());
    imports.cancel(&place.scope, first).unwrap();
    assert!(matches!(ended(&imports, &place, second).await, Status::Completed(_)));
    assert_eq!(place.hits("world").await, 1);
}

/// The one writer is held here for as long as the test likes; starting an import once waited for it, and failed
/// after a minute.
#[tokio::test]
async fn one_begins_at_once_while_somebody_writes() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let mut writing = place.archive.begin_import(&place.scope, "elsewhere", None).await.unwrap();
    let other = Conversation::new(Provider::CLAUDE, "other");
    writing.add(other).await.unwrap();

    let start = || {
        let path = place.write("a.jsonl", &export(&[("a", &["hello"])]));
        let options = ImportOptions { display_name: Some("a.zip".into()), ..ImportOptions::default() };
        imports.start(&place.scope, Source { path, keep: None }, options).unwrap()
    };
    let (waiting, cancelled) = (start(), start());
    imports.cancel(&place.scope, cancelled).unwrap();
    let Status::Failed(error) = ended(&imports, &place, cancelled).await else { panic!("it goes on") };
    assert!(matches!(*error, Error::Cancelled(_)), "{error}");
    let told = |id| imports.event(&place.scope, id);
    assert_eq!(told(cancelled).await.unwrap().status, ImportStatus::Failed);
    let event = told(waiting).await.unwrap();
    assert_eq!((event.status, event.file_path.as_str()), (ImportStatus::InProgress, "a.zip"));
    assert_eq!(imports.running(&place.scope), [(waiting, Progress::default())]);
    assert!(imports.event(&athenaeum_tenancy::for_test("other"), waiting).await.is_err());

    writing.finish("{}").await.unwrap();
    assert!(matches!(ended(&imports, &place, waiting).await, Status::Completed(_)));
    let recorded = place.archive.import_event(&place.scope, waiting).await.unwrap();
    assert_eq!((recorded.id, recorded.status), (waiting, ImportStatus::Completed));
}

/// A source that never pauses for long and never fills a batch either once kept all others from writing.
#[tokio::test]
async fn others_write_while_a_source_trickles() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let (source, mut options) = silent_import(&place);
    let line = place.write("line.jsonl", &export(&[("a", &["hello"])]));
    let mut parser = silent();
    parser.arguments = vec!["-c".into(), format!("while cat {}; do sleep 0.1; done", line.display())];
    options.parser = Some(parser);
    let id = imports.start(&place.scope, source, options).unwrap();
    let mut status = imports.subscribe(&place.scope, id).unwrap();
    let some = |status: &Status| matches!(status, Status::Running(told) if told.conversations > 0);
    tokio::time::timeout(Duration::from_secs(20), status.wait_for(some)).await.unwrap().unwrap();
    let others = place.archive.begin_import(&place.scope, "elsewhere", None);
    let others = tokio::time::timeout(Duration::from_secs(20), others).await.expect("it waits").unwrap();
    others.finish("{}").await.unwrap();
    imports.shut_down().await;
}

#[tokio::test]
async fn one_whose_parser_is_silent_ends_when_it_is_cancelled() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let (source, options) = silent_import(&place);
    let id = imports.start(&place.scope, source, options).unwrap();
    let mut status = imports.subscribe(&place.scope, id).unwrap();
    let reading = |status: &Status| matches!(status, Status::Running(told) if told.phase == Phase::Reading);
    tokio::time::timeout(Duration::from_secs(20), status.wait_for(reading)).await.unwrap().unwrap();
    let begun = Instant::now();
    imports.cancel(&place.scope, id).unwrap();
    let Status::Failed(error) = ended(&imports, &place, id).await else { panic!("it was not cancelled") };
    assert!(matches!(*error, Error::Cancelled(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
