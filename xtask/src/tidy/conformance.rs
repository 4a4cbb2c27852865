//! `docs/conformance.md` claims that a feature works and names the test that shows it; the test must exist.

use std::{fs, path::Path};

use anyhow::Context;

use super::sources::rust_files;

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let path = root.join("docs/conformance.md");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let sources: Vec<String> = rust_files(root)?.iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
    let complaint = |(id, test): &(String, String)| {
        format!("docs/conformance.md: {id} names the test {test}, which does not exist")
    };
    Ok(claims(&text)
        .iter()
        .filter(|(_, test)| !sources.iter().any(|source| defines(source, test)))
        .map(complaint)
        .collect())
}

/// Rows `| A01 | … | `path::test_name` … |`: every back-quoted text of the last cell whose last part looks like a
/// function.
fn claims(text: &str) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (Some(id), Some(last)) = (cells.first(), cells.last()) else { continue };
        let is_id = id.len() > 1
            && id.as_bytes()[0].is_ascii_uppercase()
            && id[1..].bytes().all(|b| b.is_ascii_digit());
        if !is_id {
            continue;
        }
        for quoted in last.split('`').skip(1).step_by(2) {
            claims.push(((*id).to_owned(), quoted.to_owned()));
        }
    }
    claims
}

fn defines(source: &str, test: &str) -> bool {
    let name = test.rsplit("::").next().unwrap_or(test);
    source.contains(&format!("fn {name}("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_its_tests() {
        let rows = "| id | what | test |\n|---|---|---|\n| A01 | one binary | `cli::it::starts`, `server::stops` |\n";
        let expected =
            [("A01", "cli::it::starts"), ("A01", "server::stops")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(claims(rows), expected);
        assert!(defines("#[test]\nfn starts() {}", "cli::it::starts"));
        assert!(!defines("fn started() {}", "cli::it::starts"));
    }
}
