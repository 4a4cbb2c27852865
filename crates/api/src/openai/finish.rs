use athenaeum_inference::engine::Reason;

use crate::serving::Ended;

/// Why an answer ended, in OpenAI's words.
pub(crate) fn reason(ended: &Ended) -> &'static str {
    match ended.end.reason {
        _ if ended.called => "tool_calls",
        Reason::Length | Reason::Deadline => "length",
        _ => "stop",
    }
}

/// The same, in the words of before where it was asked in them.
pub(super) fn reason_for(ended: &Ended, legacy: bool) -> &'static str {
    match reason(ended) {
        "tool_calls" if legacy => "function_call",
        reason => reason,
    }
}
