//! The promise that nothing a client asks for is silently left undone.

use std::convert::Infallible;

use athenaeum_inference::engine::Reason;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, request::Parts},
    response::Response,
};

use crate::{
    Api,
    parameters::Warning,
    params::Params,
    problem::{Kind, Problem},
    serving::{Answer, Ended},
};

/// How much a client, or this server, insists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contract {
    strict: bool,
}

/// A client's word that it wants everything done or nothing.
const STRICT: HeaderName = HeaderName::from_static("x-athenaeum-strict");
/// What was not done, as a JSON array.
const WARNINGS: HeaderName = HeaderName::from_static("x-athenaeum-warnings");
/// Longer lists go into the body only: servers and proxies bound the size of headers.
const HEADER_BYTES_MAX: usize = 4096;

impl FromRequestParts<Api> for Contract {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, api))
    }
}

impl Contract {
    /// Reads how much a client insists; where it says nothing, as the server does.
    pub(crate) fn of(headers: &HeaderMap, api: &Api) -> Self {
        let asked = headers.get(STRICT).map(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        Self { strict: asked.unwrap_or(api.settings.strict) }
    }

    /// Refuses a request of which something would be left undone, where that was asked for.
    pub(crate) fn settle(self, warnings: &[Warning]) -> Result<(), Problem> {
        let Some(first) = warnings.first().filter(|_| self.strict) else { return Ok(()) };
        let detail = format!(
            "The parameter '{}' would have no effect: {}. Leave it out, or do without strictness.",
            first.parameter, first.reason
        );
        Err(Problem::new(Kind::BadRequest, detail).about(&first.parameter))
    }

    /// Reads the query of an address: values strictly, and names that it does not know as warnings.
    pub(crate) fn params(self, uri: &Uri, known: &[&str]) -> Result<(Params, Vec<Warning>), Problem> {
        let warnings = query(uri, known);
        self.settle(&warnings)?;
        let unknown = warnings.iter().map(|warning| warning.parameter.as_str());
        let names: Vec<&str> = known.iter().copied().chain(unknown).collect();
        Ok((Params::read(uri, &names)?, warnings))
    }

    /// Puts warnings into the header of an answer, unless the request is refused for them.
    pub(crate) fn warned(self, response: Response, warnings: &[Warning]) -> Result<Response, Problem> {
        self.settle(warnings)?;
        Ok(shown(response, warnings))
    }
}

/// Puts warnings into the header of an answer.
pub(crate) fn shown(mut response: Response, warnings: &[Warning]) -> Response {
    if !warnings.is_empty() {
        let mut list = ascii(&serde_json::to_string(warnings).unwrap_or_default());
        if list.len() > HEADER_BYTES_MAX {
            list = ascii(r#"[{"parameter":"…","reason":"the list is in the body"}]"#);
        }
        if let Ok(value) = HeaderValue::from_str(&list) {
            response.headers_mut().insert(WARNINGS, value);
        }
    }
    response
}

/// Tells of parameters in an address that this one does not know.
pub(crate) fn query(uri: &Uri, known: &[&str]) -> Vec<Warning> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
    let unknown = names.filter(|name| !known.contains(name)).take(32);
    unknown
        .map(|name| Warning {
            parameter: name.chars().take(96).collect(),
            reason: "it is not known at this address".to_owned(),
        })
        .collect()
}

/// Adds to what was found when the request was read what came out when its prompt was made.
pub(crate) fn told(mut warnings: Vec<Warning>, answer: &Answer) -> Vec<Warning> {
    let warning = |parameter: &str, reason: String| Warning { parameter: parameter.to_owned(), reason };
    warnings.extend(answer.changes.iter().map(|change| warning("messages", change.as_str().to_owned())));
    warnings.extend(answer.warnings.iter().cloned());
    if let Some(cut) = answer.cut {
        let what = match cut.messages {
            0 => format!("the first {} tokens were left out", cut.tokens),
            messages => format!("the oldest {messages} messages ({} tokens) were left out", cut.tokens),
        };
        warnings.push(warning("truncation", format!("the prompt was too long: {what}")));
    }
    warnings
}

/// Tells of an answer whose time was over before it was whole.
pub(crate) fn late(ended: &Ended) -> Option<Warning> {
    (ended.end.reason == Reason::Deadline).then(|| Warning {
        parameter: "max_tokens".to_owned(),
        reason: format!(
            "the time for the answer was over after {} tokens, before it was whole",
            ended.end.generated_tokens
        ),
    })
}

/// JSON in ASCII: headers carry nothing else.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}
