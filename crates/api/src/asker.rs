//! Whose request it is: what a route does, it does for whoever asks.

use athenaeum_tenancy::Caller;
use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, request::Parts},
};

use crate::{
    Api,
    problem::{Kind, Problem},
};

/// A client's word on whether the conversation is kept in the archive, where the server keeps them.
pub(crate) const KEEP: HeaderName = HeaderName::from_static("x-athenaeum-keep");

/// For whoever asks: routes take this, and never the server's own.
impl FromRequestParts<Self> for Api {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Self) -> Result<Self, Problem> {
        api.for_asker(&parts.extensions, &parts.headers)
    }
}

impl Api {
    /// The same for who sent a request with these extensions and headers.
    pub(crate) fn for_asker(&self, extensions: &Extensions, headers: &HeaderMap) -> Result<Self, Problem> {
        // Whoever showed a key has what belongs to that; where nobody was asked for one, it is whoever runs this.
        let keyed = extensions.get::<Caller>().filter(|caller| caller.key_name().is_some());
        let scope = keyed.map_or(&self.scope, Caller::scope).clone();
        let mut api = self.clone().with_scope(scope);
        match headers.get(KEEP).map(HeaderValue::as_bytes) {
            None | Some(b"true") => {}
            Some(b"false") => api.chats = None,
            Some(_) => {
                let detail = "The header x-athenaeum-keep takes true or false.";
                return Err(Problem::new(Kind::BadRequest, detail));
            }
        }
        Ok(api)
    }
}
