use std::{fs, path::PathBuf};

use athenaeum_inference::{
    catalog::{Catalog, Named, Purpose, Settings, Unknown},
    model::{Record, RecordedFile, Root, RootKind, Sha256},
    synthetic,
};
use proptest::prelude::*;

use crate::{
    embedder::written,
    write::{Gguf, STRING, string},
};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");

fn put(path: PathBuf) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::hard_link(TINY, &path).or_else(|_| fs::copy(TINY, &path).map(drop)).unwrap();
    path
}

/// A folder with models of these file names, and its catalogue.
fn of(names: &[&str]) -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    names.iter().for_each(|name| drop(put(folder.path().join(name))));
    let roots = vec![Root::recognised(folder.path().to_owned())];
    (folder, Catalog::new(Settings { roots, ..Settings::default() }))
}

fn names(catalog: &Catalog) -> Vec<String> {
    catalog.list().into_iter().map(|entry| entry.name).collect()
}

/// Says what a name stands for, or what is said of it.
fn told(catalog: &Catalog, name: &str) -> String {
    match catalog.resolve(Some(name)) {
        Ok(entry) => entry.name,
        Err(Unknown::Several { fitting, .. }) => format!("several: {}", fitting.join(" ")),
        Err(Unknown::NotFound { closest, .. }) => format!("none, {closest:?}"),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn names_are_understood_as_people_write_them() {
    let files = ["Small-1B-Q8_0.gguf", "Small-1B-Q4_K_M.gguf", "deep/other.gguf", "big-00001-of-00001.gguf"];
    let (_folder, catalog) = of(&files);
    for (asked, expected) in [
        ("other", "other"),
        ("OTHER.GGUF", "other"),
        (" other:latest ", "other"),
        ("oth", "other"),
        ("small-1b-q8_0.gguf", "Small-1B-Q8_0"),
        ("small-1b:q8_0", "Small-1B-Q8_0"),
        ("Small-1B:Q4_K_M", "Small-1B-Q4_K_M"),
        ("q8", "Small-1B-Q8_0"),
        ("small", "several: Small-1B-Q4_K_M Small-1B-Q8_0"),
        ("othre", "none, Some(\"other\")"),
        ("gpt-4o", "none, None"),
        ("", "none, None"),
        ("/", "none, None"),
        (files[3], "big"),
        ("big", "big"),
    ] {
        assert_eq!(told(&catalog, asked), expected, "{asked:?}");
    }
}

#[test]
fn a_name_never_leads_out_of_the_catalogue() {
    let (folder, catalog) = of(&["inside.gguf"]);
    let outside = tempfile::tempdir().unwrap();
    let path = put(outside.path().join("outside.gguf"));
    for name in [
        path.to_str().unwrap(),
        folder.path().join("inside.gguf").to_str().unwrap(),
        "../outside.gguf",
        "./inside",
        "/dev/zero",
        "hf.co/../inside",
    ] {
        assert!(matches!(catalog.resolve(Some(name)), Err(Unknown::NotFound { .. })), "{name}");
    }
    assert_eq!(
        catalog.resolve_or_path(path.to_str(), Purpose::Embed).unwrap(),
        path,
        "those who may read files anyway"
    );
    let inside = catalog.resolve_or_path(Some("inside"), Purpose::Generate).unwrap();
    assert_eq!(inside, folder.path().join("inside.gguf"));
}

#[test]
fn two_files_of_one_name_are_two_models() {
    let (_folder, catalog) = of(&["a/model.gguf", "b/model.gguf"]);
    assert_eq!(names(&catalog), ["b/model", "model"]);
    assert!(told(&catalog, "b/model").starts_with("b/"));
    assert!(catalog.resolve(Some("model")).unwrap().path.ends_with("a/model.gguf"));
}

#[test]
fn programs_call_models_as_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let ollama = folder.path().join("ollama");
    let hex = "0f".repeat(32);
    put(ollama.join(format!("blobs/sha256-{hex}")));
    let library = ollama.join("manifests/registry.ollama.ai/library/tiny");
    fs::create_dir_all(&library).unwrap();
    let manifest = format!(
        r#"{{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{hex}"}}]}}"#
    );
    for tag in ["latest", "1m"] {
        fs::write(library.join(tag), &manifest).unwrap();
    }
    let studio = folder.path().join("studio");
    put(studio.join("someone/Other-GGUF/other-q4.gguf"));
    let shelf = folder.path().join("shelf");
    let pulled = put(shelf.join("Third-Q8_0/third-q8_0.gguf"));
    let file = RecordedFile {
        path: "third-q8_0.gguf".parse().unwrap(),
        bytes: pulled.metadata().unwrap().len(),
        sha256: Sha256::of(b""),
    };
    let record = Record::new("hf:org/Third-GGUF:Q8_0".to_owned(), None, vec![file]);
    record.write(&shelf.join("Third-Q8_0")).unwrap();
    let root = |path, kind| Root { path, kind };
    let roots =
        vec![root(shelf, RootKind::Folder), root(ollama, RootKind::Ollama), root(studio, RootKind::LmStudio)];
    let aliases = [("gpt-4o", "third-q8_0"), ("gpt-4o-mini", "tiny"), ("nothing", "gone")];
    let aliases = aliases.map(|(alias, name)| (alias.to_owned(), name.to_owned())).into();
    let catalog = Catalog::new(Settings { roots, aliases, ..Settings::default() });
    assert_eq!(names(&catalog), ["someone/Other-GGUF/other-q4", "third-q8_0", "tiny:1m"]);
    for (asked, expected) in [
        ("tiny", "tiny:1m"),
        ("tiny:latest", "tiny:1m"),
        ("tiny:1M", "tiny:1m"),
        ("tiny:2m", "none, Some(\"tiny:1m\")"),
        ("library/tiny:1m", "tiny:1m"),
        ("other-q4", "someone/Other-GGUF/other-q4"),
        ("hf.co/org/third-gguf:Q8_0", "third-q8_0"),
        ("org/Third-GGUF", "third-q8_0"),
        ("GPT-4o", "third-q8_0"),
        ("gpt-4o-mini:latest", "tiny:1m"),
        ("nothing", "none, None"),
    ] {
        assert_eq!(told(&catalog, asked), expected, "{asked:?}");
    }
    let entry = catalog.resolve(Some("gpt-4o")).unwrap();
    assert_eq!(entry.aliases, ["org/Third-GGUF:Q8_0", "org/Third-GGUF", "gpt-4o"]);
    assert_eq!(entry.record.unwrap().source, "hf:org/Third-GGUF:Q8_0");
    assert_eq!(entry.root.unwrap().kind, RootKind::Folder);
}

#[test]
fn what_each_is_for_is_known() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("tiny.gguf"));
    for name in ["bert", "xlm-roberta-scores"] {
        written(name, "gguf", folder.path());
        written(name, "folder", folder.path());
    }
    let roots = vec![Root::recognised(folder.path().to_owned())];
    let catalog = Catalog::new(Settings { roots, ..Settings::default() });
    let purposes: Vec<(String, &str, bool)> = catalog
        .list()
        .into_iter()
        .map(|entry| (entry.name.clone(), entry.purpose.as_str(), entry.can(Purpose::Embed)))
        .collect();
    let expected = [
        ("bert", "embed", true),
        ("bert.folder", "embed", true),
        ("tiny", "generate", true),
        ("xlm-roberta-scores", "rerank", false),
        ("xlm-roberta-scores.folder", "rerank", false),
    ];
    assert_eq!(purposes, expected.map(|(name, purpose, embeds)| (name.to_owned(), purpose, embeds)));
    assert_eq!(catalog.resolve(None).unwrap().name, "tiny", "the only one that generates");
    let named = |name, purpose| catalog.resolve_for(name, purpose).map(|entry| entry.name);
    assert_eq!(named(None, Purpose::Generate).unwrap(), "tiny");
    assert_eq!(named(Some("tiny"), Purpose::Embed).unwrap(), "tiny");
    let other = named(Some("bert.folder"), Purpose::Generate).unwrap_err();
    assert_eq!(other.to_string(), "the model \"bert.folder\" is made to embed, and cannot generate");
    let Unknown::Unnamed { known } = named(None, Purpose::Embed).unwrap_err() else { panic!("two are") };
    assert_eq!(known, ["bert", "bert.folder", "tiny"]);
    let with = |default: &str| {
        let default = Some(default.to_owned());
        Catalog::new(Settings { default, ..catalog.settings().clone() })
    };
    assert_eq!(with("bert").resolve_for(None, Purpose::Embed).unwrap().name, "bert");
    assert_eq!(with("tiny").resolve_for(None, Purpose::Embed).unwrap().name, "tiny");
    assert!(matches!(with("bert").resolve_for(None, Purpose::Rerank), Err(Unknown::Unnamed { .. })));
    assert!(matches!(with("gone").resolve_for(None, Purpose::Generate), Err(Unknown::NotFound { .. })));
    let (_folder, only) = of(&["tiny.gguf"]);
    assert_eq!(only.resolve_for(None, Purpose::Embed).unwrap().name, "tiny");
    assert_eq!(
        only.resolve_for(None, Purpose::Rerank).unwrap_err(),
        Unknown::NoneFor { asked: Purpose::Rerank }
    );
}

#[test]
fn decoders_that_rerank_are_known_by_what_they_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let qwen = synthetic::gguf(synthetic::find("qwen3").unwrap(), synthetic::STORAGES[0].1).unwrap();
    let llama = synthetic::gguf(synthetic::find("llama").unwrap(), synthetic::STORAGES[0].1).unwrap();
    for (name, bytes) in [("Qwen3-Reranker.gguf", &qwen), ("Qwen3.gguf", &qwen), ("a-reranker.gguf", &llama)]
    {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let roots = vec![Root::recognised(folder.path().to_owned())];
    let catalog = Catalog::new(Settings { roots, ..Settings::default() });
    let purposes: Vec<&str> = catalog.list().iter().map(|entry| entry.purpose.as_str()).collect();
    assert_eq!(purposes, ["generate", "rerank", "generate"], "by name, capitals first");
    assert!(catalog.resolve_for(Some("qwen3-reranker"), Purpose::Rerank).is_ok());
}

#[test]
fn nothing_named_is_the_default_or_the_only_one() {
    let (folder, catalog) = of(&[]);
    assert_eq!(catalog.resolve(None).unwrap_err(), Unknown::Nothing);
    assert_eq!(catalog.resolve(Some("x")).unwrap_err(), Unknown::Nothing);
    put(folder.path().join("one.gguf"));
    catalog.refresh();
    assert_eq!(catalog.resolve(None).unwrap().name, "one");
    put(folder.path().join("two.gguf"));
    catalog.refresh();
    let Unknown::Unnamed { known } = catalog.resolve(None).unwrap_err() else { panic!("two are there") };
    assert_eq!(known, ["one", "two"]);
    let settings = Settings { default: Some("two".to_owned()), ..catalog.settings().clone() };
    assert_eq!(Catalog::new(settings).resolve(None).unwrap().name, "two");
}

#[test]
fn files_from_elsewhere_have_the_names_they_are_given() {
    let (folder, catalog) = of(&["one.gguf"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let named = |name: &str, path| Named { name: name.to_owned(), path };
    let files = vec![
        named("one", put(elsewhere.path().join("x.gguf"))),
        named("gone", elsewhere.path().join("gone.gguf")),
    ];
    let catalog = Catalog::new(Settings { files, ..catalog.settings().clone() });
    let of_one = catalog.resolve(Some("one")).unwrap();
    assert_eq!((of_one.path, of_one.root), (elsewhere.path().join("x.gguf"), None));
    assert_eq!(names(&catalog), ["one", "one (2)"]);
    assert!(catalog.list()[1].path.starts_with(folder.path()));
    let Unknown::Unusable { reason, .. } = catalog.resolve(Some("gone")).unwrap_err() else { panic!("gone") };
    assert!(reason.starts_with("it cannot be opened"), "{reason}");
}

#[test]
fn what_cannot_be_used_is_told_with_its_reason() {
    let (folder, catalog) = of(&["good.gguf"]);
    fs::write(folder.path().join("page.gguf"), b"<!doctype html>").unwrap();
    let mut odd = Gguf::small();
    odd.set("general.architecture", STRING, string("clip"));
    fs::write(folder.path().join("odd.gguf"), odd.bytes()).unwrap();
    let problems: Vec<_> =
        catalog.problems().into_iter().map(|problem| (problem.name, problem.reason)).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!((problems[0].0.as_str(), problems[1].0.as_str()), ("odd", "page"));
    let asked = catalog.resolve(Some("page.gguf")).unwrap_err().to_string();
    assert_eq!(asked, format!("the model \"page\" cannot be used: {}", problems[1].1));
    assert_eq!(names(&catalog), ["good"]);
}

#[test]
fn what_comes_changes_and_goes_is_noticed() {
    let (folder, catalog) = of(&["one.gguf"]);
    assert_eq!(names(&catalog), ["one"]);
    let path = folder.path().join("two.gguf");
    fs::copy(TINY, &path).unwrap();
    assert_eq!(names(&catalog), ["one"], "a list is kept for some seconds");
    catalog.refresh();
    assert_eq!(names(&catalog), ["one", "two"], "or until told");
    let before = catalog.resolve(Some("two")).unwrap();
    fs::remove_file(&path).unwrap();
    let model = written("bert", "gguf", folder.path());
    fs::rename(model, &path).unwrap();
    catalog.refresh();
    let after = catalog.resolve(Some("two")).unwrap();
    assert_eq!((before.purpose, after.purpose), (Purpose::Generate, Purpose::Embed));
    assert!(before.modified != after.modified);
    fs::remove_file(&path).unwrap();
    catalog.refresh();
    assert!(catalog.resolve(Some("two")).is_err());
    let clone = catalog.clone();
    assert_eq!(names(&clone), ["one"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked for, the answer is a model of the catalogue or says what there is in few words.
    #[test]
    fn any_name_gets_an_answer(name in "\\PC{0,40}|[a-z:./-]{0,12}|(one|two|TWO)?[:./]?(gguf|latest|q8_0|..)?") {
        let (_folder, catalog) = of(&["one-Q8_0.gguf", "two-Q4_0.gguf"]);
        match catalog.resolve(Some(&name)) {
            Ok(entry) => prop_assert!(entry.path.starts_with(_folder.path())),
            Err(unknown) => prop_assert!(unknown.to_string().len() < 700),
        }
    }
}

#[test]
fn long_names_are_cut_in_what_is_said() {
    let (_folder, catalog) = of(&["one.gguf"]);
    let said = catalog.resolve(Some(&"x".repeat(1 << 20))).unwrap_err().to_string();
    assert!(said.len() < 300, "{}", said.len());
}
