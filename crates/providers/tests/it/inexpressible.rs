//! What a wire has no word for is refused, and nothing is sent.

use athenaeum_providers::{
    Conversation, Error, Form, Input, Message, Place, Remote, Request, Setting, Settings, ToolChoice, Wire,
};
use serde_json::{Value, json};

use crate::stub::{conversation, question, tool};

const WIRES: [Wire; 4] = [Wire::OpenAi, Wire::Vllm, Wire::LlamaCpp, Wire::Ollama];

/// Asks where nobody answers: only what is refused beforehand can be refused so.
async fn refused(wire: Wire, request: Request) -> Option<(Place, &'static str)> {
    let settings = Settings { attempts: 1, ..Settings::new("mine", "http://127.0.0.1:1", wire) };
    match Remote::new(settings).unwrap().ask(request).await.unwrap_err() {
        Error::Inexpressible { name, wire: told, place, what } => {
            assert_eq!((name.as_str(), told), ("mine", wire));
            Some((place, what))
        }
        Error::Unreachable { .. } => None,
        other => panic!("{other:?}"),
    }
}

fn spoken(conversation: Conversation) -> Request {
    Request::new(Input::Conversation(conversation))
}

async fn check(wire: Wire, request: Request, place: Place, what: &'static str) {
    assert_eq!(refused(wire, request).await, Some((place, what)), "{wire:?}");
}

#[tokio::test]
async fn settings_that_a_wire_does_not_know() {
    for wire in WIRES {
        for setting in Setting::ALL {
            let request = Request { sampling: vec![(setting, json!(1))], ..question() };
            let expected = setting.on(wire).is_none().then(|| (Place::Setting(setting), setting.as_str()));
            assert_eq!(refused(wire, request).await, expected, "{wire:?}");
            assert_eq!(Setting::from_name(setting.as_str()), Some(setting));
        }
    }
    let words = Request { sampling: vec![(Setting::LogitBias, json!([["word", 1]]))], ..question() };
    check(Wire::Vllm, words, Place::Setting(Setting::LogitBias), "logit_bias").await;
}

#[tokio::test]
async fn forms_that_a_wire_does_not_know() {
    let forms = |wire: Wire, texts: bool| match (wire, texts) {
        (Wire::OpenAi, false) => "os",
        (Wire::OpenAi, true) => "",
        (Wire::Vllm, _) => "osrg",
        (Wire::LlamaCpp, _) => "osg",
        (Wire::Ollama, _) => "os",
    };
    let all = [
        ('o', Form::JsonObject, "response_format"),
        ('s', Form::JsonSchema(json!({})), "response_format"),
        ('r', Form::Regex("a".to_owned()), "regex"),
        ('g', Form::Gbnf("root ::= \"a\"".to_owned()), "grammar"),
        ('l', Form::Lark("start: \"a\"".to_owned()), "lark"),
    ];
    for wire in WIRES {
        for texts in [false, true] {
            for (letter, form, what) in &all {
                let input = if texts { Input::Text("Once".to_owned()) } else { question().input };
                let request = Request { form: Some(form.clone()), ..Request::new(input) };
                let expected = (!forms(wire, texts).contains(*letter)).then_some((Place::Form, *what));
                assert_eq!(refused(wire, request).await, expected, "{wire:?} {texts} {letter}");
            }
        }
    }
}

#[tokio::test]
async fn choices_of_tools_that_a_wire_does_not_know() {
    let asked = Conversation { tools: vec![tool("look")], ..conversation() };
    for choice in [ToolChoice::Any, ToolChoice::Named("look".to_owned())] {
        check(
            Wire::Ollama,
            spoken(Conversation { choice, ..asked.clone() }),
            Place::ToolChoice,
            "tool_choice",
        )
        .await;
    }
    check(
        Wire::Ollama,
        spoken(Conversation { one_call: true, ..asked.clone() }),
        Place::OneCall,
        "parallel_tool_calls",
    )
    .await;
    let other = Conversation { choice: ToolChoice::Named("other".to_owned()), ..asked };
    check(Wire::LlamaCpp, spoken(other), Place::ToolChoice, "tool_choice of a tool that is not there").await;
    let none = Conversation { choice: ToolChoice::Any, ..conversation() };
    check(Wire::Vllm, spoken(none), Place::ToolChoice, "tool_choice where there are no tools").await;
}

#[tokio::test]
async fn variables_where_there_are_no_templates() {
    let with = |variables: Value| {
        let Value::Object(variables) = variables else { panic!() };
        spoken(Conversation { variables: variables.into_iter().collect(), ..conversation() })
    };
    let what = "chat_template_kwargs";
    for wire in [Wire::OpenAi, Wire::Ollama] {
        check(wire, with(json!({ "date": "today" })), Place::Variables, what).await;
        check(wire, with(json!({ "reasoning_effort": "low", "date": "today" })), Place::Variables, what)
            .await;
        assert_eq!(refused(wire, with(json!({ "reasoning_effort": "low" }))).await, None);
        let one_wish = json!({ "enable_thinking": true, "thinking": true, "reasoning_effort": "low" });
        assert_eq!(refused(wire, with(one_wish)).await, None);
    }
    check(Wire::OpenAi, with(json!({ "enable_thinking": true })), Place::Variables, what).await;
    check(Wire::Ollama, with(json!({ "reasoning_effort": "minimal" })), Place::Variables, what).await;
    check(Wire::Ollama, with(json!({ "enable_thinking": "perhaps" })), Place::Variables, what).await;
    assert_eq!(refused(Wire::Vllm, with(json!({ "date": "today" }))).await, None);
}

#[tokio::test]
async fn conversations_that_a_wire_cannot_tell() {
    let messages = vec![Message::new("user", "Hello?"), Message::new("assistant", "Hel")];
    let begun = Conversation { messages, continues: true, ..Conversation::default() };
    check(Wire::OpenAi, spoken(begun.clone()), Place::Continuation, "continue_final_message").await;
    assert_eq!(refused(Wire::Ollama, spoken(begun.clone())).await, None);
    assert_eq!(refused(Wire::LlamaCpp, spoken(begun)).await, None);
    let named = Message { name: Some("Ada".to_owned()), ..Message::new("user", "Hello?") };
    check(Wire::Ollama, spoken(Conversation::new([named])), Place::Messages, "the name of who speaks").await;
    let mut conversation = conversation();
    conversation.messages[2].calls[0].arguments = "[1]".to_owned();
    check(Wire::Ollama, spoken(conversation), Place::Messages, "arguments of a call that are no JSON object")
        .await;
    check(Wire::Ollama, spoken(Conversation::default()), Place::Messages, "a conversation without messages")
        .await;
    check(Wire::Ollama, Request::new(Input::Text(String::new())), Place::Prompt, "an empty prompt").await;
}
