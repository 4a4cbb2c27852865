use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use athenaeum_inference::{
    local,
    residents::{Error, Residents, Settings},
};

/// Two copies of the small model of the examples.
fn models(dir: &Path) -> [PathBuf; 2] {
    ["one.gguf", "two.gguf"].map(|name| {
        let path = dir.join(name);
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf"), &path)
            .unwrap();
        path
    })
}

fn residents(budget_bytes: Option<u64>, keep_alive: Duration) -> Arc<Residents> {
    Residents::new(Settings { budget_bytes, keep_alive: Some(keep_alive), ..Settings::default() })
}

fn here(residents: &Residents) -> Vec<String> {
    residents.list().iter().map(|one| one.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_model_is_loaded_once_for_all_who_ask() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = models(dir.path());
    let residents = residents(None, LONG);
    let leases: Vec<_> = std::thread::scope(|scope| {
        let ask = || residents.get(&one, None).unwrap();
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(leases.iter().all(|lease| Arc::ptr_eq(lease.decoder(), leases[0].decoder())));
    assert_eq!((residents.list()[0].users, residents.list()[0].leaves_in), (4, None));
    drop(leases);
    assert_eq!(residents.list()[0].users, 0);
    let again = residents.get(&one, None).unwrap();
    assert_eq!(residents.list().len(), 1);
    drop(again);
}

#[test]
fn the_one_unused_for_longest_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = models(dir.path());
    let each = local::bytes_of(&one, &local::Settings::default()).unwrap();
    let residents = residents(Some(each + each / 2), LONG);
    let lease = residents.get(&one, None).unwrap();
    let Err(Error::NoRoom { needed, free, .. }) = residents.get(&two, None) else { panic!("one is in use") };
    assert_eq!((needed, free), (each, each / 2));
    drop(lease);
    let lease = residents.get(&two, None).unwrap();
    assert_eq!(here(&residents), ["two.gguf"]);
    drop(lease);
}

#[test]
fn nobody_is_kept_beyond_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = models(dir.path());
    let residents = residents(None, LONG);
    drop(residents.get(&one, Some(Some(Duration::ZERO))).unwrap());
    let lease = residents.get(&two, Some(Some(Duration::ZERO))).unwrap();
    residents.sweep();
    assert_eq!(here(&residents), ["two.gguf"], "those in use stay");
    drop(lease);
    assert_eq!(residents.sweep(), None);
    assert!(residents.list().is_empty());
    let kept = residents.get(&one, None).unwrap();
    assert!(residents.unload(&one), "it is asked to go");
    assert_eq!(here(&residents), ["one.gguf"], "and goes when nobody uses it");
    drop(kept);
    residents.sweep();
    assert!(residents.list().is_empty() && !residents.unload(&one));
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.gguf");
    std::fs::write(&path, b"GGUF").unwrap();
    let residents = residents(Some(1 << 30), LONG);
    assert!(matches!(residents.get(&path, None), Err(Error::Load(_))));
    assert!(residents.list().is_empty());
}
