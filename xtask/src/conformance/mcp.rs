//! Programs that speak the Model Context Protocol: its own conformance suite and its Python client, against our server.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};

use super::served::Served;
use crate::shell::{present, repository, say};

/// Runs what can be run here: the suite where there is npm (it is fetched into npm's cache, with the Node.js it needs), the client
/// where `python` has the package mcp. Skipped, visibly, where neither is.
pub(super) fn clients(table: &Path, python: &str) -> anyhow::Result<u64> {
    let has_npm = present("npx", &["--version"]);
    let has_client = present(python, &["-c", "import mcp; mcp.Client"]);
    if !has_npm {
        say("mcp suite: skipped, there is no npx");
    }
    if !has_client {
        say(&format!(
            "mcp client: skipped, {python} has no package mcp (pip install mcp; --python names another)"
        ));
    }
    if !has_npm && !has_client {
        return Ok(0);
    }
    let server = Served::start(&["--sample"])?;
    let mut failed = 0;
    if has_npm {
        failed += suite(table, &server)?;
    }
    if has_client {
        failed += client(python, &server)?;
    }
    Ok(failed)
}

fn suite(table: &Path, server: &Served) -> anyhow::Result<u64> {
    let table = fs::read_to_string(table)?;
    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    for row in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [version, scenario, expected, ..] = columns.as_slice() else {
            bail!("conformance/mcp.tsv: '{row}' has not three columns");
        };
        if *expected == "-" {
            left_out += 1;
            continue;
        }
        let told = scenario_of(version, scenario, server)?;
        let count = told.lines().find_map(|line| line.trim().strip_prefix("Passed: ")?.split(',').next());
        if count == Some(*expected) {
            passed += 1;
            continue;
        }
        if passed + failed == 0 && count.is_none() {
            let reason =
                told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
            say(&format!("mcp suite: skipped, it cannot be fetched or started: {reason}"));
            return Ok(0);
        }
        failed += 1;
        say(&format!("✗ mcp {version} {scenario}: expected {expected}, got {}", count.unwrap_or("nothing")));
        told.lines().filter(|line| line.contains("FAILURE")).for_each(|line| say(&format!("    {line}")));
    }
    say(&format!(
        "mcp suite: {passed} scenarios passed, {failed} failed, {left_out} do not apply (conformance/mcp.tsv)"
    ));
    Ok(failed)
}

/// Runs one scenario and returns all that it says.
fn scenario_of(version: &str, scenario: &str, server: &Served) -> anyhow::Result<String> {
    let suite = format!("@modelcontextprotocol/conformance@{version}");
    let url = format!("{}/mcp", server.url);
    // The suite needs Node.js 22, which the system may not have.
    let output = Command::new("npx")
        .args(["--yes", "--package", "node@22", "--package", &suite, "--"])
        .args(["conformance", "server", "--url", &url, "--scenario", scenario])
        .current_dir(&server.folder)
        .output()
        .context("cannot start npx")?;
    Ok([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

fn client(python: &str, server: &Served) -> anyhow::Result<u64> {
    let output = Command::new(python)
        .arg(repository().join("conformance/mcp_client.py"))
        .arg(format!("{}/mcp", server.url))
        .arg(&server.program)
        .arg(&server.data)
        .output()
        .with_context(|| format!("cannot start {python}"))?;
    let passed = output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"ok ")).count();
    let failed = u64::from(!output.status.success());
    if failed > 0 {
        say(&format!("✗ mcp client: {}", String::from_utf8_lossy(&output.stderr)));
    }
    say(&format!("mcp client: {passed} things shown, {failed} failed"));
    Ok(failed)
}
