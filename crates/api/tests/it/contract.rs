//! The committed OpenAPI description and the page made of it.

use std::path::Path;

use athenaeum_api::Settings;
use serde_json::{Value, json};

use crate::server::Server;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/athenaeum.json");

/// `UPDATE_OPENAPI=1 cargo nextest run -p athenaeum-api the_committed` writes the file anew.
#[test]
fn the_committed_description_is_what_the_routes_say() {
    let mut generated = athenaeum_api::document().to_pretty_json().unwrap();
    generated.push('\n');
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(Path::new(COMMITTED), &generated).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    assert!(
        generated == committed,
        "openapi/athenaeum.json is out of date; run this test with UPDATE_OPENAPI=1"
    );
}

#[test]
fn every_operation_is_fully_described() {
    let document: Value = serde_json::from_str(&athenaeum_api::document().to_json().unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{place}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{place}: {parameter}");
            }
            for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten()
            {
                assert!(content["schema"].is_object(), "{place}: {media_type}");
            }
            let responses = operation["responses"].as_object().unwrap();
            for status in ["400", "403", "414", "431", "500", "503"] {
                let response = resolved(&document, &responses[status]);
                let own = path.starts_with("/athenaeum") || response["content"]["application/json"].is_null();
                let media_type = if own { "application/problem+json" } else { "application/json" };
                let schema = response["content"][media_type]["schema"]["$ref"].as_str().unwrap();
                let expected = if own { "schemas/Problem" } else { ".Failure" };
                assert!(schema.ends_with(expected), "{place} {status}: {schema}");
            }
            for (status, response) in responses {
                let response = resolved(&document, response);
                assert!(response["headers"]["x-request-id"].is_object(), "{place} {status}");
            }
        }
    }
    // The fields of others' wire formats are theirs to describe.
    let own = |(name, _): &(&String, &Value)| !name.contains('.');
    for (name, schema) in document["components"]["schemas"].as_object().unwrap().iter().filter(own) {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let described = property["description"].is_string() || property["$ref"].is_string();
            assert!(described || property["oneOf"].is_array(), "{name}.{field}");
        }
    }
}

/// What tools that make requests of the description once ran into: they were refused, and it let them.
#[tokio::test]
async fn what_is_refused_is_described_so() {
    let document: Value = serde_json::from_str(&athenaeum_api::document().to_json().unwrap()).unwrap();
    let schema = |place: &str| document.pointer(place).map(|schema| resolved(&document, schema).clone());
    for path in [
        "/v1/chat/completions",
        "/v1/chat/completions/{completion_id}/messages",
        "/v1/responses/{response_id}/input_items",
    ] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let one = |name: &str| parameters.iter().find(|one| one["name"] == name).unwrap()["schema"].clone();
        let order = one("order").to_string();
        assert!(order.contains("DirectionName"), "{path}: {order}");
        assert_eq!(one("limit")["maximum"], 100, "{path}");
    }
    assert_eq!(
        schema("/components/schemas/DirectionName").unwrap()["enum"],
        serde_json::json!(["asc", "desc"])
    );
    let pull =
        &document["paths"]["/athenaeum/v1/pulls"]["post"]["requestBody"]["content"]["application/json"];
    let source = resolved(&document, &pull["schema"])["properties"]["source"].clone();
    assert_eq!(source["pattern"], athenaeum_inference::pull::Source::PATTERN);

    let server = Server::with_model(Settings::default()).await;
    for (target, part, body) in [
        (
            "/v1/chat/completions",
            "messages[0].content[0].image_url",
            serde_json::json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
        ),
        (
            "/v1/responses",
            "input[0].content[0].image_url",
            serde_json::json!({ "input": [{ "role": "user", "content": [{ "type": "input_image" }] }] }),
        ),
    ] {
        let error = server.post(target, &body).await.refusal(target)["error"].clone();
        assert_eq!(error["param"], part, "{error}");
        let body = &document["paths"][target]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let body = resolved(&document, body).to_string();
        assert!(body.contains(r#""required":["image_url"]"#), "{target}");
    }
}

/// The same for what belongs together, excludes another or must not be empty.
#[tokio::test]
async fn what_a_body_must_hold_is_described_as_it_is_checked() {
    let document: Value = serde_json::from_str(&athenaeum_api::document().to_json().unwrap()).unwrap();
    let server = Server::with_model(Settings::default()).await;
    let messages = "/properties/messages/minItems";
    for (target, place, expected, body) in [
        ("/v1/chat/completions", messages, json!(1), json!({ "messages": [] })),
        ("/v1/messages", messages, json!(1), json!({ "model": "tiny", "max_tokens": 1, "messages": [] })),
        (
            "/v1/rerank",
            "/allOf/0/properties/documents/minItems",
            json!(1),
            json!({ "query": "", "documents": [] }),
        ),
        ("/v1/rerank", "/allOf/1/anyOf/1/required", json!(["texts"]), json!({ "query": "Which?" })),
        (
            "/v1/rerank",
            "/allOf/2/anyOf/0/properties/documents/type",
            json!("null"),
            json!({ "query": "Which?", "documents": ["A."], "texts": ["B."] }),
        ),
        (
            "/v1/embeddings",
            "/allOf/1/anyOf/1/properties/prompt/type",
            json!("null"),
            json!({ "input": "A.", "prompt": "B.", "prompt_name": "query" }),
        ),
        ("/embedding", "/allOf/1/anyOf/0/required", json!(["content"]), json!({})),
        ("/tokenize", "/properties/content/anyOf/0/anyOf/2/minItems", json!(1), json!({ "content": [[]] })),
        ("/completion", "/properties/prompt/anyOf/2/minItems", json!(1), json!({ "prompt": [] })),
        ("/api/show", "/allOf/1/anyOf/0/required", json!(["model"]), json!({})),
        ("/api/chat", "/properties/model/minLength", json!(1), json!({ "model": " " })),
    ] {
        let answer = server.post(target, &body).await;
        assert_eq!(answer.status, 400, "{target} {body}");
        answer.refusal(target);
        let described =
            &document["paths"][target]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(described.pointer(place), Some(&expected), "{target} {described}");
    }
}

/// Answers that come as events were described as whole ones only.
#[tokio::test(flavor = "multi_thread")]
async fn answers_come_as_what_is_described() {
    let document: Value = serde_json::from_str(&athenaeum_api::document().to_json().unwrap()).unwrap();
    let server = Server::with_model(Settings::default()).await;
    let messages = json!([{ "role": "user", "content": "Who are you?" }]);
    for (target, mut body) in [
        ("/v1/chat/completions", json!({ "messages": messages, "max_tokens": 1 })),
        ("/v1/completions", json!({ "prompt": "I", "max_tokens": 1 })),
        ("/v1/messages", json!({ "model": "tiny", "messages": messages, "max_tokens": 1 })),
        ("/v1/responses", json!({ "input": "I", "max_output_tokens": 1 })),
        ("/completion", json!({ "prompt": "I", "n_predict": 1 })),
        ("/api/chat", json!({ "model": "tiny", "messages": messages })),
    ] {
        let described = &document["paths"][target]["post"]["responses"]["200"]["content"];
        for stream in [false, true] {
            body["stream"] = stream.into();
            let answer = server.post(target, &body).await;
            assert_eq!(answer.status, 200, "{target} {}", answer.text());
            let kind = answer.header("content-type");
            let kind = kind.split(';').next().unwrap_or_default();
            assert!(described[kind].is_object(), "{target}: {kind}");
        }
    }
}

/// What is left out of an answer was described as `null`, which no object is.
#[test]
fn what_is_flattened_may_be_left_out() {
    let document: Value = serde_json::from_str(&athenaeum_api::document().to_json().unwrap()).unwrap();
    let schemas = &document["components"]["schemas"];
    for name in ["ollama.Chat", "ollama.Generated"] {
        let counts = &schemas[name]["allOf"][0];
        assert_eq!(counts["$ref"], "#/components/schemas/ollama.Counts", "{name}");
    }
    assert_eq!(schemas["ollama.Counts"]["required"], Value::Null);
    let unsupported = &schemas["VerificationObject"]["properties"]["unsupported"];
    assert_eq!(unsupported["items"]["type"], "integer");
}

#[tokio::test]
async fn the_page_shows_every_route_and_runs_nothing() {
    let server = Server::start().await;
    let answer = server.get("/docs").await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = answer.text();
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    let document: Value = serde_json::from_slice(&server.get("/openapi.json").await.body).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    assert_eq!(server.get("/docs/style.css").await.header("content-type"), "text/css; charset=utf-8");
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(address) => document.pointer(&address[1..]).unwrap_or(&Value::Null),
        None => value,
    }
}
