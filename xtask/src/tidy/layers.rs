//! The one rule of the house: a crate may use any lower band, never its own. The drawing in
//! `docs/architecture.md` is compared with `cargo metadata`, edge by edge.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use cargo_metadata::{DependencyKind, MetadataCommand};

/// A crate's short name → (its band, the crates that it uses).
type House = BTreeMap<String, (usize, Vec<String>)>;

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let path = root.join("docs/architecture.md");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let drawn = drawing(&text)?;
    let built = metadata(root)?;
    Ok(compare(&drawn, &built))
}

/// Reads the fenced block marked `layers`: lines `band N  name → dependency, dependency`.
fn drawing(text: &str) -> anyhow::Result<House> {
    let start = text.find("```layers\n").context("docs/architecture.md has no ```layers block")?;
    let block = &text[start + "```layers\n".len()..];
    let block = &block[..block.find("```").context("the ```layers block does not end")?];
    let mut house = House::new();
    for line in block.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let (left, right) = line.split_once('→').with_context(|| format!("no → in '{line}'"))?;
        let mut left = left.split_whitespace().skip(1);
        let band =
            left.next().and_then(|band| band.parse().ok()).with_context(|| format!("no band in '{line}'"))?;
        let name = left.next().with_context(|| format!("no crate in '{line}'"))?;
        let uses = right.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "–");
        house.insert(name.to_owned(), (band, uses.map(str::to_owned).collect()));
    }
    Ok(house)
}

/// The workspace as cargo sees it, bands left at 0; dev-dependencies do not count.
fn metadata(root: &Path) -> anyhow::Result<House> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut house = House::new();
    for package in metadata.packages.iter().filter(|package| package.name.as_str() != "xtask") {
        let uses = package.dependencies.iter().filter(|dependency| {
            dependency.kind == DependencyKind::Normal && ours.contains(&dependency.name.as_str())
        });
        let uses = uses.map(|dependency| short(&dependency.name)).collect();
        house.insert(short(&package.name), (0, uses));
    }
    Ok(house)
}

fn short(package: &str) -> String {
    package.strip_prefix("athenaeum-").unwrap_or(package).to_owned()
}

fn compare(drawn: &House, built: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, (_, uses)) in built {
        let Some((band, drawn_uses)) = drawn.get(name) else {
            complaints.push(format!("docs/architecture.md: crate {name} is not drawn"));
            continue;
        };
        for used in uses {
            if !drawn_uses.contains(used) {
                complaints.push(format!("docs/architecture.md: {name} uses {used}, which is not drawn"));
            }
            let allowed =
                drawn.get(used).is_some_and(|(lower, _)| lower < band || (used == "core" && name != "core"));
            if !allowed {
                complaints.push(format!("{name} (band {band}) may not use {used}: only lower bands"));
            }
        }
        for used in drawn_uses.iter().filter(|used| !uses.contains(used)) {
            complaints.push(format!(
                "docs/architecture.md: {name} → {used} is drawn, but Cargo.toml has no such edge"
            ));
        }
    }
    for name in drawn.keys().filter(|name| !built.contains_key(*name)) {
        complaints.push(format!("docs/architecture.md: {name} is drawn, but there is no such crate"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(text: &str) -> House {
        drawing(&format!("```layers\n{text}\n```\n")).unwrap()
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_found() {
        let drawn = house("band 0 core → –\nband 1 archive → core");
        let built = house("band 0 core → –\nband 0 archive → core, ingest\nband 0 ingest → core");
        let complaints = compare(&drawn, &built);
        assert!(complaints.iter().any(|line| line.contains("archive uses ingest")), "{complaints:?}");
        assert!(complaints.iter().any(|line| line.contains("ingest is not drawn")), "{complaints:?}");
    }

    #[test]
    fn a_crate_may_not_use_its_own_band() {
        let drawn = house("band 0 core → –\nband 1 archive → core, ingest\nband 1 ingest → core");
        let complaints = compare(&drawn, &drawn.clone());
        assert_eq!(complaints, ["archive (band 1) may not use ingest: only lower bands"]);
    }
}
