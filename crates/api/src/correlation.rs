use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::request_id::is_sane;

/// The id under which a client does several things that belong together: asks a model, calls the tool that the model wants, follows
/// what comes of it. Each request has an id of its own besides.
///
/// It is what the header `x-correlation-id` says, or else the trace id of `traceparent`, which programs send that are watched by
/// OpenTelemetry (<https://www.w3.org/TR/trace-context/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The header that carries it, both ways.
    pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

    /// Reads what the client sent; `None` where that is nothing, or nothing that a log could hold.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let own = text(&Self::HEADER).filter(|text| is_sane(text)).map(|text| Self(text.to_owned()));
        own.or_else(|| Self::of_traceparent(text(&TRACEPARENT)?))
    }

    /// Reads the trace id of a `traceparent`, in any version of it: `00-TRACE-PARENT-FLAGS`, with 32 digits of TRACE.
    pub(crate) fn of_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut digits = |count: usize| {
            let part = parts.next()?;
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            (part.len() == count && part.bytes().all(is_digit)).then_some(part)
        };
        let (version, trace, parent, _flags) = (digits(2)?, digits(32)?, digits(16)?, digits(2)?);
        let is_some = |id: &str| id.bytes().any(|byte| byte != b'0');
        let known = version != "ff" && (version != "00" || parts.next().is_none());
        (known && is_some(trace) && is_some(parent)).then(|| Self(trace.to_owned()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn of(headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        CorrelationId::of(&headers.collect()).map(|id| id.0)
    }

    #[test]
    fn what_a_client_says_counts_before_what_watches_it() {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("x-correlation-id", "run-7")]).as_deref(), Some("run-7"));
        assert_eq!(of(&[("traceparent", &parent)]).as_deref(), Some(TRACE));
        assert_eq!(of(&[("x-correlation-id", "run-7"), ("traceparent", &parent)]).as_deref(), Some("run-7"));
        assert_eq!(
            of(&[("x-correlation-id", "two\twords"), ("traceparent", &parent)]).as_deref(),
            Some(TRACE)
        );
    }

    #[test]
    fn only_a_traceparent_is_read_as_one() {
        let read = |text: &str| CorrelationId::of_traceparent(text).map(|id| id.0);
        assert_eq!(
            read(&format!("cc-{TRACE}-b7ad6b7169203331-01-more")).as_deref(),
            Some(TRACE),
            "a later version"
        );
        for odd in [
            String::new(),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", &TRACE[1..]),
            "00-é".repeat(20),
        ] {
            assert_eq!(read(&odd), None, "{odd}");
        }
    }
}
