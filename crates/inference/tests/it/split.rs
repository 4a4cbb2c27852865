use std::{error::Error as _, path::Path};

use athenaeum_inference::model;

use crate::write::{Gguf, U32, causes, tensor, u32};

/// Writes a model in three parts; `wrong` may change any of them before.
fn write(folder: &Path, wrong: impl FnOnce(&mut Vec<Gguf>)) {
    let mut parts = parts();
    wrong(&mut parts);
    for (number, part) in parts.iter().enumerate() {
        std::fs::write(folder.join(format!("m-{:05}-of-00003.gguf", number + 1)), part.bytes()).unwrap();
    }
}

/// A model in three parts.
pub(crate) fn parts() -> Vec<Gguf> {
    (0..3)
        .map(|number| {
            let mut part = Gguf::small();
            part.keys.truncate(if number == 0 { part.keys.len() } else { 0 });
            part.tensors = vec![tensor(&format!("blk.{number}.weight"), &[64], 0, 0)];
            part.set("split.no", 2, vec![number, 0]);
            part.set("split.count", 2, vec![3, 0]);
            part.set("split.tensors.count", 5, u32(3));
            part
        })
        .collect()
}

fn check(wrong: impl FnOnce(&mut Vec<Gguf>), reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), wrong);
    let error = model::open(&folder.path().join("m-00001-of-00003.gguf")).unwrap_err();
    let told = causes(&error);
    assert!(told.contains(reason), "expected '{reason}', was told '{told}'");
}

#[test]
fn any_part_stands_for_all() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), |_| {});
    for number in 1..=3 {
        let model = model::open(&folder.path().join(format!("m-0000{number}-of-00003.gguf"))).unwrap();
        let summary = model.summary();
        assert_eq!((summary.files, summary.tensors, summary.parameters), (3, 3, 192));
        assert_eq!(summary.name.as_deref(), Some("Tiny"));
    }
    assert_eq!(model::open(folder.path()).unwrap().summary().files, 3);
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    check(|parts| drop(parts.pop()), "its part m-00003-of-00003.gguf is missing");
    check(|parts| parts.swap(1, 2), "it says it is part 3 of 3, but is called part 2 of 3");
    check(|parts| parts[1].set("split.count", U32, u32(4)), "it says it is part 2 of 4");
    check(|parts| parts[1].keys.clear(), "split.no has no sensible value");
    check(|parts| parts[0].set("split.no", 8, crate::write::string("1")), "split.no has no sensible value");
    check(|parts| parts[0].set("split.count", U32, u32(60_000)), "split.count has no sensible value");
    check(|parts| parts[2].tensors[0].name = b"blk.0.weight".to_vec(), "stands there twice");
    check(|parts| parts[2].tensors.clear(), "hold 2 tensors, but should hold 3");
    check(|parts| parts[2].data_bytes = Some(10), "its part m-00003-of-00003.gguf cannot be used");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), |_| {});
    let renamed = folder.path().join("renamed.gguf");
    std::fs::rename(folder.path().join("m-00001-of-00003.gguf"), &renamed).unwrap();
    let error = model::open(&renamed).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("rename it"));
}
