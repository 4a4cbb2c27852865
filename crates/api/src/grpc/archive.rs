use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tonic::{Request, Response, Status};

use super::wire::{self, archive_server};
use crate::{Api, conversations, params::Params, problem::Problem, search};

/// The archive's service.
pub(super) struct Archive(pub(super) Api);

#[tonic::async_trait]
impl archive_server::Archive for Archive {
    async fn search(
        &self,
        request: Request<wire::SearchRequest>,
    ) -> Result<Response<wire::SearchResults>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let api = self.0.for_asker(&extensions, metadata.as_ref())?;
        let asked = parameters(request);
        let known = [&["query", "conversation", "sort", "limit", "cursor"], search::FILTERS].concat();
        let params = Params::of_tool(&asked, &known)?;
        same(&search::results(&api, &params, "query").await?)
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::Conversation>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let api = self.0.for_asker(&extensions, metadata.as_ref())?;
        let id = request.id;
        if id.is_empty() {
            return Err(Problem::missing_parameter("id", "a conversation's id (a UUID)").into());
        }
        same(&conversations::whole(&api, &id).await?)
    }
}

/// The parameters as a query string would have them. What is empty was not said.
fn parameters(request: wire::SearchRequest) -> Map<String, Value> {
    let wire::SearchRequest {
        query,
        provider,
        model,
        role,
        user,
        after,
        before,
        has,
        hidden,
        conversation,
        sort,
        limit,
        cursor,
    } = request;
    let mut asked = Map::new();
    let texts = [
        ("after", after),
        ("before", before),
        ("conversation", conversation),
        ("sort", sort),
        ("cursor", cursor),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        asked.insert(name.to_owned(), text.into());
    }
    let lists = [("provider", provider), ("model", model), ("role", role), ("user", user), ("has", has)];
    for (name, list) in lists {
        asked.insert(name.to_owned(), list.into());
    }
    asked.insert("query".to_owned(), query.into());
    asked.insert("hidden".to_owned(), hidden.into());
    asked.insert("limit".to_owned(), limit.into());
    asked
}

/// Gives the same answer as over HTTP: the fields have the same names, and one that the description lacks is an error.
fn same<T: DeserializeOwned>(answer: &impl Serialize) -> Result<Response<T>, Status> {
    let json = serde_json::to_vec(answer).and_then(|json| serde_json::from_slice(&json));
    json.map(Response::new).map_err(|error| {
        tracing::error!(%error, "an answer does not fit its description");
        Status::internal("The answer does not fit its description; please report it.")
    })
}
