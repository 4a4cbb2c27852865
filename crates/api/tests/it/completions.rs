//! `/v1/completions`, asked as its clients ask.

use athenaeum_api::Settings;
use serde_json::{Value, json};

use crate::server::Server;

const COMPLETIONS: &str = "/v1/completions";

fn asking(more: Value) -> Value {
    let mut body = json!({ "model": "tiny", "temperature": 0, "prompt": "The quick brown fox" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn an_answer_is_whole_or_comes_in_pieces_and_is_the_same() {
    let server = Server::with_model(Settings::default()).await;
    let whole = server.post(COMPLETIONS, &asking(json!({}))).await.json();
    let text = whole["choices"][0]["text"].as_str().unwrap();
    assert!(!text.is_empty());
    assert_eq!(
        (&whole["object"], &whole["usage"]["completion_tokens"]),
        (&json!("text_completion"), &json!(16))
    );
    assert_eq!(whole["choices"][0]["finish_reason"], "length");

    for echo in [false, true] {
        let options = json!({ "stream": true, "stream_options": { "include_usage": true }, "echo": echo });
        let (chunks, end) = server.post(COMPLETIONS, &asking(options)).await.events();
        let said = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str());
        let echoed = if echo { "The quick brown fox" } else { "" };
        assert_eq!(said.collect::<String>(), format!("{echoed}{text}"));
        assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 16);
        assert_eq!(end, ["[DONE]"]);
    }
    let stopped = asking(json!({ "stop": text.chars().skip(4).take(3).collect::<String>() }));
    let stopped = server.post(COMPLETIONS, &stopped).await.json();
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert!(text.starts_with(stopped["choices"][0]["text"].as_str().unwrap()));
}

#[tokio::test]
async fn prompts_are_texts_or_tokens_one_or_many() {
    let server = Server::with_model(Settings::default()).await;
    let texts = async |prompt: Value, more: Value| {
        let mut body = asking(more);
        body["prompt"] = prompt;
        let answer = server.post(COMPLETIONS, &body).await.json();
        let choices = answer["choices"].as_array().unwrap().clone();
        for (index, choice) in choices.iter().enumerate() {
            assert_eq!(choice["index"], index);
        }
        choices.iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let one = texts(json!("Once upon a time"), json!({})).await;
    let two = texts(json!("Who are you?"), json!({})).await;
    assert_eq!(
        texts(json!(["Once upon a time", "Who are you?"]), json!({})).await,
        [&one[..], &two].concat()
    );
    // What tokens these are is told by the text's own.
    let told = asking(json!({ "prompt": "Who are you?", "echo": true, "logprobs": 0, "max_tokens": 0 }));
    let told = server.post(COMPLETIONS, &told).await.json();
    assert_eq!(told["choices"][0]["text"], "Who are you?");
    let tokens = json!([72, 101, 108]);
    let of_tokens = texts(tokens.clone(), json!({})).await;
    assert_eq!(texts(json!([tokens, tokens]), json!({})).await, [&of_tokens[..], &of_tokens].concat());
    let many = texts(json!(vec!["Who are you?"; 40]), json!({ "n": 2, "max_tokens": 2 })).await;
    assert_eq!(many.len(), 80);
    assert!(many.iter().all(|text| *text == many[0]), "{many:?}");
}

/// As lm-eval asks, and what it reads of the answer.
#[tokio::test]
async fn a_text_is_told_how_likely_it_is() {
    let server = Server::with_model(Settings::default()).await;
    let body = asking(json!({ "echo": true, "logprobs": 1, "max_tokens": 1, "seed": 1234 }));
    let answer = server.post(COMPLETIONS, &body).await.json();
    let choice = &answer["choices"][0];
    let told = &choice["logprobs"];
    let list = |name: &str| told[name].as_array().unwrap().clone();
    let (tokens, offsets, likely, top) =
        (list("tokens"), list("text_offset"), list("token_logprobs"), list("top_logprobs"));
    let count = answer["usage"]["prompt_tokens"].as_u64().unwrap() as usize + 1;
    assert_eq!([tokens.len(), offsets.len(), likely.len(), top.len()], [count; 4]);
    assert!(likely[0].is_null() && top[0].is_null());
    let text = choice["text"].as_str().unwrap();
    for index in 1..count {
        let (token, offset) = (tokens[index].as_str().unwrap(), offsets[index].as_u64().unwrap() as usize);
        assert!(text[offset..].starts_with(token), "{token:?} at {offset} of {text:?}");
        assert_eq!(top[index][token], likely[index]);
        assert!((1..=2).contains(&top[index].as_object().unwrap().len()));
    }

    // The same in pieces, one after the other.
    let mut streamed = body.clone();
    streamed["stream"] = true.into();
    let (chunks, _) = server.post(COMPLETIONS, &streamed).await.events();
    for name in ["tokens", "text_offset", "token_logprobs", "top_logprobs"] {
        let pieces = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"][name].as_array());
        assert_eq!(pieces.flatten().cloned().collect::<Vec<_>>(), list(name), "{name}");
    }

    // What a text is worth does not hang on what is read beside it.
    let both = asking(
        json!({ "prompt": ["Once upon", "The quick brown fox"], "echo": true, "logprobs": 1, "max_tokens": 1 }),
    );
    let both = server.post(COMPLETIONS, &both).await.json();
    assert_eq!(both["choices"][1]["logprobs"], *told);
}

#[tokio::test]
async fn the_best_are_kept() {
    let server = Server::with_model(Settings::default()).await;
    let body = json!({ "temperature": 1.5, "seed": 7, "n": 2, "best_of": 6, "max_tokens": 4, "logprobs": 0 });
    let best = server.post(COMPLETIONS, &asking(body.clone())).await.json();
    let mut all = body;
    (all["n"], all["best_of"]) = (6.into(), 6.into());
    let all = server.post(COMPLETIONS, &asking(all)).await.json();
    let worth = |answer: &Value| {
        let choices = answer["choices"].as_array().unwrap().clone();
        let mean = |choice: &Value| {
            let likely = choice["logprobs"]["token_logprobs"].as_array().unwrap().clone();
            likely.iter().map(|one| one.as_f64().unwrap()).sum::<f64>() / likely.len() as f64
        };
        choices.iter().map(mean).collect::<Vec<_>>()
    };
    let mut expected = worth(&all);
    expected.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(worth(&best), expected[..2]);
    assert_eq!(best["usage"]["completion_tokens"], all["usage"]["completion_tokens"]);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_is_right() {
    let server = Server::with_model(Settings::default()).await;
    let check = async |more: Value, parameter: &str, says: &str| {
        let answer = server.post(COMPLETIONS, &asking(more.clone())).await;
        let error = answer.refusal(COMPLETIONS)["error"].clone();
        assert_eq!((answer.status, error["param"].as_str().unwrap_or_default()), (400, parameter), "{more}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{more}: {message}");
    };
    check(json!({ "prompt": null }), "prompt", "missing").await;
    check(json!({ "prompt": [] }), "prompt", "at least one").await;
    check(json!({ "prompt": [[]] }), "prompt", "at least one").await;
    check(json!({ "prompt": ["a", 1] }), "prompt[1]", "text").await;
    check(json!({ "prompt": [-1] }), "prompt[0]", "a whole number from 0").await;
    check(json!({ "prompt": [4_000_000_000_u32] }), "", "not among the model's").await;
    check(json!({ "best_of": 2, "n": 3 }), "best_of", "n (3) or more").await;
    check(json!({ "best_of": 2, "stream": true }), "best_of", "streamed").await;
    check(json!({ "prompt": vec!["a"; 100], "n": 100 }), "n", "at most 1024").await;
    check(json!({ "logprobs": true }), "logprobs", "a whole number from 0 to 100").await;
    check(json!({ "suffix": "end." }), "suffix", "not learnt to fill gaps").await;
    check(json!({ "suffix": "end.", "prompt": [1] }), "prompt", "text").await;
}
