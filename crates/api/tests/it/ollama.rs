//! `/api`, asked as Ollama's clients ask.
#![expect(clippy::needless_pass_by_value, reason = "requests are written where they are asked")]

use athenaeum_api::Settings;
use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use crate::server::{Server, ask};

const CHAT: &str = "/api/chat";
const GENERATE: &str = "/api/generate";
const SAID: &str =
    "I am Tiny, a very small language model. I know some poems by heart and can talk a little.";

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn chatting(more: Value) -> Value {
    let messages = json!([{ "role": "user", "content": "Who are you?" }]);
    with(json!({ "model": "tiny", "messages": messages, "options": { "temperature": 0 } }), &more)
}

fn generating(more: Value) -> Value {
    with(json!({ "model": "tiny", "prompt": "Who are you?", "options": { "temperature": 0 } }), &more)
}

#[tokio::test]
async fn an_answer_comes_line_by_line_unless_it_is_wanted_whole() {
    let server = Server::with_model(Settings::default()).await;
    for (path, asking, at) in
        [(CHAT, chatting as fn(Value) -> Value, "/message/content"), (GENERATE, generating, "/response")]
    {
        let lines = server.post(path, &asking(json!({}))).await.lines();
        let said = lines.iter().map(|line| line.pointer(at).unwrap().as_str().unwrap());
        assert_eq!(said.collect::<String>(), SAID, "{path}");
        assert!(lines.len() > 10, "{path}");
        let (last, before) = lines.split_last().unwrap();
        for line in before {
            assert_eq!((&line["model"], &line["done"]), (&json!("tiny"), &json!(false)));
            assert!(line["created_at"].as_str().unwrap().ends_with('Z') && line.get("eval_count").is_none());
        }
        let whole = server.post(path, &asking(json!({ "stream": false }))).await.json();
        assert_eq!(whole.pointer(at).unwrap(), SAID);
        for end in [last, &whole] {
            assert_eq!((&end["done"], &end["done_reason"]), (&json!(true), &json!("stop")));
            assert_eq!(end["eval_count"], 30);
            for field in ["total_duration", "eval_duration", "prompt_eval_duration", "prompt_eval_count"] {
                assert!(end[field].as_u64().unwrap() > 0, "{field} of {end}");
            }
            assert!(end["load_duration"].is_u64() && end.get("warnings").is_none());
        }
    }
}

#[tokio::test]
async fn it_is_asked_as_curl_asks() {
    let server = Server::with_model(Settings::default()).await;
    let body = generating(json!({ "stream": false, "model": "tiny:latest" })).to_string();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = ask(&server.app, Method::POST, GENERATE, &form, Body::from(body)).await.json();
    assert_eq!((&answer["response"], &answer["model"]), (&json!(SAID), &json!("tiny:latest")));
    let picture = [("content-type", "image/png")];
    let answer = ask(&server.app, Method::POST, GENERATE, &picture, Body::from("x")).await;
    assert_eq!(answer.status, 415);
    answer.refusal(GENERATE);
}

#[tokio::test]
async fn nothing_is_left_undone_in_silence() {
    let server = Server::with_model(Settings::default()).await;
    let odd = json!({
        "frobnicate": 1, "shift": true, "think": "low", "keep_alive": "5m",
        "options": { "temperature": 0, "num_gpu": 1, "num_ctx": 1_000_000, "warmth": 3, "num_predict": 4 },
    });
    let answer = server.post(CHAT, &chatting(with(odd.clone(), &json!({ "stream": false })))).await;
    let told = answer.json()["warnings"].as_array().unwrap().clone();
    let mut names: Vec<&str> = told.iter().map(|warning| warning["parameter"].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected = ["frobnicate", "options.num_ctx", "options.num_gpu", "options.warmth", "shift", "think"];
    assert_eq!(names, expected);
    let header: Value = serde_json::from_str(answer.header("x-athenaeum-warnings")).unwrap();
    assert_eq!(header, json!(told));
    assert_eq!(answer.json()["done_reason"], "length");

    let lines = server.post(CHAT, &chatting(odd)).await.lines();
    assert_eq!(lines.last().unwrap()["warnings"], json!(told));

    let strict = Server::with_model(Settings { strict: true, ..Settings::default() }).await;
    let answer = strict.post(CHAT, &chatting(json!({ "think": "low" }))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.refusal(CHAT)["error"].as_str().unwrap().contains("'think'"));
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_is_right() {
    let server = Server::with_model(Settings::default()).await;
    let check = async |body: Value, status: u16, says: &str| {
        let path = if body.get("prompt").is_some() { GENERATE } else { CHAT };
        let answer = server.post(path, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let error = answer.refusal(path)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(says), "{body}: {error}");
    };
    check(chatting(json!({ "options": { "temperature": "hot" } })), 400, "options.temperature").await;
    check(chatting(json!({ "options": { "num_predict": -3 } })), 400, "from -2").await;
    check(chatting(json!({ "options": [] })), 400, "'options'").await;
    check(chatting(json!({ "messages": [{ "role": "robot" }] })), 400, "messages[0].role").await;
    check(chatting(json!({ "messages": [{ "content": "" }] })), 400, "messages[0].role").await;
    let picture = json!([{ "role": "user", "content": "What is this?", "images": ["aGk="] }]);
    check(chatting(json!({ "messages": picture })), 400, "text only").await;
    check(chatting(json!({ "format": "xml" })), 400, "'format'").await;
    check(chatting(json!({ "think": "hard" })), 400, "'think'").await;
    check(chatting(json!({ "keep_alive": "5 minutes" })), 400, "'keep_alive'").await;
    check(chatting(json!({ "top_logprobs": 3 })), 400, "logprobs").await;
    check(chatting(json!({ "model": "" })), 400, "'model' is missing").await;
    check(chatting(json!({ "model": null })), 400, "'model' is missing").await;
    check(chatting(json!({ "model": "tinier" })), 404, "tiny").await;
    check(generating(json!({ "images": ["aGk="] })), 400, "text only").await;
    check(generating(json!({ "raw": true, "system": "Be kind." })), 400, "raw").await;
    check(generating(json!({ "context": [-1] })), 400, "context[0]").await;
    check(generating(json!({ "context": [1 << 30] })), 400, "not among").await;
    let schema = json!({ "type": "object", "patternProperties": { "(": {} } });
    check(generating(json!({ "format": schema })), 400, "cannot be kept").await;
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_refused_or_cut_and_told_of() {
    let server = Server::with_model(Settings::default()).await;
    let long = "a tale of many words ".repeat(40);
    let messages = json!([
        { "role": "user", "content": long }, { "role": "assistant", "content": "Yes." },
        { "role": "user", "content": "Who are you?" },
    ]);
    let options = json!({ "temperature": 0, "num_ctx": 100 });
    let body = chatting(json!({ "messages": messages, "options": options, "stream": false }));
    let answer = server.post(CHAT, &body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.refusal(CHAT)["error"].as_str().unwrap().contains("a context of 100"));

    let answer = server.post(CHAT, &with(body, &json!({ "truncate": true }))).await.json();
    assert_eq!(answer["warnings"][0]["parameter"], "truncation", "{answer}");
    let tokens = |field: &str| answer[field].as_u64().unwrap();
    assert!(tokens("prompt_eval_count") + tokens("eval_count") <= 100, "{answer}");

    // The answer, too, ends where the context does.
    let options = json!({ "temperature": 0, "num_ctx": 30 });
    let answer = server.post(CHAT, &chatting(json!({ "options": options, "stream": false }))).await.json();
    let tokens = |field: &str| answer[field].as_u64().unwrap();
    assert_eq!(tokens("prompt_eval_count") + tokens("eval_count"), 30, "{answer}");
    assert_eq!(answer["done_reason"], "length");
}

#[tokio::test]
async fn forms_are_kept_and_likelihoods_told() {
    let server = Server::with_model(Settings::default()).await;
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "maximum": 9, "minimum": 0 } },
        "required": ["n"], "additionalProperties": false });
    for (path, asking, at) in
        [(CHAT, chatting as fn(Value) -> Value, "/message/content"), (GENERATE, generating, "/response")]
    {
        let more = json!({ "format": schema, "logprobs": true, "top_logprobs": 2 });
        let lines = server.post(path, &asking(more)).await.lines();
        let said: String = lines.iter().filter_map(|line| line.pointer(at)?.as_str()).collect();
        assert!(serde_json::from_str::<Value>(&said).unwrap()["n"].is_u64(), "{said}");
        let told: Vec<&Value> = lines.iter().flat_map(|line| line["logprobs"].as_array()).flatten().collect();
        assert_eq!(told.len() as u64, lines.last().unwrap()["eval_count"].as_u64().unwrap());
        for token in told {
            assert!(token["logprob"].as_f64().unwrap() <= 0.0 && token["token"].is_string());
            assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        }
    }
    let any = server.post(CHAT, &chatting(json!({ "format": "json", "stream": false }))).await.json();
    let said = any["message"]["content"].as_str().unwrap();
    assert!(
        serde_json::from_str::<Value>(said).is_ok_and(|said| said.is_object())
            || any["done_reason"] == "length"
    );
}

#[tokio::test]
async fn models_are_loaded_and_let_go_without_words() {
    let server = Server::with_model(Settings::default()).await;
    for (path, body) in [
        (CHAT, json!({ "model": "tiny", "messages": [] })),
        (CHAT, json!({ "model": "tiny" })),
        (GENERATE, json!({ "model": "tiny" })),
        (GENERATE, json!({ "model": "tiny", "prompt": "" })),
    ] {
        let answer = server.post(path, &body).await.json();
        assert_eq!((&answer["done"], &answer["done_reason"]), (&json!(true), &json!("load")));
        let answer = server.post(path, &with(body, &json!({ "keep_alive": 0 }))).await.json();
        assert_eq!((&answer["done"], &answer["done_reason"]), (&json!(true), &json!("unload")));
    }
    let answer = server.post(CHAT, &json!({ "model": "none" })).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_context_is_gone_on_from() {
    let server = Server::with_model(Settings::default()).await;
    let first = server.post(GENERATE, &generating(json!({ "stream": false }))).await.json();
    let context = first["context"].as_array().unwrap();
    let counted = first["prompt_eval_count"].as_u64().unwrap() + first["eval_count"].as_u64().unwrap();
    assert_eq!(context.len() as u64, counted);
    let lines = server.post(GENERATE, &generating(json!({ "context": context }))).await.lines();
    let last = lines.last().unwrap();
    let count = last["prompt_eval_count"].as_u64().unwrap() as usize;
    assert!(count > context.len());
    assert_eq!(last["context"].as_array().unwrap()[..context.len()], context[..]);
    let raw = server.post(GENERATE, &generating(json!({ "raw": true, "stream": false }))).await.json();
    assert!(raw.get("context").is_none() && raw["response"] != SAID);
}

#[tokio::test]
async fn models_are_listed_under_names_that_answer() {
    let server = Server::with_model(Settings::default()).await;
    let list = server.get("/api/tags").await.json();
    let model = &list["models"][0];
    assert_eq!((&model["name"], &model["model"]), (&json!("tiny:latest"), &json!("tiny:latest")));
    assert_eq!(model["details"]["format"], "gguf");
    assert_eq!(model["digest"].as_str().unwrap().len(), 64);
    assert!(model["capabilities"].as_array().unwrap().contains(&json!("completion")));
    assert!(model["modified_at"].as_str().unwrap().parse::<athenaeum_core::Timestamp>().is_ok());
    let body = chatting(json!({ "model": model["name"], "stream": false }));
    assert_eq!(server.post(CHAT, &body).await.json()["message"]["content"], SAID);
    assert!(server.get("/api/version").await.json()["version"].is_string());
    let answer = server.get("/api/nowhere").await;
    assert_eq!(answer.status, 404);
    answer.refusal("/api/nowhere");
}

#[tokio::test]
async fn texts_become_vectors() {
    let server = Server::with_model(Settings::default()).await;
    let texts = json!(["Who are you?", "A poem"]);
    let made = server.post("/api/embed", &json!({ "model": "tiny", "input": texts })).await.json();
    let vectors: Vec<Vec<f64>> = serde_json::from_value(made["embeddings"].clone()).unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in &vectors {
        let length: f64 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
    }
    assert!(made["prompt_eval_count"].as_u64().unwrap() > 2 && made["total_duration"].is_u64());
    let one = server.post("/api/embed", &json!({ "model": "tiny", "input": "A poem" })).await.json();
    assert_eq!(one["embeddings"][0], made["embeddings"][1]);
    let few = json!({ "model": "tiny", "input": "A poem", "dimensions": 8 });
    assert_eq!(server.post("/api/embed", &few).await.json()["embeddings"][0].as_array().unwrap().len(), 8);
    let old = server.post("/api/embeddings", &json!({ "model": "tiny", "prompt": "A poem" })).await.json();
    assert_eq!(old["embedding"].as_array().unwrap().len(), vectors[0].len());

    for nothing in [json!({ "model": "tiny" }), json!({ "model": "tiny", "input": [] })] {
        assert_eq!(server.post("/api/embed", &nothing).await.json()["embeddings"], json!([]));
    }
    let long = "a tale of many words ".repeat(4000);
    let body = json!({ "model": "tiny", "input": long, "options": { "num_ctx": 8 } });
    let answer = server.post("/api/embed", &body).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    answer.refusal("/api/embed");
    let cut = server.post("/api/embed", &with(body, &json!({ "truncate": true }))).await.json();
    let names: Vec<&Value> =
        cut["warnings"].as_array().unwrap().iter().map(|warning| &warning["parameter"]).collect();
    assert_eq!(names, ["options", "input"]);
}

#[tokio::test]
async fn a_model_is_described_and_seen_in_memory() {
    let server = Server::with_model(Settings::default()).await;
    assert_eq!(server.get("/api/ps").await.json()["models"], json!([]));
    for body in [json!({ "model": "tiny" }), json!({ "name": "tiny:latest" })] {
        let shown = server.post("/api/show", &body).await.json();
        let family = shown["details"]["family"].as_str().unwrap();
        assert_eq!(shown["model_info"]["general.architecture"], family);
        assert!(shown["model_info"][format!("{family}.context_length")].is_u64());
        assert!(shown["model_info"]["tokenizer.ggml.tokens"].is_null());
        assert!(shown["template"].as_str().unwrap().contains("messages"));
        assert!(shown["capabilities"].as_array().unwrap().contains(&json!("thinking")));
        assert!(shown.get("tensors").is_none());
    }
    let shown = server.post("/api/show", &json!({ "model": "tiny", "verbose": true })).await.json();
    assert!(shown["model_info"]["tokenizer.ggml.tokens"].as_array().unwrap().len() > 100);
    assert!(shown["tensors"][0]["shape"][0].is_u64());
    let answer = server.post("/api/show", &json!({ "model": "none" })).await;
    assert_eq!(answer.status, 404);

    server.post(CHAT, &json!({ "model": "tiny", "keep_alive": "1h" })).await.json();
    let running = server.get("/api/ps").await.json()["models"][0].clone();
    assert_eq!((&running["name"], &running["size_vram"]), (&json!("tiny:latest"), &json!(0)));
    assert!(running["context_length"].as_u64().unwrap() > 0 && running["size"].as_u64().unwrap() > 0);
    let now = athenaeum_core::Timestamp::now();
    let expires: athenaeum_core::Timestamp = running["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(expires > now, "{running}");
    server.post(CHAT, &json!({ "model": "tiny", "keep_alive": 0 })).await.json();
    assert_eq!(server.get("/api/ps").await.json()["models"], json!([]));
}
