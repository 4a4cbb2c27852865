//! Calls that a model is held to, and what may come before a form: whatever is drawn, what is read is what was asked for.

use athenaeum_inference::{
    constraint::{Calls, Constraint, Error, Grammar, Lead, Vocabulary},
    reply::{Event, Format},
    sampling::Random,
    template::Json,
};
use serde_json::{Value, json};

/// Words that templates of each family hold, and whether their marks are control tokens.
const FAMILIES: &[(&str, &str)] = &[
    ("Hermes", "<tool_call> <think> </think>"),
    ("Llama", "<|python_tag|>"),
    ("Mistral", "[TOOL_CALLS]"),
    ("List", "<|tool_call|>"),
    ("DeepSeek", "<｜tool▁calls▁begin｜> <think> </think>"),
    ("Kimi", "<|tool_calls_section_begin|>"),
    ("Harmony", "<|channel|> <|message|>"),
    ("Tags", "<function= <think> </think>"),
    ("Glm", "<arg_key> <think> </think>"),
];

const CONTROLS: &[&str] = &[
    "</arg_value>",
    "[TOOL_CALLS]",
    "<|tool_call|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_end|>",
    "<|tool_call_argument_begin|>",
    "<|channel|>",
    "<|message|>",
    "<|constrain|>",
    "<|start|>",
    "<|end|>",
];
const ENDS: [&str; 2] = ["<|im_end|>", "<|call|>"];
const WORDS: &[&str] = &["<think>", "</think>", "<tool_call>", "</tool_call>", "\n\n", "final", "assistant"];

struct Tokens {
    texts: Vec<Vec<u8>>,
    ends: Vec<u32>,
    vocabulary: Vocabulary,
}

impl Tokens {
    fn new() -> Self {
        let mut texts: Vec<Vec<u8>> = (0..128_u8).map(|byte| vec![byte]).collect();
        texts.extend(WORDS.iter().map(|word| word.as_bytes().to_vec()));
        let controls = texts.len();
        texts.extend(CONTROLS.iter().chain(&ENDS).map(|name| name.as_bytes().to_vec()));
        let count = texts.len();
        let ends: Vec<u32> = (count - ENDS.len()..count).map(|end| u32::try_from(end).unwrap()).collect();
        let bytes = |token: u32| (token as usize) < controls;
        let vocabulary =
            Vocabulary::new(count, &ends, |token| bytes(token).then(|| texts[token as usize].as_slice()))
                .unwrap();
        let named = (controls..count).map(|token| (u32::try_from(token).unwrap(), texts[token].as_slice()));
        let vocabulary = vocabulary.with_controls(named);
        Self { vocabulary, ends, texts }
    }

    /// Draws until the form is complete, among all that may come alike; prefers to go on as `wish` says.
    fn draw(&self, grammar: &Grammar, wish: &str, seed: u64) -> String {
        let mut constraint = Constraint::new(&self.vocabulary, grammar).unwrap();
        let (mut random, mut text, mut wish) = (Random::new(seed), Vec::new(), wish.as_bytes());
        for _ in 0..2000 {
            let mut logits = vec![0.0; self.texts.len()];
            constraint.apply(&mut logits).unwrap();
            let open: Vec<u32> =
                (0..).zip(&logits).filter(|(_, logit)| logit.is_finite()).map(|(token, _)| token).collect();
            let fits = |token: &&u32| !wish.is_empty() && wish.starts_with(&self.texts[**token as usize]);
            let wished = open.iter().filter(fits).max_by_key(|token| self.texts[**token as usize].len());
            let drawn = open[usize::try_from(random.bits() % open.len() as u64).unwrap()];
            let ending = open.iter().find(|token| self.ends.contains(token)).filter(|_| wish.is_empty());
            let token = *wished.or(ending).unwrap_or(&drawn);
            constraint.accept(token).unwrap();
            if self.ends.contains(&token) {
                return String::from_utf8(text).unwrap();
            }
            wish = wish.strip_prefix(self.texts[token as usize].as_slice()).unwrap_or(b"");
            text.extend_from_slice(&self.texts[token as usize]);
            if constraint.must_end() {
                return String::from_utf8(text).unwrap();
            }
        }
        panic!("it goes on and on: {}", String::from_utf8_lossy(&text));
    }
}

fn tools() -> Vec<Json> {
    let look = json!({ "type": "object", "properties": { "at": { "enum": ["sky", "sea"] }, "n": { "type": "integer", "minimum": 0, "maximum": 99 } },
        "required": ["at", "n"], "additionalProperties": false });
    let stop = json!({ "properties": {}, "additionalProperties": false });
    let tool = |name: &str, parameters: Value| {
        Json::from(json!({ "type": "function", "function": { "name": name, "parameters": parameters } }))
    };
    vec![tool("look", look), tool("stop", stop)]
}

struct Read {
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
}

fn read(format: Format, prompt: &str, text: &str) -> Read {
    let mut reply = format.reply(prompt, &tools());
    let pieces = reply.push(text).into_iter().chain(reply.finish());
    let mut read = Read { text: String::new(), reasoning: String::new(), calls: Vec::new() };
    let (mut names, mut arguments) = (Vec::new(), Vec::<String>::new());
    for piece in pieces {
        match piece.event {
            Event::Text(text) => read.text += &text,
            Event::Reasoning(text) => read.reasoning += &text,
            Event::ToolCallStarted { name, .. } => {
                names.push(name);
                arguments.push(String::new());
            }
            Event::ToolCallArguments { index, delta } => arguments[index] += &delta,
            Event::Malformed { text, reason, .. } => panic!("{reason}: {text}"),
            _ => {}
        }
    }
    let parsed = arguments.iter().map(|text| serde_json::from_str(text).expect(text));
    read.calls = names.into_iter().zip(parsed).collect();
    read
}

fn check_calls(calls: &[(String, Value)]) {
    assert!(!calls.is_empty());
    for (name, arguments) in calls {
        match name.as_str() {
            "look" => {
                assert!(["sky", "sea"].contains(&arguments["at"].as_str().unwrap()), "{arguments}");
                assert!(arguments["n"].as_u64().unwrap() <= 99 && arguments.as_object().unwrap().len() == 2);
            }
            "stop" => assert_eq!(*arguments, json!({})),
            other => panic!("there is no {other}"),
        }
    }
}

fn calls(format: Format) -> Calls {
    let grammar = format.calls(&tools()).unwrap();
    Calls { grammar, strict: vec!["look".to_owned()], triggered: false, or: None }
}

#[test]
fn calls_are_written_so_that_they_are_read() {
    let tokens = Tokens::new();
    for (family, template) in FAMILIES {
        let format = Format::of(template);
        for seed in 0..12 {
            let text = tokens.draw(&Grammar::Calls(Box::new(calls(format))), "", seed);
            let read = read(format, "", &text);
            assert!(read.text.is_empty(), "{family}: {text:?}");
            check_calls(&read.calls);
        }
    }
}

#[test]
fn a_model_may_say_something_first_and_is_held_once_it_calls() {
    let tokens = Tokens::new();
    for (family, template) in FAMILIES.iter().filter(|(family, _)| *family != "Llama") {
        let format = Format::of(template);
        let calls = Calls { triggered: true, ..calls(format) };
        let until = calls.grammar.trigger.to_owned();
        let lead = Lead { begins: None, until: until.clone(), may_end: true, gap: false };
        let grammar = Grammar::After(lead, Box::new(Grammar::Calls(Box::new(calls))));
        let said = tokens.draw(&grammar, &format!("Let me see < [ <| {until}"), 3);
        check_calls(&read(format, "", &said).calls);
        assert!(said.contains("Let me see"), "{family}: {said}");
        assert_eq!(tokens.draw(&grammar, "Nothing.", 4), "Nothing.");
    }
}

#[test]
fn forms_begin_after_what_a_model_says_to_itself() {
    let tokens = Tokens::new();
    let form = || Box::new(Grammar::JsonSchema(json!({ "enum": [{ "n": 1 }, [2]] })));
    for (template, prompt, wish, reasoning) in [
        ("<think> </think>", "<|im_start|>assistant\n<think>\n", "Hm < </thin </think>\n\n", "Hm < </thin"),
        ("<think> </think>", "<|im_start|>assistant\n<think>\n\n</think>\n\n", "", ""),
        ("<think> </think>", "<|im_start|>assistant\n", "<think>Well.</think>\n\n", "Well."),
        ("<think> </think>", "<|im_start|>assistant\n", "", ""),
        (
            "<|channel|> <|message|>",
            "<|start|>assistant",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>",
            "Hm.",
        ),
        ("nothing of the kind", "Assistant:", "", ""),
    ] {
        let format = Format::of(template);
        let grammar = match format.lead(prompt) {
            Some(lead) => Grammar::After(lead, form()),
            None => *form(),
        };
        let text = tokens.draw(&grammar, wish, 5);
        let read = read(format, prompt, &text);
        assert_eq!(read.reasoning.trim(), reasoning, "{text}");
        let said: Value = serde_json::from_str(&read.text).unwrap_or_else(|_| panic!("{text}"));
        assert!(said == json!({ "n": 1 }) || said == json!([2]), "{text}");
    }
}

#[test]
fn json_may_stand_in_the_place_of_calls() {
    let tokens = Tokens::new();
    let format = Format::of("<tool_call>");
    let or = Some(json!({ "const": { "answer": 7 } }));
    let grammar = Grammar::Calls(Box::new(Calls { or, ..calls(format) }));
    let said: Value = serde_json::from_str(&tokens.draw(&grammar, "{", 1)).unwrap();
    assert_eq!(said, json!({ "answer": 7 }));
    check_calls(&read(format, "", &tokens.draw(&grammar, "<", 1)).calls);
}

#[test]
fn what_cannot_be_kept_is_refused_where_it_must_be() {
    let tokens = Tokens::new();
    let parameters = json!({ "type": "object", "patternProperties": { "(": {} } });
    let tool = json!({ "type": "function", "function": { "name": "odd", "parameters": parameters } });
    let grammar = Format::of("<tool_call>").calls(&[tool.into()]).unwrap();
    let calls = |strict: &[&str]| {
        let strict = strict.iter().map(ToString::to_string).collect();
        let calls = Calls { grammar: grammar.clone(), strict, triggered: false, or: None };
        Constraint::new(&tokens.vocabulary, &Grammar::Calls(Box::new(calls)))
    };
    assert!(
        matches!(calls(&["odd"]), Err(Error::Unsupported { keyword, .. }) if keyword == "patternProperties")
    );
    assert!(calls(&[]).is_ok());
}

/// A tool that is told texts, numbers and lists, by formats that write arguments between tags.
fn say(more: &Value) -> Json {
    let mut properties = json!({ "text": { "type": "string", "description": "What is said." },
        "tone": { "type": "string", "enum": ["low", "lower"] }, "times": { "type": "integer", "minimum": 1, "maximum": 9 },
        "to": { "type": "array", "items": { "$ref": "#/$defs/name" } } });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let parameters = json!({ "type": "object", "properties": properties, "required": ["text", "times"],
        "$defs": { "name": { "type": "string" } }, "additionalProperties": false });
    Json::from(json!({ "type": "function", "function": { "name": "say", "parameters": parameters } }))
}

fn said_between_tags(template: &str, wish: &str) -> Value {
    let (tokens, format) = (Tokens::new(), Format::of(template));
    let grammar = format.calls(&[say(&json!({}))]).unwrap();
    let calls = Calls { grammar, strict: vec!["say".to_owned()], triggered: false, or: None };
    let text = tokens.draw(&Grammar::Calls(Box::new(calls)), wish, 1);
    let mut reply = format.reply("", &[say(&json!({}))]);
    let pieces = reply.push(&text).into_iter().chain(reply.finish());
    let mut arguments = String::new();
    for piece in pieces {
        match piece.event {
            Event::ToolCallArguments { delta, .. } => arguments += &delta,
            Event::Text(text) => panic!("{text}"),
            Event::Malformed { text, reason, .. } => panic!("{reason}: {text}"),
            _ => {}
        }
    }
    serde_json::from_str(&arguments).unwrap_or_else(|_| panic!("{arguments} of {text}"))
}

#[test]
fn arguments_between_tags_keep_to_their_schema() {
    const CODER: &str = "<function=";
    const GLM: &str = "<arg_key>";
    let begins = "<tool_call>\n<function=say>\n<parameter=text>\n";
    // What is wished for and cannot come is passed over.
    let said = said_between_tags(
        CODER,
        &format!(
            "{begins}if a < b:\n  \"go\" </param> </function>\n</parameter>\n<parameter=times>\n7\n</parameter>\n</function>"
        ),
    );
    assert_eq!(said, json!({ "text": "if a < b:\n  \"go\" </param> </function>", "times": 7 }));
    let said = said_between_tags(
        CODER,
        &format!(
            "{begins}</parameter>\n<parameter=tone>\nlower\n</parameter>\n<parameter=times>\n1\n</parameter>\n<parameter=to>\n[\"a</parameter>\\n\", \"\\\"\"]\n</parameter>\n</function>"
        ),
    );
    assert_eq!(said, json!({ "text": "", "tone": "lower", "times": 1, "to": ["a</parameter>\n", "\""] }));
    let said = said_between_tags(
        GLM,
        "<tool_call>say\n<arg_key>text</arg_key>\n<arg_value>1 < 2</arg_value>\n<arg_key>times</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
    );
    assert_eq!(said, json!({ "text": "1 < 2", "times": 3 }));
    // Numbers are numbers, whatever is wished for, and what is required comes.
    let said = said_between_tags(CODER, &format!("{begins}x\n</parameter>\n<parameter=times>\n42"));
    assert_eq!(said["times"], 4);
    let said = said_between_tags(CODER, &format!("{begins}x\n</parameter>\n</function>"));
    assert!((1..=9).contains(&said["times"].as_u64().unwrap()), "{said}");
}

#[test]
fn what_cannot_be_kept_between_tags_is_refused_where_it_must_be() {
    let tokens = Tokens::new();
    let check = |tool: Json, keyword: &str| {
        for template in ["<function=", "<arg_key>"] {
            let grammar = Format::of(template).calls(std::slice::from_ref(&tool)).unwrap();
            let calls = |strict: &[&str]| {
                let strict = strict.iter().map(ToString::to_string).collect();
                let calls = Calls { grammar: grammar.clone(), strict, triggered: false, or: None };
                Constraint::new(&tokens.vocabulary, &Grammar::Calls(Box::new(calls)))
            };
            let refused = calls(&["say"]);
            assert!(
                matches!(&refused, Err(Error::Unsupported { keyword: named, .. }) if named == keyword),
                "{keyword}: {refused:?}"
            );
            assert!(calls(&[]).is_ok(), "{keyword}");
        }
    };
    check(say(&json!({ "text": { "type": "string", "maxLength": 3 } })), "maxLength");
    check(say(&json!({ "a>b": { "type": "integer" } })), "properties");
    check(
        say(&json!({ "times": { "type": "integer" }, "x": { "patternProperties": { "(": {} } } })),
        "patternProperties",
    );
    check(say(&json!({ "tone": { "type": "string", "enum": ["</parameter></arg_value>"] } })), "enum");
    let odd = json!({ "type": "function", "function": { "name": "a b", "parameters": {} } });
    assert!(Format::of("<function=").calls(&[odd.into()]).is_none());
}
