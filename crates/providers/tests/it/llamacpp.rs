//! llama.cpp's server: OpenAI's conversations, and its own texts.

use athenaeum_providers::{
    Conversation, End, Error, Event, Form, Input, Message, Reason, Remote, Request, Setting, Settings,
    ToolChoice, Wire,
};
use serde_json::{Value, json};

use crate::stub::{Play, Stub, answer, question, said, sent, text, tool};

fn once() -> Request {
    Request::new(Input::Text("Once".to_owned()))
}

#[tokio::test]
async fn a_conversation_is_sent_with_its_own_parameters() {
    let conversation = Conversation {
        tools: vec![tool("look"), tool("ask")],
        choice: ToolChoice::Named("ask".to_owned()),
        one_call: true,
        continues: true,
        variables: [("enable_thinking".to_owned(), json!(false)), ("date".to_owned(), json!("today"))].into(),
        ..Conversation::new([Message {
            reasoning: Some("Hm.".to_owned()),
            ..Message::new("assistant", "Hel")
        }])
    };
    let llama_cpp =
        |setting: &Setting| setting.on(Wire::LlamaCpp).is_some() && *setting != Setting::LogitBias;
    let sampling: Vec<_> =
        Setting::ALL.into_iter().filter(llama_cpp).map(|setting| (setting, json!(1))).collect();
    let biases = json!([["word", false], [5, 0.5]]);
    let request = Request {
        sampling: sampling.iter().cloned().chain([(Setting::LogitBias, biases.clone())]).collect(),
        form: Some(Form::JsonObject),
        stops: vec!["END".to_owned()],
        tokens_max: Some(8),
        ..Request::new(Input::Conversation(conversation))
    };
    let (path, body) = sent(Wire::LlamaCpp, request).await;
    assert_eq!(path, "/v1/chat/completions");
    let mut expected = json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true },
        "logit_bias": biases, "stop": ["END"], "max_tokens": 8,
        "messages": [{ "role": "assistant", "content": "Hel", "reasoning_content": "Hm." }],
        "response_format": { "type": "json_object" },
        "tools": [tool("ask")], "tool_choice": "required", "parallel_tool_calls": false,
        "chat_template_kwargs": { "enable_thinking": false, "date": "today" },
    });
    assert!(sampling.len() > 20);
    for (setting, value) in sampling {
        expected[setting.as_str()] = value;
    }
    assert_eq!(body, expected);
    let grammar = Request { form: Some(Form::Gbnf("root ::= \"a\"".to_owned())), ..question() };
    assert_eq!(sent(Wire::LlamaCpp, grammar).await.1["grammar"], "root ::= \"a\"");
}

#[tokio::test]
async fn a_text_goes_by_its_own_address() {
    let request = Request {
        sampling: vec![(Setting::Mirostat, json!(2)), (Setting::RepeatLastN, json!(-1))],
        stops: vec!["END".to_owned()],
        tokens_max: Some(8),
        ..once()
    };
    let expected = json!({
        "model": "m", "stream": true, "prompt": "Once", "mirostat": 2, "repeat_last_n": -1, "stop": ["END"], "n_predict": 8,
    });
    assert_eq!(sent(Wire::LlamaCpp, request).await, ("/completion".to_owned(), expected));
    // It lies beside OpenAI's addresses, not under them, whichever of them the settings name.
    for end in ["/v1", "/v1/", "/"] {
        let stub =
            Stub::plays([Play::events([json!({ "content": "", "stop": true, "stop_type": "eos" })])]).await;
        let settings =
            Settings { url: format!("{}/llama{end}", stub.url()), ..stub.settings(Wire::LlamaCpp) };
        answer(&Remote::new(settings).unwrap(), once()).await.unwrap();
        assert_eq!(stub.seen()[0].path, "/llama/completion", "{end}");
    }
    let check = async |form: Form, name: &str, expected: Value| {
        let request = Request { form: Some(form), ..once() };
        assert_eq!(sent(Wire::LlamaCpp, request).await.1[name], expected);
    };
    check(Form::JsonObject, "json_schema", json!({ "type": "object" })).await;
    check(Form::JsonSchema(json!({ "const": 1 })), "json_schema", json!({ "const": 1 })).await;
    check(Form::Gbnf("root ::= \"a\"".to_owned()), "grammar", json!("root ::= \"a\"")).await;
}

#[tokio::test]
async fn a_text_comes_in_pieces_and_says_how_it_ended() {
    let check = async |last: Value, expected: End| {
        let piece = |content: &str| json!({ "index": 0, "content": content, "stop": false });
        let events = said(Wire::LlamaCpp, once(), Play::events([piece(" upon"), piece(" a"), last])).await;
        assert_eq!(events, [text(" upon"), text(" a"), Event::End(expected)]);
    };
    let counted = End {
        reason: Reason::Ended,
        stop: Some("END".to_owned()),
        prompt_tokens: Some(4),
        cached_tokens: Some(3),
        generated_tokens: Some(2),
        reasoning_tokens: None,
    };
    let last = json!({
        "content": "", "stop": true, "stop_type": "word", "stopping_word": "END",
        "tokens_evaluated": 4, "tokens_predicted": 2, "tokens_cached": 6, "timings": { "cache_n": 3 },
    });
    check(last, counted.clone()).await;
    let uncounted =
        End { stop: None, prompt_tokens: None, cached_tokens: None, generated_tokens: None, ..counted };
    check(json!({ "content": "", "stop": true, "stop_type": "eos", "stopping_word": "" }), uncounted.clone())
        .await;
    let limit = json!({ "content": "", "stop": true, "stop_type": "limit" });
    check(limit, End { reason: Reason::Length, ..uncounted }).await;
}

#[tokio::test]
async fn errors_are_told_as_it_tells_them() {
    let error = json!({ "code": 500, "message": "no slot", "type": "server_error" });
    for play in [Play::text(200, &format!("error: {error}\n\n")), Play::events([json!({ "error": error })])] {
        let stub = Stub::plays([play]).await;
        let error = answer(&stub.remote(Wire::LlamaCpp), once()).await.unwrap_err();
        assert!(matches!(&error, Error::Unwell { status: 500, said, .. } if said == "no slot"), "{error:?}");
    }
}
