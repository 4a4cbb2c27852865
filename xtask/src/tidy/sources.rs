//! Leftovers and giants in the sources.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Longer files hold more than one idea. Tests may run to twice this.
const LINES_MAX: usize = 800;

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for path in rust_files(root)? {
        let text = fs::read_to_string(&path)?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        complaints.extend(inspect(&shown, &text));
    }
    Ok(complaints)
}

/// Every Rust file of the project, generated and vendored ones aside.
pub(super) fn rust_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["crates", "bins", "xtask", "examples", "fuzz", "benches"].map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn inspect(shown: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let limit = if shown.contains("/tests/") { 2 * LINES_MAX } else { LINES_MAX };
    let lines = text.lines().count();
    if lines > limit {
        complaints.push(format!("{shown}: {lines} lines; split it (at most {limit})"));
    }
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if line.ends_with(' ') || line.ends_with('\t') {
            complaints.push(format!("{shown}:{number}: trailing space"));
        }
        for (leftover, instead) in LEFTOVERS {
            if line.contains(&leftover.concat()) {
                complaints.push(format!("{shown}:{number}: {} ({instead})", leftover.concat()));
            }
        }
    }
    if shown.ends_with("/mod.rs") && !shown.contains("/tests/") {
        complaints.push(format!("{shown}: name it after its module (foo.rs beside foo/)"));
    }
    complaints
}

/// Written in two halves, so that this file does not complain of itself.
const LEFTOVERS: [([&str; 2], &str); 5] = [
    (["TO", "DO"], "do it, or write it into an issue"),
    (["FIX", "ME"], "fix it, or write it into an issue"),
    (["unimplemented", "!("], "return an error that says what is missing"),
    (["#[ig", "nore"], "assert today's answer, or skip visibly"),
    (["#[should", "_panic"], "return an error and assert it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_and_giants_are_found() {
        let todo = ["TO", "DO"].concat();
        let text = format!("fn a() {{}} \n// {todo} later\n");
        assert_eq!(inspect("crates/x/src/a.rs", &text).len(), 2);
        assert_eq!(inspect("crates/x/src/a.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
        assert!(inspect("crates/x/tests/it/a.rs", &"\n".repeat(LINES_MAX + 1)).is_empty());
    }
}
