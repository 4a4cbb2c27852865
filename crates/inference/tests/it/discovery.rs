use std::path::{Path, PathBuf};

use athenaeum_inference::model::{Limits, Root, RootKind, find, known_roots};

use crate::write::{Gguf, safetensors};

fn put(path: PathBuf, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Looks through one root and says what was found: names, with ! before those that cannot be used.
fn names(root: &Path, kind: RootKind, limits: Limits) -> Vec<String> {
    let search = find(&[Root { path: root.to_owned(), kind }], limits);
    let mark = |usable: bool| if usable { "" } else { "!" };
    search.found.iter().map(|found| format!("{}{}", mark(found.model.is_ok()), found.name)).collect()
}

#[test]
fn folders_are_searched_and_bad_files_do_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = Gguf::small().bytes();
    put(at("a.gguf"), &model);
    put(at("b.gguf"), b"<!doctype html>");
    put(at("c/d/e.gguf"), &model);
    put(at("f/config.json"), b"{}");
    put(at("f/model.safetensors"), &safetensors("{}", 0));
    put(at("g/lone.safetensors"), &safetensors("{}", 0));
    put(at("h/readme.md"), b"nothing");
    std::fs::create_dir(at("i.gguf")).unwrap();
    let all = ["a.gguf", "!b.gguf", "e.gguf", "f", "lone.safetensors"];
    assert_eq!(names(folder.path(), RootKind::Folder, Limits::default()), all);
    let shallow = Limits { depth_max: 1, ..Limits::default() };
    assert_eq!(names(folder.path(), RootKind::Folder, shallow).len(), 4);
    let few = Limits { entries_max: 3, ..Limits::default() };
    let search = find(&[Root { path: folder.path().to_owned(), kind: RootKind::Folder }], few);
    assert!(search.skipped[0].1.contains("more than 3 files"), "{:?}", search.skipped);
    let absent = find(&[Root { path: at("absent"), kind: RootKind::Folder }], Limits::default());
    assert_eq!(absent.skipped.len(), 1);
}

#[cfg(unix)]
#[test]
fn links_out_and_pipes_are_left_alone() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    put(outside.path().join("secret.gguf"), &Gguf::small().bytes());
    let folder = tempfile::tempdir().unwrap();
    symlink(outside.path(), folder.path().join("way-out")).unwrap();
    symlink(outside.path().join("secret.gguf"), folder.path().join("secret.gguf")).unwrap();
    symlink(folder.path(), folder.path().join("round")).unwrap();
    symlink("/dev/zero", folder.path().join("zero.gguf")).unwrap();
    put(folder.path().join("m/config.json"), b"{}");
    put(folder.path().join("m/model.safetensors"), &safetensors("{}", 0));
    symlink(outside.path().join("secret.gguf"), folder.path().join("m/tokenizer.json")).unwrap();
    assert!(names(folder.path(), RootKind::Folder, Limits::default()).is_empty());
    let search = find(&[Root::recognised(folder.path().to_owned())], Limits::default());
    let told: Vec<&str> = search.skipped.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect();
    assert_eq!(told, ["secret.gguf", "zero.gguf", "way-out", "m"], "what is passed over is said");
    let pipe = folder.path().join("pipe.gguf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(names(folder.path(), RootKind::Folder, Limits::default()), ["!pipe.gguf"]);
}

#[cfg(unix)]
#[test]
fn a_hugging_face_cache_names_its_repositories() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("models--org--small-model");
    put(repository.join("blobs/abc"), &safetensors("{}", 0));
    put(repository.join("blobs/def"), b"{}");
    let snapshot = repository.join("snapshots/0123");
    std::fs::create_dir_all(&snapshot).unwrap();
    symlink("../../blobs/abc", snapshot.join("model.safetensors")).unwrap();
    symlink("../../blobs/def", snapshot.join("config.json")).unwrap();
    assert_eq!(names(folder.path(), RootKind::HuggingFace, Limits::default()), ["org/small-model"]);
}

#[test]
fn a_root_within_another_is_listed_once() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("a/b.gguf"), &Gguf::small().bytes());
    let roots = [folder.path().to_owned(), folder.path().join("a")].map(Root::recognised);
    assert_eq!(find(&roots, Limits::default()).found.len(), 1);
}

#[test]
fn other_programs_folders_are_known() {
    let home = tempfile::tempdir().unwrap();
    let digest = "0f".repeat(32);
    let ollama = home.path().join(".ollama/models");
    let manifest = |digest: &str| {
        format!(
            r#"{{"schemaVersion":2,"layers":[
            {{"mediaType":"application/vnd.ollama.image.license","digest":"sha256:x","size":1}},
            {{"mediaType":"application/vnd.ollama.image.model","digest":"{digest}","size":1}}]}}"#
        )
    };
    let library = ollama.join("manifests/registry.ollama.ai/library/tiny");
    put(library.join("latest"), manifest(&format!("sha256:{digest}")).as_bytes());
    put(library.join("bad"), manifest("sha256:../../../../etc/passwd").as_bytes());
    put(library.join("worse"), b"{");
    put(library.join("gone"), manifest(&format!("sha256:{}", "00".repeat(32))).as_bytes());
    put(ollama.join(format!("blobs/sha256-{digest}")), &Gguf::small().bytes());
    let studio = home.path().join(".lmstudio/models");
    put(studio.join("someone/tiny-GGUF/tiny-Q4.gguf"), &Gguf::small().bytes());

    let roots: Vec<Root> = known_roots(Some(home.path()), |_| None)
        .into_iter()
        .filter(|root| root.path.starts_with(home.path()))
        .collect();
    let search = find(&roots, Limits::default());
    let mut told: Vec<String> = search
        .found
        .iter()
        .map(|found| format!("{} {} {}", found.kind.as_str(), found.name, found.model.is_ok()))
        .collect();
    told.sort_unstable();
    let expected =
        ["LM Studio someone/tiny-GGUF/tiny-Q4 true", "Ollama tiny:gone false", "Ollama tiny:latest true"];
    assert_eq!(told, expected);
    assert_eq!(search.skipped.len(), 2, "{:?}", search.skipped);
    assert_eq!(Root::recognised(ollama.clone()).kind, RootKind::Ollama);
    let moved = known_roots(None, |name| (name == "OLLAMA_MODELS").then(|| ollama.clone()));
    assert!(moved.contains(&Root { path: ollama.clone(), kind: RootKind::Ollama }));
}
