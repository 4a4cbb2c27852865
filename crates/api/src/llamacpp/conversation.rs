//! `/apply-template`, `/chat/completions/input_tokens`, and what llama.cpp's server makes of conversations.

use athenaeum_inference::template::{Conversation, Json};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Api,
    contract::Contract,
    json::fresh,
    openai,
    parameters::{Parameter, Warning},
    problem::Problem,
    serving::in_background,
};

/// What requests may say: as to be answered, for clients send the same.
pub(super) fn parameters() -> &'static [Parameter] {
    openai::conversation_parameters()
}

/// A prompt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Prompt)]
pub(super) struct Prompt {
    /// As the template writes it.
    prompt: String,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// How long it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::InputTokens)]
pub(super) struct InputTokens {
    object: &'static str,
    /// Tokens of the prompt.
    input_tokens: usize,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Make a conversation's prompt
///
/// By the model's chat template, without asking the model.
#[utoipa::path(
    post,
    path = "/apply-template",
    operation_id = "applyTemplate",
    tag = "llamacpp",
    responses((status = 200, description = "The prompt.", body = Prompt)),
)]
pub(super) async fn apply(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let (_, prompt, warnings) = made(&api, contract, &headers, request).await?;
    let prompt = Prompt { prompt, warnings: warnings.clone() };
    contract.warned(fresh(StatusCode::OK, &prompt)?, &warnings)
}

/// Count a conversation's tokens
#[utoipa::path(
    post,
    path = "/chat/completions/input_tokens",
    operation_id = "countChatTokens",
    tag = "llamacpp",
    responses((status = 200, description = "How many.", body = InputTokens)),
)]
pub(super) async fn count(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let (tokens, _, warnings) = made(&api, contract, &headers, request).await?;
    let count =
        InputTokens { object: "response.input_tokens", input_tokens: tokens, warnings: warnings.clone() };
    contract.warned(fresh(StatusCode::OK, &count)?, &warnings)
}

/// Makes a prompt: how many tokens, and its text.
async fn made(
    api: &Api,
    contract: Contract,
    headers: &HeaderMap,
    request: Body,
) -> Result<(usize, String, Vec<Warning>), Problem> {
    let (mut conversation, read) = openai::read_conversation(api, headers, request).await?;
    contract.settle(&read.warnings)?;
    take_over(api, &mut conversation)?;
    let model = api.models.load(read.text("model"), None).await?;
    let mut warnings = read.warnings;
    let limits = api.pictures();
    let prompt = in_background(move || {
        let conversation = conversation.read(&model.model, limits)?;
        Ok::<_, Problem>(model.model.chat_prompt(&conversation)?)
    });
    let prompt = prompt.await??;
    warnings.extend(
        prompt
            .changes
            .iter()
            .map(|change| Warning { parameter: "messages".to_owned(), reason: change.as_str().to_owned() }),
    );
    Ok((prompt.tokens.len(), prompt.text, warnings))
}

/// Reads a conversation as llama.cpp's server does: an answer that stands last is gone on with, models think or not as its
/// flags say, and templates learn the date by the names that it has there.
///
/// # Errors
///
/// If several answers stand last.
pub(crate) fn take_over(api: &Api, conversation: &mut Conversation) -> Result<(), Problem> {
    let today = jiff::Zoned::now();
    for (name, value) in [
        ("enable_thinking", Json::from(api.llama_server.reasoning.unwrap_or(true))),
        ("date_string", Json::from(today.strftime("%d %b %Y").to_string())),
        ("datetime", Json::from(today.strftime("%b %d %Y").to_string())),
    ] {
        conversation.variables.entry(name.to_owned()).or_insert(value);
    }
    let answers =
        conversation.messages.iter().rev().take_while(|message| message.role() == "assistant").count();
    if answers > 1 {
        let accepts = "a list with one message of the assistant at its end at most";
        return Err(Problem::parameter("messages", accepts));
    }
    let Some(last) = conversation.messages.last_mut().filter(|_| answers == 1) else { return Ok(()) };
    if let Some(parts) =
        last.field("content").filter(|content| content.as_str().is_none() && !content.is_null())
    {
        let texts: Vec<String> =
            parts.elements().filter_map(|part| part.field("text")?.as_str().map(str::to_owned)).collect();
        *last = last.clone().with("content", texts.join("\n\n"));
    }
    if conversation.add_generation_prompt && last.field("tool_calls").is_none() {
        conversation.continue_final_message = true;
        conversation.add_generation_prompt = false;
    }
    Ok(())
}
