use std::{sync::Arc, time::Duration};

use athenaeum_core::ImportId;
use athenaeum_retrieval::{Error, ExternalParser, ImportOptions, Imports, Source, Status};

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

#[tokio::test]
async fn too_many_are_turned_away() {
    let place = Place::new().await;
    let imports = Imports::new(place.archive.clone());
    // The first has the turn for as long as its parser sleeps.
    let path = place.write("a.json", "");
    let mut parser = ExternalParser::new("sh");
    parser.arguments = vec!["-c".into(), "sleep 60".into()];
    parser.time_limit = Duration::from_secs(25);
    let mut refused = None;
    for _ in 0..=Imports::WAITING_MAX + 1 {
        let source = Source { path: path.clone(), keep: None };
        let options = ImportOptions { parser: Some(parser.clone()), ..ImportOptions::default() };
        if let Err(error) = imports.start(&place.scope, source, options).await {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(Error::Busy { .. })), "{refused:?}");
    imports.shut_down().await;
}
