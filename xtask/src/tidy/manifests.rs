//! Every crate takes its lints, versions and licence from the workspace, and has a front page.

use std::{fs, path::Path};

use cargo_metadata::MetadataCommand;

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let name = &package.name;
        let manifest = fs::read_to_string(&package.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true") {
            complaints.push(format!("{name}: Cargo.toml does not say [lints] workspace = true"));
        }
        for line in manifest.lines().filter(|line| line.contains("version = \"") && line.contains('{')) {
            complaints.push(format!("{name}: '{line}' names a version; versions stand in the workspace"));
        }
        if package.license.is_none() || package.description.is_none() {
            complaints.push(format!("{name}: Cargo.toml lacks a licence or a description"));
        }
        for target in package.targets.iter().filter(|target| target.is_lib() || target.is_bin()) {
            if !fs::read_to_string(&target.src_path)?.starts_with("//!") {
                complaints.push(format!("{}: no front page (//!) on its first line", target.src_path));
            }
        }
    }
    Ok(complaints)
}
