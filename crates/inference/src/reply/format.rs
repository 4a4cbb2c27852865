//! How families of models write.

use super::{Mark, Opening, Reply};
use crate::{constraint::Lead, template::Json};

/// How a model writes reasoning and calls; found in its chat template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Format {
    family: Family,
    reasoning: Option<(&'static str, &'static str)>,
}

/// How calls are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Family {
    /// Not at all.
    #[default]
    Plain,
    /// `<tool_call>{"name", "arguments"}</tool_call>`: Hermes, Qwen 2.5 and 3, Granite 4, SmolLM3, …
    Hermes,
    /// `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>`: Qwen3-Coder, Nemotron 3, …
    Tags,
    /// `<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`: GLM 4.5 and later.
    Glm,
    /// `{"name", "parameters"}`, with `<|python_tag|>` before it or not: Llama 3.1 and later.
    Llama,
    /// `[TOOL_CALLS][{"name", "arguments"}]`, later `[TOOL_CALLS]name[ARGS]{…}`.
    Mistral,
    /// `<｜tool▁calls▁begin｜>…`: DeepSeek R1, V3, V3.1.
    DeepSeek,
    /// `<|tool_calls_section_begin|>…`: Kimi K2.
    Kimi,
    /// Channels: gpt-oss.
    Harmony,
    /// A list after a mark: Phi-4-mini, Granite 3, Firefunction, Command R7B, Apriel.
    List,
}

/// The marks of a section of named calls.
pub(super) struct Section {
    pub(super) begin: &'static str,
    pub(super) call_end: &'static str,
    pub(super) end: &'static str,
}

impl Format {
    /// The format that the source of a chat template speaks of.
    #[must_use]
    pub fn of(template: &str) -> Self {
        let has = |mark: &str| template.contains(mark);
        let family = match () {
            () if has("<|channel|>") && has("<|message|>") => Family::Harmony,
            () if has("<｜tool▁calls▁begin｜>") => Family::DeepSeek,
            () if has("<|tool_calls_section_begin|>") => Family::Kimi,
            () if has("[TOOL_CALLS]") => Family::Mistral,
            () if has("<arg_key>") => Family::Glm,
            () if has("<function=") => Family::Tags,
            () if has("<|tool_call|>")
                || has("functools")
                || has("<|START_ACTION|>")
                || has("<tool_calls>") =>
            {
                Family::List
            }
            () if has("<tool_call>") => Family::Hermes,
            () if has("<|python_tag|>") || has("<|start_header_id|>") && has("ipython") => Family::Llama,
            () => Family::Plain,
        };
        let reasoning = REASONING.iter().find(|(_, close)| has(close)).copied();
        let reasoning = if family == Family::Harmony { None } else { reasoning };
        Self { family, reasoning }
    }

    /// The format of a model that was told in words how to call tools.
    pub(crate) fn described(own: Self) -> Self {
        Self { family: Family::Hermes, ..own }
    }

    /// Whether calls of tools are told from text.
    #[must_use]
    pub fn has_calls(self) -> bool {
        self.family != Family::Plain
    }

    /// Whether reasoning is told from text.
    #[must_use]
    pub fn has_reasoning(self) -> bool {
        self.reasoning.is_some() || self.family == Family::Harmony
    }

    /// Returns what stands before and after reasoning.
    pub(crate) fn reasoning(self) -> Option<(&'static str, &'static str)> {
        self.reasoning
    }

    /// Begins to read what a model says after this prompt, which may end where reasoning is open already.
    ///
    /// `tools` are those the model was told of, as on the wire; they tell calls from other JSON, and texts from numbers
    /// where a format does not.
    #[must_use]
    pub fn reply(self, prompt: &str, tools: &[Json]) -> Reply {
        let open = self.reasoning.is_some_and(|(open, _)| prompt.trim_end().ends_with(open));
        Reply::new(self, open, tools)
    }

    /// What a model says to itself after this prompt, before it answers: nothing where it has come to an end, or the model
    /// does not.
    #[must_use]
    pub fn lead(self, prompt: &str) -> Option<Lead> {
        let prompt = prompt.trim_end();
        let lead = |begins: Option<&str>, until: &str| Lead {
            begins: begins.map(str::to_owned),
            until: until.to_owned(),
            may_end: false,
            gap: true,
        };
        if self.family == Family::Harmony {
            return (!prompt.ends_with(FINAL)).then(|| lead(None, FINAL));
        }
        let (open, close) = self.reasoning?;
        match () {
            () if prompt.ends_with(open) => Some(lead(None, close)),
            () if prompt.ends_with(close) => None,
            () => Some(lead(Some(open), close)),
        }
    }

    pub(super) fn family(self) -> Family {
        self.family
    }

    pub(super) fn text_marks(self) -> Vec<(&'static str, Mark)> {
        let mut marks: Vec<(&'static str, Mark)> = match self.family {
            Family::Plain => vec![],
            Family::Hermes | Family::Glm => vec![("<tool_call>", Mark::Open(Opening::Any))],
            Family::Tags => vec![
                ("<tool_call>", Mark::Open(Opening::Any)),
                ("<seed:tool_call>", Mark::Open(Opening::Any)),
                ("<function=", Mark::Function),
                ("<|python_tag|>", Mark::Open(Opening::Python)),
            ],
            Family::Llama => vec![("<|python_tag|>", Mark::Open(Opening::Python))],
            Family::Mistral => vec![("[TOOL_CALLS]", Mark::Open(Opening::NameOrCalls))],
            Family::DeepSeek => vec![("<｜tool▁calls▁begin｜>", Mark::Section)],
            Family::Kimi => vec![("<|tool_calls_section_begin|>", Mark::Section)],
            Family::Harmony => vec![
                ("<|start|>", Mark::Header),
                ("<|channel|>", Mark::Header),
                ("<|end|>", Mark::Skip),
                ("<|return|>", Mark::Skip),
                ("<|call|>", Mark::Skip),
            ],
            Family::List => vec![
                ("<|tool_call|>", Mark::Open(Opening::Any)),
                ("<tool_call>", Mark::Open(Opening::Any)),
                ("<tool_calls>", Mark::Open(Opening::Any)),
                ("functools[", Mark::List),
                ("<|START_ACTION|>", Mark::Open(Opening::Any)),
                ("<|START_RESPONSE|>", Mark::Skip),
                ("<|END_RESPONSE|>", Mark::Skip),
            ],
        };
        marks.extend(self.reasoning.map(|(open, _)| (open, Mark::Reason)));
        marks
    }

    pub(super) fn reasoning_marks(self) -> Vec<(&'static str, Mark)> {
        match self.reasoning {
            Some((_, close)) => vec![(close, Mark::EndReason)],
            None => vec![
                ("<|end|>", Mark::EndReason),
                ("<|return|>", Mark::EndReason),
                ("<|call|>", Mark::EndReason),
                ("<|start|>", Mark::Header),
                ("<|channel|>", Mark::Header),
            ],
        }
    }

    pub(super) fn closers(self) -> &'static [&'static str] {
        match self.family {
            Family::Plain | Family::Mistral => &[],
            Family::Llama => &["<|eom_id|>", "<|eot_id|>"],
            Family::Hermes | Family::Glm => &["</tool_call>"],
            Family::Tags => &["</function>", "</tool_call>", "</seed:tool_call>"],
            Family::DeepSeek => &["```", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"],
            Family::Kimi => &["<|tool_call_end|>", "<|tool_calls_section_end|>"],
            Family::Harmony => &["<|call|>", "<|end|>", "<|return|>"],
            Family::List => &["<|/tool_call|>", "</tool_call>", "</tool_calls>", "<|END_ACTION|>"],
        }
    }

    /// Signs between the name of a tool and its arguments.
    pub(super) fn separators(self) -> Vec<&'static str> {
        match self.family {
            Family::Mistral => vec!["[ARGS]"],
            Family::DeepSeek => vec!["<｜tool▁sep｜>", super::FENCE],
            Family::Kimi => vec!["<|tool_call_argument_begin|>"],
            _ => vec![],
        }
    }

    pub(super) fn section(self) -> Option<Section> {
        match self.family {
            Family::DeepSeek => Some(Section {
                begin: "<｜tool▁call▁begin｜>",
                call_end: "<｜tool▁call▁end｜>",
                end: "<｜tool▁calls▁end｜>",
            }),
            Family::Kimi => Some(Section {
                begin: "<|tool_call_begin|>",
                call_end: "<|tool_call_end|>",
                end: "<|tool_calls_section_end|>",
            }),
            _ => None,
        }
    }

    /// Whether a call may stand there without any mark, from the first letter on.
    pub(super) fn bare_json(self) -> bool {
        self.family == Family::Llama
    }

    /// Whether a call begins with its name.
    pub(super) fn names_first(self) -> bool {
        self.family == Family::Glm
    }
}

/// What precedes an answer in channels.
const FINAL: &str = "<|channel|>final<|message|>";

/// What opens reasoning and what closes it.
const REASONING: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
];
