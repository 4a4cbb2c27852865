use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The name under which an answer and its log lines can be found; set on every request and answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The header that carries it, both ways.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// Takes over the id that the client sent if it is 1 to 64 of A-Z, a-z, 0-9, `.`, `_`, `-` (so that it can
    /// neither split a log line nor a header); mints one otherwise.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(Self::HEADER).and_then(|value| value.to_str().ok());
        let sent = sent.filter(|text| is_sane(text));
        Self(sent.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// Tells whether an id of a client may stand in a log and in a header: 1 to 64 of A-Z, a-z, 0-9, `.`, `_`, `-`.
pub(crate) fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_ids_are_kept_and_others_replaced() {
        let of = |text: &str| {
            RequestId::of(&HeaderMap::from_iter([(
                RequestId::HEADER,
                HeaderValue::from_bytes(text.as_bytes()).unwrap(),
            )]))
        };
        assert_eq!(of("trace-1.a_B").as_str(), "trace-1.a_B");
        let long = "x".repeat(65);
        for odd in ["", "a b", "a\tb", "ü", "<script>", long.as_str()] {
            assert_eq!(of(odd).as_str().len(), 36, "{odd:?}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
