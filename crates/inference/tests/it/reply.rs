//! What models of several families say, and what is made of it.

use athenaeum_inference::{
    reply::{Event, Format, Piece},
    template::Json,
};
use proptest::prelude::*;

const HERMES: &str = "<tool_call> <think> </think>";
const TAGS: &str = "<tool_call> <function= <think> </think>";
const GLM: &str = "<tool_call> <arg_key> <think> </think>";
const LLAMA: &str = "<|start_header_id|> ipython <|python_tag|>";
const MISTRAL: &str = "[TOOL_CALLS] [ARGS] [THINK] [/THINK]";
const DEEPSEEK: &str = "<｜tool▁calls▁begin｜> <think> </think>";
const KIMI: &str = "<|tool_calls_section_begin|>";
const HARMONY: &str = "<|start|> <|channel|> <|message|>";
const LIST: &str = "<|tool_call|> functools";
const COMMAND: &str = "<|START_ACTION|> <|START_THINKING|> <|END_THINKING|>";
const PLAIN: &str = "{{ messages }}";
const ALL: [&str; 11] = [HERMES, TAGS, GLM, LLAMA, MISTRAL, DEEPSEEK, KIMI, HARMONY, LIST, COMMAND, PLAIN];

fn tools() -> Vec<Json> {
    let tool = r#"[{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {"title": {"type": "string"}, "page": {"type": "integer"}}}}},
        {"type": "function", "function": {"name": "python"}}]"#;
    Json::parse(tool).unwrap().elements().collect()
}

fn read(template: &str, prompt: &str, pieces: &[&str]) -> Vec<Piece> {
    let mut reply = Format::of(template).reply(prompt, &tools());
    let mut read: Vec<Piece> = pieces.iter().flat_map(|piece| reply.push(piece)).collect();
    read.extend(reply.finish());
    read
}

/// In one line: `text`, `(reasoning)`, `find#id{arguments}`, `!malformed!`.
fn told(pieces: &[Piece]) -> String {
    let mut out = String::new();
    let mut thinking = false;
    for piece in pieces {
        let reasoning = matches!(piece.event, Event::Reasoning(_));
        if matches!(piece.event, Event::Markup) {
            continue;
        }
        if reasoning != thinking {
            out.push(if reasoning { '(' } else { ')' });
        }
        thinking = reasoning;
        match &piece.event {
            Event::Text(text) | Event::Reasoning(text) => out += text,
            Event::ToolCallStarted { id, name, .. } => {
                out += &format!("«{name}{}", id.as_ref().map(|id| format!("#{id}")).unwrap_or_default());
            }
            Event::ToolCallArguments { delta, .. } => out += delta,
            Event::ToolCallEnded { .. } => out.push('»'),
            Event::Malformed { index, text, .. } => {
                out += &format!("!{}{text}!", if index.is_some() { "←" } else { "" });
            }
            _ => {}
        }
    }
    out + if thinking { ")" } else { "" }
}

fn check(template: &str, text: &str, expected: &str) {
    check_after(template, "", text, expected);
}

fn check_after(template: &str, prompt: &str, text: &str, expected: &str) {
    let whole = read(template, prompt, &[text]);
    assert_eq!(told(&whole), expected, "{text}");
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let cut = read(template, prompt, &letters);
    assert_eq!(told(&cut), expected, "{text}, letter by letter");
    for pieces in [whole, cut] {
        assert_eq!(pieces.iter().map(|piece| piece.source.as_str()).collect::<String>(), text);
    }
}

#[test]
fn hermes_and_qwen() {
    check(HERMES, "Hello <b>you</b>, x < y", "Hello <b>you</b>, x < y");
    check(HERMES, "<think>\nHm.\n\nSo.\n</think>\n\nYes.\n", "(Hm.\n\nSo.)Yes.\n");
    check_after(HERMES, "<|im_start|>assistant\n<think>\n", "Hm.\n</think>\n\nYes.", "(Hm.)Yes.");
    check(
        HERMES,
        "One moment.\n<tool_call>\n{\"name\": \"find\", \"arguments\": {\"title\": \"A \\\"}\\\"\"}}\n</tool_call>\n<tool_call>\n{\"arguments\": {}, \"name\": \"python\"}\n</tool_call>\n",
        "One moment.\n«find{\"title\": \"A \\\"}\\\"\"}»«python{}»",
    );
    check(
        HERMES,
        r#"<tool_call>{"name": "find", "arguments": "{\"page\": 1}"}</tool_call>"#,
        r#"«find{"page": 1}»"#,
    );
    check(HERMES, r#"<tool_call>{"name": "find"}</tool_call> Done."#, "«find{}» Done.");
    check(
        HERMES,
        r#"<tool_call>{"type": "function", "id": "c1", "function": {"name": "find", "arguments": {"page": 1}}}"#,
        r#"«find#c1{"page": 1}»"#,
    );
}

#[test]
fn what_is_no_call_comes_back_as_text() {
    check(HERMES, "<tool_call>find it</tool_call>", "!<tool_call>f!ind it</tool_call>");
    check(
        HERMES,
        r#"<tool_call>{"name": "find", "arguments": {a}}"#,
        r#"«find{a}!←<tool_call>{"name": "find", "arguments": {a}!}"#,
    );
    check(HERMES, r#"<tool_call>{"arguments": {}}"#, r#"!<tool_call>{"arguments": {}}!"#);
    check(HERMES, r#"<tool_call>{"name": "find", "argum"#, r#"!<tool_call>{"name": "find", "argum!"#);
    check(
        HERMES,
        r#"<tool_call>{"name": "find", "arguments": {"pa"#,
        r#"«find{"pa!←<tool_call>{"name": "find", "arguments": {"pa!"#,
    );
    check(HERMES, "<tool_ca", "<tool_ca");
    check(TAGS, "<function=find><page>", "«find!←<function=find><pag!e>");
    check(MISTRAL, "[TOOL_CALLS]", "![TOOL_CALLS]!");
    check(DEEPSEEK, "<｜tool▁calls▁begin｜>what", "!<｜tool▁calls▁begin｜>w!hat");
    check(LIST, "Use functools.partial.", "Use functools.partial.");
    check(PLAIN, "<think>x</think> <tool_call>", "<think>x</think> <tool_call>");
}

#[test]
fn tags_with_parameters() {
    check(
        TAGS,
        "Yes.\n\n<tool_call>\n<function=find>\n<parameter=title>\n7 \"ways\"\nto x\n</parameter>\n<parameter=page>\n3\n</parameter>\n</function>\n</tool_call>",
        "Yes.\n\n«find{\"title\": \"7 \\\"ways\\\"\\nto x\", \"page\": 3}»",
    );
    check(
        TAGS,
        "<function=find>\n<parameter=title>\n12\n</parameter>\n</function>",
        "«find{\"title\": \"12\"}»",
    );
    check(
        TAGS,
        "<function=other>\n<parameter=a>\n[1, {\"b\": 2}]\n</parameter>\n<parameter=c>True</parameter></function>",
        "«other{\"a\": [1, {\"b\": 2}], \"c\": true}»",
    );
    check(TAGS, "<function=find>{\"page\": 2}</function>", "«find{\"page\": 2}»");
    check(TAGS, "<function=find>\n</function>", "«find{}»");
    check(
        GLM,
        "<think>x</think>\n<tool_call>find\n<arg_key>title</arg_key>\n<arg_value>A b</arg_value>\n<arg_key>page</arg_key>\n<arg_value>4</arg_value>\n</tool_call>",
        "(x)«find{\"title\": \"A b\", \"page\": 4}»",
    );
}

#[test]
fn llama() {
    check(LLAMA, r#"{"name": "find", "parameters": {"title": "A"}}"#, r#"«find{"title": "A"}»"#);
    check(
        LLAMA,
        "\n{\"name\": \"find\", \"parameters\": {}}; {\"name\": \"python\", \"parameters\": {}}",
        "«find{}»«python{}»",
    );
    check(
        LLAMA,
        r#"{"type": "function", "name": "find", "parameters": {"page": 1}}"#,
        r#"«find{"page": 1}»"#,
    );
    check(
        LLAMA,
        r#"{"name": "nothing we know", "parameters": {}}"#,
        r#"{"name": "nothing we know", "parameters": {}}"#,
    );
    check(LLAMA, " {\"title\": \"A\"} is JSON", " {\"title\": \"A\"} is JSON");
    check(
        LLAMA,
        "So: {\"name\": \"find\", \"parameters\": {}}",
        "So: {\"name\": \"find\", \"parameters\": {}}",
    );
    check(
        LLAMA,
        r#"<|python_tag|>{"name": "find", "parameters": {"page": 1}}<|eom_id|>"#,
        r#"«find{"page": 1}»"#,
    );
    check(LLAMA, "<|python_tag|>print(1)\n", "«python{\"code\": \"print(1)\"}»");
    check(
        LLAMA,
        "<|python_tag|>brave_search.call(query=\"a, b\", n=2)",
        "«brave_search{\"query\": \"a, b\", \"n\": 2}»",
    );
}

#[test]
fn mistral() {
    check(
        MISTRAL,
        r#"[TOOL_CALLS] [{"name": "find", "arguments": {"page": 1}, "id": "abcdefghi"}, {"name": "python", "arguments": {}}]"#,
        r#"«find{"page": 1}»«python{}»"#,
    );
    check(
        MISTRAL,
        r#"Yes[TOOL_CALLS]find[ARGS]{"page": 1}[TOOL_CALLS]python[CALL_ID]xyz[ARGS]{}"#,
        r#"Yes«find{"page": 1}»«python#xyz{}»"#,
    );
    check(MISTRAL, "[THINK]a[1][/THINK]b", "(a[1])b");
}

#[test]
fn deepseek_and_kimi() {
    check_after(
        DEEPSEEK,
        "<｜Assistant｜><think>\n",
        "Hm.\n</think>\n\nLet me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>find\n```json\n{\"page\": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>python\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "(Hm.)Let me see.«find{\"page\": 1}»«python{}»",
    );
    check(
        DEEPSEEK,
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>find<｜tool▁sep｜>{\"page\": 1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>python<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜> ok",
        "«find{\"page\": 1}»«python{}» ok",
    );
    check(
        KIMI,
        "Yes<|tool_calls_section_begin|><|tool_call_begin|>functions.find:0<|tool_call_argument_begin|>{\"page\": 1}<|tool_call_end|><|tool_calls_section_end|>",
        "Yes«find#functions.find:0{\"page\": 1}»",
    );
}

#[test]
fn harmony() {
    check(
        HARMONY,
        "<|channel|>analysis<|message|>Need to look.<|end|><|start|>assistant<|channel|>commentary<|message|>One moment.<|end|><|start|>assistant<|channel|>commentary to=functions.find <|constrain|>json<|message|>{\"page\": 1}<|call|>",
        "(Need to look.)One moment.«find{\"page\": 1}»",
    );
    check(
        HARMONY,
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.find<|channel|>commentary json<|message|>{}<|call|>",
        "(Hm.)«find{}»",
    );
    check(
        HARMONY,
        "<|channel|>analysis<|message|>a < b<|end|><|start|>assistant<|channel|>final<|message|>Yes.\n<|return|>",
        "(a < b)Yes.\n",
    );
    check(HARMONY, "No channels here.", "No channels here.");
    check(HARMONY, "<|channel|>final", "!<|channel|>final!");
}

#[test]
fn lists_after_a_mark() {
    check(
        LIST,
        r#"functools[{"name": "find", "arguments": {"page": 1}}, {"name": "python", "arguments": {}}]"#,
        r#"«find{"page": 1}»«python{}»"#,
    );
    check(
        LIST,
        r#"<|tool_call|>[{"name": "find", "arguments": {"page": 1}}]<|/tool_call|>"#,
        r#"«find{"page": 1}»"#,
    );
    check(
        COMMAND,
        "<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"find\", \"parameters\": {\"page\": 1}}\n]<|END_ACTION|>",
        "(Hm.)«find#0{\"page\": 1}»",
    );
}

#[test]
fn grammars_write_what_is_read() {
    for template in ALL {
        let format = Format::of(template);
        let Some(grammar) = format.calls(&tools()) else { continue };
        let call = |tool: &athenaeum_inference::reply::ToolGrammar| {
            let arguments = match &tool.tags {
                Some(tags) => {
                    format!("{}page{}1{}{}{}", tags.open, tags.named, tags.space, tags.close, tags.after)
                }
                None => "{\"page\": 1}".to_owned(),
            };
            format!("{}{arguments}{}", tool.begin, tool.end)
        };
        let one = format!("{}{}{}", grammar.trigger, call(&grammar.tools[0]), grammar.end);
        assert_eq!(
            told(&read(template, "", &[&one])).replace("#functions.find:0", ""),
            "«find{\"page\": 1}»",
            "{one}"
        );
        if let Some(between) = grammar.between {
            let two = format!(
                "{}{}{between}{}{}",
                grammar.trigger,
                call(&grammar.tools[0]),
                call(&grammar.tools[1]),
                grammar.end
            );
            assert_eq!(told(&read(template, "", &[&two])).matches('»').count(), 2, "{two}");
        }
    }
}

/// Parts of replies, in any order: most are malformed.
fn parts() -> impl Strategy<Value = Vec<&'static str>> {
    let part = prop::sample::select(vec![
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        ";",
        " ",
        "\n",
        "{\"name\": \"find\", \"arguments\": ",
        "{\"page\": 1}",
        "\"name\"",
        "\"arguments\"",
        "\"find\"",
        "1",
        "é",
        "text",
        "<function=",
        "find>",
        "<parameter=",
        "page>",
        "</parameter>",
        "</function>",
        "<arg_key>",
        "</arg_key>",
        "<arg_value>",
        "</arg_value>",
        "find\n",
        "<|python_tag|>",
        "[TOOL_CALLS]",
        "[ARGS]",
        "[CALL_ID]",
        "[THINK]",
        "[/THINK]",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>",
        "function",
        "<｜tool▁sep｜>",
        "\n```json\n",
        "\n```",
        "<｜tool▁call▁end｜>",
        "<｜tool▁calls▁end｜>",
        "<|tool_calls_section_begin|>",
        "<|tool_call_begin|>",
        "functions.find:0",
        "<|tool_call_argument_begin|>",
        "<|tool_call_end|>",
        "<|tool_calls_section_end|>",
        "<|start|>",
        "assistant",
        "<|channel|>",
        "analysis",
        "final",
        " to=functions.find",
        "<|message|>",
        "<|end|>",
        "<|call|>",
        "<|return|>",
        "functools[",
        "<|tool_call|>",
        "<|/tool_call|>",
        "<|START_ACTION|>",
        "<|END_ACTION|>",
    ]);
    prop::collection::vec(part, 0..24)
}

proptest! {
    #[test]
    fn nothing_is_lost_and_cuts_do_not_matter(
        parts in parts(),
        template in prop::sample::select(ALL.to_vec()),
        open in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = parts.concat();
        let prompt = if open { "<think>" } else { "" };
        let whole = read(template, prompt, &[&text]);
        prop_assert_eq!(whole.iter().map(|piece| piece.source.as_str()).collect::<String>(), text.as_str());
        let mut ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        ends.push(text.len());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| *cut.get(&ends)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let cut = read(template, prompt, &pieces);
        prop_assert_eq!(told(&cut), told(&whole));
        // Every letter is to be seen: said, thought, called with, given back, or a mark of the format.
        for piece in &whole {
            if let Event::Text(said) | Event::Reasoning(said) = &piece.event {
                prop_assert_eq!(said, &piece.source);
            }
        }
        // A call that is whole has an object for its arguments, and its numbers go up by one.
        let mut arguments: Vec<String> = Vec::new();
        for piece in &whole {
            match &piece.event {
                Event::ToolCallStarted { index, .. } => {
                    prop_assert_eq!(*index, arguments.len());
                    arguments.push(String::new());
                }
                Event::ToolCallArguments { index, delta } => arguments[*index] += delta,
                Event::ToolCallEnded { index } => {
                    let sound = serde_json::from_str::<serde_json::Map<_, _>>(&arguments[*index]).is_ok();
                    prop_assert!(sound, "{}", arguments[*index]);
                }
                _ => {}
            }
        }
    }
}
