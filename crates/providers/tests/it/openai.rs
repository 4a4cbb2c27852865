//! OpenAI's wire, as vendors and gateways speak it.

use athenaeum_providers::{
    Conversation, End, Event, Form, Input, Message, Reason, Request, Setting, ToolChoice, Wire,
};
use serde_json::{Value, json};

use crate::stub::{
    Play, Stub, answer, arguments, conversation, question, said, sent, started, text, thought, tool,
};

fn end(reason: Reason) -> End {
    End {
        reason,
        stop: None,
        prompt_tokens: None,
        cached_tokens: None,
        generated_tokens: None,
        reasoning_tokens: None,
    }
}

fn chunk(delta: Value, finish_reason: Value) -> Value {
    json!({ "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }] })
}

#[tokio::test]
async fn a_conversation_is_sent_whole() {
    let conversation = Conversation {
        tools: vec![tool("look"), tool("ask")],
        choice: ToolChoice::Named("look".to_owned()),
        one_call: true,
        variables: [("reasoning_effort".to_owned(), json!("low"))].into(),
        ..conversation()
    };
    let schema = json!({ "type": "object" });
    let request = Request {
        sampling: vec![
            (Setting::Temperature, json!(0.5)),
            (Setting::Seed, json!(7)),
            (Setting::LogitBias, json!([[15, -1.5], [16, false]])),
        ],
        form: Some(Form::JsonSchema(schema.clone())),
        stops: vec!["END".to_owned()],
        tokens_max: Some(64),
        ..Request::new(Input::Conversation(conversation))
    };
    let (path, body) = sent(Wire::OpenAi, request).await;
    assert_eq!(path, "/v1/chat/completions");
    assert_eq!(
        body,
        json!({
            "model": "m",
            "stream": true,
            "stream_options": { "include_usage": true },
            "temperature": 0.5,
            "seed": 7,
            "logit_bias": { "15": -1.5, "16": -100 },
            "stop": ["END"],
            "max_tokens": 64,
            "messages": [
                { "role": "system", "content": "Be\nshort." },
                { "role": "user", "content": [
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBOR" } },
                    { "type": "text", "text": "What is it?" },
                ] },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{\"at\": \"it\"}" } },
                    { "id": "c2", "type": "function", "function": { "name": "look", "arguments": "" } },
                ] },
                { "role": "tool", "tool_call_id": "c1", "content": "a cat" },
            ],
            "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true } },
            "tools": [tool("look"), tool("ask")],
            "tool_choice": { "type": "function", "function": { "name": "look" } },
            "parallel_tool_calls": false,
            "reasoning_effort": "low",
        })
    );
}

#[tokio::test]
async fn what_is_not_said_is_not_sent() {
    let (_, body) = sent(Wire::OpenAi, question()).await;
    let expected = json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "Hello?" }],
    });
    assert_eq!(body, expected);
    let free =
        Conversation { tools: vec![tool("look")], ..Conversation::new([Message::new("user", "Hello?")]) };
    let any = Conversation { choice: ToolChoice::Any, ..free.clone() };
    for (conversation, choice) in [(free, "auto"), (any, "required")] {
        let (_, body) = sent(Wire::OpenAi, Request::new(Input::Conversation(conversation))).await;
        assert_eq!(body["tool_choice"], choice);
        assert!(body.get("parallel_tool_calls").is_none());
    }
    let json = Request { form: Some(Form::JsonObject), ..question() };
    assert_eq!(sent(Wire::OpenAi, json).await.1["response_format"], json!({ "type": "json_object" }));
}

#[tokio::test]
async fn a_text_is_gone_on_with() {
    let request = Request { tokens_max: Some(5), ..Request::new(Input::Text("Once".to_owned())) };
    let (path, body) = sent(Wire::OpenAi, request.clone()).await;
    assert_eq!(path, "/v1/completions");
    let expected = json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true }, "prompt": "Once", "max_tokens": 5,
    });
    assert_eq!(body, expected);
    let play = Play::events([
        json!({ "choices": [{ "index": 0, "text": " upon", "finish_reason": null }] }),
        json!({ "choices": [{ "index": 0, "text": " a", "finish_reason": "length" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 } }),
    ]);
    let counted = End { prompt_tokens: Some(1), generated_tokens: Some(2), ..end(Reason::Length) };
    assert_eq!(said(Wire::OpenAi, request, play).await, [text(" upon"), text(" a"), Event::End(counted)]);
}

#[tokio::test]
async fn an_answer_is_thought_text_and_counts() {
    let play = Play::events([
        chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
        chunk(json!({ "reasoning": "Hm" }), Value::Null),
        chunk(json!({ "reasoning_content": ", ", "reasoning": ", " }), Value::Null),
        chunk(
            json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "so." }] }] }),
            Value::Null,
        ),
        chunk(json!({ "content": "Grüße" }), Value::Null),
        json!({ "choices": [{ "index": 1, "delta": { "content": "of another answer" } }] }),
        chunk(json!({ "content": "!" }), json!("stop")),
        json!({ "choices": [], "usage": {
            "prompt_tokens": 9, "completion_tokens": 5,
            "prompt_tokens_details": { "cached_tokens": 4 }, "completion_tokens_details": { "reasoning_tokens": 3 },
        } }),
    ]);
    let counted = End {
        prompt_tokens: Some(9),
        cached_tokens: Some(4),
        generated_tokens: Some(5),
        reasoning_tokens: Some(3),
        ..end(Reason::Ended)
    };
    let expected =
        [thought("Hm"), thought(", "), thought("so."), text("Grüße"), text("!"), Event::End(counted)];
    assert_eq!(said(Wire::OpenAi, question(), play).await, expected);
}

/// Four engines, four ways to tell of calls: counted in pieces; whole, without a count; all counted as the first; id and name
/// late and more than once.
#[tokio::test]
async fn calls_are_put_together_however_they_come() {
    let call = |call: Value| chunk(json!({ "tool_calls": [call] }), Value::Null);
    let finish = chunk(json!({}), json!("tool_calls"));
    let check = async |calls: Vec<Value>, expected: Vec<Event>| {
        let play = Play::events(calls.into_iter().map(call).chain([finish.clone()]));
        let expected: Vec<Event> = expected.into_iter().chain([Event::End(end(Reason::Ended))]).collect();
        assert_eq!(said(Wire::OpenAi, question(), play).await, expected);
    };
    let two = |first: &str| {
        vec![started(0, Some("a"), "f"), arguments(0, first), started(1, Some("b"), "g"), arguments(1, "{}")]
    };
    let counted = vec![
        json!({ "index": 0, "id": "a", "type": "function", "function": { "name": "f", "arguments": "" } }),
        json!({ "index": 0, "function": { "arguments": "{\"x\":" } }),
        json!({ "index": 0, "function": { "arguments": "1}" } }),
        json!({ "index": 1, "id": "b", "function": { "name": "g", "arguments": "{}" } }),
    ];
    let mut pieces = two("{\"x\":");
    pieces.insert(2, arguments(0, "1}"));
    check(counted, pieces).await;
    let whole = vec![
        json!({ "id": "a", "function": { "name": "f", "arguments": "{\"x\":1}" } }),
        json!({ "id": "b", "function": { "name": "g", "arguments": {} } }),
    ];
    check(whole, two("{\"x\":1}")).await;
    let all_first = vec![
        json!({ "index": 0, "id": "a", "function": { "name": "f", "arguments": "{\"x\":1}" } }),
        json!({ "index": 0, "id": "b", "function": { "name": "g", "arguments": "{}" } }),
    ];
    check(all_first, two("{\"x\":1}")).await;
    let late = vec![
        json!({ "index": 3, "function": { "arguments": "{\"x\":" } }),
        json!({ "index": 3, "id": "a", "function": { "arguments": "1}" } }),
        json!({ "index": 3, "id": "a", "function": { "name": "f" } }),
        json!({ "index": 3, "id": "a", "function": { "name": "f", "arguments": "" } }),
        json!({ "index": 4, "function": { "name": "g" } }),
        json!({ "index": 4, "id": "b" }),
    ];
    check(late, two("{\"x\":1}")).await;
    let nameless = vec![
        json!({ "function": { "name": "f", "arguments": "{\"x\":" } }),
        json!({ "function": { "arguments": "1}" } }),
        json!({ "function": { "name": "g" } }),
    ];
    let mut pieces = vec![started(0, None, "f"), arguments(0, "{\"x\":"), arguments(0, "1}")];
    pieces.extend([started(1, None, "g"), arguments(1, "{}")]);
    check(nameless, pieces).await;
}

/// Gateways that know no streams answer whole, whatever they are asked for.
#[tokio::test]
async fn an_answer_that_comes_whole_is_read_as_well() {
    let call = json!({ "id": "a", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let message = json!({ "role": "assistant", "content": "Hi", "tool_calls": [call] });
    let answer = json!({
        "error": null, "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
    });
    let pretty = serde_json::to_string_pretty(&answer).unwrap();
    let counted = End { prompt_tokens: Some(3), generated_tokens: Some(2), ..end(Reason::Ended) };
    let expected = [text("Hi"), started(0, Some("a"), "f"), arguments(0, "{}"), Event::End(counted)];
    for play in [Play::text(200, &pretty).with("content-type", "application/json"), Play::events([answer])] {
        assert_eq!(said(Wire::OpenAi, question(), play).await, expected);
    }
}

#[tokio::test]
async fn every_way_to_end_is_told() {
    let check = async |finish: &str, expected: Reason| {
        let play = Play::events([chunk(json!({ "content": "x" }), json!(finish))]);
        assert_eq!(said(Wire::OpenAi, question(), play).await.last(), Some(&Event::End(end(expected))));
    };
    check("stop", Reason::Ended).await;
    check("tool_calls", Reason::Ended).await;
    check("length", Reason::Length).await;
    check("content_filter", Reason::Filtered).await;
    let stub = Stub::plays([Play::events([chunk(json!({}), json!("moonrise"))])]).await;
    let error = answer(&stub.remote(Wire::OpenAi), question()).await.unwrap_err();
    assert!(error.to_string().contains("moonrise"), "{error}");
}

/// OpenAI's models that think refuse `max_tokens`, which everybody else takes, and name what they take; it is remembered.
#[tokio::test]
async fn a_refused_name_of_the_limit_is_replaced() {
    let refusal = Play::json(
        400,
        json!({ "error": {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter",
        } }),
    );
    let stub = Stub::plays([refusal, crate::stub::ok(Wire::OpenAi)]).await;
    let remote = stub.remote(Wire::OpenAi);
    let request = Request { tokens_max: Some(9), ..question() };
    answer(&remote, request.clone()).await.unwrap();
    answer(&remote.clone(), request).await.unwrap();
    let limits: Vec<_> = stub
        .seen()
        .into_iter()
        .map(|seen| (seen.body["max_tokens"].clone(), seen.body["max_completion_tokens"].clone()))
        .collect();
    let renamed = (Value::Null, json!(9));
    assert_eq!(limits, [(json!(9), Value::Null), renamed.clone(), renamed]);
}
