//! Pictures, as the clients of every dialect send them.

use std::{fs, path::Path};

use athenaeum_api::Settings;
use athenaeum_inference::{catalog::Named, local, model, synthetic, vision::kind};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Server, TINY};

/// Two models that see, beside one that does not: `seeing`, whose text hangs on all that came before, and `talking`.
async fn server(settings: Settings) -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let recipe = synthetic::find("llama").unwrap();
    let talking = fs::read(TINY).unwrap();
    let width = model::open(Path::new(TINY)).unwrap().summary().embedding_size.unwrap() as usize;
    let mut files = Vec::new();
    for (name, bytes, width) in [
        ("seeing", synthetic::gguf(recipe, synthetic::STORAGES[0].1).unwrap(), recipe.width),
        ("talking", talking, width),
    ] {
        let path = folder.path().join(format!("{name}.gguf"));
        fs::write(&path, bytes).unwrap();
        let projector = synthetic::vision::projector(kind::find("mlp").unwrap(), width).unwrap();
        fs::write(folder.path().join(format!("mmproj-{name}.gguf")), projector).unwrap();
        files.push(Named { name: name.to_owned(), path });
    }
    let load = local::Settings { template: Some("chatml".to_owned()), ..local::Settings::default() };
    (Server::loaded_so(settings, files, load).await, folder)
}

fn png(seed: u32) -> Vec<u8> {
    synthetic::vision::png(40, 24, seed).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]);
            out.push(if place <= three.len() { letter } else { '=' });
        }
    }
    out
}

fn address(seed: u32) -> String {
    format!("data:image/png;base64,{}", base64(&png(seed)))
}

/// One way of showing a picture: where to ask, and the body, by the picture's base64.
struct Way {
    name: &'static str,
    target: &'static str,
    body: fn(&str) -> Value,
    /// Where the answer's text is.
    said: &'static str,
    /// Where the tokens of the prompt are counted.
    tokens: &'static str,
    /// What a problem with the picture is said to be about.
    parameter: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "OpenAI's chat",
        target: "/v1/chat/completions",
        body: |data| {
            let url = format!("data:image/png;base64,{data}");
            json!({ "model": "seeing", "temperature": 0, "max_tokens": 20, "messages": [{ "role": "user", "content": [
                { "type": "image_url", "image_url": { "url": url } }, { "type": "text", "text": "Look." },
            ] }] })
        },
        said: "/choices/0/message/content",
        tokens: "/usage/prompt_tokens",
        parameter: "messages[0].content[0].image_url.url",
    },
    Way {
        name: "OpenAI's responses",
        target: "/v1/responses",
        body: |data| {
            let url = format!("data:image/png;base64,{data}");
            json!({ "model": "seeing", "temperature": 0, "max_output_tokens": 20, "input": [{ "role": "user", "content": [
                { "type": "input_image", "image_url": url }, { "type": "input_text", "text": "Look." },
            ] }] })
        },
        said: "/output/0/content/0/text",
        tokens: "/usage/input_tokens",
        parameter: "input[0].content[0].image_url",
    },
    Way {
        name: "Anthropic's messages",
        target: "/v1/messages",
        body: |data| {
            let source = json!({ "type": "base64", "media_type": "image/png", "data": data });
            json!({ "model": "seeing", "temperature": 0, "max_tokens": 20, "messages": [{ "role": "user", "content": [
                { "type": "image", "source": source }, { "type": "text", "text": "Look." },
            ] }] })
        },
        said: "/content/0/text",
        tokens: "/usage/input_tokens",
        parameter: "messages[0].content[0].source.data",
    },
    Way {
        name: "Ollama's chat",
        target: "/api/chat",
        body: |data| {
            json!({ "model": "seeing", "stream": false, "options": { "temperature": 0, "num_predict": 20 }, "messages": [
                { "role": "user", "content": "Look.", "images": [data] },
            ] })
        },
        said: "/message/content",
        tokens: "/prompt_eval_count",
        parameter: "messages[0].images[0]",
    },
    Way {
        name: "Ollama's generate",
        target: "/api/generate",
        body: |data| {
            json!({ "model": "seeing", "stream": false, "options": { "temperature": 0, "num_predict": 20 },
                "prompt": "Look.", "images": [data] })
        },
        said: "/response",
        tokens: "/prompt_eval_count",
        parameter: "images[0]",
    },
];

#[tokio::test]
async fn every_dialect_shows_pictures_to_a_model_that_sees() {
    let (server, _folder) = server(Settings::default()).await;
    let mut said_of_first = Vec::new();
    for way in WAYS {
        let ask = async |seed| {
            let answer = server.post(way.target, &(way.body)(&base64(&png(seed)))).await;
            assert_eq!(answer.status, 200, "{}: {}", way.name, answer.text());
            let json = answer.json();
            let text = json.pointer(way.said).and_then(Value::as_str).unwrap_or_default().to_owned();
            // Anthropic counts what was known apart.
            let count = |at: &str| json.pointer(at).and_then(Value::as_u64).unwrap_or_default();
            let tokens = count(way.tokens) + count("/usage/cache_read_input_tokens");
            (text, tokens, json)
        };
        let (one, tokens, json) = ask(0).await;
        assert!(json.get("context").is_none(), "{}: rows are no tokens to go on from", way.name);
        assert!(json.get("warnings").is_none(), "{}: {json}", way.name);
        assert!(tokens > 16, "{}: its 16 rows are counted, {tokens}", way.name);
        assert_eq!(ask(0).await.0, one, "{}: the same picture", way.name);
        // Each token is one of two, so that some pictures may give the same text.
        let mut others = Vec::new();
        for seed in 1..7 {
            others.push(ask(seed).await.0);
        }
        assert!(others.iter().any(|other| *other != one), "{}: other pictures", way.name);
        said_of_first.push(one);
    }
    assert!(said_of_first.iter().all(|said| !said.is_empty()), "{said_of_first:?}");
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_name() {
    let (server, _folder) = server(Settings::default()).await;
    for way in WAYS {
        let refused = async |body: Value, expected: &str| {
            let answer = server.post(way.target, &body).await;
            let text = answer.text().to_owned();
            assert_eq!(answer.status, 400, "{}: {text}", way.name);
            assert!(text.contains(expected), "{}: {text}", way.name);
            text
        };
        let broken = base64(&png(0)[..60]);
        let text = refused((way.body)(&broken), "damaged").await;
        assert!(text.contains(way.parameter), "{}: {text}", way.name);
        refused((way.body)(&base64(b"no picture at all")), "no picture that is read here").await;
        refused((way.body)("%%%"), "no base64").await;
        let mut blind = (way.body)(&base64(&png(0)));
        blind["model"] = "tiny".into();
        let text = refused(blind, "reads text only").await;
        assert!(text.contains("mmproj"), "{}: {text}", way.name);
    }
}

#[tokio::test]
async fn nothing_is_fetched_from_addresses() {
    let (server, _folder) = server(Settings::default()).await;
    let part = json!({ "type": "image_url", "image_url": { "url": "http://127.0.0.1:9/a.png" } });
    let source = json!({ "type": "url", "url": "https://example.org/a.png" });
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    for (target, body) in [
        ("/v1/chat/completions", json!({ "model": "seeing", "messages": user(json!([part])) })),
        (
            "/v1/responses",
            json!({ "model": "seeing", "input": user(json!([{ "type": "input_image", "image_url": "http://a/b" }])) }),
        ),
        (
            "/v1/messages",
            json!({ "model": "seeing", "max_tokens": 5,
                "messages": user(json!([{ "type": "image", "source": source }])) }),
        ),
        (
            "/api/chat",
            json!({ "model": "seeing",
                "messages": [{ "role": "user", "content": "x", "images": ["https://a/b"] }] }),
        ),
    ] {
        let answer = server.post(target, &body).await;
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.text().contains("fetches nothing"), "{target}: {}", answer.text());
    }
}

#[tokio::test]
async fn limits_are_those_of_the_settings() {
    let settings =
        Settings { pictures_max: 1, picture_bytes_max: 400, picture_pixels_max: 960, ..Settings::default() };
    let (server, _folder) = server(settings).await;
    let ask = async |images: Vec<String>| {
        let message = json!({ "role": "user", "content": "Look.", "images": images });
        let body = json!({ "model": "seeing", "stream": false, "options": { "num_predict": 1 }, "messages": [message] });
        let answer = server.post("/api/chat", &body).await;
        (answer.status, answer.text().to_owned())
    };
    let small = |width| base64(&synthetic::vision::png(width, 3, 0).unwrap());
    assert_eq!(ask(vec![small(4)]).await.0, 200);
    let (status, text) = ask(vec![small(4), small(4)]).await;
    assert!(status == 400 && text.contains("no more than 1 pictures"), "{text}");
    let (status, text) = ask(vec![base64(&png(0))]).await;
    assert!(status == 400 && text.contains("at most 400"), "{text}");
    let flat = image_of_one_colour();
    let (status, text) = ask(vec![base64(&flat)]).await;
    assert!(status == 400 && text.contains("at most 960"), "{text}");
}

/// Few bytes, many pixels: a bitmap of a palette, its rows packed by their lengths.
fn image_of_one_colour() -> Vec<u8> {
    let (width, height) = (64_u32, 64_u32);
    let mut pixels = Vec::new();
    for _ in 0..height {
        pixels.extend([64, 0, 0, 0]);
    }
    pixels.extend([0, 1]);
    let mut bytes = b"BM".to_vec();
    bytes.extend((62 + pixels.len() as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(62_u32.to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(8_u16.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((pixels.len() as u32).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(2_u32.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend([0, 0, 255, 0, 255, 0, 0, 0]);
    bytes.extend(pixels);
    bytes
}

#[tokio::test]
async fn tools_are_called_with_a_picture_in_view() {
    let (server, _folder) = server(Settings::default()).await;
    let tool = json!({ "type": "function", "function": { "name": "look", "parameters": {
        "type": "object", "properties": { "at": { "enum": ["left", "right"] } }, "required": ["at"],
        "additionalProperties": false,
    } } });
    let mut body = (WAYS[0].body)(&base64(&png(0)));
    body["tools"] = json!([tool]);
    body["tool_choice"] = json!("required");
    body["max_tokens"] = json!(64);
    body["model"] = json!("talking");
    let answer = server.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let call = answer.json()["choices"][0]["message"]["tool_calls"][0]["function"].clone();
    assert_eq!(call["name"], "look");
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(["left", "right"].contains(&arguments["at"].as_str().unwrap()));
}

#[tokio::test]
async fn what_is_kept_tells_of_the_picture_and_not_what_it_showed() {
    let (mut server, _folder) = server(Settings::default()).await;
    let api = server.api.clone().with_chats(athenaeum_retrieval::Chats::new(server.archive.clone()));
    server.app = athenaeum_api::app(api, axum::Router::new());
    let mut body = (WAYS[0].body)(&base64(&png(0)));
    body["max_tokens"] = json!(4);
    let answer = server.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let scope = athenaeum_tenancy::local();
    let page = server.archive.conversations(&scope, &athenaeum_archive::Filters::default(), None, 5).await;
    let summary = page.unwrap().items.remove(0);
    let kept = server.archive.conversation(&scope, summary.id).await.unwrap();
    let question = &kept.messages.iter().find(|kept| kept.message.role.as_str() == "user").unwrap().message;
    let pictures: Vec<_> = question.attachments.iter().map(|one| one.media_type.as_deref()).collect();
    assert_eq!(pictures, [Some("image/png")], "{question:?}");
    let raw = server.archive.raw_json(&scope, summary.id).await.unwrap();
    assert!(!raw.contains(&base64(&png(0))[..40]), "no picture stands in what is kept: {raw}");
}

#[tokio::test]
async fn what_sees_says_so() {
    let (server, _folder) = server(Settings::default()).await;
    let show = |name: &str| json!({ "model": name });
    let can = async |name: &str| server.post("/api/show", &show(name)).await.json()["capabilities"].clone();
    assert!(can("seeing").await.as_array().unwrap().contains(&json!("vision")));
    assert!(!can("tiny").await.as_array().unwrap().contains(&json!("vision")));
    let list = server.get("/v1/models").await.json();
    let of = |name: &str| {
        list["data"].as_array().unwrap().iter().find(|model| model["id"] == name).unwrap()["capabilities"]
            .clone()
    };
    assert_eq!((of("seeing"), of("tiny")), (json!(["vision"]), json!([])));
    let props = server.get("/props?model=seeing").await.json();
    assert_eq!(props["modalities"]["vision"], true);
}

#[tokio::test]
async fn a_conversation_that_is_too_long_loses_whole_messages_with_their_pictures() {
    let (server, _folder) = server(Settings::default()).await;
    let shown = |seed: u32| {
        json!({ "role": "user", "content": [
            { "type": "image_url", "image_url": address(seed) }, { "type": "text", "text": "And this one?" },
        ] })
    };
    let said = json!({ "role": "assistant", "content": "A picture." });
    let mut messages = Vec::new();
    for seed in 0..24 {
        messages.extend([shown(seed), said.clone()]);
    }
    messages.push(shown(24));
    let body = json!({ "model": "seeing", "messages": messages, "max_tokens": 8, "truncation": "auto" });
    let answer = server.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("the oldest"), "{}", answer.text());
    let mut whole = body;
    whole["truncation"] = "disabled".into();
    let refused = server.post("/v1/chat/completions", &whole).await;
    assert_eq!(refused.status, 400, "25 pictures fit: {}", refused.text());
}
