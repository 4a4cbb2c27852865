//! The drop folder in a backup: what is handed in may lie nowhere else.

use std::{
    fs, io,
    path::{MAIN_SEPARATOR, Path, PathBuf},
};

use athenaeum_archive::library::{File, Library};
use athenaeum_tenancy::Scope;

use super::names;

/// A file could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("cannot copy {}", path.display())]
pub struct CopyError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What [`put_back`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutBack {
    /// Files that are there again.
    pub files: u64,
    /// Of them, those that lie under another name now, because another file has theirs.
    pub renamed: Vec<PathBuf>,
}

/// Copies the files of a drop folder, those of all tenants, to the new folder `to`, with the times at which they were last
/// changed; returns how many. `to` is made where there is one at least, with a mark that [`is_copy`] knows it by. Links are not
/// followed; what goes meanwhile is passed over.
///
/// # Errors
/// [`CopyError`]; what was copied until then lies in `to`.
pub fn copy_handed_in(drop_folder: &Path, to: &Path) -> Result<u64, CopyError> {
    let mut copied = 0;
    each_file(drop_folder, &mut |from, inner| {
        let place = to.join(inner);
        make_parent(&place)?;
        match copy(from, &place) {
            Ok(()) => copied += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => {}
            Err(source) => return Err(CopyError { path: from.to_owned(), source }),
        }
        Ok(())
    })?;
    if to.is_dir() {
        let mark = to.join(MARK);
        fs::write(&mark, MARKED).map_err(|source| CopyError { path: mark, source })?;
    }
    Ok(copied)
}

/// Tells whether [`copy_handed_in`] made a folder.
pub fn is_copy(folder: &Path) -> bool {
    folder.join(MARK).is_file()
}

/// Puts files that [`copy_handed_in`] copied back into a drop folder. What lies there stays: a file that has the name of another
/// one gets a number.
///
/// # Errors
/// [`CopyError`]; what was put back until then stays.
pub fn put_back(from: &Path, drop_folder: &Path) -> Result<PutBack, CopyError> {
    let mut done = PutBack::default();
    each_file(from, &mut |from, inner| {
        if inner == Path::new(MARK) {
            return Ok(());
        }
        let place = drop_folder.join(inner);
        make_parent(&place)?;
        let put = put_one(from, &place).map_err(|source| CopyError { path: from.to_owned(), source })?;
        if let Some(put) = put {
            done.files += 1;
            done.renamed.extend((put != place).then_some(put));
        }
        Ok(())
    })?;
    Ok(done)
}

/// Enters where files of the drop folder are now that lay in one elsewhere when the ledger was written, as after a restore on
/// another machine; returns how many those are.
///
/// # Errors
/// Only those of the disk.
pub async fn follow_moved(
    library: &Library,
    scope: &Scope,
    drop_folder: &Path,
) -> Result<usize, athenaeum_archive::Error> {
    let own = drop_folder.join(scope.tenant().as_str());
    let (mut moved, mut after) = (0, None);
    loop {
        let page = library.list(scope, "", None, after.as_ref(), LISTED).await?;
        let now: Vec<(String, String)> = page.items.iter().filter_map(|file| place_now(file, &own)).collect();
        let places: Vec<&str> = now.iter().map(|(_, to)| to.as_str()).collect();
        let taken = library.files(scope, &places).await?;
        let names: Vec<(String, String)> =
            now.into_iter().filter(|(_, to)| !taken.contains_key(to)).collect();
        library.rename(scope, &names).await?;
        moved += names.len();
        after = page.next;
        if after.is_none() {
            return Ok(moved);
        }
    }
}

/// Returns from where to where a file went: one that is not where it was, in another drop folder, and lies in `own` now.
fn place_now(file: &File, own: &Path) -> Option<(String, String)> {
    let was = Path::new(&file.found.path);
    if was.starts_with(own) || was.exists() {
        return None;
    }
    let (folder, tenant) = (own.parent()?.file_name()?.to_str()?, own.file_name()?.to_str()?);
    let folder = format!("{MAIN_SEPARATOR}{folder}{MAIN_SEPARATOR}{tenant}{MAIN_SEPARATOR}");
    let (_, inner) = file.found.path.rsplit_once(&folder)?;
    let now = own.join(inner);
    now.is_file().then(|| Some((file.found.path.clone(), now.to_str()?.to_owned())))?
}

/// In a copy beside the tenants' folders; none of these is called so.
const MARK: &str = ".athenaeum-backup";

const MARKED: &str = "Files that were handed in to Athenaeum: `athenaeum restore` puts them back.\n";

/// Calls `with` for each file below `folder`, with where it lies and its path in it.
fn each_file(
    folder: &Path,
    with: &mut dyn FnMut(&Path, &Path) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(inner) = waiting.pop() {
        let here = folder.join(&inner);
        let failed = |source| CopyError { path: here.clone(), source };
        let entries = match fs::read_dir(&here) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let inner = inner.join(entry.file_name());
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                waiting.push(inner);
            } else if kind.is_file() {
                with(&entry.path(), &inner)?;
            }
        }
    }
    Ok(())
}

/// Returns where the file lies now; `None` where it lay there before.
fn put_one(from: &Path, place: &Path) -> io::Result<Option<PathBuf>> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    for number in 1..=names::TRIES {
        let place = match number {
            1 => place.to_owned(),
            _ => place.with_file_name(names::numbered(&name, number)),
        };
        match copy(from, &place) {
            Ok(()) => return Ok(Some(place)),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if names::same(from, &place)? => return Ok(None),
            Err(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name are there"))
}

/// A file whose time is the one that the ledger has is not read again.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let modified = fs::metadata(from)?.modified();
    names::copy_new(from, to)?;
    match modified {
        Ok(modified) => fs::File::options().write(true).open(to)?.set_modified(modified),
        Err(_) => Ok(()),
    }
}

fn make_parent(place: &Path) -> Result<(), CopyError> {
    let Some(parent) = place.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|source| CopyError { path: parent.to_owned(), source })
}

/// Files of the ledger in one look.
const LISTED: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_was_handed_in_comes_back_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (drop, kept) = (folder.path().join("drop"), folder.path().join("kept"));
        assert_eq!(copy_handed_in(&drop, &kept).unwrap(), 0);
        assert!(!kept.exists(), "nothing is no reason to make a folder");

        write(&drop.join("local/a.md"), "one");
        write(&drop.join("local/in/b.md"), "two");
        write(&drop.join("other/a.md"), "three");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", drop.join("local/link")).unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let file = fs::File::options().write(true).open(drop.join("local/a.md")).unwrap();
        file.set_modified(then).unwrap();
        assert_eq!(copy_handed_in(&drop, &kept).unwrap(), 3);
        assert!(!kept.join("local/link").exists());
        assert!(is_copy(&kept) && !is_copy(&drop));

        fs::remove_file(drop.join("local/a.md")).unwrap();
        write(&drop.join("other/a.md"), "another one");
        let done = put_back(&kept, &drop).unwrap();
        let beside = drop.join("other/a (2).md");
        assert_eq!(done, PutBack { files: 2, renamed: vec![beside.clone()] });
        assert_eq!(fs::read(drop.join("local/a.md")).unwrap(), b"one");
        assert_eq!(fs::metadata(drop.join("local/a.md")).unwrap().modified().unwrap(), then);
        assert_eq!(fs::read(drop.join("other/a.md")).unwrap(), b"another one");
        assert_eq!(fs::read(beside).unwrap(), b"three");
        assert_eq!(put_back(&kept, &drop).unwrap(), PutBack::default(), "all of it is there by now");
        assert!(!is_copy(&drop));
    }
}
