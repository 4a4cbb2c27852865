use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A folder for what somebody sends, until it has been imported. It goes, with all in it, when this is dropped.
///
/// A program that is killed drops nothing; the next one calls [`remove_abandoned_uploads`]. It knows a folder that
/// is in use by a locked file in it: the system unlocks that however its program ends.
///
/// ```text
/// parent/.lock                     held while a folder is made or looked at
/// parent/athenaeum-upload-Xy12Ab/alive     locked as long as the folder is in use
/// parent/athenaeum-upload-Xy12Ab/files/    what was sent
/// ```
#[derive(Debug)]
pub struct UploadFolder {
    files: PathBuf,
    // Closed before the folder goes: Windows removes no open file.
    _alive: Option<File>,
    _folder: TempDir,
}

impl UploadFolder {
    /// Makes one in `parent`, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new_in(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let _parent = lock(parent)?;
        let folder = builder().tempdir_in(parent)?;
        let alive = File::create_new(folder.path().join(ALIVE))?;
        alive.lock()?;
        Self::with_files(folder, Some(alive))
    }

    /// Makes one among the system's temporary files, which the system tidies up by itself.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn temporary() -> io::Result<Self> {
        Self::with_files(builder().tempdir()?, None)
    }

    /// Returns the folder to write to, empty at first.
    pub fn path(&self) -> &Path {
        &self.files
    }

    fn with_files(folder: TempDir, alive: Option<File>) -> io::Result<Self> {
        let files = folder.path().join(FILES);
        fs::create_dir(&files)?;
        Ok(Self { files, _alive: alive, _folder: folder })
    }
}

/// Removes the [`UploadFolder`]s in `parent` that no program uses any more, and returns their number. What has
/// another name stays, links are not followed, and a `parent` that is not there is empty.
///
/// # Errors
///
/// What the system says to reading `parent`. A folder that cannot be removed is told to the log.
pub fn remove_abandoned_uploads(parent: &Path) -> io::Result<usize> {
    if !parent.is_dir() {
        return Ok(0);
    }
    let mut removed = 0;
    // Each with its marker locked by now: removing gigabytes holds up nobody who makes a folder.
    for (folder, alive) in abandoned(parent)? {
        match remove(&folder, alive) {
            Ok(()) => removed += 1,
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "an abandoned upload cannot be removed");
            }
        }
    }
    Ok(removed)
}

fn abandoned(parent: &Path) -> io::Result<Vec<(PathBuf, Option<File>)>> {
    let _parent = lock(parent)?;
    let mut abandoned = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // Of the entry itself, not of what a link points to.
        if !is_ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let folder = entry.path();
        let marker = folder.join(ALIVE);
        match fs::symlink_metadata(&marker) {
            Ok(found) if found.is_file() => {
                let Ok(alive) = File::open(&marker) else { continue };
                if alive.try_lock().is_ok() {
                    abandoned.push((folder, Some(alive)));
                }
            }
            // Its program was killed before there was one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => abandoned.push((folder, None)),
            _ => {}
        }
    }
    Ok(abandoned)
}

/// The files first and the marker last: what is left by a program that is killed in between is known again.
fn remove(folder: &Path, alive: Option<File>) -> io::Result<()> {
    match fs::remove_dir_all(folder.join(FILES)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => drop(alive),
    }
    match fs::remove_dir_all(folder) {
        // Somebody else was as quick.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn lock(parent: &Path) -> io::Result<File> {
    let lock = File::options().create(true).truncate(false).write(true).open(parent.join(LOCK))?;
    lock.lock()?;
    Ok(lock)
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder
}

const PREFIX: &str = "athenaeum-upload-";
const LOCK: &str = ".lock";
const ALIVE: &str = "alive";
const FILES: &str = "files";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(parent)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != LOCK)
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_goes_with_its_upload() {
        let parent = tempfile::tempdir().unwrap();
        let upload = UploadFolder::new_in(&parent.path().join("uploads")).unwrap();
        fs::write(upload.path().join("a.json"), "[]").unwrap();
        assert_eq!(fs::read_dir(upload.path()).unwrap().count(), 1, "nothing but what was sent is imported");
        drop(upload);
        assert!(names(&parent.path().join("uploads")).is_empty());
    }

    #[test]
    fn what_a_killed_program_left_goes_and_what_is_used_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = UploadFolder::new_in(parent.path()).unwrap();
        let left = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir_all(folder.join(FILES)).unwrap();
            fs::write(folder.join(FILES).join("export.zip"), "PK").unwrap();
            folder
        };
        fs::write(left("athenaeum-upload-killed").join(ALIVE), "").unwrap();
        left("athenaeum-upload-unmarked");
        left("a-persons-own");
        fs::write(parent.path().join("athenaeum-upload-file"), "").unwrap();

        assert_eq!(remove_abandoned_uploads(parent.path()).unwrap(), 2);
        let used_name = used.path().parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let mut expected = ["a-persons-own".to_owned(), "athenaeum-upload-file".into(), used_name];
        expected.sort();
        assert_eq!(names(parent.path()), expected);
        assert!(used.path().is_dir());
        assert_eq!(remove_abandoned_uploads(&parent.path().join("absent")).unwrap(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("kept"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join("athenaeum-upload-link")).unwrap();
        let folder = parent.path().join("athenaeum-upload-killed");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.join(FILES)).unwrap();
        remove_abandoned_uploads(parent.path()).unwrap();
        assert!(elsewhere.path().join("kept").exists());
        assert!(parent.path().join("athenaeum-upload-link").exists());
    }

    /// A marker that is locked by another handle of this process counts like one of another process.
    #[test]
    fn one_that_is_in_use_elsewhere_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("athenaeum-upload-elsewhere");
        fs::create_dir(&folder).unwrap();
        let elsewhere = File::create(folder.join(ALIVE)).unwrap();
        elsewhere.lock().unwrap();
        assert_eq!(remove_abandoned_uploads(parent.path()).unwrap(), 0);
        drop(elsewhere);
        assert_eq!(remove_abandoned_uploads(parent.path()).unwrap(), 1);
    }
}
