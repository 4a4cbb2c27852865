//! Folders that are watched.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use athenaeum_archive::library::{File, FileState, Library};
use athenaeum_core::DocumentId;
use athenaeum_retrieval::{
    documents::Options,
    librarian::{Activity, Librarian, Watched, Watching},
};
use athenaeum_tenancy::local;
use tempfile::TempDir;

use crate::librarian::Folder;

/// A library that watches a folder.
struct House {
    data: TempDir,
    folder: TempDir,
    librarian: Librarian,
}

impl House {
    async fn new(files: &[&str]) -> Self {
        Self::with(files, |watching| watching).await
    }

    async fn with(files: &[&str], settings: impl FnOnce(Watching) -> Watching) -> Self {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let house = Self { librarian: librarian(data.path()), data, folder };
        for name in files {
            house.write(name, name);
        }
        let folders = vec![house.folder.path().to_owned(), house.data.path().join("later")];
        house.keep_up(&house.librarian, settings(Watching { folders, ..Watching::default() }));
        house.until(|now| now.folders.len() == 3 && now.last.is_some()).await;
        house
    }

    fn keep_up(&self, librarian: &Librarian, watching: Watching) {
        librarian.keep_up(&local(), &self.data.path().join("library.db"), watching);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    async fn library(&self) -> &Library {
        self.librarian.library().await.unwrap()
    }

    async fn file(&self, path: &Path) -> Option<File> {
        self.library().await.file(&local(), path.to_str().unwrap()).await.unwrap()
    }

    async fn until(&self, done: impl Fn(&Activity) -> bool) -> Activity {
        let mut watch = self.librarian.watch(&local());
        let waited = tokio::time::timeout(PATIENCE, watch.wait_for(done)).await;
        waited.expect("it takes too long").unwrap().clone()
    }

    /// Waits until the ledger says of a file what is expected, and returns the document.
    async fn is(&self, name: &str, expected: FileState) -> Option<DocumentId> {
        self.there(&self.path(name), expected).await
    }

    async fn there(&self, path: &Path, expected: FileState) -> Option<DocumentId> {
        let begun = std::time::Instant::now();
        loop {
            let file = self.file(path).await;
            if let Some(file) = file.as_ref().filter(|file| file.state == expected) {
                return file.document;
            }
            assert!(begun.elapsed() < PATIENCE, "{} is {file:?}", path.display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn count(&self) -> u64 {
        self.library().await.stats(&local()).await.unwrap().documents
    }
}

fn librarian(data: &Path) -> Librarian {
    let options = Options { passed_over: vec![data.to_owned()], ..Options::default() };
    Librarian::new(Folder(data.to_owned()), &data.join("drop"), options)
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_comes_changes_and_goes_does_so_in_the_library() {
    let house = House::new(&["before.md"]).await;
    house.is("before.md", FileState::Kept).await;
    house.write("a.md", "The heron fishes.");
    let first = house.is("a.md", FileState::Kept).await;
    house.write("a.md", "The heron fishes at dawn.");
    let begun = std::time::Instant::now();
    while !house.text(first).await.contains("dawn") {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fs::remove_file(house.path("a.md")).unwrap();
    house.is("a.md", FileState::Gone).await;
    let gone = house.file(&house.path("a.md")).await.unwrap();
    assert!(gone.document.is_none() && gone.reason.contains("no longer there"), "{gone:?}");
    assert_eq!(house.count().await, 1);
    house.librarian.shut_down().await;
}

impl House {
    async fn text(&self, document: Option<DocumentId>) -> String {
        self.library().await.document(&local(), document.unwrap()).await.unwrap().text
    }
}

#[tokio::test]
async fn what_is_renamed_stays_what_it_was() {
    let house = House::new(&["a.md", "papers/b.md", "papers/deep/c.md"]).await;
    let mut before = Vec::new();
    for name in ["a.md", "papers/b.md", "papers/deep/c.md"] {
        before.push(house.is(name, FileState::Kept).await.unwrap());
    }
    fs::rename(house.path("a.md"), house.path("z.md")).unwrap();
    fs::rename(house.path("papers"), house.path("records")).unwrap();
    for (name, before) in ["z.md", "records/b.md", "records/deep/c.md"].into_iter().zip(&before) {
        assert_eq!(house.is(name, FileState::Kept).await, Some(*before), "{name}");
    }
    // What is under the new name is watched as before.
    house.write("records/deep/d.md", "More of it.");
    house.is("records/deep/d.md", FileState::Kept).await;
    assert_eq!(house.count().await, 4);
    // A program saves: it writes another file and puts it in the place of the first.
    house.write("z.md.new", "z.md as it was saved");
    fs::rename(house.path("z.md.new"), house.path("z.md")).unwrap();
    let begun = std::time::Instant::now();
    while !house.text(Some(before[0])).await.contains("saved") {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(house.count().await, 4);
    house.librarian.shut_down().await;
}

#[tokio::test]
async fn what_is_not_to_be_read_is_not() {
    let house = House::new(&["a.md"]).await;
    house.write(".gitignore", "drafts/\n");
    house.write("drafts/x.md", "x");
    house.write(".hidden.md", "x");
    house.write("film.mkv.part", "x");
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.md"), "x").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), house.path("out")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("secret.md"), house.path("secret.md")).unwrap();
    house.write("last.md", "It came after them.");
    house.is("last.md", FileState::Kept).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(house.count().await, 2);
    // Once it is no longer named, it is found.
    fs::remove_file(house.path(".gitignore")).unwrap();
    house.is("drafts/x.md", FileState::Kept).await;
    house.librarian.shut_down().await;
}

#[tokio::test]
async fn folders_come_and_go_and_nothing_leaves_with_them() {
    let house = House::new(&["a.md"]).await;
    let kept = house.is("a.md", FileState::Kept).await;
    house.write("new/er/b.md", "It came with its folder.");
    house.is("new/er/b.md", FileState::Kept).await;
    let later = house.data.path().join("later");
    assert!(
        house
            .until(|now| !now.folders.is_empty())
            .await
            .folders
            .iter()
            .any(|folder| { folder.path == later && folder.watched == Watched::Missing })
    );
    fs::create_dir(&later).unwrap();
    fs::write(later.join("c.md"), "A disk was plugged in.").unwrap();
    house.there(&later.join("c.md"), FileState::Kept).await;
    let away = house.data.path().join("away");
    fs::rename(house.folder.path(), &away).unwrap();
    house
        .until(|now| {
            now.folders.iter().any(|f| f.path == house.folder.path() && f.watched == Watched::Missing)
        })
        .await;
    assert_eq!(house.file(&house.path("a.md")).await.unwrap().document, kept);
    fs::rename(&away, house.folder.path()).unwrap();
    house
        .until(|now| {
            now.folders.iter().all(|folder| folder.watched == Watched::Always || !folder.path.exists())
        })
        .await;
    house.write("d.md", "It is watched again.");
    house.is("d.md", FileState::Kept).await;
    house.librarian.shut_down().await;
}

#[tokio::test]
async fn a_flood_is_looked_through() {
    let house = House::with(&[], |watching| Watching { waiting_max: 8, ..watching }).await;
    for n in 0..300 {
        house.write(&format!("n/{n}.md"), &format!("Drop {n}"));
    }
    let begun = std::time::Instant::now();
    while house.count().await < 300 {
        assert!(begun.elapsed() < PATIENCE, "{}", house.count().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.librarian.shut_down().await;
}

#[tokio::test]
async fn of_two_one_watches_and_the_other_takes_over() {
    let house = House::new(&["a.md"]).await;
    let second = librarian(house.data.path());
    let watching = Watching { folders: vec![house.folder.path().to_owned()], ..Watching::default() };
    house.keep_up(&second, watching);
    let mut watch = second.watch(&local());
    let by_another = |now: &Activity| now.folders.iter().any(|folder| folder.watched == Watched::ByAnother);
    tokio::time::timeout(PATIENCE, watch.wait_for(by_another)).await.unwrap().unwrap();
    house.write("b.md", "Who reads it?");
    house.is("b.md", FileState::Kept).await;
    assert!(watch.borrow().last.is_none(), "the second read nothing");
    house.librarian.shut_down().await;
    house.write("c.md", "It came while nobody watched.");
    let took_over =
        |now: &Activity| now.last.as_ref().is_some_and(|last| last.added == 1 && last.unchanged == 2);
    tokio::time::timeout(PATIENCE, watch.wait_for(took_over)).await.unwrap().unwrap();
    drop(watch);
    second.shut_down().await;
}
