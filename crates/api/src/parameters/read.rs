use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::{Parameter, Warning, check};
use crate::problem::{Kind, Problem};

/// A body that was held against its table: what is there has the type and range that the table says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read {
    values: Map<String, Value>,
    /// What was asked for and is not done.
    pub(crate) warnings: Vec<Warning>,
}

/// Reads a body of JSON against a table.
///
/// # Errors
///
/// If it is too long, no JSON, no object, or holds a value that the table does not accept.
pub(crate) async fn body(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    table: &[Parameter],
) -> Result<Read, Problem> {
    whole(headers, body, bytes_max, table).instrument(tracing::debug_span!("validate")).await
}

/// The same for addresses of our own, where what is unknown is refused.
pub(crate) async fn body_of_known(
    headers: &HeaderMap,
    request: Body,
    bytes_max: usize,
    table: &[Parameter],
) -> Result<Read, Problem> {
    let read = body(headers, request, bytes_max, table).await?;
    match read.warnings.first() {
        None => Ok(read),
        Some(unknown) => {
            let known: Vec<&str> = table.iter().map(|row| row.name).collect();
            let accepted = format!("nothing: only {} are known here", known.join(", "));
            Err(Problem::parameter(&unknown.parameter, accepted))
        }
    }
}

async fn whole(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    table: &[Parameter],
) -> Result<Read, Problem> {
    if !is_json(headers) {
        let detail = "The body must be JSON; send the header Content-Type: application/json.";
        return Err(Problem::new(Kind::MediaType, detail));
    }
    let bytes = to_bytes(body, bytes_max).await.map_err(|error| {
        let too_long = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<http_body_util::LengthLimitError>())
            .is_some();
        if too_long {
            let detail = format!("The body has more than the {bytes_max} bytes that are taken; send less.");
            Problem::new(Kind::TooLarge, detail)
        } else {
            Problem::new(Kind::BadRequest, "The body did not come whole; send it again.")
        }
    })?;
    Read::of(&bytes, table)
}

/// Clients that say nothing of the kind are taken at their word: there is no other kind of body.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|value| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
    })
}

impl Read {
    /// Holds JSON against a table.
    pub(crate) fn of(bytes: &[u8], table: &[Parameter]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            Problem::new(Kind::BadRequest, format!("The body is not JSON that can be read: {error}."))
        })?;
        let Value::Object(values) = value else {
            return Err(Problem::new(Kind::BadRequest, "The body is not a JSON object."));
        };
        Self::of_object(values, table)
    }

    /// Holds an object against a table.
    pub(crate) fn of_object(values: Map<String, Value>, table: &[Parameter]) -> Result<Self, Problem> {
        let mut warnings = Vec::new();
        check::object("", &values, table, &mut warnings)?;
        Ok(Self { values, warnings })
    }

    /// Tells of something that is done in another way than was asked.
    pub(crate) fn warn(&mut self, parameter: &str, reason: impl Into<String>) {
        self.warnings.push(Warning { parameter: parameter.to_owned(), reason: reason.into() });
    }

    /// Says whether a parameter is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Returns a parameter's value, unless it is missing or `null`.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// The same, taken out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Puts a parameter there, as if it had been sent.
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Returns a parameter that is true or false.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// Returns a whole number. The table's range must be within that of `T`.
    pub(crate) fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        check::integer(self.value(name)?)?.try_into().ok()
    }

    /// Returns a number.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.value(name)?.as_f64()
    }

    /// The same in the precision that models compute with.
    pub(crate) fn float(&self, name: &str) -> Option<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "models compute with this precision")]
        self.number(name).map(|number| number as f32)
    }

    /// Returns a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// Returns a list's elements; none where the parameter is absent or no list.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.value(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Returns one text or several, as many clients may write either.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(texts)) => {
                texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns an object within, to be read alike.
    pub(crate) fn object(&self, name: &str) -> Self {
        let values = self.value(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Self { values, warnings: Vec::new() }
    }
}
