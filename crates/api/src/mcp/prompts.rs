//! What a person can pick in their client instead of typing it.

use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, GetPromptRequestParams, GetPromptResult, Prompt,
    PromptArgument, PromptMessage, Reference, Role,
};

use super::{Asker, Mcp};
use crate::problem::{Kind, Problem};

pub(super) fn all() -> Vec<Prompt> {
    let topic = PromptArgument::new(TOPIC)
        .with_title("Topic")
        .with_description("What it was about: words, or a conversation's title.")
        .with_required(true);
    let about = "Finds what was said about a topic in past conversations, and sums it up with links.";
    vec![Prompt::new(RECALL, Some(about), Some(vec![topic])).with_title("Recall what was said about …")]
}

pub(super) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, Problem> {
    if request.name != RECALL {
        return Err(unknown(&request.name));
    }
    let topic = request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get(TOPIC))
        .and_then(|value| value.as_str());
    let Some(topic) = topic.map(str::trim).filter(|topic| !topic.is_empty()) else {
        return Err(Problem::parameter(TOPIC, "a text that says what to recall"));
    };
    let text = format!(
        "What did I discuss about the following in my past conversations?\n\n{topic}\n\n\
         Search my library with the `search` tool, with other words too where little is found, and `open` what looks \
         right. Then sum up what was said and decided, the oldest first, with the date and the link of each \
         conversation, and say what you could not find."
    );
    let mut result = GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    result.description = Some("Recall what was said about a topic".to_owned());
    Ok(result)
}

/// Completes a topic by the titles that begin like it.
pub(super) async fn complete(
    mcp: &Mcp,
    asker: &Asker,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, Problem> {
    let values = match &request.r#ref {
        Reference::Prompt(prompt) if prompt.name != RECALL => return Err(unknown(&prompt.name)),
        Reference::Prompt(_) if request.argument.name == TOPIC => {
            let found = mcp.archive.suggest(&asker.scope, &request.argument.value, TITLES).await?;
            found.into_iter().filter_map(|summary| summary.title).collect()
        }
        // Ids have no beginnings that a person would know.
        _ => Vec::new(),
    };
    Ok(CompleteResult::new(CompletionInfo::new(values).unwrap_or_default()))
}

fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::new(Kind::NotFound, format!("There is no prompt '{name}'; there is {RECALL}."))
}

const RECALL: &str = "recall";
const TOPIC: &str = "topic";
/// Titles offered; the protocol allows 100.
const TITLES: usize = 20;
