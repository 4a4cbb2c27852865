//! Clients that people already use, against our server: each has a script in `conformance/clients`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::served::Served;
use crate::shell::{present, repository, say};

/// Scripts for Python, and what must be there to be imported.
const PYTHON: [(&str, &str); 9] = [
    ("openai_sdk.py", "openai"),
    ("anthropic_sdk.py", "anthropic"),
    ("ollama_sdk.py", "ollama"),
    ("langchain_client.py", "langchain_openai"),
    ("llama_index_client.py", "llama_index.llms.openai_like"),
    ("litellm_client.py", "litellm"),
    ("instructor_client.py", "instructor"),
    ("pydantic_ai_client.py", "pydantic_ai.models.openai"),
    ("lm_eval_client.py", "lm_eval.models.openai_completions"),
];

/// Scripts for Node.js, and the packages that npm fetches for them.
const NODE: [(&str, &str); 3] =
    [("openai_sdk.mjs", "openai"), ("anthropic_sdk.mjs", "@anthropic-ai/sdk"), ("ollama_sdk.mjs", "ollama")];

/// Runs those whose packages `python` has, and those whose packages npm can fetch. The others are skipped, visibly.
pub(super) fn all(python: &str) -> anyhow::Result<u64> {
    let (mut skipped, mut runs) = (0, Vec::new());
    for (script, module) in PYTHON {
        if present(python, &["-c", &format!("import {module}")]) {
            runs.push((script, Runner::Python));
        } else {
            skipped += 1;
            say(&format!("client {script}: skipped, {python} has no {module} (--python names another)"));
        }
    }
    for (script, package) in NODE {
        if present("npm", &["--version"]) {
            runs.push((script, Runner::Node(package)));
        } else {
            skipped += 1;
            say(&format!("client {script}: skipped, there is no npm"));
        }
    }
    if runs.is_empty() {
        say(&format!("clients: none run, {skipped} skipped"));
        return Ok(0);
    }
    let server = Served::start(&[])?;
    let (mut passed, mut failed) = (0, 0);
    for (script, runner) in runs {
        let path = repository().join("conformance/clients").join(script);
        let output = match runner {
            Runner::Python => Command::new(python).arg(&path).arg(&server.url).output(),
            Runner::Node(package) => {
                let Some(path) = installed(&path, package, &server.folder)? else {
                    skipped += 1;
                    say(&format!("client {script}: skipped, npm cannot fetch {package}"));
                    continue;
                };
                Command::new("node").arg(path).arg(&server.url).output()
            }
        };
        let output = output.with_context(|| format!("cannot start what runs {script}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let flows: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
        if output.status.success() && !flows.is_empty() {
            passed += 1;
            say(&format!("client {script}: {}", flows.join(", ")));
        } else {
            failed += 1;
            say(&format!("✗ client {script}, after {}", flows.join(", ")));
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let last: Vec<&str> = told.lines().rev().take(12).collect();
            last.into_iter().rev().for_each(|line| say(&format!("    {line}")));
        }
    }
    say(&format!("clients: {passed} passed, {failed} failed, {skipped} skipped"));
    Ok(failed)
}

enum Runner {
    Python,
    Node(&'static str),
}

/// Puts a script where its package is: Node.js looks for packages beside it.
fn installed(script: &Path, package: &str, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let folder = folder.join("node");
    fs::create_dir_all(&folder)?;
    let install = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
    let fetched =
        Command::new("npm").args(install).arg(&folder).arg(package).output().context("cannot start npm")?;
    let copy = folder.join(script.file_name().unwrap_or_default());
    fs::copy(script, &copy)?;
    Ok(fetched.status.success().then_some(copy))
}
