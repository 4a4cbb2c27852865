//! Requests and answers that are written down and read back.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    time::{Duration, Instant},
};

use athenaeum_providers::{
    Call, Conversation, End, Event, Form, Input, Message, Part, Reason, Request, Setting, ToolChoice,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Writes something down as this JSON, and reads the same from it.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(said: &T, written: &Value) {
    assert_eq!(serde_json::to_value(said).unwrap(), *written);
    assert_eq!(serde_json::from_value::<T>(written.clone()).unwrap(), *said);
}

fn asked(written: Value) -> Result<Request, String> {
    serde_json::from_value(written).map_err(|error| error.to_string())
}

#[test]
fn a_request_is_read_back_as_it_was() {
    check(&Request::new(Input::Text("Once".to_owned())), &json!({ "input": { "text": "Once" } }));

    let called = Call { id: "c1".to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() };
    let picture = Part::Picture { media_type: "image/png".to_owned(), base64: "AAAA".to_owned() };
    let conversation = Conversation {
        messages: vec![
            Message {
                parts: vec![Part::Text("What is it?".to_owned()), picture],
                ..Message::new("user", "")
            },
            Message {
                reasoning: Some("Let me see.".to_owned()),
                calls: vec![called],
                parts: Vec::new(),
                ..Message::new("assistant", "")
            },
            Message {
                call_id: Some("c1".to_owned()),
                name: Some("look".to_owned()),
                ..Message::new("tool", "A heron.")
            },
        ],
        tools: vec![json!({ "type": "function", "function": { "name": "look" } })],
        choice: ToolChoice::Named("look".to_owned()),
        one_call: true,
        continues: false,
        variables: BTreeMap::from([("enable_thinking".to_owned(), json!(false))]),
    };
    let request = Request {
        input: Input::Conversation(conversation),
        sampling: vec![(Setting::Temperature, json!(0.5)), (Setting::LogitBias, json!({ "7": -1.5 }))],
        form: Some(Form::JsonSchema(json!({ "type": "object" }))),
        stops: vec!["\n\n".to_owned()],
        tokens_max: Some(16),
        deadline: None,
    };
    let written = json!({
        "input": { "conversation": {
            "messages": [
                { "role": "user", "parts": [
                    { "text": "What is it?" },
                    { "picture": { "media_type": "image/png", "base64": "AAAA" } },
                ] },
                {
                    "role": "assistant",
                    "reasoning": "Let me see.",
                    "calls": [{ "id": "c1", "name": "look", "arguments": "{}" }],
                },
                { "role": "tool", "parts": [{ "text": "A heron." }], "call_id": "c1", "name": "look" },
            ],
            "tools": [{ "type": "function", "function": { "name": "look" } }],
            "choice": { "named": "look" },
            "one_call": true,
            "continues": false,
            "variables": { "enable_thinking": false },
        } },
        "sampling": [["temperature", 0.5], ["logit_bias", { "7": -1.5 }]],
        "form": { "json_schema": { "type": "object" } },
        "stops": ["\n\n"],
        "tokens_max": 16,
    });
    check(&request, &written);
}

#[test]
fn forms_settings_and_choices_have_the_names_that_are_known() {
    for setting in Setting::ALL {
        check(&setting, &json!(setting.as_str()));
    }
    check(&Form::JsonObject, &json!("json_object"));
    check(&Form::Regex("a+".to_owned()), &json!({ "regex": "a+" }));
    check(&Form::Gbnf("root ::= \"a\"".to_owned()), &json!({ "gbnf": "root ::= \"a\"" }));
    check(&Form::Lark("start: \"a\"".to_owned()), &json!({ "lark": "start: \"a\"" }));
    check(&ToolChoice::Freely, &json!("freely"));
    check(&ToolChoice::Any, &json!("any"));
}

#[test]
fn a_deadline_is_written_as_the_time_that_is_left() {
    let minute = Duration::from_secs(60);
    let within = |deadline: Instant, from: Instant| {
        assert!(deadline >= from && deadline <= Instant::now() + minute, "{deadline:?}, {from:?}");
    };
    let before = Instant::now();
    let request = Request { deadline: Some(before + minute), ..Request::new(Input::Text(String::new())) };
    let written = serde_json::to_value(&request).unwrap();
    let left = written["time_left_ms"].as_u64().unwrap();
    assert!(left <= 60_000, "{left}");
    // Whatever the test waited for is gone from it.
    within(asked(written).unwrap().deadline.unwrap(), before + Duration::from_millis(left));

    let over = Request { deadline: Some(before), ..Request::new(Input::Text(String::new())) };
    assert_eq!(serde_json::to_value(&over).unwrap()["time_left_ms"], 0);
    let late = asked(json!({ "input": { "text": "" }, "time_left_ms": u64::MAX })).unwrap();
    assert!(late.deadline.is_none_or(|deadline| deadline > before + minute));
}

#[test]
fn what_is_not_known_is_named() {
    let check = |written: Value, named: &str| {
        let error = asked(written).unwrap_err();
        assert!(error.contains(named), "{error}");
    };
    check(json!({ "input": { "text": "" }, "temprature": 1 }), "temprature");
    check(json!({ "input": { "text": "" }, "sampling": [["warmth", 1]] }), "warmth");
    check(json!({ "input": { "conversation": { "messages": [{ "parts": [] }] } } }), "role");
    check(json!({}), "input");
}

#[test]
fn an_answer_is_read_back_as_it_was() {
    check(&Event::Text("Well".to_owned()), &json!({ "text": "Well" }));
    check(&Event::Reasoning("Hm".to_owned()), &json!({ "reasoning": "Hm" }));
    let started = Event::CallStarted { index: 0, id: Some("c1".to_owned()), name: "look".to_owned() };
    check(&started, &json!({ "call_started": { "index": 0, "id": "c1", "name": "look" } }));
    let arguments = Event::CallArguments { index: 0, delta: "{}".to_owned() };
    check(&arguments, &json!({ "call_arguments": { "index": 0, "delta": "{}" } }));
    let end = End {
        reason: Reason::Length,
        stop: None,
        prompt_tokens: Some(3),
        cached_tokens: Some(0),
        generated_tokens: Some(16),
        reasoning_tokens: None,
    };
    let written =
        json!({ "reason": "length", "prompt_tokens": 3, "cached_tokens": 0, "generated_tokens": 16 });
    check(&Event::End(end), &json!({ "end": written }));
    for (reason, name) in
        [(Reason::Ended, "ended"), (Reason::Filtered, "filtered"), (Reason::Deadline, "deadline")]
    {
        check(&reason, &json!(name));
    }
}
