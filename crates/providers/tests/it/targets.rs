//! One client, four engines, told apart by a setting.

use athenaeum_providers::{Event, Input, Request, Wire};
use serde_json::json;

use crate::stub::{Play, Stub, answer, ok, question};

#[tokio::test]
async fn one_request_is_answered_by_whichever_engine_the_settings_name() {
    let text = Request::new(Input::Text("Once".to_owned()));
    let llama_cpp = Play::events([json!({ "content": "Hi", "stop": true, "stop_type": "eos" })]);
    let ollama = Play::lines([json!({ "response": "Hi", "done": true, "done_reason": "stop" })]);
    let completion = Play::events([json!({ "choices": [{ "text": "Hi", "finish_reason": "stop" }] })]);
    let targets = [
        (Wire::OpenAi, "/v1/chat/completions", "/v1/completions", completion.clone()),
        (Wire::Vllm, "/v1/chat/completions", "/v1/completions", completion),
        (Wire::LlamaCpp, "/v1/chat/completions", "/completion", llama_cpp),
        (Wire::Ollama, "/api/chat", "/api/generate", ollama),
    ];
    for (wire, chat, texts, answer_to_text) in targets {
        let stub = Stub::plays([ok(wire), answer_to_text]).await;
        let remote = stub.remote(wire);
        for request in [question(), text.clone()] {
            let events = answer(&remote, request).await.unwrap();
            assert!(
                matches!(&events[..], [Event::Text(text), Event::End(_)] if text == "Hi"),
                "{wire:?}: {events:?}"
            );
        }
        let paths: Vec<_> = stub.seen().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, [chat, texts]);
    }
}
