use std::time::Duration;

use athenaeum_outbound::reqwest;

use crate::{Setting, Wire};

/// Why a model elsewhere did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its settings name no address that can be asked.
    #[error("the model {name} cannot be asked at {url:?}: {reason}; correct its `url` in the settings")]
    Address {
        /// The model.
        name: String,
        /// What was to be its address.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What is to say who asks cannot be sent.
    #[error(
        "the key of the model {name} has characters that no request can carry; correct it in the settings"
    )]
    Key {
        /// The model.
        name: String,
    },
    /// This machine's part of a connection cannot be made.
    #[error("connections to other engines cannot be made on this machine")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request asks for something that the wire has no word for. Nothing was sent.
    #[error("the model {name} runs on another engine, which is asked by {}'s wire, and that has no word for {what}", wire.as_str())]
    Inexpressible {
        /// The model.
        name: String,
        /// Its engine's wire.
        wire: Wire,
        /// Where in the request it stands.
        place: Place,
        /// What it is, in words.
        what: &'static str,
    },
    /// No connection could be made.
    #[error("the engine of the model {name} at {host} cannot be reached; see that it runs")]
    Unreachable {
        /// The model.
        name: String,
        /// Where it was looked for.
        host: String,
        /// What came of the last attempt.
        source: reqwest::Error,
    },
    /// The engine refused the request, and would do so again.
    #[error("the engine of the model {name} refused the request with status {status}: {said}")]
    Refused {
        /// The model.
        name: String,
        /// HTTP's status, of the 400s.
        status: u16,
        /// What it said, tamed and cut.
        said: String,
    },
    /// The engine has too much to do.
    #[error("the engine of the model {name} has too much to do; ask again later")]
    Busy {
        /// The model.
        name: String,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The engine failed, as often as it was asked, or in the middle of an answer.
    #[error("the engine of the model {name} failed with status {status}: {said}")]
    Unwell {
        /// The model.
        name: String,
        /// HTTP's status, of the 500s; that which the engine tells where an answer had begun, 500 where it tells none.
        status: u16,
        /// What it said, tamed and cut.
        said: String,
    },
    /// The engine said nothing for too long.
    #[error("the engine of the model {name} said nothing for {} s", silence.as_secs())]
    Silent {
        /// The model.
        name: String,
        /// How long that was.
        silence: Duration,
    },
    /// The time of the request was over before the engine took it.
    #[error("the time for the answer was over before the engine of the model {name} began it")]
    Deadline {
        /// The model.
        name: String,
    },
    /// The connection broke in the middle of an answer, or each time before one began.
    #[error("the answer of the model {name} broke off")]
    Broken {
        /// The model.
        name: String,
        /// How.
        source: reqwest::Error,
    },
    /// What came is not what the wire says.
    #[error("the engine of the model {name} answered with something that is not understood: {reason}")]
    NotUnderstood {
        /// The model.
        name: String,
        /// What about it.
        reason: String,
    },
}

/// Where in a request something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Among the ways in which tokens are chosen.
    Setting(Setting),
    /// In what the answer must look like.
    Form,
    /// In the text to go on from.
    Prompt,
    /// In the messages.
    Messages,
    /// In which tools are called.
    ToolChoice,
    /// In how many calls there may be.
    OneCall,
    /// In whether the last message is the answer's beginning.
    Continuation,
    /// Among the variables of the model's template.
    Variables,
}

impl Place {
    /// Returns the parameter by which it is asked for: as vLLM has it beside OpenAI's, and [`Setting::as_str`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Setting(setting) => setting.as_str(),
            Self::Form => "response_format",
            Self::Prompt => "prompt",
            Self::Messages => "messages",
            Self::ToolChoice => "tool_choice",
            Self::OneCall => "parallel_tool_calls",
            Self::Continuation => "continue_final_message",
            Self::Variables => "chat_template_kwargs",
        }
    }
}
