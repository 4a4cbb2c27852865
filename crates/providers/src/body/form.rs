//! What an answer must look like, as each wire has it.

use serde_json::{Map, Value, json};

use super::Inexpressible;
use crate::{Form, Place, Wire};

pub(super) fn chat(
    wire: Wire,
    form: Option<&Form>,
    body: &mut Map<String, Value>,
) -> Result<(), Inexpressible> {
    let Some(form) = form else { return Ok(()) };
    let (name, value) = match (form, wire) {
        (Form::JsonObject, _) => ("response_format", json!({ "type": "json_object" })),
        (Form::JsonSchema(schema), _) => ("response_format", of_schema(schema)),
        (Form::Regex(expression), Wire::Vllm) => ("structured_outputs", json!({ "regex": expression })),
        // vLLM's grammars are read by xgrammar, which takes llama.cpp's. Lark's it only rewrites, line by line.
        (Form::Gbnf(grammar), Wire::Vllm) => ("structured_outputs", json!({ "grammar": grammar })),
        (Form::Gbnf(grammar), Wire::LlamaCpp) => ("grammar", json!(grammar)),
        (form, _) => return Err(no_word(form)),
    };
    body.insert(name.to_owned(), value);
    Ok(())
}

/// OpenAI's texts have no form.
pub(super) fn texts(
    wire: Wire,
    form: Option<&Form>,
    body: &mut Map<String, Value>,
) -> Result<(), Inexpressible> {
    match form {
        Some(form) if wire != Wire::Vllm => Err(no_word(form)),
        form => chat(wire, form, body),
    }
}

/// llama.cpp's `/completion`.
pub(super) fn completion(form: Option<&Form>, body: &mut Map<String, Value>) -> Result<(), Inexpressible> {
    let Some(form) = form else { return Ok(()) };
    let (name, value) = match form {
        Form::JsonObject => ("json_schema", json!({ "type": "object" })),
        Form::JsonSchema(schema) => ("json_schema", schema.clone()),
        Form::Gbnf(grammar) => ("grammar", json!(grammar)),
        form => return Err(no_word(form)),
    };
    body.insert(name.to_owned(), value);
    Ok(())
}

pub(super) fn ollama(form: Option<&Form>, body: &mut Map<String, Value>) -> Result<(), Inexpressible> {
    let value = match form {
        None => return Ok(()),
        Some(Form::JsonObject) => json!("json"),
        Some(Form::JsonSchema(schema)) if schema.is_object() => schema.clone(),
        Some(form) => return Err(no_word(form)),
    };
    body.insert("format".to_owned(), value);
    Ok(())
}

fn of_schema(schema: &Value) -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true } })
}

fn no_word(form: &Form) -> Inexpressible {
    let what = match form {
        Form::JsonObject | Form::JsonSchema(_) => "response_format",
        Form::Regex(_) => "regex",
        Form::Gbnf(_) => "grammar",
        Form::Lark(_) => "lark",
    };
    Inexpressible(Place::Form, what)
}
