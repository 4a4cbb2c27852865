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

fn watched(lines: &Lines) -> impl tracing::Subscriber + Send + Sync + use<> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish()
}

#[tokio::test]
async fn every_line_of_a_request_tells_its_id_and_its_steps_come_in_order() {
    let lines = Lines::default();
    // Work beside the runtime has threads of its own.
    tracing::subscriber::set_global_default(watched(&lines)).unwrap();
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

/// A program that lets a model work: it asks the model, calls the tool that the model wants, and follows what the tool began. One
/// id of its own stands in every answer, event and line of the log, beside the id that each request has.
#[tokio::test]
async fn one_id_goes_from_an_agent_through_its_tools_to_the_events() {
    let lines = Lines::default();
    let _watching = tracing::subscriber::set_default(watched(&lines));
    let server = Server::that_keeps().await;
    lines.take();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let send = async |target: &str, headers: &[(&str, &str)], body: String| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        ask(&server.app, Method::POST, target, &headers, Body::from(body)).await
    };

    let tool = json!({ "type": "function", "function": { "name": "search", "parameters": {
        "type": "object", "properties": { "query": { "type": "string", "enum": ["hydration"] } },
        "required": ["query"], "additionalProperties": false } } });
    let turn = json!({ "messages": [{ "role": "user", "content": "Look it up." }], "tools": [tool],
        "tool_choice": "required", "parallel_tool_calls": false, "temperature": 0 });
    let answer = send("/v1/chat/completions", &[("traceparent", &traceparent)], turn.to_string()).await;
    assert_eq!(answer.header("x-correlation-id"), trace);
    let call = answer.json()["choices"][0]["message"]["tool_calls"][0]["function"].clone();
    assert_eq!(call["name"], "search", "{call}");

    let arguments: serde_json::Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    let call = |meta: serde_json::Value| {
        let params = json!({ "name": "search", "arguments": arguments, "_meta": meta });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
    };
    let headers = [("accept", "application/json, text/event-stream"), ("mcp-protocol-version", "2025-11-25")];
    // Clients of the protocol say it in the message, which pipes carry as well; others in a header.
    let told = send("/mcp", &headers, call(json!({ "traceparent": traceparent }))).await;
    assert_eq!(told.json()["result"]["isError"], false);
    let headers = [&headers[..], &[("x-correlation-id", trace)]].concat();
    let told = send("/mcp", &headers, call(json!({}))).await;
    assert_eq!(told.header("x-correlation-id"), trace);
    let told = lines.take();
    let tools: Vec<&String> = told.iter().filter(|line| line.contains("the tool has answered")).collect();
    assert_eq!(tools.len(), 2, "{told:#?}");
    assert!(tools.iter().all(|line| line.contains(trace) && line.contains("request_id=")), "{tools:#?}");

    let line = athenaeum_ingest::to_json_line(&crate::server::sourdough());
    let begun = send("/athenaeum/v1/imports", &[("x-correlation-id", trace)], line).await;
    let begun = begun.json();
    let told = server.get(begun["events"].as_str().unwrap()).await;
    let mut events = told.text().lines().filter_map(|line| line.strip_prefix("data: ")).peekable();
    assert!(events.peek().is_some() && events.all(|event| event.contains(trace)), "{}", told.text());
    let told = lines.take();
    let ended = told.iter().find(|line| line.contains("the import has ended"));
    assert!(ended.is_some_and(|line| line.contains(trace)), "{told:#?}");
}
