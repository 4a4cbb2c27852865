//! What is logged of a request, and its steps.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::{body::Body, http::Method};
use serde_json::json;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::server::{Server, ask};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// What our own crates have said since this was last asked.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().filter(|line| line.contains(" athenaeum")).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn every_line_of_a_request_tells_its_id_and_its_steps_come_in_order() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(lines.clone());
    // Work beside the runtime has threads of its own.
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let server = Server::that_keeps().await;
    let post = async |id: &str, body: serde_json::Value| {
        let headers = [("content-type", "application/json"), ("x-request-id", id)];
        let answer =
            ask(&server.app, Method::POST, "/v1/responses", &headers, Body::from(body.to_string())).await;
        assert_eq!(answer.header("x-request-id"), id);
        answer
    };
    let first = post("first", json!({ "temperature": 0, "input": "Who are you?" })).await.json();
    lines.take();
    let body = json!({ "temperature": 0, "input": "And what else?", "previous_response_id": first["id"] });
    assert_eq!(post("corr-7", body.clone()).await.status, 200);
    let told = lines.take();
    assert!(told.iter().all(|line| line.contains("corr-7")), "{told:#?}");
    let step = |line: &String| {
        let (spans, _) = line.split_once(": athenaeum")?;
        let name = spans.rsplit(':').next()?;
        Some(name.split('{').next()?.to_owned())
    };
    let wanted = ["route", "validate", "session", "model", "queue", "infer", "format"];
    let steps: Vec<String> = told.iter().filter(|line| line.ends_with(": new")).filter_map(step).collect();
    let mut steps: Vec<&str> =
        steps.iter().map(String::as_str).filter(|step| wanted.contains(step)).collect();
    steps.dedup();
    assert_eq!(steps, wanted, "{told:#?}");

    // Streams are logged after their handlers have returned, and so are those who hang up.
    let mut streamed = body;
    streamed["stream"] = true.into();
    assert_eq!(post("corr-8", streamed).await.status, 200);
    let told = lines.take();
    assert!(told.iter().all(|line| line.contains("corr-8")), "{told:#?}");
    assert!(told.iter().any(|line| line.contains("infer")), "{told:#?}");

    let broken = post("corr-9", json!({ "model": "none-such", "input": "Hello?" })).await;
    assert_eq!(broken.status, 404);
    let told = lines.take();
    assert!(!told.is_empty() && told.iter().all(|line| line.contains("corr-9")), "{told:#?}");
}
