//! The model within the program, unpacked when somebody asks: most programs that could search by meaning end before they do.

use std::sync::Arc;

use athenaeum_core::Embed;
use athenaeum_inference::processor::Processor;

/// Returns the model within this program, where `name` means it; `Some(None)` where it is left out.
#[cfg(feature = "built-in-embedder")]
pub(super) fn built_in(name: &str, processor: &Processor) -> Option<Option<Arc<dyn Embed>>> {
    (name.is_empty() || name == athenaeum_inference::built_in::NAME)
        .then(|| Some(Arc::new(lazily::BuiltIn::new(processor)) as Arc<dyn Embed>))
}

/// Returns nothing, where `name` means the model within the program: it is left out.
#[cfg(not(feature = "built-in-embedder"))]
pub(super) fn built_in(name: &str, _: &Processor) -> Option<Option<Arc<dyn Embed>>> {
    name.is_empty().then_some(None)
}

#[cfg(feature = "built-in-embedder")]
mod lazily {
    use athenaeum_core::{Embed, EmbedError, Embedding, EmbeddingModel, TextKind};
    use athenaeum_inference::{built_in, local_embedder::LocalEmbedder, processor::Processor};
    use tokio::sync::OnceCell;

    pub(super) struct BuiltIn {
        model: EmbeddingModel,
        processor: Processor,
        opened: OnceCell<LocalEmbedder>,
    }

    impl BuiltIn {
        pub(super) fn new(processor: &Processor) -> Self {
            Self { model: built_in::described(), processor: processor.clone(), opened: OnceCell::new() }
        }

        async fn opened(&self) -> Result<&LocalEmbedder, EmbedError> {
            let open = || async {
                let processor = self.processor.clone();
                match tokio::task::spawn_blocking(move || built_in::embedder(&processor)).await {
                    Ok(opened) => opened.map_err(|error| EmbedError::Failed(Box::new(error))),
                    Err(error) => Err(EmbedError::Failed(Box::new(error))),
                }
            };
            self.opened.get_or_try_init(open).await
        }
    }

    impl Embed for BuiltIn {
        fn model(&self) -> &EmbeddingModel {
            &self.model
        }

        fn tokens(&self, text: &str) -> usize {
            // Nobody waits for a model to count.
            self.opened.get().map_or(text.len().div_ceil(4), |opened| opened.tokens(text))
        }

        fn embed<'a>(&'a self, texts: &'a [String], kind: TextKind) -> Embedding<'a> {
            Box::pin(async move { self.opened().await?.embed(texts, kind).await })
        }
    }
}
