use serde::Serialize;
use utoipa::ToSchema;

/// That the server is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(examples("ok"))]
    pub(crate) status: &'static str,
}

/// The query language, for people and for programs that help them type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryLanguage {
    /// Every form that a query can take.
    pub(crate) forms: Vec<QueryForm>,
}

/// One thing that can be said in a query.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryForm {
    /// What to type.
    #[schema(examples("provider:claude"))]
    pub(crate) example: &'static str,
    /// What it finds.
    pub(crate) finds: &'static str,
}
