//! What an answer must look like.

use athenaeum_inference::constraint::Grammar;

use super::parameters;
use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
};

/// The parameter that says so in OpenAI's words.
pub(super) const RESPONSE_FORMAT: Parameter =
    Parameter::new("response_format", Takes::Object(FORMAT), "What the answer must look like.");

const FORMAT: &[Parameter] = &[
    Parameter::required(
        "type",
        Takes::OneOf(&["text", "json_object", "json_schema"]),
        "Text, any JSON object, or JSON of a schema.",
    ),
    Parameter::new(
        "json_schema",
        Takes::Map(&Takes::Any),
        "An object whose field `schema` is a JSON schema.",
    ),
    Parameter::new("schema", Takes::Map(&Takes::Any), "A JSON schema, for clients that write it here."),
];

/// Reads it, or one of those that say it directly.
pub(super) fn of(read: &Read) -> Result<Option<Grammar>, Problem> {
    let direct = parameters::form(read)?;
    let format = read.object("response_format");
    let asked = match format.text("type") {
        None | Some("text") => None,
        Some("json_object") => Some(match format.value("schema") {
            Some(schema) => Grammar::JsonSchema(schema.clone()),
            None => Grammar::JsonObject,
        }),
        Some(_) => {
            let within = format.value("json_schema").and_then(|named| named.get("schema"));
            let schema = within.or_else(|| format.value("schema")).filter(|schema| !schema.is_null());
            let missing =
                || Problem::missing_parameter("response_format.json_schema.schema", "a JSON schema");
            Some(Grammar::JsonSchema(schema.cloned().ok_or_else(missing)?))
        }
    };
    match (direct, asked) {
        (Some(_), Some(_)) => {
            Err(Problem::parameter("response_format", "nothing beside grammar, json_schema and guided_regex"))
        }
        (direct, asked) => Ok(direct.or(asked)),
    }
}
