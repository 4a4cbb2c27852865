//! Which vectors there are, and which answer.

use std::sync::{Arc, PoisonError};

use athenaeum_core::{
    Embed,
    vector::{Metric, Spec, VectorStorage as _},
};
use athenaeum_tenancy::Scope;
use athenaeum_vector::Collection;

use super::{Meaning, MeaningError};

/// What vectors are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Chunks of documents.
    Chunks,
    /// Messages.
    Messages,
    /// Memories, whose vectors are made when they are looked for.
    Memories,
}

impl Kind {
    /// What the names of its collections begin with; the model stands behind it.
    pub(super) fn beginning(self) -> &'static str {
        match self {
            Self::Chunks => "chunks ",
            Self::Messages => "messages ",
            Self::Memories => "memories ",
        }
    }
}

impl Meaning {
    /// Returns the vectors that the model makes.
    pub(super) async fn own(&self, scope: &Scope, kind: Kind) -> Result<Collection, MeaningError> {
        let model = self.embedder.model();
        let spec = Spec {
            name: format!("{}{model}", kind.beginning()),
            model: model.to_string(),
            dimensions: model.dimensions,
            metric: Metric::Cosine,
        };
        self.open(scope, &spec).await
    }

    /// Lists the collections that hold something, with how many vectors each does.
    pub(super) async fn held(
        &self,
        scope: &Scope,
        kind: Kind,
    ) -> Result<Vec<(Collection, u64)>, MeaningError> {
        let mut held = Vec::new();
        for (spec, vectors) in self.vectors.holdings(scope).await? {
            if vectors > 0 && spec.name.starts_with(kind.beginning()) {
                held.push((self.open(scope, &spec).await?, vectors));
            }
        }
        Ok(held)
    }

    /// Returns what answers, and the model that it is asked by: of several the one with the most vectors, so that those of
    /// another model answer until this one's are whole. `None` where nothing has a vector.
    pub(super) async fn answering(
        &self,
        scope: &Scope,
        kind: Kind,
    ) -> Result<Option<(Arc<dyn Embed>, Collection)>, MeaningError> {
        let own = self.embedder.model().to_string();
        let mut held = self.held(scope, kind).await?;
        held.sort_by_key(|(collection, vectors)| (u64::MAX - vectors, collection.spec().model != own));
        for (collection, _) in held {
            let model = &collection.spec().model;
            if *model == own {
                return Ok(Some((Arc::clone(&self.embedder), collection)));
            }
            if let Some(embedder) = self.former(model).await {
                return Ok(Some((embedder, collection)));
            }
        }
        Ok(None)
    }

    /// Returns what answers, without a look at its model: where `total` is 0 nothing does.
    pub(super) async fn collection(
        &self,
        scope: &Scope,
        kind: Kind,
        total: u64,
    ) -> Result<Option<Collection>, MeaningError> {
        if total == 0 {
            return Ok(None);
        }
        Ok(self.answering(scope, kind).await?.map(|(_, collection)| collection))
    }

    /// Removes vectors of other models: those of this one are whole.
    pub(super) async fn clear_formers(&self, scope: &Scope, kind: Kind) -> Result<(), MeaningError> {
        let own = self.embedder.model().to_string();
        for (collection, vectors) in self.held(scope, kind).await? {
            if collection.spec().model != own {
                tracing::info!(
                    model = collection.spec().model,
                    vectors,
                    "vectors of another model are removed"
                );
                collection.clear().await?;
            }
        }
        Ok(())
    }

    /// Names the models whose vectors answer until those of this one are whole.
    ///
    /// # Errors
    /// [`MeaningError::Vectors`].
    pub async fn formers(&self, scope: &Scope) -> Result<Vec<String>, MeaningError> {
        let own = self.embedder.model().to_string();
        let mut models = Vec::new();
        for kind in [Kind::Chunks, Kind::Messages] {
            for (collection, _) in self.held(scope, kind).await? {
                let model = collection.spec().model.clone();
                if model != own && !models.contains(&model) {
                    models.push(model);
                }
            }
        }
        Ok(models)
    }

    async fn former(&self, model: &str) -> Option<Arc<dyn Embed>> {
        let former = self.former.as_ref()?;
        let mut formers = self.formers.lock().await;
        if let Some(known) = formers.get(model) {
            return known.clone();
        }
        let opened = former.open(model).await.filter(|opened| opened.model().to_string() == model);
        if opened.is_none() {
            tracing::warn!(model, "vectors of a model that is gone answer no longer");
        }
        formers.insert(model.to_owned(), opened.clone());
        opened
    }

    async fn open(&self, scope: &Scope, spec: &Spec) -> Result<Collection, MeaningError> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (scope.tenant().clone(), spec.name.clone());
        if let Some(collection) = opened().get(&name) {
            return Ok(collection.clone());
        }
        let collection = self.vectors.collection(scope, spec).await?;
        // Whoever was first has shared it already.
        Ok(opened().entry(name).or_insert(collection).clone())
    }
}
