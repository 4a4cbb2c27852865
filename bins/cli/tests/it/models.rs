use std::path::Path;

use athenaeum_inference::{synthetic, vision::kind};

use crate::support::Library;

/// The smallest sound file that says something: one key, one tensor of 32 numbers.
fn gguf(name: &str) -> Vec<u8> {
    gguf_of(name, 32)
}

/// A sound file of one tensor of so many numbers, all 0.
pub(crate) fn gguf_of(name: &str, numbers: u64) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let (u32, u64) =
        (|number: u32| number.to_le_bytes().to_vec(), |number: u64| number.to_le_bytes().to_vec());
    let header = [b"GGUF".to_vec(), u32(3), u64(1), u64(1)].concat();
    let key = [text("general.name"), u32(8), text(name)].concat();
    let tensor = [text("output.weight"), u32(1), u64(numbers), u32(0), u64(0)].concat();
    let mut file = [header, key, tensor].concat();
    file.resize(file.len().next_multiple_of(32) + numbers as usize * 4, 0);
    file
}

#[test]
fn models_are_listed_with_those_that_cannot_be_used() {
    let library = Library::new();
    assert!(library.run(&["models", "list"]).stderr.contains("No models were found"));
    let folder = library.data().join("models/deeper");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("good.gguf"), gguf("A small \x1b[2Jone")).unwrap();
    std::fs::write(folder.join("cut.gguf"), &gguf("Another")[..90]).unwrap();

    let told = library.ok(&["models", "list"]);
    assert!(told.contains("good.gguf  32 parameters, F32,"), "{told}");
    assert!(told.contains("cut.gguf  cannot be used: it ends within"), "{told}");
    let lines = library.json(&["models", "list"]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["summary"]["parameters"], 32);
    assert!(lines[0]["error"].as_str().unwrap().contains("download it again"));

    let elsewhere = library.run(&["models", "list", "--dir", "nowhere"]);
    assert_eq!(elsewhere.code, Some(1));
    assert!(elsewhere.stderr.contains("there is no folder nowhere"));
}

#[test]
fn what_a_model_sees_with_is_told_beside_it_and_is_no_model() {
    let library = Library::new();
    let folder = library.data().join("models");
    sighted(&folder);
    let lines = library.json(&["models", "list"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0]["projector"].as_str().unwrap().ends_with("mmproj-tiny.gguf"), "{lines:?}");
    assert!(library.ok(&["models", "list"]).contains(", sees pictures\n"));
    // One of a kind that is not computed is none that a model sees with, and that is said.
    let mut strange = std::fs::read(folder.join("mmproj-tiny.gguf")).unwrap();
    let at = strange.windows(3).position(|bytes| bytes == b"mlp").unwrap();
    strange[at..at + 3].copy_from_slice(b"xyz");
    std::fs::write(folder.join("mmproj-tiny.gguf"), strange).unwrap();
    let ran = library.run(&["models", "list", "--json"]);
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    assert!(!ran.stdout.contains("projector") && ran.stderr.contains("xyz"), "{ran:?}");
}

/// Puts the model of the examples and something to see with into a folder.
pub(crate) fn sighted(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(TINY, folder.join("tiny.gguf")).unwrap();
    let projector = synthetic::vision::projector(kind::find("mlp").unwrap(), 128).unwrap();
    std::fs::write(folder.join("mmproj-tiny.gguf"), projector).unwrap();
}

/// The small model of the examples.
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");

#[test]
fn a_model_is_shown_or_refused_with_a_reason() {
    let library = Library::new();
    std::fs::write(library.path("good.gguf"), gguf("A small \x1b[2Jone")).unwrap();
    std::fs::write(library.path("cut.gguf"), &gguf("Another")[..90]).unwrap();
    let told = library.ok(&["models", "show", "good.gguf", "--tensors"]);
    assert!(
        told.starts_with("A small \u{fffd}[2Jone\n"),
        "nothing of a file has power over the terminal: {told}"
    );
    insta::assert_snapshot!("models_show", told);
    let shown = library.json(&["models", "show", "good.gguf", "--tensors"]);
    assert_eq!(shown[0]["tensors"][0]["shape"][0], 32);
    assert_eq!(shown[0]["metadata"]["general.name"], "A small \x1b[2Jone");

    for (name, reason) in
        [("cut.gguf", "it ends within"), ("absent.gguf", "cannot be opened"), (".", "holds 2 models")]
    {
        let ran = library.run(&["models", "show", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{name}");
        assert!(ran.stderr.contains(reason), "{name}: {ran:?}");
    }
}
