//! Responses that are kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::{
    Api,
    problem::{Kind, Problem},
};

/// What is kept of a response.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) response: Value,
    /// What the request said, without what came before it.
    pub(super) input: Vec<Value>,
}

const KIND: &str = "response";
/// How far back a response goes on from others.
const CHAIN_MAX: usize = 1000;

impl Record {
    /// Keeps it, in place of what was kept of it before.
    pub(super) async fn keep(&self, api: &Api) -> Result<(), Problem> {
        let Some(state) = &api.state else { return Ok(()) };
        let id = self.response["id"].as_str().unwrap_or_default();
        let json = serde_json::to_string(self).unwrap_or_default();
        state.put(&api.scope, KIND, id, &json).await?;
        state.trim(&api.scope, KIND, api.settings.kept_max).await?;
        Ok(())
    }

    /// Finds it.
    pub(super) async fn find(api: &Api, id: &str) -> Result<Self, Problem> {
        let missing = || Problem::new(Kind::NotFound, format!("There is no response {}.", shown(id)));
        let state = api.state.as_ref().ok_or_else(missing)?;
        let json = state.get(&api.scope, KIND, id).await?.ok_or_else(missing)?;
        let mut record: Self = serde_json::from_str(&json).map_err(|error| {
            tracing::error!(%error, id, "a kept response cannot be read");
            Problem::new(Kind::Internal, "What was kept of the response cannot be read; delete it.")
        })?;
        if record.response["status"] == "in_progress" && !api.running.has(api, id) {
            record.response["status"] = "failed".into();
            let message = "the server ended while it was being answered";
            record.response["error"] = json!({ "code": "server_error", "message": message });
        }
        Ok(record)
    }

    /// Removes it.
    pub(super) async fn remove(api: &Api, id: &str) -> Result<(), Problem> {
        Self::find(api, id).await?;
        if let Some(state) = &api.state {
            state.delete(&api.scope, KIND, id).await?;
        }
        Ok(())
    }

    /// All that was said up to the end of a response, the oldest first.
    pub(super) async fn said_until(api: &Api, id: &str) -> Result<Vec<Value>, Problem> {
        Self::all_until(api, id).instrument(tracing::debug_span!("session")).await
    }

    async fn all_until(api: &Api, id: &str) -> Result<Vec<Value>, Problem> {
        let (mut turns, mut next) = (Vec::new(), Some(id.to_owned()));
        while let Some(id) = next.take() {
            if turns.len() == CHAIN_MAX {
                let detail = format!(
                    "More than {CHAIN_MAX} responses go on from each other; begin a new conversation."
                );
                return Err(Problem::new(Kind::BadRequest, detail).about("previous_response_id"));
            }
            let record =
                Self::find(api, &id).await.map_err(|problem| problem.about("previous_response_id"))?;
            let output = record.response["output"].as_array().cloned().unwrap_or_default();
            next = record.response["previous_response_id"].as_str().map(str::to_owned);
            turns.push([record.input, output].concat());
        }
        turns.reverse();
        Ok(turns.concat())
    }
}

fn shown(id: &str) -> String {
    id.chars().take(64).collect()
}
