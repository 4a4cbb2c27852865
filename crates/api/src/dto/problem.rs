use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not done (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Names the kind of problem; stable.
    #[serde(rename = "type")]
    #[schema(examples("urn:athenaeum:problem:bad-parameter"))]
    pub(crate) problem_type: String,
    /// What the kind means, for people.
    pub(crate) title: String,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What happened to this request and what to do next.
    pub(crate) detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
    /// Finds this request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// The parameter at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<ParameterProblem>,
}

/// A parameter that could not be taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ParameterProblem)]
pub(crate) struct ParameterProblem {
    /// Its name.
    pub(crate) name: String,
    /// What it accepts, where that can be said in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("a whole number from 1 to 200"))]
    pub(crate) accepted: Option<String>,
}
