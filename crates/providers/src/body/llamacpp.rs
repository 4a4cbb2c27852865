//! llama.cpp's own `/completion`.

use serde_json::{Map, Value};

use super::{Inexpressible, Kind, form, sampling, stops};
use crate::{Request, Settings};

/// A text. Conversations go over OpenAI's wire.
pub(super) fn body(
    settings: &Settings,
    request: &Request,
    text: &str,
) -> Result<(Kind, Map<String, Value>), Inexpressible> {
    let mut body = Map::new();
    body.insert("model".to_owned(), settings.model.as_str().into());
    body.insert("stream".to_owned(), true.into());
    body.insert("prompt".to_owned(), text.into());
    sampling(settings.wire, request, &mut body)?;
    body.extend(stops(request).map(|stops| ("stop".to_owned(), stops)));
    body.extend(request.tokens_max.map(|tokens| ("n_predict".to_owned(), tokens.into())));
    form::completion(request.form.as_ref(), &mut body)?;
    Ok((Kind::Completion, body))
}
