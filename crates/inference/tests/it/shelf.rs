//! The folder of models: taking in, reading back, removing.

use std::path::Path;

use athenaeum_inference::{
    catalog::{Catalog, Settings},
    model::{self, RECORD_FILE, Record, Root, Sha256, Verdict, lengths_hold, verify},
    shelf::{Error, How, Removed, Shelf},
};

use crate::{pull::model, split, write::Gguf};

fn verdicts(path: &Path) -> Vec<(String, Verdict)> {
    let checked = verify(path, |_, _| true).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    checked.into_iter().map(|file| (name(&file.path), file.verdict)).collect()
}

#[test]
fn what_is_taken_in_is_found_read_back_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(folder.path().join("models"));
    let from = folder.path().join("mine.gguf");
    let file = model(100_000);
    std::fs::write(&from, &file).unwrap();
    let mut told = Vec::new();
    let added = shelf.add(&from, None, How::Copy, |done, total| {
        told.push((done, total));
        true
    });
    assert_eq!(added.unwrap().kept.name, "mine");
    assert_eq!(told.last(), Some(&(file.len() as u64, file.len() as u64)));
    let path = shelf.get("mine").unwrap().path;
    assert_eq!(verdicts(&path), [("mine.gguf".to_owned(), Verdict::Same(Sha256::of(&file)))]);
    assert_eq!(verdicts(&path.join("mine.gguf")).len(), 1, "a file stands for its model");
    assert_eq!((lengths_hold(&path), lengths_hold(&from)), (Some(true), None));
    assert!(matches!(shelf.add(&from, None, How::Copy, |_, _| true), Err(Error::Exists { .. })));
    assert!(matches!(shelf.add(&path, Some("x"), How::Copy, |_, _| true), Err(Error::Own(_))));

    // One bit, one byte less, nothing at all, a record that was cut.
    let kept = path.join("mine.gguf");
    let mut changed = file.clone();
    changed[50_000] ^= 1;
    std::fs::write(&kept, &changed).unwrap();
    assert!(matches!(verdicts(&path)[0].1, Verdict::Different { .. }));
    std::fs::write(&kept, &file[1..]).unwrap();
    assert!(matches!(verdicts(&path)[0].1, Verdict::Length { .. }));
    assert_eq!(lengths_hold(&kept), Some(false));
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(verdicts(&path)[0].1, Verdict::Missing);
    std::fs::write(path.join(RECORD_FILE), "{\"format\":1").unwrap();
    assert!(verify(&path, |_, _| true).unwrap_err().to_string().contains("what was recorded of"));
    std::fs::write(path.join(RECORD_FILE), "{\"format\":2,\"source\":\"\",\"files\":[]}").unwrap();
    assert!(Record::read(&path).unwrap_err().to_string().contains("a later version"));

    let weighed = shelf.weigh("mine").unwrap().1;
    assert_eq!(shelf.remove("mine").unwrap(), weighed);
    assert!(shelf.models().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(shelf.folder()).unwrap().count(), 0);
}

#[test]
fn a_model_of_many_files_is_taken_in_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(folder.path().join("models"));
    for (number, part) in split::parts().iter().map(Gguf::bytes).enumerate() {
        std::fs::write(folder.path().join(format!("m-{:05}-of-00003.gguf", number + 1)), part).unwrap();
    }
    let added =
        shelf.add(&folder.path().join("m-00002-of-00003.gguf"), None, How::Link, |_, _| true).unwrap();
    assert_eq!((added.kept.name.as_str(), added.kept.record.unwrap().files.len()), ("m", 3));
    assert_eq!(model::open(&added.kept.path).unwrap().summary().files, 3);

    // A folder, with what does not belong to it.
    let from = folder.path().join("sub/MyModel");
    std::fs::create_dir_all(from.join(".git")).unwrap();
    std::fs::create_dir_all(from.join("1_Pooling")).unwrap();
    std::fs::write(from.join("model.gguf"), model(1000)).unwrap();
    std::fs::write(from.join("1_Pooling/config.json"), "{}").unwrap();
    let added = shelf.add(&from, None, How::Copy, |_, _| true).unwrap();
    assert_eq!(added.kept.name, "MyModel");
    assert!(added.kept.path.join("1_Pooling/config.json").exists() && !added.kept.path.join(".git").exists());
    assert!(added.left_out[0].contains(".git"), "{:?}", added.left_out);
}

#[test]
fn what_is_no_model_or_was_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(folder.path().join("models"));
    let (good, bad) = (folder.path().join("good.gguf"), folder.path().join("bad.gguf"));
    std::fs::write(&good, model(5_000_000)).unwrap();
    std::fs::write(&bad, &model(1000)[..500]).unwrap();
    assert!(matches!(shelf.add(&bad, None, How::Copy, |_, _| true), Err(Error::NotAModel(_))));
    assert!(matches!(shelf.add(&good, None, How::Copy, |done, _| done < 2_000_000), Err(Error::Stopped)));
    for name in ["../x", "a/b", "", ".hidden", "nul", "x.part", "a\\b"] {
        assert!(
            matches!(shelf.add(&good, Some(name), How::Copy, |_, _| true), Err(Error::Name(_))),
            "{name}"
        );
    }
    let left = std::fs::read_dir(shelf.folder()).map(Iterator::count).unwrap_or_default();
    assert_eq!(left, 0);
}

#[cfg(unix)]
#[test]
fn only_our_own_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(folder.path().join("models"));
    std::fs::create_dir_all(shelf.folder()).unwrap();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious.gguf"), model(1000)).unwrap();
    std::os::unix::fs::symlink(&outside, shelf.folder().join("link")).unwrap();
    std::fs::write(shelf.folder().join("loose.gguf"), "by hand").unwrap();
    for name in ["../outside", "..", "link/precious.gguf", "/etc", "absent", ""] {
        assert!(shelf.remove(name).is_err(), "{name}");
    }
    assert_eq!(shelf.remove("link").unwrap().files, 1, "the link goes");
    assert!(outside.join("precious.gguf").exists(), "and what it leads to stays");
    assert_eq!(shelf.remove("loose").unwrap(), Removed { files: 1, bytes: 7 });
    // What had come of a model that was never whole goes by its name, too.
    let partial = shelf.folder().join(".partial/half");
    std::fs::create_dir_all(&partial).unwrap();
    std::fs::write(partial.join("half.gguf.part"), "123").unwrap();
    assert_eq!(shelf.remove("half").unwrap(), Removed { files: 1, bytes: 3 });
    assert_eq!(std::fs::read_dir(shelf.folder()).unwrap().count(), 0);
}

/// Ollama calls its blobs by their digests, and so does Hugging Face's cache, whose snapshots are links to them.
#[cfg(unix)]
#[test]
fn files_of_other_programs_are_held_against_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs");
    std::fs::create_dir(&blobs).unwrap();
    let (file, sum) = (model(1000), Sha256::of(&model(1000)));
    let ollama = blobs.join(format!("sha256-{sum}"));
    std::fs::write(&ollama, &file).unwrap();
    assert_eq!(verdicts(&ollama)[0].1, Verdict::Same(sum));
    let (cached, snapshot) = (blobs.join(Sha256::of(b"other").to_string()), folder.path().join("m.gguf"));
    std::fs::write(&cached, &file).unwrap();
    std::os::unix::fs::symlink(&cached, &snapshot).unwrap();
    assert_eq!(verdicts(&snapshot)[0].1, Verdict::Different { expected: Sha256::of(b"other"), found: sum });
    let plain = folder.path().join(sum.to_string());
    std::fs::write(&plain, &file).unwrap();
    assert_eq!(verdicts(&plain)[0].1, Verdict::Unrecorded(sum), "only in such a folder is a name a checksum");
}

#[test]
fn a_copy_takes_no_room_and_stays_when_the_original_goes() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(folder.path().join("models"));
    let from = folder.path().join("mine.gguf");
    std::fs::write(&from, model(1000)).unwrap();
    shelf.add(&from, None, How::Copy, |_, _| true).unwrap();
    let copied = shelf.copy("mine", "mine-too", Some("me/mine:too")).unwrap();
    assert_eq!(copied.record.as_ref().unwrap().name.as_deref(), Some("me/mine:too"));
    assert!(matches!(shelf.copy("mine", "mine-too", None), Err(Error::Exists { .. })));
    assert!(matches!(shelf.copy("none", "x", None), Err(Error::NotFound { .. })));
    for name in ["../x", "a/b", "", ".partial", "a:b"] {
        assert!(matches!(shelf.copy("mine", name, None), Err(Error::Name(_))), "{name}");
    }
    // What was laid there by hand has no record.
    std::fs::write(shelf.folder().join("loose.gguf"), model(1000)).unwrap();
    shelf.copy("loose", "loose-too", None).unwrap();
    for name in ["mine", "loose"] {
        shelf.remove(name).unwrap();
        let copy = shelf.get(&format!("{name}-too")).unwrap();
        assert!(matches!(verdicts(&copy.path)[0].1, Verdict::Same(_)), "{name}");
    }
    let entries = Catalog::new(Settings {
        roots: vec![Root::recognised(shelf.folder().into())],
        ..Settings::default()
    });
    assert_eq!(entries.problems().len() + entries.list().len(), 2);
}
