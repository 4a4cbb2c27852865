use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_core::ImportId;
use athenaeum_retrieval::{Error, ExternalParser, ImportOptions, Imports, Phase, Source, Status};

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
        ids.push(imports.start(&place.scope, Source { path, keep }, options).await.unwrap());
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
    let id =
        imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).await.unwrap();
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
        ids.push(
            imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).await.unwrap(),
        );
    }
    imports.shut_down().await;
    let mut failed = 0;
    for id in ids {
        failed += usize::from(matches!(ended(&imports, &place, id).await, Status::Failed(_)));
    }
    assert!(failed >= 2, "{failed}");
    let path = place.write("late.json", &export(&[("late", &["hello"])]));
    let late = imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).await;
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
    // All at once, so that each of them finds the others still beginning.
    let starts = (0..Imports::WAITING_MAX + 4).map(|_| {
        let (source, options) = silent_import(&place);
        imports.start(&place.scope, source, options)
    });
    let started = futures_util::future::join_all(starts).await;
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
        let id = imports.start(&place.scope, source, ImportOptions::default()).await.unwrap();
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
    let first = imports.start(&place.scope, source, options).await.unwrap();
    while place.archive.stats(&place.scope).await.unwrap().conversations == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    let path = place.write("b.jsonl", &export(&[("second", &["world"])]));
    let second =
        imports.start(&place.scope, Source { path, keep: None }, ImportOptions::default()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(300), "{:?}", begun.elapsed());
    imports.cancel(&place.scope, first).unwrap();
    assert!(matches!(ended(&imports, &place, second).await, Status::Completed(_)));
    assert_eq!(place.hits("world").await, 1);
}

#[tokio::test]
async fn one_whose_parser_is_silent_ends_when_it_is_cancelled() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    let (source, options) = silent_import(&place);
    let id = imports.start(&place.scope, source, options).await.unwrap();
    let mut status = imports.subscribe(&place.scope, id).unwrap();
    let reading = |status: &Status| matches!(status, Status::Running(told) if told.phase == Phase::Reading);
    tokio::time::timeout(Duration::from_secs(20), status.wait_for(reading)).await.unwrap().unwrap();
    let begun = Instant::now();
    imports.cancel(&place.scope, id).unwrap();
    let Status::Failed(error) = ended(&imports, &place, id).await else { panic!("it was not cancelled") };
    assert!(matches!(*error, Error::Cancelled(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
