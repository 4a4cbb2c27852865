use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use athenaeum_inference::{
    catalog::Purpose,
    embedder,
    engine::{Event, Request},
    local::{self, Beginnings},
    residents::{Error, Level, Residents, Settings},
};

use crate::embedder::written;

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
fn models_of_all_kinds_share_one_budget() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = models(dir.path());
    let scores = written("xlm-roberta-scores", "gguf", dir.path());
    let residents = residents(None, LONG);
    let generating = residents.get(&one, None).unwrap();
    let embedder = residents.embedder(&one, None).unwrap();
    let reranker = residents.reranker(&scores, None).unwrap();
    let list = residents.list();
    let kinds: Vec<(&str, Purpose, usize)> = list
        .iter()
        .map(|one| (one.path.file_name().unwrap().to_str().unwrap(), one.purpose, one.users))
        .collect();
    let expected = [
        ("one.gguf", Purpose::Generate, 1),
        ("one.gguf", Purpose::Embed, 1),
        ("xlm-roberta-scores.gguf", Purpose::Rerank, 1),
    ];
    assert_eq!(kinds, expected);
    assert!(list.iter().all(|one| one.bytes > one.path.metadata().unwrap().len()), "{list:?}");
    let embeddings = embedder.embed_blocking(vec!["a text".into()], embedder::Options::default()).unwrap();
    assert_eq!(embeddings[0].vector.len(), generating.decoder().config().width);
    let again = residents.embedder(&one, None).unwrap();
    assert_eq!(residents.list()[1].users, 2);
    drop((generating, embedder, again, reranker));

    let all: u64 = list.iter().map(|one| one.bytes).sum();
    let smaller = self::residents(Some(all - 1), LONG);
    drop(smaller.embedder(&one, None).unwrap());
    let reranker = smaller.reranker(&scores, None).unwrap();
    drop(smaller.get(&one, None).unwrap());
    let left: Vec<Purpose> = smaller.list().iter().map(|one| one.purpose).collect();
    assert_eq!(left, [Purpose::Generate, Purpose::Rerank], "the one unused for longest goes, whatever it is");
    drop(reranker);
    assert!(smaller.unload(&one) && !smaller.unload(&one));
    drop(smaller.get(&one, Some(Some(Duration::ZERO))).unwrap());
    assert!(smaller.sweep().is_some());
    assert_eq!(here(&smaller), ["xlm-roberta-scores.gguf"]);
}

#[test]
fn models_give_way_when_memory_is_short() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = models(dir.path());
    let residents = residents(None, LONG);
    let mib = |mib: u64| residents.relieve(mib << 20);
    let used = residents.get(&one, None).unwrap();
    drop(residents.embedder(&one, None).unwrap());
    assert_eq!((mib(4000), mib(2500), residents.memory()), (Level::Safe, Level::Caution, Level::Caution));
    drop(residents.get(&two, None).unwrap());
    assert_eq!((mib(1500), residents.list().len()), (Level::Warning, 3));
    drop(residents.get(&two, None).unwrap());
    let Err(Error::ShortOfMemory { free_bytes, .. }) = residents.embedder(&two, None) else { panic!() };
    assert_eq!(free_bytes, 1500 << 20);
    assert_eq!((mib(700), here(&residents)), (Level::Critical, vec!["one.gguf".to_owned()]));
    assert!(residents.get(&two, None).is_err() && !residents.memory().takes_requests());
    assert_eq!((mib(100), residents.list().len()), (Level::Emergency, 1));
    drop(used);
    residents.sweep();
    assert!(residents.list().is_empty(), "those that were in use go as soon as they are done");
    assert_eq!(mib(4000), Level::Safe);
    assert!(residents.get(&one, None).is_ok());
}

#[test]
fn one_that_is_for_something_else_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = models(dir.path());
    let bert = written("bert", "gguf", dir.path());
    let residents = residents(None, LONG);
    let check = |error: Error, expected: &str| {
        let all = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let all: Vec<String> = all.map(ToString::to_string).collect();
        assert!(all.iter().any(|said| said.contains(expected)), "{all:?}");
    };
    check(residents.reranker(&one, None).unwrap_err(), "only those of the Qwen3 family are known to rerank");
    check(residents.reranker(&bert, None).unwrap_err(), "use it to embed");
    check(residents.get(&bert, None).unwrap_err(), "the architecture \"bert\" is not computed");
    assert!(residents.list().is_empty());
}

#[test]
fn a_file_that_was_replaced_is_loaded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = models(dir.path());
    let residents = residents(None, LONG);
    let before = residents.get(&one, None).unwrap();
    drop(residents.embedder(&one, None).unwrap());
    std::fs::rename(&two, &one).unwrap();
    let after = residents.get(&one, None).unwrap();
    assert!(!Arc::ptr_eq(before.decoder(), after.decoder()));
    let told: Vec<_> = residents.list().iter().map(|one| (one.purpose, one.replaced, one.users)).collect();
    let expected = [(Purpose::Generate, false, 1), (Purpose::Generate, true, 1), (Purpose::Embed, false, 0)];
    assert_eq!(told, expected);
    drop(before);
    residents.sweep();
    assert_eq!(residents.list().len(), 2, "the old one goes when nobody uses it");
    drop(residents.embedder(&one, None).unwrap());
    assert_eq!(residents.list().len(), 2);
    std::fs::remove_file(&one).unwrap();
    assert!(matches!(residents.get(&one, None), Err(Error::Load(_))), "and what is gone is gone");
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

/// Asks for twenty tokens after a text of several pages, and says what came and how much of the prompt was known.
fn complete(residents: &Arc<Residents>, path: &Path) -> (String, usize) {
    let model = residents.get(path, None).unwrap();
    let prompt = model.completion_prompt(&"Shall I compare thee to a summer's day? ".repeat(12));
    let request = Request { tokens_max: Some(20), ..Request::new(prompt) };
    let mut generation = model.engine().submit(request).unwrap();
    let mut text = String::new();
    while let Some(event) = generation.next_blocking() {
        match event {
            Event::Token { text: piece, .. } => text += &piece,
            Event::End(end) => return (text + &end.text, end.cached_tokens),
            Event::Progress { .. } | Event::Prompt { .. } => {}
        }
    }
    panic!("the engine went away");
}

#[test]
fn beginnings_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = models(dir.path());
    let kept = dir.path().join("kept");
    let start = || {
        let beginnings = Some(Beginnings { dir: kept.clone(), bytes_max: 1 << 30 });
        Residents::new(Settings {
            load: local::Settings { beginnings, ..local::Settings::default() },
            ..Settings::default()
        })
    };
    let residents = start();
    let (text, cached) = complete(&residents, &one);
    assert_eq!(cached, 0);
    drop(residents);
    let pages = || {
        let folders = std::fs::read_dir(&kept).into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
        files.filter(|file| file.path().extension().is_some_and(|end| end == "kv")).count()
    };
    // They are written behind the answer's back.
    let started = Instant::now();
    while pages() < 3 && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let residents = start();
    let (again, cached) = complete(&residents, &one);
    assert_eq!(again, text);
    assert!(cached >= 64, "{cached}");
    assert_eq!(complete(&residents, &two).1, 0, "another file is another model");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&kept.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
