//! Models of other engines: asked over every wire that they speak, by every format that clients speak.
//!
//! The engine is a server of ours with the small model: it answers as vLLM, llama.cpp's server, Ollama and OpenAI do, so what
//! comes through has to be what it says itself. How engines differ from that is for the tests of `providers`.

use std::{future::pending, time::Duration};

use athenaeum_api::{Api, Models, Settings, app};
use athenaeum_archive::Filters;
use athenaeum_inference::{
    catalog::{self, Catalog},
    residents::{self, Residents},
};
use athenaeum_providers::{Remote, Settings as Asked, Wire};
use athenaeum_retrieval::Chats;
use axum::{Router, body::Body, http::Request};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};
use tower::ServiceExt as _;

use crate::server::{Answer, Server};

const WIRES: [Wire; 4] = [Wire::OpenAi, Wire::Vllm, Wire::LlamaCpp, Wire::Ollama];
const CHAT: &str = "/v1/chat/completions";
const SAID: &str =
    "I am Tiny, a very small language model. I know some poems by heart and can talk a little.";

/// A server with no model of its own, and the engine that it asks.
struct Pair {
    server: Server,
    engine: Server,
}

impl Pair {
    /// Of a model that is called `far` on this side and `tiny` on the other.
    async fn over(wire: Wire) -> Self {
        Self::with(wire, catalog::Settings::default()).await
    }

    async fn with(wire: Wire, catalog: catalog::Settings) -> Self {
        let engine = Server::with_model(Settings::default()).await;
        let url = serve(engine.app.clone()).await;
        Self { server: asking(&url, wire, catalog).await, engine }
    }

    async fn post(&self, target: &str, body: &Value) -> Answer {
        self.server.post(target, body).await
    }

    /// Asks for something that cannot be done, and returns which parameter that is.
    async fn refused(&self, target: &str, body: &Value) -> String {
        let answer = self.post(target, body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        answer.refusal(target)["error"]["param"].as_str().unwrap_or_default().to_owned()
    }
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

/// A server that asks another one of ours as vLLM is asked.
pub(crate) async fn over(engine: &Server) -> Server {
    let url = serve(engine.app.clone()).await;
    asking(&url, Wire::Vllm, catalog::Settings::default()).await
}

async fn asking(url: &str, wire: Wire, catalog: catalog::Settings) -> Server {
    let settings = Asked {
        model: "tiny".to_owned(),
        context_tokens: Some(1024),
        retry_wait: Duration::from_millis(1),
        ..Asked::new("far", url, wire)
    };
    let residents = Residents::new(residents::Settings::default());
    let models = Models::new(Catalog::new(catalog), residents);
    let models = models.with_remotes(vec![Remote::new(settings).unwrap()]);
    let server = Server::empty(Settings::default()).await;
    let state = athenaeum_archive::State::in_folder(server.folder.path());
    let api = server.api.clone().with_models(models).with_state(state);
    with(server, api)
}

fn with(server: Server, api: Api) -> Server {
    Server { app: app(api.clone(), Router::new()), api, ..server }
}

fn question(more: Value) -> Value {
    let mut body = json!({
        "model": "far", "temperature": 0, "messages": [{ "role": "user", "content": "Who are you?" }],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn each_wire_gives_what_its_engine_says() {
    for wire in WIRES {
        let pair = Pair::over(wire).await;
        let whole = pair.post(CHAT, &question(json!({}))).await.json();
        assert_eq!((&whole["model"], &whole["warnings"]), (&json!("far"), &Value::Null), "{wire:?}: {whole}");
        assert_eq!(whole["choices"][0]["message"]["content"], SAID, "{wire:?}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        let own = pair.engine.post(CHAT, &question(json!({ "model": "tiny" }))).await.json();
        for count in ["prompt_tokens", "completion_tokens"] {
            assert_eq!(whole["usage"][count], own["usage"][count], "{wire:?}");
        }

        let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
        let (chunks, end) = pair.post(CHAT, &question(options)).await.events();
        let said: Vec<&str> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!((said.concat(), end), (SAID.to_owned(), vec!["[DONE]".to_owned()]));
        assert!(said.len() > 5, "{wire:?} came at once: {said:?}");
        assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], own["usage"]["completion_tokens"]);

        let cut = pair.post(CHAT, &question(json!({ "max_tokens": 4, "n": 3 }))).await.json();
        assert_eq!(cut["choices"].as_array().unwrap().len(), 3, "{cut}");
        for choice in cut["choices"].as_array().unwrap() {
            let text = choice["message"]["content"].as_str().unwrap();
            assert!(SAID.starts_with(text) && text.len() < 30, "{text}");
            assert_eq!(choice["finish_reason"], "length");
        }
        let stopped = pair.post(CHAT, &question(json!({ "stop": [" very"] }))).await.json();
        assert_eq!(stopped["choices"][0]["message"]["content"], "I am Tiny, a", "{wire:?}");
    }
}

#[tokio::test]
async fn every_format_is_answered_from_elsewhere() {
    for wire in WIRES {
        let pair = Pair::over(wire).await;
        let message = pair.post("/v1/messages", &question(json!({ "max_tokens": 100 }))).await.json();
        assert_eq!(message["content"][0]["text"], SAID, "{wire:?}");
        assert_eq!(message["stop_reason"], "end_turn");
        let streamed = question(json!({ "max_tokens": 100, "stream": true }));
        let (events, _) = pair.post("/v1/messages", &streamed).await.events();
        let text = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect::<String>();
        assert_eq!(text, SAID);
        let last = events.iter().find(|event| event["type"] == "message_delta").unwrap();
        assert_eq!(
            (&last["usage"]["output_tokens"], &events[0]["type"]),
            (&json!(30), &json!("message_start"))
        );

        let options = json!({ "options": { "temperature": 0 }, "stream": false });
        let mut body = question(options);
        body.as_object_mut().unwrap().remove("temperature");
        let chat = pair.post("/api/chat", &body).await.json();
        assert_eq!((&chat["message"]["content"], &chat["model"]), (&json!(SAID), &json!("far")), "{wire:?}");
        assert_eq!((&chat["done_reason"], &chat["eval_count"]), (&json!("stop"), &json!(30)));
        let generate =
            json!({ "model": "far:latest", "prompt": "Who are you?", "options": { "temperature": 0 } });
        let lines = pair.post("/api/generate", &generate).await.lines();
        let text = lines.iter().filter_map(|line| line["response"].as_str()).collect::<String>();
        assert_eq!((text.as_str(), lines.last().unwrap().get("context")), (SAID, None));

        let input = json!({ "model": "far", "input": "Who are you?", "temperature": 0 });
        let response = pair.post("/v1/responses", &input).await.json();
        assert_eq!(response["output"][0]["content"][0]["text"], SAID, "{wire:?}");
        let id = response["id"].as_str().unwrap();
        assert_eq!(pair.server.get(&format!("/v1/responses/{id}")).await.json()["status"], "completed");

        let text = json!({ "prompt": "The ", "temperature": 0, "max_tokens": 8, "echo": true });
        let asked = |model: &str| {
            let mut body = text.clone();
            body["model"] = model.into();
            body
        };
        let far = pair.post("/v1/completions", &asked("far")).await.json();
        let own = pair.engine.post("/v1/completions", &asked("tiny")).await.json();
        assert_eq!(far["choices"], own["choices"], "{wire:?}");
        assert_eq!(far["usage"]["completion_tokens"], own["usage"]["completion_tokens"]);
        let raw = json!({ "model": "far", "prompt": "The ", "raw": true, "stream": false,
            "options": { "temperature": 0, "num_predict": 8 } });
        let raw = pair.post("/api/generate", &raw).await.json();
        assert_eq!(
            format!("The {}", raw["response"].as_str().unwrap()),
            own["choices"][0]["text"],
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn tools_and_forms_go_along() {
    let parameters = json!({ "type": "object", "properties": { "place": { "type": "string", "enum": ["Oslo"] } },
        "required": ["place"], "additionalProperties": false });
    let tool =
        json!({ "name": "weather", "description": "Tells it.", "parameters": parameters, "strict": true });
    let tools = json!({ "tools": [{ "type": "function", "function": tool }], "tool_choice": "required",
        "parallel_tool_calls": false });
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "minimum": 7, "maximum": 7 } },
        "required": ["n"], "additionalProperties": false });
    let format = json!({ "response_format": { "type": "json_schema",
        "json_schema": { "name": "n", "schema": schema } } });
    for wire in WIRES {
        let pair = Pair::over(wire).await;
        let answer = pair.post(CHAT, &question(format.clone())).await.json();
        let said = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(said).unwrap(), json!({ "n": 7 }), "{wire:?}");
        if wire == Wire::Ollama {
            // It has no word for it.
            assert!(!pair.refused(CHAT, &question(tools.clone())).await.is_empty());
            continue;
        }
        let answer = pair.post(CHAT, &question(tools.clone())).await.json();
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["finish_reason"], &choice["message"]["content"]),
            (&json!("tool_calls"), &Value::Null)
        );
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"], "weather", "{wire:?}");
        let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({ "place": "Oslo" }));

        // What a tool said goes along, too.
        let messages = json!([
            { "role": "user", "content": "Who are you?" },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": call["id"], "content": "Rain." },
        ]);
        let answer = pair.post(CHAT, &question(json!({ "messages": messages }))).await.json();
        assert!(answer["choices"][0]["message"]["content"].is_string(), "{wire:?}: {answer}");
        let mut streamed = question(tools.clone());
        streamed["stream"] = true.into();
        let (chunks, _) = pair.post(CHAT, &streamed).await.events();
        let calls: Vec<&Value> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0)).collect();
        let told = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect::<String>();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), arguments);
    }
}

#[tokio::test]
async fn what_an_engine_cannot_be_asked_is_refused_or_told_of() {
    let pair = Pair::over(Wire::OpenAi).await;
    for (more, parameter) in [
        (json!({ "top_k": 40 }), "top_k"),
        (json!({ "logprobs": true }), "logprobs"),
        (json!({ "add_generation_prompt": false }), "add_generation_prompt"),
        (json!({ "documents": [{ "title": "a", "text": "b" }] }), "documents"),
        (json!({ "guided_regex": "a+" }), "response_format"),
    ] {
        assert_eq!(pair.refused(CHAT, &question(more)).await, parameter);
    }
    let tokens = json!({ "model": "far", "prompt": [1, 2, 3] });
    assert_eq!(pair.refused("/v1/completions", &tokens).await, "prompt");
    let filled = json!({ "model": "far", "prompt": "a", "suffix": "b" });
    assert_eq!(pair.refused("/v1/completions", &filled).await, "suffix");

    let left = question(json!({ "truncation": "auto", "priority": 2 }));
    let answer = pair.post(CHAT, &left).await;
    let told: Vec<Value> = answer.json()["warnings"].as_array().unwrap().clone();
    let names: Vec<&str> = told.iter().map(|warning| warning["parameter"].as_str().unwrap()).collect();
    assert_eq!(names, ["truncation", "priority"]);
    let thinks = question(json!({ "chat_template_kwargs": { "enable_thinking": false } }));
    let told = pair.post(CHAT, &thinks).await.json()["warnings"][0].clone();
    assert_eq!(told["parameter"], "thinking", "{told}");
    let stays = json!({ "model": "far", "keep_alive": 0, "stream": false });
    let told = pair.post("/api/generate", &stays).await.json()["warnings"][0].clone();
    assert_eq!(told["parameter"], "keep_alive", "{told}");
    for (target, body) in [
        ("/tokenize", json!({ "model": "far", "content": "a" })),
        ("/completion", json!({ "model": "far", "prompt": "a" })),
        ("/v1/messages/count_tokens", question(json!({}))),
    ] {
        let answer = pair.post(target, &body).await;
        assert_eq!(answer.status, 422, "{target}");
        assert!(answer.text().contains("another engine"), "{}", answer.text());
    }
}

#[tokio::test]
async fn models_of_other_engines_are_listed_and_found() {
    let pair = Pair::over(Wire::LlamaCpp).await;
    let listed = pair.server.get("/v1/models").await.json();
    assert_eq!(
        (&listed["data"][0]["id"], &listed["data"][0]["engine"]),
        (&json!("far"), &json!("llama.cpp"))
    );
    assert_eq!(pair.server.get("/v1/models/far").await.json()["context_length"], 1024);
    let own = pair.server.get("/athenaeum/v1/models").await.json();
    assert_eq!((&own["models"], &own["elsewhere"][0]["model"]), (&json!([]), &json!("tiny")));
    let tags = pair.server.get("/api/tags").await.json();
    assert_eq!(
        (&tags["models"][0]["name"], &tags["models"][0]["remote_model"]),
        (&json!("far:latest"), &json!("tiny"))
    );
    let shown = pair.post("/api/show", &json!({ "model": "far" })).await.json();
    assert_eq!(shown["capabilities"], json!(["completion", "tools"]));

    // It is the only one, so it is meant where none is named; names of others are not known.
    let mut unnamed = question(json!({}));
    unnamed.as_object_mut().unwrap().remove("model");
    assert_eq!(pair.post(CHAT, &unnamed).await.json()["model"], "far");
    let unknown = pair.post(CHAT, &question(json!({ "model": "nearby" }))).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("far"), "{}", unknown.text());

    let named = catalog::Settings {
        aliases: [("gpt-4o".to_owned(), "far".to_owned())].into(),
        default: Some("far".to_owned()),
        any_name: true,
        ..catalog::Settings::default()
    };
    let pair = Pair::with(Wire::Vllm, named).await;
    for name in ["gpt-4o", "FAR", "whatever"] {
        assert_eq!(
            pair.post(CHAT, &question(json!({ "model": name }))).await.json()["model"],
            "far",
            "{name}"
        );
    }
    assert_eq!(pair.post(CHAT, &unnamed).await.json()["choices"][0]["message"]["content"], SAID);
}

#[tokio::test]
async fn an_engine_that_is_gone_or_refuses_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = asking(&url, Wire::Vllm, catalog::Settings::default()).await;
    let answer = server.post(CHAT, &question(json!({}))).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    let error = answer.refusal(CHAT)["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("cannot be reached"), "{error}");

    let pair = Pair::over(Wire::Vllm).await;
    let long =
        question(json!({ "messages": [{ "role": "user", "content": "a tale of many words ".repeat(400) }] }));
    let answer = pair.post(CHAT, &long).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    // In the engine's own words.
    assert!(answer.text().contains("tokens"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_is_hung_up_on() {
    for wire in WIRES {
        let pair = Pair::over(wire).await;
        let body =
            json!({ "model": "far", "prompt": "The ", "max_tokens": 900, "stream": true, "temperature": 1 });
        let mut body = body;
        if matches!(wire, Wire::Vllm | Wire::LlamaCpp) {
            body["ignore_eos"] = true.into();
        }
        let request = Request::post("/v1/completions").header("content-type", "application/json");
        let request = request.header("host", "localhost").body(Body::from(body.to_string())).unwrap();
        let response = pair.server.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut stream = response.into_body().into_data_stream();
        stream.next().await.unwrap().unwrap();
        drop(stream);
        let rest = async {
            while pair.engine.running().await > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = rest => {}
            () = sleep(Duration::from_secs(20)) => panic!("{wire:?}: the engine goes on"),
            () = pending() => {}
        }
    }
}

#[tokio::test]
async fn what_was_said_elsewhere_is_kept_like_the_rest() {
    let pair = Pair::over(Wire::Ollama).await;
    let api = pair.server.api.clone().with_chats(Chats::new(pair.server.archive.clone()));
    let server = with(pair.server, api);
    assert_eq!(server.post(CHAT, &question(json!({}))).await.status, 200);
    let scope = athenaeum_tenancy::local();
    let page = server.archive.conversations(&scope, &Filters::default(), None, 50).await.unwrap();
    let kept = server.archive.conversation(&scope, page.items[0].id).await.unwrap();
    let said: Vec<String> = kept.messages.iter().map(|stored| stored.message.content()).collect();
    assert_eq!(said, ["Who are you?", SAID]);
    assert_eq!(kept.messages[1].message.model.as_deref(), Some("far"));
    assert_eq!(kept.messages[1].message.tokens, Some(30));
}

/// A dot: a picture of one pixel, PNG.
const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn pictures_go_along_as_they_were_sent() {
    for wire in WIRES {
        let pair = Pair::over(wire).await;
        let url = format!("data:image/png;base64,{DOT}");
        let content = json!([{ "type": "image_url", "image_url": { "url": url } }, { "type": "text", "text": "What?" }]);
        let body = question(json!({ "messages": [{ "role": "user", "content": content }] }));
        // The small model sees none: that it says so is how it is known to have got one.
        let answer = pair.post(CHAT, &body).await;
        assert_eq!(answer.status, 400, "{wire:?}: {}", answer.text());
        assert!(answer.text().contains("refused"), "{wire:?}: {}", answer.text());
        let none = json!({ "model": "far", "messages": [{ "role": "user", "content": "What?", "images": ["aGVsbG8="] }] });
        let answer = pair.post("/api/chat", &none).await;
        assert!(answer.text().contains("a picture"), "{wire:?}: {}", answer.text());
    }
}
