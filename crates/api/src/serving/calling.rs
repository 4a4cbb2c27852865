//! What an answer is held to: calls of tools, and forms.

use athenaeum_inference::{
    constraint::{Calls, Grammar, Lead},
    reply::Format,
    template::Json,
};
use serde_json::json;

use crate::{
    parameters::Warning,
    problem::{Kind, Problem},
};

/// What an answer does with the tools that it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calling {
    pub(crate) choice: Choose,
    /// It calls one at most.
    pub(crate) once: bool,
    /// Those that may be called, where that is not all.
    pub(crate) among: Option<Vec<String>>,
}

/// Which tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Choose {
    /// Whichever the model likes, or none.
    #[default]
    Freely,
    /// One or more of them.
    Any,
    /// This one.
    Named(String),
}

impl Calling {
    /// Holds a choice, which a parameter made, against the tools that there are.
    pub(crate) fn of(choice: Choose, once: bool, tools: &[Json], parameter: &str) -> Result<Self, Problem> {
        let known: Vec<String> = tools.iter().filter_map(name_of).collect();
        match &choice {
            Choose::Named(name) if !known.contains(name) => {
                let names = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let accepts = format!("the name of one of the tools, of which there are: {names}");
                Err(Problem::parameter(parameter, accepts))
            }
            Choose::Any if known.is_empty() => {
                Err(Problem::parameter(parameter, "that a tool must be called only where there are tools"))
            }
            _ => Ok(Self { choice, once, among: None }),
        }
    }
}

impl Calling {
    /// The same for these tools alone, of those that the model is told of.
    pub(crate) fn among(self, names: Vec<String>, tools: &[Json], parameter: &str) -> Result<Self, Problem> {
        let known: Vec<String> = tools.iter().filter_map(name_of).collect();
        if names.is_empty() || names.iter().any(|name| !known.contains(name)) {
            let accepts = format!("names of tools, of which there are: {}", known.join(", "));
            return Err(Problem::parameter(parameter, accepts));
        }
        Ok(Self { among: Some(names), ..self })
    }
}

/// What is known of a prompt for a conversation.
#[derive(Debug, Clone)]
pub(super) struct Conversing {
    pub(super) format: Format,
    pub(super) lead: Option<Lead>,
    pub(super) tools: Vec<Json>,
}

/// Makes what an answer to a conversation is held to, and tells what of the request cannot be.
pub(super) fn held(
    form: Option<Grammar>,
    calling: &Calling,
    conversing: &Conversing,
) -> Result<(Option<Grammar>, Vec<Warning>), Problem> {
    let Conversing { format, lead, tools } = conversing;
    let mut warnings = Vec::new();
    let after = |lead: Option<Lead>, form: Grammar| match lead {
        Some(lead) => Grammar::After(lead, Box::new(form)),
        None => form,
    };
    if tools.is_empty() {
        return Ok((form.map(|form| after(lead.clone(), form)), warnings));
    }
    let chosen: Vec<Json> = match &calling.choice {
        Choose::Named(name) => {
            tools.iter().filter(|tool| name_of(tool).as_ref() == Some(name)).cloned().collect()
        }
        _ => match &calling.among {
            Some(names) => {
                let is_allowed = |tool: &&Json| name_of(tool).is_some_and(|name| names.contains(&name));
                tools.iter().filter(is_allowed).cloned().collect()
            }
            None => tools.clone(),
        },
    };
    let strict: Vec<String> = chosen.iter().filter(|tool| is_strict(tool)).filter_map(name_of).collect();
    let grammar = format.calls(&chosen).map(|mut grammar| {
        grammar.between = grammar.between.filter(|_| !calling.once);
        grammar
    });
    let calls = grammar.map(|grammar| Calls { grammar, strict, triggered: false, or: None });
    let held = match (&calling.choice, form, calls) {
        (Choose::Freely, None, None) => {
            warnings.extend(not_held(tools).chain(not_held_among(calling)));
            None
        }
        (Choose::Freely, None, Some(calls)) if calls.strict.is_empty() && calling.among.is_none() => None,
        (Choose::Freely, None, Some(calls)) if calls.grammar.trigger.is_empty() => {
            warnings.extend(not_held(tools).chain(not_held_among(calling)));
            None
        }
        (Choose::Freely, None, Some(calls)) => {
            let thinks = lead.clone().filter(|lead| lead.until != calls.grammar.trigger);
            let thinks = thinks.filter(|_| !channels(&calls)).map(|lead| Lead { may_end: true, ..lead });
            Some(after(thinks, triggered(calls, true)))
        }
        (Choose::Freely, Some(form), calls) => {
            let or = match form {
                Grammar::JsonObject => Some(json!({ "type": "object" })),
                Grammar::JsonSchema(schema) => Some(schema),
                _ => None,
            };
            let accepts =
                "nothing beside tools, unless tool_choice is \"none\"; response_format may stand beside them";
            let or = or.ok_or_else(|| Problem::parameter("grammar", accepts))?;
            match calls.filter(|calls| !channels(calls)) {
                Some(calls) => {
                    let calls = Calls { or: Some(or), ..calls };
                    Some(after(lead.clone(), Grammar::Calls(Box::new(calls))))
                }
                None => {
                    let reason = "this model cannot be held to a form and call tools as well: it calls none";
                    warnings.push(Warning { parameter: "tools".to_owned(), reason: reason.to_owned() });
                    Some(after(lead.clone(), Grammar::JsonSchema(or)))
                }
            }
        }
        (_, _, Some(calls)) if channels(&calls) => Some(triggered(calls, false)),
        (_, _, Some(calls)) => Some(after(lead.clone(), Grammar::Calls(Box::new(calls)))),
        (_, _, None) => {
            let detail = "This model writes calls in a way that it cannot be held to; the parameter 'tool_choice' accepts \"auto\" or \"none\" with it.";
            return Err(Problem::new(Kind::BadRequest, detail).about("tool_choice"));
        }
    };
    Ok((held, warnings))
}

/// Whether a form is one of calls alone.
pub(super) fn calls(form: &Grammar) -> bool {
    match form {
        Grammar::After(_, form) => calls(form),
        Grammar::Calls(calls) => calls.or.is_none(),
        _ => false,
    }
}

/// Free text up to where calls begin.
fn triggered(calls: Calls, may_end: bool) -> Grammar {
    let lead = Lead { begins: None, until: calls.grammar.trigger.to_owned(), may_end, gap: false };
    Grammar::After(lead, Box::new(Grammar::Calls(Box::new(Calls { triggered: true, ..calls }))))
}

/// Whether reasoning, calls and answers are told apart by channels, so that a call is none of the answer.
fn channels(calls: &Calls) -> bool {
    calls.grammar.trigger.starts_with("<|channel|>")
}

fn not_held(tools: &[Json]) -> impl Iterator<Item = Warning> {
    let strict = tools.iter().enumerate().filter(|(_, tool)| is_strict(tool));
    strict.map(|(index, _)| Warning {
        parameter: format!("tools[{index}].function.strict"),
        reason: "this model writes calls in a way that it cannot be held to".to_owned(),
    })
}

fn not_held_among(calling: &Calling) -> Option<Warning> {
    calling.among.as_ref()?;
    let reason =
        "this model writes calls in a way that it cannot be held to: it may call the other tools, too";
    Some(Warning { parameter: "tool_choice".to_owned(), reason: reason.to_owned() })
}

fn function(tool: &Json) -> Json {
    tool.field("function").unwrap_or_else(|| tool.clone())
}

/// The name of a tool.
fn name_of(tool: &Json) -> Option<String> {
    Some(function(tool).field("name")?.as_str()?.to_owned())
}

fn is_strict(tool: &Json) -> bool {
    function(tool).field("strict").is_some_and(|strict| strict.to_string() == "true")
}
