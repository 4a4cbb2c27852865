//! Questions, from what is searched to what is answered.

use std::collections::{HashMap, HashSet};

use athenaeum_archive::Archive;
use athenaeum_ingest::document;
use athenaeum_tenancy::Scope;

use super::Librarian;
use crate::{
    ask::{self, Answer, Budget, Origin, Passage, Verdict, Verification},
    rooms::is_of_a_program,
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
    /// not have is not looked at. What a program handed in without a file is held against its text in the library.
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
        let (mut unknown, mut handed_in) = (HashSet::new(), HashMap::new());
        for citation in &mut answer.citations {
            let Origin::Document { path, text_range, .. } = &mut citation.origin else { continue };
            let Some(named) = path.as_deref() else { continue };
            match library.file(scope, named).await?.map(|file| file.document) {
                None => {
                    unknown.insert(citation.number);
                    *path = None;
                }
                Some(Some(document)) if is_of_a_program(named) => {
                    let text = library.document(scope, document).await?.text;
                    let stands = text.get(text_range.clone()) == Some(citation.text.as_str());
                    handed_in.insert(citation.number, stands);
                }
                Some(_) => {}
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
            // The passage itself may have been changed since; then it is no passage of anything.
            if let Some(stands) =
                handed_in.get(&checked.number).filter(|_| checked.verdict == Verdict::Unseen)
            {
                (checked.verdict, checked.said) = match stands {
                    true => (
                        Verdict::Holds,
                        "a program handed it in, and the library has it as it was".to_owned(),
                    ),
                    false => (
                        Verdict::Missing,
                        "the passage does not stand in what a program handed in".to_owned(),
                    ),
                };
            }
        }
        verification.judge();
        Ok(verification)
    }
}

/// Hits that passages are taken from.
const LOOKED_AT: usize = 40;

/// Of English; without a model nothing hangs on it but how much is looked through.
const BYTES_A_TOKEN: usize = 4;
