//! Vectors that are missing are looked for where they may be, and nowhere is one missed.

use std::{fs, path::Path, sync::Arc};

use athenaeum_archive::{Settings, library::Library};
use athenaeum_core::{Embed, Embedded, Embedding, EmbeddingModel, TextKind};
use athenaeum_retrieval::{
    CancellationToken,
    documents::{self, Options},
    meaning::{Filled, Meaning, follow_restored},
};
use athenaeum_tenancy::local;
use athenaeum_vector::Vectors;
use tempfile::TempDir;

/// Takes every text for as long as it is.
struct Lengths(EmbeddingModel);

fn lengths(name: &str) -> Arc<Lengths> {
    Arc::new(Lengths(EmbeddingModel { name: name.into(), fingerprint: 1, dimensions: 2, tokens_max: 64 }))
}

impl Embed for Lengths {
    fn model(&self) -> &EmbeddingModel {
        &self.0
    }

    fn tokens(&self, text: &str) -> usize {
        text.len()
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: TextKind) -> Embedding<'a> {
        let vector = |text: &String| Embedded { vector: vec![1.0, text.len() as f32], cut_tokens: 0 };
        Box::pin(async move { Ok(texts.iter().map(vector).collect()) })
    }
}

struct Place {
    data: TempDir,
    vectors: TempDir,
    folder: TempDir,
    library: Library,
    meaning: Meaning,
}

async fn meaning(vectors: &Path, model: &str) -> Meaning {
    let vectors = Vectors::open(vectors, athenaeum_vector::Settings::default()).await.unwrap();
    Meaning::new(vectors, lengths(model))
}

impl Place {
    async fn new() -> Self {
        let folder = || tempfile::tempdir().unwrap();
        let (data, vectors, folder) = (folder(), folder(), folder());
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        let meaning = meaning(vectors.path(), "first").await;
        Self { data, vectors, folder, library, meaning }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Reads what changed; vectors of what went go only if `tidy`: a program that was killed in between leaves them.
    async fn add(&self, tidy: bool) {
        let paths = [self.folder.path().to_owned()];
        let options = Options::default();
        let cancel = CancellationToken::new();
        let report = documents::add(&self.library, &local(), &paths, &options, |_| {}, cancel).await.unwrap();
        if tidy {
            self.meaning.remove_chunks(&local(), &report.chunks_removed).await.unwrap();
        }
    }

    async fn fill(&self) -> Filled {
        let cancel = CancellationToken::new();
        self.meaning.fill(&local(), &self.library, |_| {}, &cancel).await.unwrap()
    }

    async fn missing(&self) -> u64 {
        self.meaning.check(&local(), &self.library).await.unwrap().missing
    }
}

#[tokio::test]
async fn what_was_gone_through_is_not_looked_at_again_unless_something_is_amiss() {
    let place = Place::new().await;
    for n in 0..10 {
        place.write(&format!("{n}.md"), &format!("Note {n}"));
    }
    place.add(true).await;
    assert_eq!(place.fill().await.made, 10);
    let newest = place.library.chunks_before(&local(), None, None, 1).await.unwrap().items.remove(0);
    place.meaning.remove_chunks(&local(), &[newest.id]).await.unwrap();
    place.write("new.md", "Another note");
    place.add(true).await;
    let mut told = Vec::new();
    let cancel = CancellationToken::new();
    let tell = |filling: &athenaeum_retrieval::meaning::Filling| told.push((filling.seen, filling.total));
    let filled = place.meaning.fill(&local(), &place.library, tell, &cancel).await.unwrap();
    assert_eq!((filled.made, told), (1, vec![(11, 11)]), "only what came since was looked at");
    assert_eq!(place.missing().await, 1);
    assert_eq!(place.fill().await.made, 1, "once it is known that one is missing, all are looked at");
    assert_eq!((place.missing().await, place.fill().await.made), (0, 0));
}

#[tokio::test]
async fn nothing_is_missed_whatever_comes_goes_changes_and_stops() {
    let mut place = Place::new().await;
    let mut state = 11_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let (mut model, mut made, mut stopped) = ("first", 0, 0);
    for step in 0..120 {
        let name = format!("{}.md", below(20));
        match below(8) {
            0 => drop(fs::remove_file(place.folder.path().join(name))),
            1 => {
                // As after a restart, with the other model.
                model = if model == "first" { "second" } else { "first" };
                place.meaning = meaning(place.vectors.path(), model).await;
            }
            2 => place.meaning = meaning(place.vectors.path(), model).await,
            // One of three documents grows for a while, so that the newest chunk goes with each step.
            3..5 => place.write(&format!("growing {}.md", step / 40), &format!("# Growing\n\nstep {step}")),
            _ => place.write(&name, &format!("# Note\n\nIt is step {step}.")),
        }
        place.add(below(3) > 0).await;
        match below(3) {
            0 => {
                let cancel = CancellationToken::new();
                let seen = cancel.clone();
                let tell = move |_: &athenaeum_retrieval::meaning::Filling| seen.cancel();
                let filled = place.meaning.fill(&local(), &place.library, tell, &cancel).await.unwrap();
                stopped += u64::from(filled.stopped);
            }
            1 => {
                made += place.fill().await.made;
                assert_eq!(place.missing().await, 0, "step {step}");
            }
            _ => {}
        }
    }
    assert!(made > 60, "{made}, stopped {stopped}");
}

#[tokio::test]
async fn in_an_older_state_of_the_library_rows_are_other_chunks_and_are_not_taken_for_those_that_were_there()
{
    let mut place = Place::new().await;
    place.write("a.md", "In the backup");
    place.add(true).await;
    assert_eq!(place.fill().await.made, 1);
    place.library.close().await;
    let backup = fs::read(place.data.path().join("library.db")).unwrap();
    let open = async |data: &Path| Library::open(data, &Settings::default()).await.unwrap();
    place.library = open(place.data.path()).await;
    place.write("b.md", "After the backup");
    place.add(true).await;
    assert_eq!(place.fill().await.made, 1);
    place.library.close().await;

    fs::write(place.data.path().join("library.db"), backup).unwrap();
    fs::remove_dir_all(place.data.path().join("search-library")).unwrap();
    fs::remove_file(place.folder.path().join("b.md")).unwrap();
    place.library = open(place.data.path()).await;
    place.write("c.md", "Gets the row that b had");
    place.add(true).await;
    assert_eq!(place.fill().await.made, 1);
    assert_eq!(place.missing().await, 0);
}

/// A chunk of the backup lost its vector after it, and a mark says that all up to a later one have theirs.
#[tokio::test]
async fn after_a_restore_all_that_is_there_gets_its_vector_and_what_is_not_loses_it() {
    let mut place = Place::new().await;
    for n in 0..4 {
        place.write(&format!("{n}.md"), &format!("In the backup: {n}"));
    }
    place.add(true).await;
    assert_eq!(place.fill().await.made, 4);
    let copy = place.vectors.path().join("copy.db");
    place.library.backup(&copy).await.unwrap();
    fs::remove_file(place.folder.path().join("0.md")).unwrap();
    place.write("later.md", "After the backup");
    place.add(true).await;
    assert_eq!(place.fill().await.made, 1);
    place.library.close().await;
    Library::restore(place.data.path(), &copy).await.unwrap();
    place.library = Library::open(place.data.path(), &Settings::default()).await.unwrap();

    let archive = athenaeum_archive::Archive::open(place.data.path(), &Settings::default()).await.unwrap();
    let vectors = Vectors::open(place.vectors.path(), athenaeum_vector::Settings::default()).await.unwrap();
    follow_restored(&vectors, &local(), Some(&place.library), &archive).await.unwrap();
    let coverage = place.meaning.coverage(&local(), Some(&place.library), None).await.unwrap();
    assert_eq!((coverage.embedded, coverage.total), (3, 4), "that of what came later is gone");
    assert_eq!(place.fill().await.made, 1, "and that of what came back is made");
    let checked = place.meaning.check(&local(), &place.library).await.unwrap();
    assert_eq!((checked.chunks, checked.missing, checked.left_over), (4, 0, 0));

    // Without a library there is nothing that they could be of.
    follow_restored(&vectors, &local(), None, &archive).await.unwrap();
    assert_eq!(place.fill().await.made, 4);
}
