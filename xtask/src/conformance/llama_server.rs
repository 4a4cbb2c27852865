//! llama.cpp's own tests of its server, against ours.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::Context;

use crate::shell::{present, repository, run, say};

/// Runs them where they lie, and compares what passes with the list. Skipped, visibly, where they or pytest are missing.
pub(super) fn tests(folder: Option<&Path>, python: &str) -> anyhow::Result<u64> {
    let Some(folder) = folder.filter(|folder| folder.join("utils.py").exists()) else {
        say("llama.cpp's server tests: skipped, name their folder with --llama-server");
        return Ok(0);
    };
    if !present(python, &["-m", "pytest", "--version"]) {
        say("llama.cpp's server tests: skipped, there is no pytest");
        return Ok(0);
    }
    let root = repository();
    let models = root.join("target/conformance/models");
    run("cargo", &["build", "--package", "athenaeum", "--example", "llama_server"])?;
    for (example, folder, last) in [
        ("synthetic", models.clone(), models.join("llama.F16.gguf")),
        ("synthetic_reranker", models.join("reranker"), models.join("reranker/model.safetensors.index.json")),
    ] {
        if !last.exists() {
            let made =
                ["run", "-p", "athenaeum-inference", "--features", "testing", "--example", example, "--"];
            run("cargo", &[made.as_slice(), &[folder.to_string_lossy().as_ref()]].concat())?;
        }
    }
    let path = std::env::join_paths([folder, &root.join("conformance")])?;
    let output = Command::new(python)
        .args([
            "-m",
            "pytest",
            "-p",
            "llama_server",
            "-rA",
            "--timeout",
            "60",
            "-m",
            "not slow",
            "--tb",
            "no",
            "-q",
            "unit",
        ])
        .env("PYTHONPATH", path)
        .env("ATHENAEUM_MODELS", &models)
        .env("ATHENAEUM_TINY", root.join("examples/models/tiny.gguf"))
        .env("LLAMA_SERVER_BIN_PATH", root.join("target/debug/examples/llama_server"))
        .current_dir(folder)
        .output()
        .context("cannot start pytest")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let passed: BTreeSet<&str> = told.lines().filter_map(|line| line.strip_prefix("PASSED ")).collect();
    let table = fs::read_to_string(root.join("conformance/llama_server.tsv"))?;
    let expected: BTreeSet<&str> =
        table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let failed: Vec<&&str> = expected.difference(&passed).collect();
    failed.iter().for_each(|name| say(&format!("✗ {name}")));
    passed.difference(&expected).for_each(|name| say(&format!("passes, and is not in the list: {name}")));
    let (passed, failed) = (passed.len(), failed.len());
    say(&format!("llama.cpp's server tests: {passed} passed, {failed} of the list failed"));
    Ok(failed as u64)
}
