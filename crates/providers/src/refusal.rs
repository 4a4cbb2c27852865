//! What engines say when they do not answer.

use std::time::Duration;

use athenaeum_outbound::reqwest::header::{self, HeaderMap};
use serde_json::Value;

use crate::{Error, Settings};

/// Bytes of such an answer that are read.
pub(crate) const BYTES_MAX: usize = 64 << 10;

/// Makes an error of a status and of what was said with it.
pub(crate) fn error(settings: &Settings, status: u16, said: String, retry_after: Option<Duration>) -> Error {
    let name = settings.name.clone();
    match status {
        429 | 503 => Error::Busy { name, retry_after },
        400..=499 => Error::Refused { name, status, said },
        500..=599 => Error::Unwell { name, status, said },
        300..=399 => {
            let reason = format!("it leads elsewhere ({status}); name that address in the settings");
            Error::NotUnderstood { name, reason }
        }
        _ => Error::NotUnderstood { name, reason: format!("its status is {status}") },
    }
}

/// Whether the same request may be taken later.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504)
}

/// Reads how long an engine asks to be left alone; a date instead of seconds counts as nothing said.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Finds the engine's own words in an answer.
pub(crate) fn said(settings: &Settings, body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => words(settings, &value),
        Err(_) => tamed(settings, &String::from_utf8_lossy(body)),
    }
}

/// The same, of JSON. Each engine puts them elsewhere: OpenAI and llama.cpp into `error.message`, Ollama into `error`, vLLM
/// also into `message`, what is written in FastAPI into `detail`.
pub(crate) fn words(settings: &Settings, value: &Value) -> String {
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
    let words = ["message", "detail", "error"].iter().find_map(|name| error.get(name)?.as_str());
    match words.or(error.as_str()) {
        Some(words) => tamed(settings, words),
        None => tamed(settings, &error.to_string()),
    }
}

/// Makes a foreign text fit for a line of a log: no control characters, no key, 300 characters at most.
pub(crate) fn tamed(settings: &Settings, text: &str) -> String {
    let text = match &settings.key {
        Some(key) => text.replace(key.expose(), "(key)"),
        None => text.to_owned(),
    };
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect::<String>().trim().chars().take(SAID_MAX).collect()
}

const SAID_MAX: usize = 300;
