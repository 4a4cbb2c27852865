//! What of a folder is read, told for one path at a time as a walk through the folder would.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use super::IGNORE_FILE;

/// Tells whether a walk through `folder` would come upon `path`, which is below it: nothing on the way is a link, begins with
/// a dot, is named by an ignore file, or is one of `passed_over`; and it is there.
pub(crate) fn lets_in(folder: &Path, path: &Path, passed_over: &[PathBuf]) -> bool {
    let Ok(below) = path.strip_prefix(folder) else { return false };
    let mut rules = Vec::new();
    let mut at = folder.to_owned();
    for part in below.components() {
        rules.push(Rules::of(&at));
        at.push(part);
        let Ok(metadata) = at.symlink_metadata() else { return false };
        let is_whole = at == path;
        let fits = if is_whole { metadata.is_file() || metadata.is_dir() } else { metadata.is_dir() };
        if !fits || !lets_in_one(&rules, &at, metadata.is_dir(), passed_over) {
            return false;
        }
    }
    true
}

/// Goes through `start`, which lies in `folder` or is it, as a walk does, and calls `folders` with each folder before it is read
/// and `files` with each file. Ends early where one of the two says false; returns whether it came to the end.
pub(crate) fn go_through(
    folder: &Path,
    start: &Path,
    passed_over: &[PathBuf],
    folders: &mut dyn FnMut(&Path) -> bool,
    files: &mut dyn FnMut(&Path) -> bool,
) -> bool {
    let is_root = start == folder;
    if !is_root && !lets_in(folder, start, passed_over) {
        return true;
    }
    let mut rules: Vec<Rules> = Vec::new();
    if let (Ok(below), false) = (start.strip_prefix(folder), is_root) {
        let mut at = folder.to_owned();
        for part in below.components() {
            rules.push(Rules::of(&at));
            at.push(part);
        }
    }
    let bottom = rules.len();
    // The folders to be read, each with how many stand above it; those of one folder lie together.
    let mut waiting = vec![(start.to_owned(), bottom)];
    while let Some((at, above)) = waiting.pop() {
        if !folders(&at) {
            return false;
        }
        let Ok(entries) = fs::read_dir(&at) else { continue };
        rules.truncate(above);
        rules.push(Rules::of(&at));
        for entry in entries.filter_map(io::Result::ok) {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if !(kind.is_dir() || kind.is_file()) || !lets_in_one(&rules, &path, kind.is_dir(), passed_over) {
                continue;
            }
            if kind.is_dir() {
                waiting.push((path, above + 1));
            } else if !files(&path) {
                return false;
            }
        }
    }
    true
}

/// Tells whether something of this name says what of its folder is not to be read.
pub(crate) fn is_rule(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// Tells whether a file's name is one that programs give to what they have not finished, or to their own notes about it.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    name.starts_with("~$") || UNFINISHED.iter().any(|ending| name.ends_with(ending))
}

/// The ignore files of one folder, in the order of [`NAMES`].
struct Rules([Option<Gitignore>; 3]);

impl Rules {
    fn of(folder: &Path) -> Self {
        Self(NAMES.map(|name| {
            let path = folder.join(name);
            // Most folders have none; that is known by asking once.
            path.is_file().then(|| {
                let mut builder = GitignoreBuilder::new(folder);
                // A line that is no rule is passed over, as in a walk.
                let _ = builder.add(&path);
                builder.build().ok()
            })?
        }))
    }
}

/// `rules` are those of the folders above, the outermost first. As [`ignore`] does it: each kind of file overrides those behind
/// it, and within a kind the nearest folder the others.
fn lets_in_one(rules: &[Rules], path: &Path, is_dir: bool, passed_over: &[PathBuf]) -> bool {
    if passed_over.iter().any(|passed| passed == path) || !is_dir && is_unfinished(path) {
        return false;
    }
    let said = (0..NAMES.len()).find_map(|kind| {
        let of_kind = rules.iter().rev().filter_map(|rules| rules.0[kind].as_ref());
        of_kind.map(|rules| rules.matched(path, is_dir)).find(|said| !said.is_none())
    });
    match said {
        Some(Match::Ignore(_)) => false,
        Some(Match::Whitelist(_)) => true,
        _ => !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")),
    }
}

/// The stronger first.
const NAMES: [&str; 3] = [IGNORE_FILE, ".ignore", ".gitignore"];

/// Of browsers, of download programs, of editors that save by renaming.
const UNFINISHED: [&str; 5] = [".crdownload", ".part", ".partial", ".download", ".tmp"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::documents::walk::Walk;

    /// What three ways of looking come upon is the same: a walk, going through, and asking for each path.
    #[tokio::test]
    async fn one_path_is_judged_as_a_walk_does() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        // Rules above the folder do not count.
        fs::write(outside.path().join(".gitignore"), "*.md\n").unwrap();
        write(".gitignore", "build/\n*.log\n!keep.log\n/only-here.md\n[\n");
        write(".ignore", "!loud.log\n");
        write("a/.athenaeumignore", "drafts\n!.shown\n");
        write("a/.git/config", "x");
        write("a/.gitignore", "!again.log\nsecret*\n");
        write("a/b/.ignore", "secret-not\n!secret-yes.md\n");
        for name in [
            "x.md",
            "x.log",
            "keep.log",
            "loud.log",
            "only-here.md",
            "a/only-here.md",
            "build/x.md",
            "a/build/x.md",
            "a/drafts/x.md",
            "a/b/drafts",
            "a/.shown",
            "a/.hidden.md",
            "a/.shown-not/x.md",
            "a/again.log",
            "a/b/again.log",
            "a/b/secret-not",
            "a/b/secret-yes.md",
            "a/secret.md",
            "b/secret.md",
            "~$report.docx",
            "b/film.mp4.part",
            "b/own/x.md",
            "own/x.md",
        ] {
            write(name, "x");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(), root.join("out")).unwrap();
            std::os::unix::fs::symlink(root.join("x.md"), root.join("link.md")).unwrap();
        }
        let passed_over = [root.join("b/own")];
        let mut walk = Walk::start(std::slice::from_ref(&root), &passed_over, &CancellationToken::new());
        let mut walked = BTreeSet::new();
        loop {
            let seen = walk.next(2).await;
            if seen.is_empty() {
                break;
            }
            // The line that is no rule is told of.
            walked.extend(seen.into_iter().flatten().map(|seen| seen.path));
        }
        let mut gone_through = BTreeSet::new();
        let mut take = |path: &Path| gone_through.insert(path.to_owned());
        assert!(go_through(&root, &root, &passed_over, &mut |_| true, &mut take));
        assert_eq!(gone_through, walked);
        let mut judged = BTreeSet::new();
        let mut waiting = vec![root.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.extend((path.starts_with(&root) && !path.is_symlink()).then(|| path.clone()));
                }
                if path.is_file() && lets_in(&root, &path, &passed_over) {
                    judged.insert(path);
                }
            }
        }
        assert_eq!(judged, walked);
        assert_eq!(walked.len(), 10, "{walked:#?}");
        let mut below = BTreeSet::new();
        let mut take = |path: &Path| below.insert(path.to_owned());
        go_through(&root, &root.join("a/b"), &passed_over, &mut |_| true, &mut take);
        assert_eq!(below, walked.iter().filter(|path| path.starts_with(root.join("a/b"))).cloned().collect());
    }
}
