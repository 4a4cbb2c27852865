//! Ollama's own wire.

use athenaeum_providers::{Conversation, End, Error, Event, Form, Input, Reason, Request, Setting, Wire};
use serde_json::{Value, json};

use crate::stub::{
    Play, Stub, answer, arguments, conversation, question, said, sent, started, text, thought, tool,
};

#[tokio::test]
async fn a_conversation_is_sent_whole() {
    let conversation = Conversation {
        tools: vec![tool("look")],
        variables: [("enable_thinking".to_owned(), json!(true))].into(),
        ..conversation()
    };
    let ollama = |setting: &Setting| setting.on(Wire::Ollama).is_some();
    let schema = json!({ "type": "object" });
    let request = Request {
        sampling: Setting::ALL.into_iter().filter(ollama).map(|setting| (setting, json!(1))).collect(),
        form: Some(Form::JsonSchema(schema.clone())),
        stops: vec!["END".to_owned()],
        tokens_max: Some(64),
        ..Request::new(Input::Conversation(conversation))
    };
    let (path, body) = sent(Wire::Ollama, request).await;
    assert_eq!(path, "/api/chat");
    assert_eq!(
        body,
        json!({
            "model": "m", "stream": true, "truncate": false, "shift": false, "format": schema, "think": true,
            "tools": [tool("look")],
            "options": {
                "temperature": 1, "top_p": 1, "top_k": 1, "min_p": 1, "typical_p": 1, "repeat_penalty": 1, "repeat_last_n": 1,
                "frequency_penalty": 1, "presence_penalty": 1, "seed": 1, "num_ctx": 1, "stop": ["END"], "num_predict": 64,
            },
            "messages": [
                { "role": "system", "content": "Be\nshort." },
                { "role": "user", "content": "What is it?", "images": ["iVBOR"] },
                { "role": "assistant", "content": "", "thinking": "I should look.", "tool_calls": [
                    { "id": "c1", "function": { "index": 0, "name": "look", "arguments": { "at": "it" } } },
                    { "id": "c2", "function": { "index": 1, "name": "look", "arguments": {} } },
                ] },
                { "role": "tool", "content": "a cat", "tool_name": "look", "tool_call_id": "c1" },
            ],
        })
    );
}

#[tokio::test]
async fn a_text_is_sent_raw() {
    let request = Request { form: Some(Form::JsonObject), ..Request::new(Input::Text("Once".to_owned())) };
    let expected = json!({
        "model": "m", "stream": true, "truncate": false, "shift": false, "format": "json", "raw": true, "prompt": "Once",
    });
    assert_eq!(sent(Wire::Ollama, request).await, ("/api/generate".to_owned(), expected));
}

/// Our own Ollama dialect spells one wish in three ways, since templates differ.
#[tokio::test]
async fn the_wish_to_think_is_told_in_its_own_word() {
    let check = async |variables: Value, expected: Value| {
        let Value::Object(variables) = variables else { panic!() };
        let conversation = Conversation { variables: variables.into_iter().collect(), ..conversation() };
        let (_, body) = sent(Wire::Ollama, Request::new(Input::Conversation(conversation))).await;
        assert_eq!(body["think"], expected);
    };
    check(json!({ "enable_thinking": false, "thinking": false }), json!(false)).await;
    check(json!({ "enable_thinking": true, "thinking": true }), json!(true)).await;
    check(json!({ "enable_thinking": true, "thinking": true, "reasoning_effort": "high" }), json!("high"))
        .await;
    check(json!({ "reasoning_effort": "low" }), json!("low")).await;
    check(json!({ "reasoning_effort": "none", "enable_thinking": false }), json!(false)).await;
    check(json!({ "reasoning_effort": "minimal", "enable_thinking": true }), json!(true)).await;
}

#[tokio::test]
async fn an_answer_comes_line_by_line() {
    let message =
        |message: Value| json!({ "model": "m", "created_at": "…", "message": message, "done": false });
    let call = |name: &str, arguments: Value| json!({ "id": format!("{name}-1"), "function": { "index": 0, "name": name, "arguments": arguments } });
    let play = Play::lines([
        message(json!({ "role": "assistant", "content": "", "thinking": "Hm." })),
        message(json!({ "role": "assistant", "content": "Grüße" })),
        message(
            json!({ "role": "assistant", "content": "", "tool_calls": [call("f", json!({ "x": 1 })), call("g", json!({}))] }),
        ),
        json!({
            "model": "m", "message": { "role": "assistant", "content": "" }, "done": true, "done_reason": "stop",
            "prompt_eval_count": 9, "eval_count": 5, "total_duration": 1,
        }),
    ]);
    let end = End {
        reason: Reason::Ended,
        stop: None,
        prompt_tokens: Some(9),
        cached_tokens: None,
        generated_tokens: Some(5),
        reasoning_tokens: None,
    };
    let expected = [
        thought("Hm."),
        text("Grüße"),
        started(0, Some("f-1"), "f"),
        arguments(0, r#"{"x":1}"#),
        started(1, Some("g-1"), "g"),
        arguments(1, "{}"),
        Event::End(end.clone()),
    ];
    assert_eq!(said(Wire::Ollama, question(), play).await, expected);
    let piece = json!({ "response": " upon", "thinking": "so", "done": false });
    let play = Play::lines([piece, json!({ "response": "", "done": true, "done_reason": "length" })]);
    let request = Request::new(Input::Text("Once".to_owned()));
    let end = End { reason: Reason::Length, prompt_tokens: None, generated_tokens: None, ..end };
    assert_eq!(said(Wire::Ollama, request, play).await, [thought("so"), text(" upon"), Event::End(end)]);
}

#[tokio::test]
async fn errors_are_told_as_it_tells_them() {
    let check = async |play: Play| {
        let stub = Stub::plays([play]).await;
        answer(&stub.remote(Wire::Ollama), question()).await.unwrap_err()
    };
    let error = check(Play::json(404, json!({ "error": "model 'm' not found" }))).await;
    assert!(
        matches!(&error, Error::Refused { status: 404, said, .. } if said == "model 'm' not found"),
        "{error:?}"
    );
    let error = check(Play::lines([json!({ "error": "out of memory" })])).await;
    assert!(
        matches!(&error, Error::Unwell { status: 500, said, .. } if said == "out of memory"),
        "{error:?}"
    );
    let error = check(Play::lines([json!({ "response": "", "done": true, "done_reason": "load" })])).await;
    assert!(matches!(&error, Error::NotUnderstood { reason, .. } if reason.contains("load")), "{error:?}");
    let error = check(Play::lines([json!({ "message": { "content": "Hi" }, "done": false })])).await;
    assert!(matches!(error, Error::NotUnderstood { .. }), "{error:?}");
}
