//! Vectors are written while the next ones are made, and count when they are written.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use athenaeum_archive::{Archive, Settings, library::Library};
use athenaeum_core::{
    Block, Conversation, Embed, EmbedError, Embedded, Embedding, EmbeddingModel, Message, Provider, Role,
    TextKind,
};
use athenaeum_retrieval::{
    CancellationToken,
    documents::{self, Options},
    meaning::{Filled, Filling, Meaning, MeaningError},
};
use athenaeum_tenancy::local;
use athenaeum_vector::Vectors;
use tempfile::TempDir;

/// Ends a batch when all that it was given before has been written: a batch that is written only after the next one has been
/// embedded would never be.
struct Patient {
    model: EmbeddingModel,
    vectors: Vectors,
    /// How many vectors were written when each batch began, and when it ended.
    begun: Mutex<Vec<u64>>,
    ended: Mutex<Vec<u64>>,
    /// How many texts it was given up to each batch.
    given: Mutex<Vec<u64>>,
    cancel: CancellationToken,
    cancels_at: Option<usize>,
    fails_at: Option<usize>,
}

impl Patient {
    async fn written(&self) -> u64 {
        self.vectors.holdings(&local()).await.unwrap().iter().map(|(_, held)| held).sum()
    }

    fn written_now(&self) -> u64 {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.written()))
    }
}

impl Embed for Patient {
    fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    fn tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: TextKind) -> Embedding<'a> {
        let written = self.written_now();
        let number = {
            let mut begun = self.begun.lock().unwrap();
            begun.push(written);
            begun.len()
        };
        let before = {
            let mut given = self.given.lock().unwrap();
            let before = given.last().copied().unwrap_or(0);
            given.push(before + texts.len() as u64);
            before
        };
        if self.cancels_at == Some(number) {
            self.cancel.cancel();
        }
        Box::pin(async move {
            let is_written = async {
                while self.written().await < before {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let waited = tokio::time::timeout(Duration::from_secs(60), is_written).await;
            waited.expect("what was embedded before is written meanwhile");
            let written = self.written().await;
            self.ended.lock().unwrap().push(written);
            if self.fails_at == Some(number) {
                return Err(EmbedError::Failed("it fails".into()));
            }
            Ok(texts.iter().map(|_| Embedded { vector: vec![1.0, 0.0, 0.5], cut_tokens: 1 }).collect())
        })
    }
}

struct Place {
    data: TempDir,
    library: Library,
    archive: Archive,
    meaning: Meaning,
    patient: Arc<Patient>,
}

/// Three batches.
const COUNT: usize = 150;

async fn vectors(data: &Path) -> Vectors {
    Vectors::open(&data.join("vectors"), athenaeum_vector::Settings::default()).await.unwrap()
}

impl Place {
    async fn new(cancels_at: Option<usize>, fails_at: Option<usize>) -> Self {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        let mut import = archive.begin_import(&local(), "export", None).await.unwrap();
        for number in 0..COUNT {
            std::fs::write(folder.path().join(format!("{number}.md")), format!("note {number}")).unwrap();
            let mut conversation = Conversation::new(Provider::CLAUDE, format!("c-{number}"));
            let text = format!("message {number}");
            conversation.messages.push(Message::new(Role::User, vec![Block::text(text)]));
            import.add(conversation).await.unwrap();
        }
        import.finish("{}").await.unwrap();
        let paths = [folder.path().to_owned()];
        documents::add(&library, &local(), &paths, &Options::default(), |_| {}, CancellationToken::new())
            .await
            .unwrap();
        let model = EmbeddingModel { name: "patient".into(), fingerprint: 1, dimensions: 3, tokens_max: 64 };
        let patient = Arc::new(Patient {
            model,
            vectors: vectors(data.path()).await,
            begun: Mutex::default(),
            ended: Mutex::default(),
            given: Mutex::default(),
            cancel: CancellationToken::new(),
            cancels_at,
            fails_at,
        });
        let meaning = Meaning::new(vectors(data.path()).await, patient.clone());
        Self { data, library, archive, meaning, patient }
    }

    /// Texts of the first batch, and of the first two.
    fn first_two(&self) -> (u64, u64) {
        let given = self.patient.given.lock().unwrap();
        (given[0], given[1])
    }

    /// Fills, and looks whether no more is told than is there.
    async fn fill(&self, what: What) -> Result<Filled, MeaningError> {
        let told = |filling: &Filling| {
            assert!(filling.made > 0 && filling.made <= self.patient.written_now(), "{filling:?}");
        };
        let cancel = &self.patient.cancel;
        match what {
            What::Documents => self.meaning.fill(&local(), &self.library, told, cancel).await,
            What::Conversations => {
                self.meaning.fill_conversations(&local(), &self.archive, &[], told, cancel).await
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Documents,
    Conversations,
}

const BOTH: [What; 2] = [What::Documents, What::Conversations];

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_written_while_the_next_one_is_embedded() {
    for what in BOTH {
        let place = Place::new(None, None).await;
        let filled = place.fill(what).await.unwrap();
        assert_eq!(filled, Filled { made: 150, cut: 150, stopped: false }, "{what:?}");
        // The second begins before the first is written, and ends after it, and so on.
        let (first, second) = place.first_two();
        assert_eq!(*place.patient.begun.lock().unwrap(), [0, 0, first], "{what:?}");
        assert_eq!(*place.patient.ended.lock().unwrap(), [0, first, second], "{what:?}");
        assert_eq!(place.patient.written().await, 150, "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_keeps_what_was_embedded() {
    for what in BOTH {
        let place = Place::new(Some(2), None).await;
        let filled = place.fill(what).await.unwrap();
        let (_, made) = place.first_two();
        assert_eq!(filled, Filled { made, cut: made, stopped: true }, "{what:?}");
        assert_eq!((place.patient.written().await, made < 150), (made, true), "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_embedded_before_the_model_fails_is_kept() {
    for what in BOTH {
        let place = Place::new(None, Some(3)).await;
        assert!(matches!(place.fill(what).await, Err(MeaningError::Model(_))), "{what:?}");
        assert_eq!(place.patient.written().await, place.first_two().1, "{what:?}");
    }
}

/// Programs that make vectors and do not search leave as few segments as those that search would make of them.
#[tokio::test(flavor = "multi_thread")]
async fn segments_that_come_while_vectors_are_made_are_put_together_in_the_end() {
    let place = Place::new(None, None).await;
    let mut import = place.archive.begin_import(&local(), "more", None).await.unwrap();
    for number in 0..60 {
        let mut conversation = Conversation::new(Provider::CLAUDE, format!("long-{number}"));
        let message = |turn| Message::new(Role::User, vec![Block::text(format!("turn {turn} of {number}"))]);
        conversation.messages.extend((0..200).map(message));
        import.add(conversation).await.unwrap();
    }
    import.finish("{}").await.unwrap();
    assert_eq!(place.fill(What::Conversations).await.unwrap().made, 12_150);
    // 8,192 are put into one on the way, and so are the others in the end.
    let folders = std::fs::read_dir(place.data.path().join("vectors/local")).unwrap();
    let files = folders.filter_map(|folder| std::fs::read_dir(folder.unwrap().path()).ok()).flatten();
    let is_segment = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".segment");
    assert_eq!(files.map(|file| file.unwrap().file_name()).filter(is_segment).count(), 1);
}
