//! Tools in `/v1/chat/completions`: what the model is held to, and how it is told.

use athenaeum_api::Settings;
use athenaeum_inference::local;
use serde_json::{Value, json};

use crate::server::Server;

const CHAT: &str = "/v1/chat/completions";

fn weather(strict: bool) -> Value {
    let place = json!({ "type": "object", "properties": { "place": { "type": "string", "enum": ["Oslo", "Rome"] } },
        "required": ["place"], "additionalProperties": false });
    json!({ "name": "weather", "description": "Tells the weather.", "parameters": place, "strict": strict })
}

fn asking(more: Value) -> Value {
    let mut body = json!({
        "model": "tiny", "temperature": 0, "messages": [{ "role": "user", "content": "Who are you?" }],
        "tools": [{ "type": "function", "function": weather(true) },
            { "type": "function", "function": { "name": "stop", "parameters": {} } }],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn check_call(call: &Value) {
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    match call["function"]["name"].as_str().unwrap() {
        "weather" => assert!(["Oslo", "Rome"].contains(&arguments["place"].as_str().unwrap()), "{call}"),
        "stop" => assert!(arguments.is_object(), "{call}"),
        other => panic!("there is no {other}"),
    }
}

#[tokio::test]
async fn a_model_that_must_call_calls() {
    let server = Server::with_model(Settings::default()).await;
    let named = json!({ "type": "function", "function": { "name": "weather" } });
    for choice in [json!("required"), named.clone()] {
        let body = asking(json!({ "tool_choice": choice, "parallel_tool_calls": false }));
        let answer = server.post(CHAT, &body).await.json();
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["finish_reason"], &choice["message"]["content"]),
            (&json!("tool_calls"), &Value::Null)
        );
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{answer}");
        check_call(&calls[0]);

        let mut streamed = body;
        streamed["stream"] = true.into();
        let (chunks, _) = server.post(CHAT, &streamed).await.events();
        let deltas: Vec<&Value> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0)).collect();
        let arguments: String =
            deltas.iter().filter_map(|delta| delta["function"]["arguments"].as_str()).collect();
        assert_eq!(deltas[0]["function"]["name"], calls[0]["function"]["name"]);
        assert_eq!(json!(arguments), calls[0]["function"]["arguments"]);
    }
    let warm = asking(json!({ "tool_choice": named, "temperature": 2, "seed": 5, "n": 4 }));
    for choice in server.post(CHAT, &warm).await.json()["choices"].as_array().unwrap() {
        choice["message"]["tool_calls"].as_array().unwrap().iter().for_each(check_call);
    }
}

#[tokio::test]
async fn a_model_that_may_call_need_not() {
    let server = Server::with_model(Settings::default()).await;
    for choice in [json!("auto"), json!("none"), Value::Null] {
        let answer = server.post(CHAT, &asking(json!({ "tool_choice": choice }))).await.json();
        assert!(answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(answer.get("warnings").is_none(), "{answer}");
    }
    // A form beside tools: either of them comes.
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "minimum": 0, "maximum": 9 } },
        "required": ["n"], "additionalProperties": false });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    let answer = server.post(CHAT, &asking(json!({ "response_format": format }))).await.json();
    let message = &answer["choices"][0]["message"];
    match message["content"].as_str() {
        Some(text) => assert!(serde_json::from_str::<Value>(text).unwrap()["n"].is_u64(), "{answer}"),
        None => message["tool_calls"].as_array().unwrap().iter().for_each(check_call),
    }
}

#[tokio::test]
async fn functions_are_the_tools_of_before() {
    let server = Server::with_model(Settings::default()).await;
    let mut body = asking(json!({ "functions": [weather(false)], "function_call": { "name": "weather" } }));
    body.as_object_mut().unwrap().remove("tools");
    let answer = server.post(CHAT, &body).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call");
    check_call(&json!({ "function": choice["message"]["function_call"] }));
    body["stream"] = true.into();
    let (chunks, _) = server.post(CHAT, &body).await.events();
    let pieces = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["function_call"]["arguments"]);
    assert_eq!(
        json!(pieces.filter_map(Value::as_str).collect::<String>()),
        choice["message"]["function_call"]["arguments"]
    );

    body["stream"] = false.into();
    body["function_call"] = "none".into();
    let called = json!({ "role": "assistant", "content": null, "function_call": { "name": "weather", "arguments": "{}" } });
    body["messages"] = json!([{ "role": "user", "content": "Well?" }, called, { "role": "function", "name": "weather", "content": "Rain." }]);
    assert!(server.post(CHAT, &body).await.json()["choices"][0]["message"]["content"].is_string());
}

#[tokio::test]
async fn stops_end_what_is_said_and_not_what_is_called() {
    let server = Server::with_model(Settings::default()).await;
    let called = asking(json!({ "tool_choice": "required", "stop": ["\"", "{", "<"] }));
    let answer = server.post(CHAT, &called).await.json();
    check_call(&answer["choices"][0]["message"]["tool_calls"][0]);
    for stream in [false, true] {
        let body = asking(json!({ "stop": ["language", "never"], "tool_choice": "none", "stream": stream }));
        let answer = server.post(CHAT, &body).await;
        let (said, reason) = if stream {
            let (chunks, _) = answer.events();
            let said = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
            let reason = chunks.last().unwrap()["choices"][0]["finish_reason"].clone();
            (said.collect::<String>(), reason)
        } else {
            let choice = answer.json()["choices"][0].clone();
            (choice["message"]["content"].as_str().unwrap().to_owned(), choice["finish_reason"].clone())
        };
        assert_eq!((said.as_str(), reason), ("I am Tiny, a very small ", json!("stop")));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_is_right() {
    let server = Server::with_model(Settings::default()).await;
    let odd = json!({ "type": "object", "patternProperties": { "(": {} } });
    let odd =
        json!([{ "type": "function", "function": { "name": "odd", "parameters": odd, "strict": true } }]);
    let other = json!({ "type": "function", "function": { "name": "other" } });
    for (more, parameter, says) in [
        (json!({ "tool_choice": other }), "tool_choice", "weather, stop"),
        (json!({ "tool_choice": "required", "tools": [] }), "tool_choice", "only where there are tools"),
        (json!({ "tool_choice": "sometimes" }), "tool_choice", "\"required\""),
        (json!({ "tools": odd }), "tools", "patternProperties"),
        (json!({ "grammar": "root ::= \"a\"" }), "grammar", "nothing beside tools"),
    ] {
        let answer = server.post(CHAT, &asking(more.clone())).await;
        let error = answer.refusal(CHAT)["error"].clone();
        assert_eq!((answer.status, &error["param"]), (400, &json!(parameter)), "{more}: {error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{more}: {error}");
    }
}

#[tokio::test]
async fn tools_may_be_narrowed_to_those_that_are_allowed() {
    let server = Server::with_model(Settings::default()).await;
    let allowed = |mode: &str, name: &str| {
        json!({ "type": "allowed_tools", "allowed_tools": {
            "mode": mode, "tools": [{ "type": "function", "function": { "name": name } }] } })
    };
    for name in ["weather", "stop"] {
        let body = asking(json!({ "tool_choice": allowed("required", name), "parallel_tool_calls": false }));
        let answer = server.post(CHAT, &body).await.json();
        assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], name);
        assert!(answer.get("warnings").is_none(), "{answer}");
    }
    let answer =
        server.post(CHAT, &asking(json!({ "tool_choice": allowed("auto", "weather") }))).await.json();
    assert!(
        answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()),
        "{answer}"
    );

    for (choice, parameter) in [
        (allowed("required", "none-such"), "tool_choice"),
        (json!({ "type": "allowed_tools" }), "tool_choice.allowed_tools"),
        (json!({ "type": "function" }), "tool_choice.function"),
    ] {
        let answer = server.post(CHAT, &asking(json!({ "tool_choice": choice }))).await;
        assert_eq!((answer.status, &answer.refusal(CHAT)["error"]["param"]), (400, &json!(parameter)));
    }

    let tools = json!([{ "type": "function", "name": "stop", "parameters": {} },
        { "type": "function", "name": "weather", "parameters": weather(true)["parameters"] }]);
    let choice = json!({ "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "weather" }] });
    let body = json!({ "model": "tiny", "temperature": 0, "input": "Who are you?", "tools": tools,
        "tool_choice": choice, "parallel_tool_calls": false });
    let answer = server.post("/v1/responses", &body).await.json();
    let called = answer["output"].as_array().unwrap().iter().find(|item| item["type"] == "function_call");
    assert_eq!(called.unwrap()["name"], "weather", "{answer}");
}

#[tokio::test]
async fn models_that_write_calls_between_tags_are_held_to_them() {
    const MESSAGES: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}";
    const TELLS: &str = "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}";
    for written in ["<tool_call>\n<function=name>\n</function>", "<tool_call>name\n<arg_key>k</arg_key>"] {
        let template = format!(
            "{TELLS}{{# {written} #}}{{{{ '{}' if false else '' }}}}{MESSAGES}",
            written.replace('\n', " ")
        ) + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
        let load = local::Settings { template: Some(template), ..local::Settings::default() };
        let server = Server::loaded_so(Settings::default(), Vec::new(), load).await;
        let named = json!({ "type": "function", "function": { "name": "weather" } });
        for choice in [json!("required"), named] {
            let body = asking(json!({ "tool_choice": choice, "parallel_tool_calls": false }));
            let answer = server.post(CHAT, &body).await.json();
            assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{answer}");
            check_call(&answer["choices"][0]["message"]["tool_calls"][0]);
        }
    }
}
