use std::{collections::BTreeMap, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Wire;

/// What is asked of a model. It can be written down and asked later, or elsewhere: JSON of it is read back the same, the time
/// until its deadline included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to go on from.
    pub input: Input,
    /// How tokens are chosen, where the request says so; what is not said is as the engine has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sampling: Vec<(Setting, Value)>,
    /// What the answer must look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The answer ends before the first of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<String>,
    /// Tokens of the answer at most. `None` for as many as fit; OpenAI's own servers end texts, not conversations, after 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_max: Option<usize>,
    /// When the answer ends at the latest. Written as `time_left_ms`, the milliseconds until then: another machine's clock says
    /// something else.
    #[serde(rename = "time_left_ms", with = "time_left", default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Instant>,
}

/// What a model goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Text, as it is.
    Text(String),
    /// A conversation.
    Conversation(Conversation),
}

/// Turns, and what may be done beside answering them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conversation {
    /// In order.
    pub messages: Vec<Message>,
    /// JSON as OpenAI's wire has it: `{"type": "function", "function": {"name", "description", "parameters"}}`.
    pub tools: Vec<Value>,
    /// Which of them are called.
    pub choice: ToolChoice,
    /// It calls one at most.
    pub one_call: bool,
    /// Whether the last message, of the assistant, is the beginning of the answer. llama.cpp's server and Ollama take it so
    /// whatever stands here.
    pub continues: bool,
    /// Variables of the model's template, such as `enable_thinking`. Where a wire has no place for templates, `enable_thinking`,
    /// `thinking` and `reasoning_effort` are one wish, told in the wire's own word for it.
    pub variables: BTreeMap<String, Value>,
}

/// One turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What it says and shows, in order. Texts without pictures are sent as one, a line after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What the model said to itself. OpenAI's wire has no place for it: there, the model does not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Tools that the model called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// Whose result it is, in messages of the role `tool`: the call's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Who speaks, or which tool it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Part of what a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture.
    Picture {
        /// Such as `image/png`.
        media_type: String,
        /// Its file in base64.
        base64: String,
    },
}

/// A tool that was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What its result names.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// A JSON object, as the model wrote it.
    pub arguments: String,
}

/// Which tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// Whichever the model likes, or none.
    #[default]
    Freely,
    /// One or more of them.
    Any,
    /// This one.
    Named(String),
}

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema holds valid.
    JsonSchema(Value),
    /// The whole text matches an expression.
    Regex(String),
    /// A grammar as llama.cpp writes them.
    Gbnf(String),
    /// A grammar in Lark.
    Lark(String),
}

/// A way in which tokens are chosen, under the name that llama.cpp's server gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the field's, and `Setting::as_str` writes them")]
pub enum Setting {
    Temperature,
    TopP,
    TopK,
    MinP,
    TypicalP,
    TopNSigma,
    XtcProbability,
    XtcThreshold,
    #[serde(rename = "dynatemp_range")]
    DynamicTemperatureRange,
    #[serde(rename = "dynatemp_exponent")]
    DynamicTemperatureExponent,
    RepeatPenalty,
    /// vLLM's, over the whole sequence.
    RepetitionPenalty,
    RepeatLastN,
    FrequencyPenalty,
    PresencePenalty,
    DryMultiplier,
    DryBase,
    DryAllowedLength,
    DryPenaltyLastN,
    DrySequenceBreakers,
    Mirostat,
    MirostatTau,
    MirostatEta,
    MinTokens,
    Seed,
    LogitBias,
    IgnoreEos,
    /// Tokens of prompt and answer together.
    #[serde(rename = "num_ctx")]
    ContextTokens,
}

impl Request {
    /// Asks for what follows, with everything else as the engine has it.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self { input, sampling: Vec::new(), form: None, stops: Vec::new(), tokens_max: None, deadline: None }
    }
}

impl Message {
    /// A turn that is only text.
    #[must_use]
    pub fn new(role: &str, text: &str) -> Self {
        Self { role: role.to_owned(), parts: vec![Part::Text(text.to_owned())], ..Self::default() }
    }
}

impl Conversation {
    /// These messages, with the model to speak next.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Temperature,
        Self::TopP,
        Self::TopK,
        Self::MinP,
        Self::TypicalP,
        Self::TopNSigma,
        Self::XtcProbability,
        Self::XtcThreshold,
        Self::DynamicTemperatureRange,
        Self::DynamicTemperatureExponent,
        Self::RepeatPenalty,
        Self::RepetitionPenalty,
        Self::RepeatLastN,
        Self::FrequencyPenalty,
        Self::PresencePenalty,
        Self::DryMultiplier,
        Self::DryBase,
        Self::DryAllowedLength,
        Self::DryPenaltyLastN,
        Self::DrySequenceBreakers,
        Self::Mirostat,
        Self::MirostatTau,
        Self::MirostatEta,
        Self::MinTokens,
        Self::Seed,
        Self::LogitBias,
        Self::IgnoreEos,
        Self::ContextTokens,
    ];

    /// Returns what llama.cpp's server calls it; vLLM, where that has none; Ollama, where neither has.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::MinP => "min_p",
            Self::TypicalP => "typical_p",
            Self::TopNSigma => "top_n_sigma",
            Self::XtcProbability => "xtc_probability",
            Self::XtcThreshold => "xtc_threshold",
            Self::DynamicTemperatureRange => "dynatemp_range",
            Self::DynamicTemperatureExponent => "dynatemp_exponent",
            Self::RepeatPenalty => "repeat_penalty",
            Self::RepetitionPenalty => "repetition_penalty",
            Self::RepeatLastN => "repeat_last_n",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::PresencePenalty => "presence_penalty",
            Self::DryMultiplier => "dry_multiplier",
            Self::DryBase => "dry_base",
            Self::DryAllowedLength => "dry_allowed_length",
            Self::DryPenaltyLastN => "dry_penalty_last_n",
            Self::DrySequenceBreakers => "dry_sequence_breakers",
            Self::Mirostat => "mirostat",
            Self::MirostatTau => "mirostat_tau",
            Self::MirostatEta => "mirostat_eta",
            Self::MinTokens => "min_tokens",
            Self::Seed => "seed",
            Self::LogitBias => "logit_bias",
            Self::IgnoreEos => "ignore_eos",
            Self::ContextTokens => "num_ctx",
        }
    }

    /// Finds the one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.as_str() == name)
    }

    /// Returns what it is called on a wire; `None` where that has no word for it.
    #[must_use]
    pub fn on(self, wire: Wire) -> Option<&'static str> {
        let known = match self {
            Self::Temperature | Self::TopP | Self::FrequencyPenalty | Self::PresencePenalty | Self::Seed => {
                true
            }
            Self::LogitBias => wire != Wire::Ollama,
            Self::TopK | Self::MinP => wire != Wire::OpenAi,
            Self::RepeatPenalty | Self::RepeatLastN | Self::TypicalP => {
                matches!(wire, Wire::LlamaCpp | Wire::Ollama)
            }
            Self::RepetitionPenalty | Self::MinTokens => wire == Wire::Vllm,
            Self::IgnoreEos => matches!(wire, Wire::Vllm | Wire::LlamaCpp),
            Self::ContextTokens => wire == Wire::Ollama,
            _ => wire == Wire::LlamaCpp,
        };
        known.then_some(self.as_str())
    }
}

/// A deadline as the milliseconds that are left until then.
mod time_left {
    use std::time::{Duration, Instant};

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(deadline: &Option<Instant>, to: S) -> Result<S::Ok, S::Error> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Instant>, D::Error> {
        let left = Option::<u64>::deserialize(from)?.map(Duration::from_millis);
        // What no clock reaches never comes.
        Ok(left.and_then(|left| Instant::now().checked_add(left)))
    }
}
