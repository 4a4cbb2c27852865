//! Questions, from what is searched to what is answered.

use std::collections::HashSet;

use athenaeum_archive::Archive;
use athenaeum_ingest::document;
use athenaeum_tenancy::Scope;

use super::Librarian;
use crate::{
    ask::{self, Answer, Budget, Origin, Passage, Verification},
    search::{Mode, Request, SearchError, Within},
    topics::{self, Topics},
};

impl Librarian {
    /// Takes the passages that a question is answered from, the best first. `tokens` counts as the model does.
    ///
    /// # Errors
    /// Those of a search.
    pub async fn passages(
        &self,
        archive: &Archive,
        scope: &Scope,
        request: &Request,
        budget: Budget,
        tokens: &(dyn Fn(&str) -> usize + Sync),
    ) -> Result<Vec<Passage>, SearchError> {
        let request = Request { limit: LOOKED_AT, offset: 0, ..request.clone() };
        let found = self.search(archive, scope, &request).await?;
        let library = match request.within {
            Within::Chats => None,
            _ => Some(self.library().await?),
        };
        ask::passages((Some(archive), library), scope, &request.query, &found.hits, budget, tokens).await
    }

    /// Answers a question without a model that writes: by the sentences that answer it best.
    ///
    /// # Errors
    /// Those of a search.
    pub async fn answer(
        &self,
        archive: &Archive,
        scope: &Scope,
        request: &Request,
        budget: Budget,
    ) -> Result<Answer, SearchError> {
        let tokens = |text: &str| text.len().div_ceil(BYTES_A_TOKEN);
        let passages = self.passages(archive, scope, request, budget, &tokens).await?;
        let meaning = match request.mode {
            Mode::Text => None,
            _ => self.meaning().await,
        };
        Ok(Answer::quoted(&request.query, &passages, meaning).await?)
    }

    /// Tells what the conversations of `archive` and the documents are about, for one at a time.
    ///
    /// # Errors
    /// What the disk says.
    ///
    /// # Cancellation
    /// As [`topics::topics`].
    pub async fn topics(
        &self,
        archive: &Archive,
        scope: &Scope,
        request: &topics::Request,
    ) -> Result<Topics, SearchError> {
        let library = self.library().await?;
        let meaning = self.meaning().await;
        let _turn = self.0.topics.lock().await;
        topics::topics((Some(archive), Some(library)), meaning, scope, request).await
    }

    /// Checks an answer against the files that it cites, as far as the ledger of whoever asks has them: a path that it does
    /// not have is not looked at.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn verify(
        &self,
        scope: &Scope,
        answer: Answer,
    ) -> Result<Verification, athenaeum_archive::Error> {
        let library = self.library().await?;
        let mut answer = answer;
        let mut unknown = HashSet::new();
        for citation in &mut answer.citations {
            if let Origin::Document { path, .. } = &mut citation.origin
                && let Some(named) = path.as_deref()
                && library.file(scope, named).await?.is_none()
            {
                unknown.insert(citation.number);
                *path = None;
            }
        }
        let options: document::Options = self.0.options.reading.clone();
        let checked = tokio::task::spawn_blocking(move || ask::verify(&answer, &options)).await;
        let mut verification = match checked {
            Ok(verification) => verification,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        for checked in &mut verification.citations {
            if unknown.contains(&checked.number) {
                "the library does not know this file".clone_into(&mut checked.said);
            }
        }
        Ok(verification)
    }
}

/// Hits that passages are taken from.
const LOOKED_AT: usize = 40;

/// Of English; without a model nothing hangs on it but how much is looked through.
const BYTES_A_TOKEN: usize = 4;
