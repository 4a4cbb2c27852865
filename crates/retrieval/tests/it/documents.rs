//! Folders into the library.

use std::{fs, path::PathBuf};

use athenaeum_archive::{
    Settings,
    library::{FileState, Library, Query},
};
use athenaeum_retrieval::{
    CancellationToken,
    documents::{self, Error, Options, Report},
};
use athenaeum_tenancy::local;
use tempfile::TempDir;

struct Place {
    _data: TempDir,
    folder: TempDir,
    library: Library,
}

impl Place {
    async fn new(files: &[(&str, &str)]) -> Self {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        let place = Self { _data: data, folder, library };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn add(&self) -> Report {
        self.add_with(&Options::default()).await
    }

    async fn add_with(&self, options: &Options) -> Report {
        let paths = [self.folder.path().to_owned()];
        let cancel = CancellationToken::new();
        documents::add(&self.library, &local(), &paths, options, |_| {}, cancel).await.unwrap()
    }

    async fn found(&self, text: &str) -> Vec<String> {
        let query = Query { text: text.into(), ..Query::default() };
        let found = self.library.search(&local(), &query).await.unwrap();
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        found.hits.iter().map(|hit| name(hit.chunk.document.path.as_deref().unwrap())).collect()
    }

    async fn state(&self, name: &str) -> Option<(FileState, String)> {
        let path = self.path(name);
        let file = self.library.file(&local(), path.to_str().unwrap()).await.unwrap();
        file.map(|file| (file.state, file.reason))
    }
}

#[tokio::test]
async fn a_folder_is_read_and_read_again_only_where_it_changed() {
    let place = Place::new(&[("a.md", "# Bread\n\nIt rises."), ("in/b.txt", "Tea is drunk.")]).await;
    let first = place.add().await;
    assert_eq!((first.files, first.added, first.unchanged), (2, 2, 0));
    assert_eq!(place.found("rising").await, ["a.md"]);
    let second = place.add().await;
    assert_eq!((second.files, second.added, second.unchanged), (2, 0, 2));
    place.write("a.md", "# Bread\n\nIt sinks all the same.");
    let third = place.add().await;
    assert_eq!((third.updated, third.unchanged, third.chunks_removed.len()), (1, 1, 1));
    assert!(place.found("rising").await.is_empty());
    assert_eq!(place.found("sinks").await, ["a.md"]);
}

#[tokio::test]
async fn many_files_are_each_looked_up_read_and_counted_once() {
    let place = Place::new(&[]).await;
    // More than are looked up, read and written together; each hundredth is read alone, as its name says nothing.
    let name = |n: usize| if n.is_multiple_of(100) { format!("{n}.dat") } else { format!("{n}.md") };
    for n in 0..1_300 {
        place.write(&name(n), &format!("Note {n} of many, with a number{n}."));
    }
    fs::write(place.path("700.md"), b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR").unwrap();
    let first = place.add().await;
    assert_eq!((first.files, first.added, first.failed + first.skipped), (1_301, 1_300, 1));
    assert!(place.library.stats(&local()).await.unwrap().files.contains(&(FileState::Kept, 1_300)));
    for n in [0, 31, 32, 255, 256, 511, 512, 1_299] {
        assert_eq!(place.found(&format!("number{n}")).await, [name(n)]);
    }
    place.write("512.md", "Changed since.");
    fs::remove_file(place.path("3.md")).unwrap();
    let second = place.add().await;
    assert_eq!((second.files, second.unchanged, second.updated, second.gone), (1_300, 1_299, 1, 1));
}

#[tokio::test]
async fn chunks_know_where_they_stand() {
    let place = Place::new(&[("a.md", "# Bread\n\nIt rises.\n")]).await;
    place.add().await;
    let query = Query { text: "rises".into(), ..Query::default() };
    let hit = place.library.search(&local(), &query).await.unwrap().hits.remove(0);
    assert_eq!(hit.chunk.place.as_deref(), Some("lines 1–3"));
    assert_eq!(hit.chunk.source, Some(0..18));
    assert_eq!(hit.chunk.document.title.as_deref(), Some("Bread"));
    let bytes = fs::read(place.path("a.md")).unwrap();
    assert_eq!(hit.chunk.document.hash, athenaeum_ingest::document::Source::of(&bytes).blake3);
}

#[tokio::test]
async fn what_goes_away_goes_and_what_moves_stays() {
    let place = Place::new(&[("a.md", "one apple"), ("b.md", "two pears"), ("c.md", "three figs")]).await;
    place.add().await;
    let document = |file: &str| place.path(file).to_str().unwrap().to_owned();
    let before = place.library.file(&local(), &document("b.md")).await.unwrap().unwrap().document;
    fs::remove_file(place.path("a.md")).unwrap();
    fs::rename(place.path("b.md"), place.path("z.md")).unwrap();
    let report = place.add().await;
    assert_eq!((report.gone, report.same, report.added, report.unchanged), (2, 1, 0, 1));
    assert!(place.found("apple").await.is_empty());
    assert_eq!(place.found("pears").await, ["z.md"]);
    let after = place.library.file(&local(), &document("z.md")).await.unwrap().unwrap().document;
    assert_eq!(before, after);
    assert_eq!(place.state("a.md").await.unwrap().0, FileState::Gone);
    assert_eq!(place.add().await.gone, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_costs_only_itself_and_says_why() {
    let place = Place::new(&[("good.md", "good")]).await;
    fs::write(place.path("picture.png"), b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR").unwrap();
    let report = place.add().await;
    assert_eq!((report.added, report.failed + report.skipped), (1, 1));
    let (state, reason) = place.state("picture.png").await.unwrap();
    assert!(matches!(state, FileState::Skipped | FileState::Failed), "{state:?}");
    assert!(!reason.is_empty());
    assert_eq!(place.add().await.unchanged, 2);
    let again = Options { again: true, ..Options::default() };
    assert_eq!(place.add_with(&again).await.unchanged, 0);
}

#[tokio::test]
async fn what_is_to_be_ignored_is() {
    let place = Place::new(&[
        ("a.md", "one"),
        (".hidden", "one"),
        ("skip/b.md", "one"),
        ("drafts/c.md", "one"),
        (documents::IGNORE_FILE, "skip/\n"),
        (".gitignore", "drafts/\n"),
    ])
    .await;
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc", place.path("elsewhere")).unwrap();
    assert_eq!(place.add().await.files, 1);
    // Named itself, it is read.
    let paths = [place.path("drafts/c.md")];
    let cancel = CancellationToken::new();
    let report =
        documents::add(&place.library, &local(), &paths, &Options::default(), |_| {}, cancel).await.unwrap();
    assert_eq!(report.files, 1);
}

#[tokio::test]
async fn stopped_it_keeps_what_was_read_and_goes_on_later() {
    let files: Vec<(String, String)> =
        (0..2_000).map(|n| (format!("{n}.txt"), format!("number {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let place = Place::new(&files).await;
    let cancel = CancellationToken::new();
    let paths = [place.folder.path().to_owned()];
    let stop = |progress: &documents::Progress| {
        if progress.kept > 0 {
            cancel.cancel();
        }
    };
    let ended =
        documents::add(&place.library, &local(), &paths, &Options::default(), stop, cancel.clone()).await;
    let Err(Error::Cancelled(first)) = ended else { panic!("{ended:?}") };
    assert!(first.added < 2_000, "{}", first.added);
    let second = place.add().await;
    assert_eq!(second.gone, 0);
    assert_eq!(first.added + second.added, 2_000);
    assert_eq!(place.library.stats(&local()).await.unwrap().documents, 2_000);
}

#[tokio::test]
async fn a_path_that_is_not_there_is_said_before_anything_is_done() {
    let place = Place::new(&[("a.md", "one")]).await;
    let paths = [place.path("a.md"), place.path("nowhere")];
    let cancel = CancellationToken::new();
    let ended = documents::add(&place.library, &local(), &paths, &Options::default(), |_| {}, cancel).await;
    assert!(matches!(ended, Err(Error::Missing(path)) if path.ends_with("nowhere")));
    assert_eq!(place.library.stats(&local()).await.unwrap().documents, 0);
}
