//! The table of contents by which `mdbook` makes one book of the documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::shell::{repository, say};

/// Write docs/SUMMARY.md, the table of contents for mdbook.
#[derive(clap::Args)]
pub(crate) struct Book {}

impl Book {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let root = repository();
        fs::write(root.join(SUMMARY), summary(&root)?)?;
        say(SUMMARY);
        Ok(())
    }
}

/// Complains where pages have come or gone since it was written.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let written = fs::read_to_string(root.join(SUMMARY)).unwrap_or_default();
    let complaint = || format!("{SUMMARY} does not list the pages as they are; `cargo xtask book` writes it");
    Ok((written != summary(root)?).then(complaint).into_iter().collect())
}

const SUMMARY: &str = "docs/SUMMARY.md";

/// What comes first, in this order; all other pages follow in their folders.
const USE: [&str; 7] =
    ["cli.md", "query-language.md", "documents.md", "library.md", "models.md", "endpoint.md", "mcp.md"];

fn summary(root: &Path) -> anyhow::Result<String> {
    let docs = root.join("docs");
    let mut text = "# Summary\n".to_owned();
    let mut part = |name: &str, pages: &[PathBuf]| -> anyhow::Result<()> {
        text += &format!("\n# {name}\n\n");
        for page in pages {
            let shown = page.strip_prefix(&docs).unwrap_or(page).display();
            text += &format!("- [{}]({shown})\n", title(page)?);
        }
        Ok(())
    };
    part("Use", &USE.map(|page| docs.join(page)))?;
    let others = pages(&docs)?;
    let is_other = |page: &PathBuf| {
        !page.ends_with("SUMMARY.md") && !USE.iter().any(|name| page.file_name() == Some(name.as_ref()))
    };
    let mut others: Vec<PathBuf> = others.into_iter().filter(is_other).collect();
    others.extend(pages(&docs.join("conformance"))?);
    part("How it is made", &others)?;
    part("Formats", &pages(&docs.join("formats"))?)?;
    part("Decisions", &pages(&docs.join("decisions"))?)?;
    Ok(text)
}

/// The pages of a folder, by name.
fn pages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut pages = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The first heading.
fn title(page: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    let heading = heading.with_context(|| format!("{} has no heading", page.display()))?;
    Ok(heading.replace(['[', ']', '`'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_listed_once() {
        let root = repository();
        let text = summary(&root).unwrap();
        assert_eq!(text.matches("(models.md)").count(), 1, "{text}");
        assert!(
            text.contains("(formats/archive-db.md)") && text.contains("(conformance/llama-server.md)"),
            "{text}"
        );
        assert_eq!(text.matches("(decisions/").count(), pages(&root.join("docs/decisions")).unwrap().len());
    }
}
