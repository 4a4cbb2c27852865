use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use athenaeum_tenancy::Caller;
use axum::{
    Router,
    extract::{Request, State},
    http::HeaderName,
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::{CorrelationId, RequestId, protect::route_of};

/// Counters and timings of one server, written as Prometheus text. Cheap to clone.
///
/// No global state: two servers in one process count apart. Nothing runs while nobody asks. Labels are route
/// templates, methods, statuses and providers only, so that the number of series stays small.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    observed: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Begins to count at zero.
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        let recorder = match builder.set_buckets(&SECONDS) {
            Ok(builder) => builder.build_recorder(),
            // Only an empty list of buckets is refused.
            Err(_) => PrometheusBuilder::new().build_recorder(),
        };
        let handle = recorder.handle();
        let metrics = Self(Arc::new(Inner { recorder, handle, observed: AtomicU64::new(0) }));
        metrics.describe();
        metrics
    }

    /// Writes all series in the Prometheus text format.
    pub fn render(&self) -> String {
        self.0.handle.render()
    }

    /// Counts one import that has ended.
    pub(crate) fn import_ended(
        &self,
        provider: &str,
        status: &'static str,
        conversations: u64,
        messages: u64,
    ) {
        let labels =
            vec![Label::new("provider", provider.to_owned()), Label::from_static_parts("status", status)];
        self.count("athenaeum_imports_total", labels, 1);
        self.count("athenaeum_import_conversations_total", Vec::new(), conversations);
        self.count("athenaeum_import_messages_total", Vec::new(), messages);
    }

    /// Records how long an import took.
    pub(crate) fn import_took(&self, duration: Duration) {
        self.time("athenaeum_import_duration_seconds", Vec::new(), duration);
    }

    pub(crate) fn gauge(&self, name: &'static str, value: f64) {
        self.0.recorder.register_gauge(&Key::from_name(name), &METADATA).set(value);
    }

    fn answered(&self, method: String, path: String, status: u16, duration: Duration, search: bool) {
        let status = Label::new("status", status.to_string());
        let path = Label::new("path", path);
        if search {
            self.count("athenaeum_searches_total", vec![path.clone(), status.clone()], 1);
            self.time("athenaeum_search_duration_seconds", vec![path.clone()], duration);
        }
        self.time("athenaeum_http_request_duration_seconds", vec![path.clone()], duration);
        self.count("athenaeum_http_requests_total", vec![Label::new("method", method), path, status], 1);
        // Samples wait in a buffer until somebody sorts them into buckets; without a scraper that is us.
        if self.0.observed.fetch_add(1, Ordering::Relaxed) % 1_024 == 1_023 {
            self.0.handle.run_upkeep();
        }
    }

    fn count(&self, name: &'static str, labels: Vec<Label>, by: u64) {
        self.0.recorder.register_counter(&Key::from_parts(name, labels), &METADATA).increment(by);
    }

    fn time(&self, name: &'static str, labels: Vec<Label>, duration: Duration) {
        let key = Key::from_parts(name, labels);
        self.0.recorder.register_histogram(&key, &METADATA).record(duration.as_secs_f64());
    }

    fn describe(&self) {
        for (name, text) in COUNTERS {
            self.0.recorder.describe_counter(name.into(), None, text.into());
        }
        for (name, text) in GAUGES {
            self.0.recorder.describe_gauge(name.into(), None, text.into());
        }
        for (name, text) in HISTOGRAMS {
            self.0.recorder.describe_histogram(name.into(), None, text.into());
        }
    }
}

/// Counts and times every request of `router` and logs one line for each: method, route, status, time, id, and the
/// name of the key. What people search for is not logged. Apply it outside of [`crate::protect`], so that refusals count too;
/// `search_paths` are the route templates, or paths, that count as searches.
pub fn observe(router: Router, metrics: &Metrics, search_paths: &[String]) -> Router {
    let observer = Observer { metrics: metrics.clone(), search_paths: search_paths.into() };
    router.layer(from_fn_with_state(observer, record))
}

#[derive(Clone)]
struct Observer {
    metrics: Metrics,
    search_paths: Arc<[String]>,
}

async fn record(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let path = route_of(&request).to_owned();
    let is_known = |known: &&String| **known == path || known.as_str() == request.uri().path();
    let search = observer.search_paths.iter().find(is_known).cloned();
    // Methods of gRPC have one template for all of a service.
    let path = search.clone().unwrap_or(path);
    let response = next.run(request).await;
    let (status, took) = (response.status(), started.elapsed());
    let told = |name: HeaderName| response.headers().get(name).and_then(|id| id.to_str().ok());
    let (request_id, correlation_id) = (told(RequestId::HEADER).unwrap_or(""), told(CorrelationId::HEADER));
    let took_ms = took.as_secs_f64() * 1e3;
    let key = response.extensions().get::<Caller>().and_then(Caller::key_name);
    if status.is_server_error() {
        tracing::warn!(
            method,
            path,
            status = status.as_u16(),
            took_ms,
            request_id,
            correlation_id,
            key,
            "answered"
        );
    } else {
        tracing::debug!(
            method,
            path,
            status = status.as_u16(),
            took_ms,
            request_id,
            correlation_id,
            key,
            "answered"
        );
    }
    observer.metrics.answered(method, path, status.as_u16(), took, search.is_some());
    response
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Upper bounds of the buckets: the goals are 2 ms (searches) and 20 ms (start), imports take minutes.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3600.0];

const COUNTERS: [(&str, &str); 5] = [
    ("athenaeum_http_requests_total", "Requests answered, by method, route template and status."),
    ("athenaeum_searches_total", "Searches answered, by route template and status."),
    ("athenaeum_imports_total", "Imports that ended, by provider and status."),
    ("athenaeum_import_conversations_total", "Conversations read by imports."),
    ("athenaeum_import_messages_total", "Messages read by imports."),
];

const GAUGES: [(&str, &str); 3] = [
    ("athenaeum_database_size_bytes", "Size of the database file."),
    ("athenaeum_conversations_count", "Conversations kept."),
    ("athenaeum_messages_count", "Messages kept."),
];

const HISTOGRAMS: [(&str, &str); 3] = [
    ("athenaeum_http_request_duration_seconds", "Time to answer a request, by route template."),
    ("athenaeum_search_duration_seconds", "Time to answer a search, by route template."),
    ("athenaeum_import_duration_seconds", "Time that an import took."),
];
