//! Every crate takes its lints, versions and licence from the workspace, and has a front page.

use std::{fs, path::Path};

use cargo_metadata::MetadataCommand;

/// The one crate that may have unsafe code, and therefore lists its lints itself.
const UNSAFE: &str = "athenaeum-kernels";

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let name = &package.name;
        let manifest = fs::read_to_string(&package.manifest_path)?;
        if name.as_str() == UNSAFE {
            complaints.extend(lints_but_unsafe(&fs::read_to_string(root.join("Cargo.toml"))?, &manifest));
        } else if !manifest.contains("[lints]\nworkspace = true") {
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

/// Every lint of the workspace stands in the crate's own list as well, except the one against unsafe code.
fn lints_but_unsafe(workspace: &str, manifest: &str) -> Vec<String> {
    let lints = workspace.split("[workspace.lints.").skip(1).flat_map(|part| {
        let part = part.split("\n[profile").next().unwrap_or(part);
        part.lines().skip(1).filter(|line| line.contains(" = ") && !line.starts_with("unsafe_code"))
    });
    lints
        .filter(|line| !manifest.lines().any(|own| own == *line))
        .map(|line| format!("{UNSAFE}: Cargo.toml lacks the workspace's lint '{line}'"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lint_of_the_workspace_that_kernels_lacks_is_found() {
        let workspace = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\na = \"warn\"\n\n[workspace.lints.clippy]\nb = \"warn\"\n\n[profile.dev]\nc = 1\n";
        assert!(lints_but_unsafe(workspace, "[lints.rust]\na = \"warn\"\nb = \"warn\"\n").is_empty());
        let complaints = lints_but_unsafe(workspace, "a = \"warn\"\n");
        assert_eq!(complaints, ["athenaeum-kernels: Cargo.toml lacks the workspace's lint 'b = \"warn\"'"]);
    }
}
