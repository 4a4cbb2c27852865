//! vLLM: OpenAI's wire and more.

use athenaeum_providers::{Conversation, Error, Event, Form, Input, Message, Request, Setting, Wire};
use serde_json::{Value, json};

use crate::stub::{Play, Stub, answer, conversation, question, said, sent};

#[tokio::test]
async fn a_conversation_is_sent_with_what_is_its_own() {
    let conversation = Conversation {
        continues: true,
        messages: vec![
            Message::new("user", "Hello?"),
            Message {
                reasoning: Some("Hm.".to_owned()),
                name: Some("Ada".to_owned()),
                ..Message::new("assistant", "Hel")
            },
        ],
        variables: [
            ("enable_thinking".to_owned(), json!(true)),
            ("reasoning_effort".to_owned(), json!("high")),
        ]
        .into(),
        ..conversation()
    };
    let request = Request {
        sampling: vec![
            (Setting::TopK, json!(40)),
            (Setting::MinP, json!(0.1)),
            (Setting::RepetitionPenalty, json!(1.1)),
            (Setting::MinTokens, json!(2)),
            (Setting::IgnoreEos, json!(true)),
        ],
        form: Some(Form::Regex("a+".to_owned())),
        tokens_max: Some(8),
        ..Request::new(Input::Conversation(conversation))
    };
    let (path, body) = sent(Wire::Vllm, request).await;
    assert_eq!(path, "/v1/chat/completions");
    assert_eq!(
        body,
        json!({
            "model": "m", "stream": true, "stream_options": { "include_usage": true },
            "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1, "min_tokens": 2, "ignore_eos": true,
            "max_tokens": 8,
            "messages": [
                { "role": "user", "content": "Hello?" },
                { "role": "assistant", "content": "Hel", "name": "Ada", "reasoning": "Hm.", "reasoning_content": "Hm." },
            ],
            "structured_outputs": { "regex": "a+" },
            "chat_template_kwargs": { "enable_thinking": true, "reasoning_effort": "high" },
            "reasoning_effort": "high",
            "continue_final_message": true,
            "add_generation_prompt": false,
        })
    );
}

#[tokio::test]
async fn a_text_is_sent_with_its_form_and_no_limit_is_no_limit() {
    let request = Request {
        form: Some(Form::Gbnf("root ::= \"a\"".to_owned())),
        ..Request::new(Input::Text("Once".to_owned()))
    };
    let (path, body) = sent(Wire::Vllm, request).await;
    assert_eq!(path, "/v1/completions");
    let expected = json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true }, "prompt": "Once",
        "max_tokens": null, "structured_outputs": { "grammar": "root ::= \"a\"" },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_stop_that_came_is_told() {
    let choice =
        json!({ "index": 0, "delta": { "content": "x" }, "finish_reason": "stop", "stop_reason": "END" });
    let events = said(Wire::Vllm, question(), Play::events([json!({ "choices": [choice] })])).await;
    let Some(Event::End(end)) = events.last() else { panic!("{events:?}") };
    assert_eq!(end.stop.as_deref(), Some("END"));
}

/// vLLM answers 200 before it knows whether it can, and then says in the stream that it could not.
#[tokio::test]
async fn an_error_in_the_stream_is_an_error() {
    let check = async |error: Value| {
        let begun = json!({ "choices": [{ "index": 0, "delta": { "content": "Hi" } }] });
        let stub = Stub::plays([Play::events([begun, json!({ "error": error })])]).await;
        let mut reply = stub.remote(Wire::Vllm).ask(question()).await.unwrap();
        assert_eq!(reply.next().await.unwrap().unwrap(), Event::Text("Hi".to_owned()));
        let error = reply.next().await.unwrap().unwrap_err();
        assert!(reply.next().await.is_none());
        assert_eq!(stub.seen().len(), 1, "what has begun is not asked for again");
        error
    };
    let error = check(json!({ "message": "too long", "type": "BadRequestError", "code": 400 })).await;
    assert!(matches!(&error, Error::Refused { status: 400, said, .. } if said == "too long"), "{error:?}");
    let error = check(json!({ "message": "CUDA", "code": 500 })).await;
    assert!(matches!(&error, Error::Unwell { status: 500, said, .. } if said == "CUDA"), "{error:?}");
    assert!(matches!(check(json!("overloaded")).await, Error::Unwell { .. }));
    assert!(matches!(check(json!({ "code": 503 })).await, Error::Busy { .. }));
    let stub = Stub::plays([Play::json(200, json!({ "error": { "message": "no", "code": 404 } }))]).await;
    let error = answer(&stub.remote(Wire::Vllm), question()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 404, said, .. } if said == "no"), "{error:?}");
    let stub = Stub::plays([Play::json(200, json!({ "choices": [] }))]).await;
    let error = answer(&stub.remote(Wire::Vllm), question()).await.unwrap_err();
    assert!(matches!(error, Error::NotUnderstood { .. }), "{error:?}");
}
