//! Files that were cut, changed or lost: an error or the right answer, never a panic.

use super::*;

fn build(dir: &Path) -> Vec<Doc> {
    let mut random = Random(77);
    let mut docs = corpus(&mut random, 600, 20);
    let mut writer = Writer::open(dir).unwrap();
    docs.iter().for_each(|doc| add(&mut writer, doc));
    writer.publish(1).unwrap();
    let (ids, row) = remove(&mut docs, &mut random);
    writer.remove_messages(&ids).unwrap();
    writer.remove_conversations(&[row]).unwrap();
    writer.publish(2).unwrap();
    docs
}

/// Opens and searches; what comes out must be right if anything does.
fn answers_or_fails(dir: &Path, docs: &[Doc]) -> bool {
    let Ok(index) = Index::open(dir) else { return false };
    let mut whole = true;
    for query in [
        Query::Term("ab0".into()),
        Query::Phrase(vec![(0, "ab0".into()), (1, "ac1".into())]),
        prefix("b"),
        Query::All(vec![Query::Term("ab4".into()), Query::Not(Box::new(Query::Term("ab0".into())))]),
        Query::All(Vec::new()),
    ] {
        let filter = Filter::default();
        match index.search(&query, &filter, Sort::Relevance, 10, 0) {
            Ok(found) => {
                let (hits, _) = expected(docs, &query, &filter, Sort::Relevance);
                let hits: Vec<_> = hits.into_iter().take(10).collect();
                let got: Vec<_> =
                    found.hits.iter().map(|hit| (hit.message_id, hit.conversation_row, hit.score)).collect();
                assert_eq!(got, hits, "{query:?}");
            }
            Err(_) => whole = false,
        }
        let _ = index.facets(&query, &filter);
    }
    whole
}

#[test]
fn damage_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    let docs = build(&sound);
    assert!(answers_or_fails(&sound, &docs));
    let mut random = Random(3);
    let mut noticed = 0;
    for round in 0..60 {
        let hurt = dir.path().join(format!("hurt{round}"));
        copy(&sound, &hurt);
        let mut files: Vec<_> = fs::read_dir(&hurt).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.retain(|file| file.metadata().unwrap().len() > 0);
        let file = &files[random.below(files.len() as u64) as usize];
        let mut bytes = fs::read(file).unwrap();
        let at = random.below(bytes.len() as u64) as usize;
        match round % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            _ => bytes.extend_from_slice(b"more"),
        }
        fs::write(file, bytes).unwrap();
        noticed += u32::from(!answers_or_fails(&hurt, &docs));
        // Whatever happened, building anew helps.
        let mut writer = Writer::rebuild(&hurt).unwrap();
        docs.iter().filter(|doc| !doc.removed).take(3).for_each(|doc| add(&mut writer, doc));
        writer.publish(9).unwrap();
        assert_eq!(Index::open(&hurt).unwrap().watermark(), 9);
        fs::remove_dir_all(&hurt).unwrap();
    }
    assert!(noticed > 30, "{noticed}");
}

/// A reader must not see, and a crash must not keep, what was not published.
#[test]
fn only_what_was_published_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(9);
    let docs = corpus(&mut random, 40, 9);
    let mut writer = Writer::open(dir.path()).unwrap().with_memory(1);
    docs[..20].iter().for_each(|doc| add(&mut writer, doc));
    writer.publish(20).unwrap();
    let index = Index::open(dir.path()).unwrap();
    docs[20..].iter().for_each(|doc| add(&mut writer, doc));
    assert!(!index.refresh().unwrap());
    // As after a kill: the lock is gone, files lie about.
    drop(writer);
    let writer = Writer::open(dir.path()).unwrap();
    assert_eq!(writer.watermark(), 20);
    let stats = Index::open(dir.path()).unwrap().stats();
    assert_eq!(stats.messages + stats.titles, 20);
    let segments = fs::read_dir(dir.path()).unwrap();
    let segments =
        segments.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "seg"));
    assert_eq!(segments.count() as u64, stats.segments);
}

/// Readers search while a writer publishes, merges and removes files under them.
#[test]
fn readers_go_on_while_a_writer_publishes() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(21);
    let docs = corpus(&mut random, 400, 9);
    let mut writer = Writer::open(dir.path()).unwrap();
    let done = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let index = Index::open(dir.path()).unwrap();
            scope.spawn(move || {
                let query = Query::Any(vec![Query::Term("ab0".into()), Query::Term("ac1".into())]);
                let mut seen = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    index.refresh().unwrap();
                    let before = index.watermark();
                    let found = index.search(&query, &Filter::default(), Sort::Recent, 5, 0).unwrap();
                    assert!(before >= seen && found.hits.len() <= 5);
                    seen = before;
                }
            });
        }
        for (n, doc) in docs.iter().enumerate() {
            add(&mut writer, doc);
            if n % 5 == 0 {
                writer.publish(n as i64).unwrap();
            }
        }
        while writer.merge_step().unwrap() {}
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
