use athenaeum_inference::catalog::{Entry, Purpose};
use serde_json::{Map, Value};
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::{
    generate,
    wire::{self, models_server},
};
use crate::{
    Api,
    contract::Contract,
    openai::embeddings,
    parameters::{self, Read},
    problem::Problem,
    serving::in_background,
};

/// The models' service.
pub(super) struct Models(pub(super) Api);

#[tonic::async_trait]
impl models_server::Models for Models {
    type GenerateStream = BoxStream<wire::GenerateResponse>;

    async fn generate(
        &self,
        request: Request<wire::GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let api = self.0.for_asker(&extensions, metadata.as_ref())?;
        let contract = Contract::of(metadata.as_ref(), &api);
        Ok(Response::new(generate::answer(&api, contract, request).await?))
    }

    async fn embed(
        &self,
        request: Request<wire::EmbedRequest>,
    ) -> Result<Response<wire::EmbedResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let api = self.0.for_asker(&extensions, metadata.as_ref())?;
        let contract = Contract::of(metadata.as_ref(), &api);
        let mut read = Read::of_object(body(request), embeddings::PARAMETERS)?;
        let (loaded, made, warnings) = embeddings::make(&api, contract, &mut read).await?;
        Ok(Response::new(wire::EmbedResponse {
            model: loaded.entry.name.clone(),
            tokens: made.iter().map(|one| one.tokens as u64).sum(),
            embeddings: made.into_iter().map(|one| wire::Embedding { values: one.vector }).collect(),
            warnings: warnings.into_iter().map(Into::into).collect(),
        }))
    }

    async fn list_models(
        &self,
        _: Request<wire::ListModelsRequest>,
    ) -> Result<Response<wire::ListModelsResponse>, Status> {
        let listed = self.0.models.list().await?;
        let models = listed.into_iter().map(|(entry, loaded)| model(entry, loaded)).collect();
        Ok(Response::new(wire::ListModelsResponse { models }))
    }

    async fn load(
        &self,
        request: Request<wire::LoadRequest>,
    ) -> Result<Response<wire::LoadResponse>, Status> {
        let name = request.into_inner().model;
        let entry = self.0.models.find(named(&name)).await?;
        let (models, name) = (&self.0.models, Some(entry.name.as_str()));
        match entry.purpose {
            Purpose::Embed => drop(models.embedder(name, None).await?),
            Purpose::Rerank => drop(models.reranker(name, None).await?),
            _ => drop(models.load(name, None).await?),
        }
        let loaded = self.0.models.is_loaded(&entry);
        Ok(Response::new(wire::LoadResponse { model: Some(model(entry, loaded)) }))
    }

    async fn unload(
        &self,
        request: Request<wire::UnloadRequest>,
    ) -> Result<Response<wire::UnloadResponse>, Status> {
        let name = request.into_inner().model;
        if name.is_empty() {
            return Err(Problem::missing_parameter("model", "a model's name").into());
        }
        let entry = self.0.models.find(Some(&name)).await?;
        let models = self.0.models.clone();
        let was_loaded = in_background(move || models.residents().unload(&entry.path)).await?;
        Ok(Response::new(wire::UnloadResponse { was_loaded }))
    }
}

fn model(entry: Entry, loaded: bool) -> wire::Model {
    wire::Model {
        purpose: entry.purpose.as_str().to_owned(),
        context_length: entry.summary.context_tokens,
        loaded,
        name: entry.name,
        aliases: entry.aliases,
    }
}

impl From<parameters::Warning> for wire::Warning {
    fn from(warning: parameters::Warning) -> Self {
        Self { parameter: warning.parameter, reason: warning.reason }
    }
}

/// The usual model is asked for by no name.
fn named(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

/// What one would post.
fn body(request: wire::EmbedRequest) -> Map<String, Value> {
    let wire::EmbedRequest { model, input, dimensions, prompt_name, prompt, normalize, truncation } = request;
    let mut body = Map::new();
    let texts = [("model", model), ("prompt_name", prompt_name), ("truncation", truncation)];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        body.insert(name.to_owned(), text.into());
    }
    body.insert("input".to_owned(), input.into());
    body.insert("dimensions".to_owned(), dimensions.into());
    body.insert("prompt".to_owned(), prompt.into());
    body.insert("embd_normalize".to_owned(), normalize.into());
    body
}
