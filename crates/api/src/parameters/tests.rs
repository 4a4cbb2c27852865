//! Every number that a request may hold, with values that others' servers have fallen over.

use athenaeum_archive::Archive;
use athenaeum_inference::{
    catalog::{self, Catalog, Named},
    residents::{self, Residents},
};
use athenaeum_retrieval::Imports;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use super::{Parameter, Standing, Takes};
use crate::{Api, Models, Settings, app, openapi};

/// As they stand in a body; some are no JSON.
const JUNK: [&str; 17] = [
    "-1",
    "0",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "NaN",
    "Infinity",
    "1e400",
    "-1e308",
    "0.5",
    "1e-320",
    "\"5\"",
    "true",
    "[]",
    "{}",
];
const PLACE: &str = "the number stands here";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_honoured_or_refused() {
    let (server, _folder) = server().await;
    let (mut honoured, mut refused) = (0, 0);
    for (path, table) in openapi::bodies() {
        for body in variants(&Takes::Object(table)) {
            let body = body.to_string();
            for junk in JUNK {
                let body = body.replace(&format!("\"{PLACE}\""), junk);
                let (status, text) = post(&server, path, &body).await;
                match status.as_u16() {
                    // There is no model for everything, and no folder to fetch one into.
                    200 | 422 | 501 => honoured += 1,
                    400 | 404 => refused += 1,
                    _ => panic!("{path} {body}: {status} {text}"),
                }
                if status.is_success() {
                    // Elsewhere a text or a list may stand instead.
                    assert!(!["NaN", "Infinity", "1e400", "{}"].contains(&junk), "{path} {body}: {text}");
                }
            }
        }
    }
    assert!(honoured > 100 && refused > 1000, "{honoured} {refused}");
}

/// All bodies of which one number is to be replaced.
fn variants(takes: &Takes) -> Vec<Value> {
    match takes {
        Takes::Integer(..) | Takes::Number(..) => vec![PLACE.into()],
        Takes::List(of, _) => variants(of).into_iter().map(|value| json!([value])).collect(),
        Takes::Filled(of) => variants(of),
        Takes::Map(of) => variants(of).into_iter().map(|value| json!({ "1": value })).collect(),
        Takes::Either(choices) => choices.iter().flat_map(variants).collect(),
        Takes::Object(table) | Takes::ObjectWhere(table, _) => {
            let of = |row: &Parameter| {
                let with = |value| {
                    let mut body = sample(table);
                    body.insert(row.name.to_owned(), value);
                    body.into()
                };
                variants(&row.takes).into_iter().map(with).collect::<Vec<Value>>()
            };
            table.iter().flat_map(of).collect()
        }
        Takes::Bool | Takes::Text(_) | Takes::Like(..) | Takes::OneOf(_) | Takes::Any => Vec::new(),
    }
}

/// A sound object: what it must hold, and what keeps answers short.
fn sample(table: &[Parameter]) -> Map<String, Value> {
    let mut object = Map::new();
    for row in table {
        let value = match (row.name, row.takes) {
            ("model", _) => "tiny".into(),
            ("content", Takes::Text(_) | Takes::Either(_)) => "Who are you?".into(),
            ("max_tokens" | "max_completion_tokens" | "max_output_tokens", _) => 1.into(),
            ("documents", Takes::Filled(_)) => json!(["A text."]),
            (_, takes) if matches!(row.standing, Standing::Required) => value(&takes),
            _ => continue,
        };
        object.insert(row.name.to_owned(), value);
    }
    object
}

fn value(takes: &Takes) -> Value {
    match takes {
        Takes::Bool => true.into(),
        Takes::Integer(min, max) => 1.clamp(*min, *max).into(),
        Takes::Number(min, max) => 1_f64.clamp(*min, *max).into(),
        Takes::Text(_) | Takes::Like(..) => "Who are you?".into(),
        Takes::OneOf(names) => {
            let usual = names.iter().find(|name| ["user", "text"].contains(name));
            (*usual.unwrap_or(&names[0])).into()
        }
        Takes::List(of, _) => json!([value(of)]),
        Takes::Filled(of) => value(of),
        Takes::Object(table) | Takes::ObjectWhere(table, _) => sample(table).into(),
        Takes::Map(_) | Takes::Any => json!({}),
        Takes::Either(choices) => value(&choices[0]),
    }
}

async fn server() -> (Router, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path(), &athenaeum_archive::Settings::default()).await.unwrap();
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");
    let files = vec![Named { name: "tiny".to_owned(), path: tiny.into() }];
    let catalog = Catalog::new(catalog::Settings { files, ..catalog::Settings::default() });
    let models = Models::new(catalog, Residents::new(residents::Settings::default()));
    let imports = Imports::new(archive.clone());
    let api = Api::new(archive, imports, Settings::default()).with_models(models);
    (app(api, Router::new()), folder)
}

async fn post(server: &Router, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::post(path).header("host", "localhost").header("content-type", "application/json");
    let response = server.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    let text = to_bytes(response.into_body(), 1 << 26).await.unwrap();
    (status, String::from_utf8_lossy(&text).into_owned())
}
