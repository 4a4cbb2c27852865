use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use athenaeum_archive::{Error, memories::Memories};
use tokio::sync::OnceCell;

use super::{Memorizer, Settings};
use crate::meaning::Meaning;

/// Where the memories of a server are: opened when somebody needs them. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Place(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    data: PathBuf,
    archive: athenaeum_archive::Settings,
    settings: Settings,
    memories: OnceCell<Memories>,
}

impl Place {
    /// Names the data directory, how its databases are opened, and how memories are kept.
    pub fn new(data: &Path, archive: athenaeum_archive::Settings, settings: Settings) -> Self {
        Self(Arc::new(Inner { data: data.to_owned(), archive, settings, memories: OnceCell::new() }))
    }

    /// Returns the memories, found by meaning where there is `meaning`; the first call opens them.
    ///
    /// # Errors
    /// Those of [`Memories::open`]; the next call tries again.
    pub async fn open(&self, meaning: Option<Meaning>) -> Result<Memorizer, Error> {
        let Inner { data, archive, settings, memories } = &*self.0;
        let memories = memories.get_or_try_init(|| Memories::open(data, archive)).await?;
        Ok(Memorizer::new(memories.clone(), meaning, *settings))
    }

    /// Closes them, where they were opened.
    pub async fn close(&self) {
        if let Some(memories) = self.0.memories.get() {
            memories.close().await;
        }
    }
}
