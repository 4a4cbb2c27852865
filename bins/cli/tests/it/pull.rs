//! Models fetched by the program itself, which is killed at bad moments. What is fetched, and how, is tested beside the
//! code that does it.

use std::{path::Path, process::Stdio, time::Duration};

use crate::{
    models::gguf_of,
    stub::{Answer, Stub},
    support::{Library, signal},
};

/// Bytes no two pieces of which are alike, behind a sound header.
fn model(bytes: usize) -> Vec<u8> {
    let mut file = gguf_of("Tiny", (bytes / 4) as u64);
    let data = file.len() - bytes / 4 * 4;
    let mut state = 1_u64;
    for piece in file[data..].chunks_mut(8) {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        piece.copy_from_slice(&(state ^ (state >> 31)).to_le_bytes()[..piece.len()]);
    }
    file
}

/// Lists all that is in the folder of models, with lengths.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(&inside).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    files.push((name, path.metadata().unwrap().len()));
                }
            }
        }
    }
    files.sort();
    files
}

/// The program is killed again and again, at moments that drift through all that it does. In between nothing may look
/// like a model but a whole one, and in the end every byte is right, and most came once only.
///
/// `ATHENAEUM_KILLS=200` kills it more often.
#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let kills: u64 = std::env::var("ATHENAEUM_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let file = model(4_000_000);
    let served = file.clone();
    // Some 4 MB a second: a second or so for the file, of which a kill leaves most.
    let stub = Stub::start(move |seen, _| {
        Answer::file(seen, &served, "\"v1\"").slowly(40_000, Duration::from_millis(10))
    });
    let library = Library::new();
    let url = stub.url("/tiny.gguf");
    let (models, model) = (library.data().join("models"), library.data().join("models/tiny/tiny.gguf"));
    let is_whole = || std::fs::read(&model).is_ok_and(|there| there == file);
    for kill in 0..kills {
        let mut pull = library.command();
        let mut child =
            pull.args(["models", "pull", &url]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + kill * 97 % 700));
        signal(&child, "KILL");
        child.wait().unwrap();
        if models.join("tiny").exists() {
            assert!(is_whole(), "it has its name, so it is whole: {:?}", files(&models));
            library.ok(&["models", "remove", "--yes", "tiny"]);
        }
        let there = files(&models);
        assert!(there.iter().all(|(name, _)| name.starts_with(".partial/")), "{there:?}");
        assert!(library.json(&["models", "list"]).is_empty());
    }
    library.ok(&["models", "pull", &url]);
    assert!(is_whole());
    let names: Vec<String> = files(&models).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["tiny/athenaeum-model.json", "tiny/tiny.gguf"]);
    let resumed = stub.seen().iter().filter(|seen| seen.header("range").is_some()).count();
    assert!(resumed as u64 >= kills / 4, "{resumed}");
    assert!(library.ok(&["models", "verify"]).starts_with("ok "));
    assert!(library.ok(&["models", "show", "tiny"]).starts_with("Tiny"));
}

#[test]
fn a_model_comes_is_kept_checked_and_removed() {
    let file = model(200_000);
    let sum = athenaeum::inference::model::Sha256::of(&file);
    let stub = Stub::start(move |seen, _| match seen.path() {
        "/v2/library/tiny/manifests/1b" => Answer::json(format!(
            r#"{{"schemaVersion":2,"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{sum}","size":{}}}]}}"#,
            file.len()
        )),
        path if path.contains("/blobs/") => Answer::file(seen, &file, "\"x\""),
        _ => Answer::status(404),
    });
    let library = Library::new();
    let pull = |source: &str| {
        let mut command = library.command();
        command.env("ATHENAEUM_MODELS_OLLAMA_REGISTRY", stub.url(""));
        let output = command.args(["models", "pull", source, "--json"]).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, told, _) = pull("ollama:tiny:1b");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, told["name"].as_str(), told["resumed_bytes"].as_u64()),
        (Some(0), Some("tiny-1b"), Some(0))
    );
    assert_eq!(told["files"][0]["sha256"].as_str().unwrap(), sum.to_string());
    let (code, told, complaint) = pull("ollama:tiny:2b");
    assert_eq!((code, told.as_str()), (Some(1), ""));
    assert!(complaint.contains("has no ollama:tiny:2b"), "{complaint}");
    let (code, _, complaint) = pull("tiny");
    assert!(code == Some(1) && complaint.contains("hf:OWNER/REPOSITORY"), "{complaint}");

    let listed = library.json(&["models", "list"]);
    assert_eq!(listed[0]["fit"]["verdict"], "yes");
    assert_eq!(listed[0]["recorded_lengths_hold"], true);
    let path = library.data().join("models/tiny-1b/tiny-1b.gguf");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let ran = library.run(&["models", "verify", "tiny-1b"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("its SHA-256 is"), "{ran:?}");
    std::fs::write(&path, &bytes[..150_000]).unwrap();
    assert!(library.run(&["models", "verify"]).stdout.contains("it has 150.0 kB instead of"));
    assert!(library.ok(&["models", "list"]).contains("cannot be used"));

    let asked = library.run(&["models", "remove", "tiny-1b"]);
    assert!(asked.code == Some(1) && asked.stderr.contains("--yes") && path.exists(), "{asked:?}");
    let removed = library.json(&["models", "remove", "tiny-1b", "--yes"]);
    assert_eq!((removed[0]["removed"].as_str(), removed[0]["files"].as_u64()), (Some("tiny-1b"), Some(2)));
    assert!(files(&library.data().join("models")).is_empty());
    for outside in ["../data", "/etc", "tiny-1b"] {
        assert_eq!(library.run(&["models", "remove", "--yes", outside]).code, Some(1), "{outside}");
    }
}

#[test]
fn a_model_on_this_machine_is_taken_in() {
    let library = Library::new();
    let file = model(100_000);
    std::fs::write(library.path("mine.gguf"), &file).unwrap();
    library.write("none.gguf", "nothing");
    let told = library.ok(&["models", "add", "mine.gguf"]);
    assert!(told.starts_with("mine  "), "{told}");
    assert!(library.run(&["models", "add", "mine.gguf"]).stderr.contains("there is a model mine already"));
    library.ok(&["models", "add", "mine.gguf", "--link", "--name", "other"]);
    let none = library.run(&["models", "add", "none.gguf"]);
    assert!(none.code == Some(1) && none.stderr.contains("cannot be used as a model"), "{none:?}");
    let verified = library.json(&["models", "verify"]);
    assert_eq!(verified.len(), 2);
    assert!(verified.iter().all(|line| line["verdict"] == "same"));
    let loose = library.json(&["models", "verify", "mine.gguf"]);
    assert_eq!(loose[0]["verdict"], "unrecorded");
    assert_eq!(std::fs::read(library.path("mine.gguf")).unwrap(), file, "it stays where it was");
}
