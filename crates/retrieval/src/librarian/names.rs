//! Names from strangers, and the files that get them.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::TakeInError;

/// Moves files into a folder, which is made where it is not there. Returns where they lie, up to the one that could not
/// be moved.
pub(super) fn move_all(folder: &Path, files: &[(String, PathBuf)]) -> (Vec<PathBuf>, Option<TakeInError>) {
    let mut places = Vec::with_capacity(files.len());
    for (name, from) in files {
        match fs::create_dir_all(folder).and_then(|()| move_one(folder, &file_name(name), from)) {
            Ok(place) => places.push(place),
            Err(source) => {
                return (places, Some(TakeInError::Folder { name: name.clone(), source }));
            }
        }
    }
    (places, None)
}

/// Says whether a path names something in a folder and nothing outside of it.
pub(super) fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    matches!(parts.next(), Some(Component::Normal(_)))
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn move_one(folder: &Path, name: &str, from: &Path) -> io::Result<PathBuf> {
    for number in 1..=TRIES {
        let place = folder.join(numbered(name, number));
        // Linking fails where the name is taken, unlike renaming, so that nothing is ever written over.
        let moved = match fs::hard_link(from, &place) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Another disk, or one that knows no links.
            Err(_) => copy_new(from, &place),
        };
        match moved {
            Ok(()) => {
                fs::remove_file(from)?;
                return Ok(place);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if same(from, &place)? {
                    fs::remove_file(from)?;
                    return Ok(place);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name are there"))
}

pub(super) fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut copy = fs::File::create_new(to)?;
    let copied = io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

pub(super) fn same(one: &Path, other: &Path) -> io::Result<bool> {
    if fs::symlink_metadata(other)?.len() != fs::metadata(one)?.len() {
        return Ok(false);
    }
    let hash = |path: &Path| -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut fs::File::open(path)?, &mut hasher)?;
        Ok(hasher.finalize())
    };
    Ok(hash(one)? == hash(other)?)
}

/// `notes.md`, `notes (2).md`, `notes (3).md`, …
pub(super) fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (_, Some((stem, extension))) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}

/// Returns the last part of a name that a stranger chose, so that every system takes it as a file's: letters of all
/// scripts stay, what means something in a path becomes `_`, and it does not begin with a dot.
fn file_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let keep = |c: char| if c.is_control() || "<>:\"|?*".contains(c) { '_' } else { c };
    let name: String = last.chars().map(keep).collect();
    let name = name.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    if name.is_empty() {
        return "document".to_owned();
    }
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    // The ending tells what it is.
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 16 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut end = NAME_BYTES_MAX - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", &stem[..end])
}

/// Systems take 255; a number may be added.
const NAME_BYTES_MAX: usize = 200;

/// Other files of the same name that are looked at.
pub(super) const TRIES: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_strangers_are_files_of_the_folder() {
        let check = |sent: &str, name: &str| assert_eq!(file_name(sent), name);
        check("notes.md", "notes.md");
        check("../../etc/passwd", "passwd");
        check("..\\..\\boot.ini", "boot.ini");
        check("..", "document");
        check("", "document");
        check(".gitignore", "gitignore");
        check("a\0b?.txt", "a_b_.txt");
        check("会議の記録.docx", "会議の記録.docx");
        let long = file_name(&format!("{}.pdf", "é".repeat(300)));
        assert!(long.len() <= NAME_BYTES_MAX && long.ends_with("é.pdf"), "{long}");
    }

    #[test]
    fn nothing_is_written_over_and_nothing_kept_twice() {
        let folder = tempfile::tempdir().unwrap();
        let sent = |text: &str| {
            let file = folder.path().join("sent");
            fs::write(&file, text).unwrap();
            let (places, failed) = move_all(&folder.path().join("drop"), &[("a.md".into(), file.clone())]);
            assert!(failed.is_none() && !file.exists());
            places[0].file_name().unwrap().to_string_lossy().into_owned()
        };
        assert_eq!(sent("one"), "a.md");
        assert_eq!(sent("two"), "a (2).md");
        assert_eq!(sent("one"), "a.md");
        assert_eq!(sent("two"), "a (2).md");
        assert_eq!(sent("six"), "a (3).md");
        assert_eq!(fs::read(folder.path().join("drop/a.md")).unwrap(), b"one");
    }
}
