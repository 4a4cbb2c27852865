use std::{fs, path::Path, process::Command};

use anyhow::Context;

use super::{
    Place,
    process::{Cost, measure},
};
use crate::shell::{repository, say};

/// Imports the corpus into a fresh archive.
pub(super) fn run(place: &Place, neighbour: bool) -> anyhow::Result<()> {
    if place.data.exists() {
        fs::remove_dir_all(&place.data)?;
    }
    let mut command = Command::new(&place.program);
    command.arg("--data").arg(&place.data).args(["import", "--json"]).arg(&place.corpus);
    let (output, cost) = measure(&mut command)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap_or(""))
        .context("import --json printed no report")?;
    let messages = report["messages"].as_f64().unwrap_or(0.0);
    print(place, messages, &cost)?;
    if neighbour {
        plain_python(place)?;
    }
    Ok(())
}

fn print(place: &Place, messages: f64, cost: &Cost) -> anyhow::Result<()> {
    let text = text_bytes(&place.data.join("archive.db"));
    let (database, index) = (size(&place.data.join("archive.db"))?, size(&place.data.join("search"))?);
    let export = fs::metadata(&place.corpus)?.len();
    say(&format!("messages              {messages:>12.0}"));
    say(&format!("export                {:>12.1} MB", export as f64 / 1e6));
    say(&format!("processor time        {:>12.2} s", cost.cpu_s));
    say(&format!("wall time             {:>12.2} s", cost.wall_s));
    say(&format!("messages/cpu second   {:>12.0}", messages / cost.cpu_s));
    say(&format!("messages/wall second  {:>12.0}", messages / cost.wall_s));
    say(&format!("peak RSS              {:>12.1} MB", cost.rss_peak as f64 / 1e6));
    say(&format!("archive.db            {:>12.1} MB", database as f64 / 1e6));
    say(&format!("search index          {:>12.1} MB", index as f64 / 1e6));
    if let Some(text) = text {
        say(&format!("text                  {:>12.1} MB", text / 1e6));
        say(&format!("archive.db / text     {:>12.2}", database as f64 / text));
        say(&format!("with index / text     {:>12.2}", (database + index) as f64 / text));
    }
    Ok(())
}

/// Bytes of all messages, asked of whatever SQLite the machine has: an outsider's view of the file.
fn text_bytes(database: &Path) -> Option<f64> {
    let sql = "SELECT sum(length(CAST(content AS BLOB))) FROM messages";
    let output = Command::new("sqlite3").arg("-readonly").arg(database).arg(sql).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn size(path: &Path) -> anyhow::Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path).map_or(0, |file| file.len()));
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

fn plain_python(place: &Place) -> anyhow::Result<()> {
    let target = place.data.with_extension("python.db");
    let _ = fs::remove_file(&target);
    let script = repository().join("benches/neighbours/plain_import.py");
    let (output, cost) = measure(Command::new("python3").arg(script).arg(&place.corpus).arg(&target))?;
    say(&format!("plain Python importer: {}", String::from_utf8_lossy(&output.stdout).trim()));
    say(&format!(
        "  processor time {:.2} s, wall {:.2} s, {:.1} MB",
        cost.cpu_s,
        cost.wall_s,
        size(&target)? as f64 / 1e6
    ));
    fs::remove_file(&target)?;
    Ok(())
}
