//! What OpenAI's requests may say, and what other servers of this format have added.

use athenaeum_inference::constraint::Grammar;

use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
};

/// Longer texts come in bodies that are too long anyway.
pub(crate) const ANY_TEXT: Takes = Takes::Text(usize::MAX);
const NAME: Takes = Takes::Text(512);
const STOPS: Takes = Takes::Either(&[Takes::Text(1024), Takes::List(&Takes::Text(1024), 64)]);

/// The model that is asked.
pub(crate) const MODEL: Parameter =
    Parameter::new("model", NAME, "The model, as /v1/models lists it; the usual one where nothing is said.");

/// What is done with what is too long.
pub(crate) const TRUNCATION: Parameter = Parameter::new(
    "truncation",
    Takes::OneOf(&["disabled", "auto"]),
    "Leaves out the oldest part of a prompt that is too long, and says so; otherwise it is refused.",
);

/// What the answer looks like, how long it may be, and what else of it is wanted.
pub(crate) const ANSWER: &[Parameter] = &[
    MODEL,
    Parameter::new(
        "max_tokens",
        Takes::Integer(-1, 1 << 30),
        "Tokens of the answer at most; -1 for what the context leaves.",
    ),
    Parameter::new("n", Takes::Integer(1, CHOICES_MAX), "How many answers."),
    Parameter::new("stop", STOPS, "The answer ends before the first of these."),
    Parameter::new("stream", Takes::Bool, "Sends the answer as it comes, as server-sent events."),
    Parameter::new("stream_options", Takes::Object(STREAM_OPTIONS), "How it is sent."),
    Parameter::new(
        "grammar",
        ANY_TEXT,
        "A grammar (GBNF) that the answer keeps to; a Lark grammar where it begins with `%llguidance`.",
    ),
    Parameter::new(
        "json_schema",
        Takes::Either(&[Takes::Map(&Takes::Any), Takes::Bool]),
        "A JSON schema that the answer keeps to.",
    ),
    Parameter::new("guided_regex", ANY_TEXT, "A regular expression that the answer keeps to."),
    TRUNCATION,
    Parameter::new("priority", Takes::Integer(-1000, 1000), "Higher goes first among waiting requests."),
    Parameter::only(
        "cache_prompt",
        Takes::Bool,
        &["true"],
        "beginnings that were read before are always reused; the answer is the same",
    ),
    Parameter::only("service_tier", NAME, &["\"auto\"", "\"default\""], "there is one tier here"),
    Parameter::without_effect("user", ANY_TEXT, "nothing is kept about a client's users"),
    Parameter::without_effect("safety_identifier", ANY_TEXT, "nothing is kept about a client's users"),
    Parameter::without_effect("prompt_cache_key", ANY_TEXT, "beginnings are recognised by their tokens"),
    Parameter::without_effect("prompt_cache_retention", NAME, "beginnings are kept while there is room"),
];

const STREAM_OPTIONS: &[Parameter] = &[
    Parameter::new("include_usage", Takes::Bool, "Ends the stream with a chunk that counts tokens."),
    Parameter::only(
        "include_obfuscation",
        Takes::Bool,
        &["false"],
        "chunks are not padded; put TLS in front",
    ),
];

/// Each answer takes a place in the engine.
pub(super) const CHOICES_MAX: i64 = 128;

/// Reads tokens of the answer at most.
pub(crate) fn tokens_max(read: &Read, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| read.integer::<i64>(name)).and_then(|max| usize::try_from(max).ok())
}

/// Reads what the answer must look like, from the parameters that say it directly.
pub(crate) fn form(read: &Read) -> Result<Option<Grammar>, Problem> {
    let named: Vec<&str> =
        ["grammar", "json_schema", "guided_regex"].into_iter().filter(|name| read.has(name)).collect();
    let [name] = named.as_slice() else {
        return match named.get(1) {
            None => Ok(None),
            Some(second) => Err(Problem::parameter(second, format!("nothing beside {}", named[0]))),
        };
    };
    let text = read.text(name).unwrap_or_default();
    Ok(match *name {
        "json_schema" => read.value(name).cloned().map(Grammar::JsonSchema),
        _ if text.is_empty() => None,
        "guided_regex" => Some(Grammar::Regex(text.to_owned())),
        _ if text.starts_with("%llguidance") => {
            let lark = text.split_once('\n').map_or("", |(_, lark)| lark);
            Some(Grammar::Lark(lark.to_owned()))
        }
        _ => Some(Grammar::Gbnf(text.to_owned())),
    })
}
