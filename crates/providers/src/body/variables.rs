//! Variables of templates, and the wish to think that wires without templates have a word for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Inexpressible, no_word};
use crate::{Place, Wire};

type Variables = BTreeMap<String, Value>;

pub(super) fn openai(
    wire: Wire,
    variables: &Variables,
    body: &mut Map<String, Value>,
) -> Result<(), Inexpressible> {
    if variables.is_empty() {
        return Ok(());
    }
    let effort = variables.get(EFFORT).and_then(Value::as_str);
    if wire == Wire::OpenAi {
        only_thinking(variables)?;
        body.insert(EFFORT.to_owned(), json!(effort.ok_or_else(|| no_word(Place::Variables))?));
        return Ok(());
    }
    body.insert(VARIABLES.to_owned(), json!(variables));
    // Models without a template (gpt-oss) hear of it in vLLM's own field only, which takes no other words.
    if let Some(effort) = effort.filter(|effort| wire == Wire::Vllm && LEVELS.contains(effort)) {
        body.insert(EFFORT.to_owned(), effort.into());
    }
    Ok(())
}

pub(super) fn ollama(variables: &Variables, body: &mut Map<String, Value>) -> Result<(), Inexpressible> {
    if variables.is_empty() {
        return Ok(());
    }
    only_thinking(variables)?;
    let thinks = ["enable_thinking", "thinking"].iter().find_map(|name| variables.get(*name)?.as_bool());
    let effort = variables.get(EFFORT).and_then(Value::as_str);
    let think = match (thinks, effort) {
        (Some(false), _) | (_, Some("none")) => json!(false),
        (_, Some(level)) if LEVELS.contains(&level) || level == "max" => json!(level),
        (Some(true), _) => json!(true),
        (None, _) => return Err(no_word(Place::Variables)),
    };
    body.insert("think".to_owned(), think);
    Ok(())
}

/// Whether all of them are spellings of one wish.
fn only_thinking(variables: &Variables) -> Result<(), Inexpressible> {
    let is_known = |name: &String| ["enable_thinking", "thinking", EFFORT].contains(&name.as_str());
    if variables.keys().all(is_known) { Ok(()) } else { Err(no_word(Place::Variables)) }
}

const VARIABLES: &str = "chat_template_kwargs";
const EFFORT: &str = "reasoning_effort";
const LEVELS: [&str; 3] = ["low", "medium", "high"];
