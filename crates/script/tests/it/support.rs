use std::{path::Path, sync::Arc, time::Duration};

use athenaeum_archive::library::Library;
use athenaeum_retrieval::{meaning::Meaning, rooms::Rooms, search::Searcher, testing::FourMeanings};
use athenaeum_script::{Ended, Opening, Said, Script, ScriptError, Settings, World, run};
use athenaeum_tenancy::{Scope, local};
use athenaeum_vector::Vectors;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A library in a folder of its own.
pub(crate) struct Place(TempDir);

/// How a script went.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) printed: String,
    /// What was said of it.
    pub(crate) notes: Vec<String>,
    pub(crate) ended: Result<Ended, ScriptError>,
}

impl Ran {
    /// What it printed, of one that came to its end.
    pub(crate) fn lines(&self) -> Vec<&str> {
        assert!(self.ended.is_ok(), "{self:?}");
        self.printed.lines().collect()
    }

    /// What went wrong.
    pub(crate) fn error(&self) -> String {
        self.ended.as_ref().unwrap_err().to_string()
    }
}

fn opening(data: &Path) -> Opening {
    let data = data.to_owned();
    Box::pin(async move {
        let library = Library::open(&data, &athenaeum_archive::Settings::default()).await?;
        let vectors = Vectors::open(&data.join("vectors"), athenaeum_vector::Settings::default()).await?;
        let meaning = Meaning::new(vectors, Arc::new(FourMeanings::new()));
        let searcher = Searcher::new(None, Some(library.clone()), Some(meaning.clone()));
        Ok(Rooms::new(library, Some(meaning), searcher))
    })
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn run(&self, source: &str) -> Ran {
        self.run_with(source, &[], &Settings::default(), CancellationToken::new()).await
    }

    /// Runs it in another tenant's name.
    pub(crate) async fn run_of(&self, scope: Scope, source: &str) -> Ran {
        self.run_in(scope, source, &[], &Settings::default(), CancellationToken::new()).await
    }

    pub(crate) async fn run_with(
        &self,
        source: &str,
        arguments: &[&str],
        settings: &Settings,
        cancel: CancellationToken,
    ) -> Ran {
        self.run_in(local(), source, arguments, settings, cancel).await
    }

    async fn run_in(
        &self,
        scope: Scope,
        source: &str,
        arguments: &[&str],
        settings: &Settings,
        cancel: CancellationToken,
    ) -> Ran {
        let data = self.0.path().to_owned();
        let (print, mut lines) = tokio::sync::mpsc::channel(16);
        let world = World { scope, open: Box::new(move || opening(&data)), print };
        let script = Script {
            name: "test.lua".into(),
            source: source.into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        let printing = tokio::spawn(async move {
            let (mut printed, mut notes) = (Vec::new(), Vec::new());
            while let Some(said) = lines.recv().await {
                match said {
                    Said::Line(line) => printed.extend(line),
                    Said::Note(note) => notes.push(note),
                }
            }
            (String::from_utf8_lossy(&printed).into_owned(), notes)
        });
        let ended = run(script, world, settings, cancel).await;
        // A thread that was left behind still holds its end.
        let printed = tokio::time::timeout(Duration::from_secs(1), printing).await;
        let (printed, notes) = printed.map(Result::unwrap).unwrap_or_default();
        Ran { printed, notes, ended }
    }
}

/// Runs a script in a library of its own.
pub(crate) async fn ran(source: &str) -> Ran {
    Place::new().run(source).await
}

/// Runs a script that is to fail, and returns what it says.
pub(crate) async fn error(source: &str) -> String {
    let ran = ran(source).await;
    assert!(ran.ended.is_err(), "{source}: {ran:?}");
    ran.error()
}
