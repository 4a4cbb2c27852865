use axum::{
    Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{any, delete, get, post},
};

use crate::{
    Api, Problem, anthropic, asking, conversations, docs, events, hardware, health, imports, library,
    llamacpp, mcp, memories, models, observe, ollama, openai, protect, pulls, query_language, resume,
    routes::Routes, search, sign_in, socket, topics,
};

/// Makes the routes under `/athenaeum/v1`, and `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, `/docs`.
///
/// They stand bare, so that they can share a listener with other routes: put [`crate::protect`] over all of
/// them, or let [`app`] do so.
pub fn router(api: Api) -> Router {
    routes(&api).into_router().with_state(api)
}

/// Lists the templates of all routes that [`router`] makes, so that a test can walk them.
pub fn paths(api: &Api) -> Vec<&'static str> {
    routes(api).paths().to_vec()
}

fn routes(api: &Api) -> Routes {
    let resumable = from_fn_with_state(api.clone(), resume::layer);
    let resumable = anthropic::routes().merge(openai::routes()).map(|router| router.route_layer(resumable));
    Routes::default()
        .route("/athenaeum/v1/search", get(search::search))
        .route("/athenaeum/v1/facets", get(search::facets))
        .route("/athenaeum/v1/suggestions", get(search::suggestions))
        .route("/athenaeum/v1/query-language", get(query_language::describe))
        .route("/athenaeum/v1/conversations", get(conversations::list))
        .route("/athenaeum/v1/conversations/{id}", get(conversations::one).delete(conversations::delete))
        .route("/athenaeum/v1/conversations/{id}/messages", get(conversations::messages))
        .route("/athenaeum/v1/conversations/{id}/raw", get(conversations::raw))
        .route("/athenaeum/v1/conversations/{id}/export", get(conversations::export))
        .route("/athenaeum/v1/messages/{id}", get(conversations::message))
        .route("/athenaeum/v1/stats", get(health::statistics))
        .route("/athenaeum/v1/hardware", get(hardware::describe))
        .route("/athenaeum/v1/imports", post(imports::start).get(imports::list))
        .route("/athenaeum/v1/imports/{id}", get(imports::one).delete(imports::cancel))
        .route("/athenaeum/v1/imports/{id}/events", get(events::follow))
        .route("/athenaeum/v1/library", get(library::status))
        .route("/athenaeum/v1/library/events", get(library::follow))
        .route("/athenaeum/v1/library/files", get(library::files).post(library::add).delete(library::forget))
        .route("/athenaeum/v1/library/retry", post(library::retry))
        .route("/athenaeum/v1/library/embedding", post(library::pause))
        .route("/athenaeum/v1/documents", get(library::documents))
        .route("/athenaeum/v1/documents/{id}", get(library::document))
        .route("/athenaeum/v1/topics", get(topics::list))
        .route("/athenaeum/v1/memories", get(memories::list).post(memories::remember))
        .route("/athenaeum/v1/memories/{id}", delete(memories::forget))
        .route("/athenaeum/v1/ask", post(asking::ask))
        .route("/athenaeum/v1/verify", post(asking::verify))
        .route("/athenaeum/v1/models", get(models::list))
        .route("/athenaeum/v1/models/{model}", get(models::one).delete(models::remove))
        .route("/athenaeum/v1/models/{model}/load", post(models::load))
        .route("/athenaeum/v1/models/{model}/unload", post(models::unload))
        .route("/athenaeum/v1/models/{model}/speed", post(models::measure))
        .route("/athenaeum/v1/pulls", post(pulls::start).get(pulls::list))
        .route("/athenaeum/v1/pulls/{id}", get(pulls::one).delete(pulls::cancel))
        .route("/athenaeum/v1/pulls/{id}/events", get(pulls::follow))
        .route("/mcp", mcp::route(api))
        .merge(resumable)
        .merge(llamacpp::routes())
        .merge(ollama::routes())
        .route("/v1/ws", get(socket::open))
        .route("/athenaeum/v1/streams/{id}", get(resume::go_on))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/docs/style.css", get(docs::style))
        .route("/sign-in", sign_in::post())
        .route("/sign-out", post(sign_in::end))
        .route("/athenaeum/{*rest}", any(nowhere))
        .route("/v1/{*rest}", any(nowhere))
        .route("/api/{*rest}", any(nowhere))
}

/// Pages that share the listener have an answer of their own for unknown addresses; programs get ours.
async fn nowhere() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND, "")
}

/// Makes a server's whole surface: these routes and `others` (pages), guarded and counted as one.
pub fn app(api: Api, others: Router) -> Router {
    let (settings, metrics, access) = (api.settings().clone(), api.metrics().clone(), api.access().clone());
    let guarded = protect(router(api).merge(others), &settings, &access);
    observe(guarded, &metrics, &settings.search_paths)
}
