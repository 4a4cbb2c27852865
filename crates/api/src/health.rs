use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::{
    Api,
    dto::{health as dto, stats},
    json, llamacpp, model_series,
    params::Params,
    problem::{Kind, Problem},
};

/// Is the server alive?
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "operation",
    responses((status = 200, description = "It is.", body = dto::Health)),
)]
pub(crate) async fn alive() -> Result<Response, Problem> {
    json::fresh(StatusCode::OK, &dto::Health { status: "ok" })
}

/// Can the server answer?
///
/// Opens the database and looks; 503 where it cannot.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readiness",
    tag = "operation",
    responses((status = 200, description = "It can.", body = dto::Health)),
)]
pub(crate) async fn ready(api: Api) -> Result<Response, Problem> {
    if let Err(error) = api.archive.ready().await {
        let detail = Problem::from(error).body(None, None).detail;
        return Err(Problem::new(Kind::Busy, detail).retry_after(std::time::Duration::from_secs(5)));
    }
    json::fresh(StatusCode::OK, &dto::Health { status: "ok" })
}

/// Counters and timings
///
/// In the Prometheus text format. Counts of the archive are at most a minute old.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses((status = 200, description = "The series.", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let llama_cpp = || llamacpp::series(&api.counts);
    let text = match api.llama_server.metrics {
        llamacpp::Metrics::All => {
            api.watch.refresh(&api).await?;
            let mut text = api.metrics.render();
            model_series::write(&api, &mut text);
            text + &llama_cpp()
        }
        llamacpp::Metrics::LlamaCpp => llama_cpp(),
        llamacpp::Metrics::Off => {
            let detail = "This server was told not to tell of its work; start it with --metrics.";
            return Err(Problem::new(Kind::Unsupported, detail));
        }
    };
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let began = HeaderName::from_static("process-start-time-unix");
    let headers = [(header::CONTENT_TYPE, media_type), (began, HeaderValue::from(api.counts.began))];
    Ok((headers, text).into_response())
}

/// What the archive holds
#[utoipa::path(
    get,
    path = "/athenaeum/v1/stats",
    operation_id = "readStats",
    tag = "operation",
    responses(
        (status = 200, description = "Counts and spreads.", body = stats::Stats),
        (status = 304, description = "As the client knows it."),
    ),
)]
pub(crate) async fn statistics(api: Api, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    json::tagged(&headers, &stats::Stats::from(api.archive.stats(&api.scope).await?))
}
