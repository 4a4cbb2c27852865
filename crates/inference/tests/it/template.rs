//! Chat templates of our own: what they are filled in to, and what hostile ones come to.

use proptest::prelude::*;
use std::time::{Duration, Instant};

use athenaeum_inference::template::{
    Capabilities, Change, Conversation, Error, Json, Limits, Message, Template,
};

fn conversation() -> Conversation {
    Conversation {
        now: "2026-03-04T05:06:07".parse().ok(),
        ..Conversation::new([
            Message::new("system", "Be brief."),
            Message::new("user", " Who wrote it? "),
            Message::new("assistant", "Nobody knows."),
            Message::new("user", "When?"),
        ])
    }
}

fn render(source: &str, conversation: &Conversation) -> Result<String, Error> {
    Template::new(source, "<s>", "</s>")?.render(conversation)
}

fn check(source: &str, expected: &str) {
    assert_eq!(render(source, &conversation()).as_deref(), Ok(expected), "{source}");
}

#[test]
fn tags_leave_no_lines_behind() {
    check("a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc");
    check("{%- for m in messages -%} {{ m.role[0] }} {%- endfor -%}", "suau");
    check("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc", "a\nb\nc");
}

#[test]
fn what_hugging_face_adds_is_there() {
    check("{{ bos_token }}{{ messages[1]['content'] | trim }}{{ eos_token }}", "<s>Who wrote it?</s>");
    check("{% generation %}{{ messages[2].content }}{% endgeneration %}", "Nobody knows.");
    check("{{ strftime_now('%d %b %Y, %H:%M') }}", "04 Mar 2026, 05:06");
    check(
        "{% for m in messages %}{% if loop.index == 3 %}{% break %}{% endif %}{{ m.role }},{% endfor %}",
        "system,user,",
    );
    check(
        "{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{{ m.role }},{% endfor %}",
        "system,assistant,",
    );
    let refused = render("\n{{ raise_exception('only ' ~ messages[0].role) }}", &conversation()).unwrap_err();
    assert_eq!(refused, Error::Refused { line: 2, reason: "only system".into() });
}

#[test]
fn json_is_printed_as_python_prints_it() {
    let json = r#"{"z": 1, "a": {"ü": [1.0, 1e20, -0.5, true, null], "e": {}}, "m": "\"\n\u0001/<>&'"}"#;
    let check = |filter: &str, expected: &str| {
        let conversation = conversation().with("x", Json::parse(json).unwrap());
        assert_eq!(render(&format!("{{{{ {filter} }}}}"), &conversation).as_deref(), Ok(expected));
    };
    check(
        "x | tojson",
        r#"{"z": 1, "a": {"ü": [1.0, 1e+20, -0.5, true, null], "e": {}}, "m": "\"\n\u0001/<>&'"}"#,
    );
    check("x.a | tojson(ensure_ascii=true)", r#"{"\u00fc": [1.0, 1e+20, -0.5, true, null], "e": {}}"#);
    check(
        "x | tojson(sort_keys=true, separators=(',', ':'))",
        r#"{"a":{"e":{},"ü":[1.0,1e+20,-0.5,true,null]},"m":"\"\n\u0001/<>&'","z":1}"#,
    );
    check(
        "{'b': [1, {}], 'a': []} | tojson(indent=2)",
        "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": []\n}",
    );
    check("x.a['ü'][2:]", "[-0.5, True, None]");
}

#[test]
fn values_have_the_methods_they_have_in_python() {
    check(
        "{{ ' a b '.strip() }}|{{ 'xaxx'.rstrip('x') }}|{{ 'a,b,c'.split(',', 1) }}",
        "a b|xa|['a', 'b,c']",
    );
    check("{{ 'a.b.c'.rsplit('.', 1) }}|{{ 'a=b=c'.partition('=') }}", "['a.b', 'c']|('a', '=', 'b=c')");
    check("{{ 'prefix'.removeprefix('pre') }}{{ '7'.zfill(3) }}{{ 'ab'.center(6) }}|", "fix007  ab  |");
    check(
        "{{ messages[0].get('none', 'otherwise') }} {{ messages[0].keys() | list }}",
        "otherwise ['role', 'content']",
    );
    check(
        "{% for key, value in messages[0].items() %}{{ key }}={{ value }};{% endfor %}",
        "role=system;content=Be brief.;",
    );
    check("{{ messages[1:] | length }}{{ messages[::-1][0].content }}{{ 'abc'[-2:] }}", "3When?bc");
    check(
        "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('+') }}",
        " Who wrote it? +When?",
    );
    check(
        "{{ messages[0] is mapping }}{{ 'a' is string }}{{ tools is none }}{{ none is iterable }}",
        "TrueTrueTrueFalse",
    );
    check(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 2 * loop.index %}{% endfor %}{{ ns.n }}",
        "20",
    );
    check("{{ 'ab' * 2 }}{{ [1] * 2 }}{{ 1.5 * 2 }}{{ true * 3 }}", "abab[1, 1]3.03");
    check("{{ 'a\nb\n\nc' | indent(2) }}", "a\n  b\n\n  c");
}

#[test]
fn what_a_message_brings_arrives_in_its_order() {
    let json = r#"{"messages": [{"role": "assistant", "content": null, "zeal": 1, "tool_calls": [{"function": {"name": "f", "arguments": {"y": 1, "x": "é"}}}]}],
        "tools": [{"name": "f"}], "add_generation_prompt": true, "enable_thinking": false}"#;
    let conversation = Conversation::from_json(json).unwrap();
    let text = render(
        "{{ messages[0] | tojson }}{{ tools | tojson }}{{ add_generation_prompt }}{{ enable_thinking }}",
        &conversation,
    );
    let expected = r#"{"role": "assistant", "content": null, "zeal": 1, "tool_calls": [{"function": {"name": "f", "arguments": {"y": 1, "x": "é"}}}]}[{"name": "f"}]TrueFalse"#;
    assert_eq!(text.as_deref(), Ok(expected));
    for wrong in ["[]", "{}", r#"{"messages": [1]}"#, r#"{"messages": [{"content": "x"}]}"#, "{"] {
        assert!(matches!(Conversation::from_json(wrong), Err(Error::NotAConversation { .. })), "{wrong}");
    }
}

#[test]
fn errors_name_the_line() {
    let line = |source: &str| match render(source, &conversation()).unwrap_err() {
        Error::Syntax { line, .. } | Error::Failed { line, .. } | Error::Refused { line, .. } => line,
        other => unreachable!("{other}"),
    };
    assert_eq!(line("\n\n{% if %}"), 3);
    assert_eq!(line("\n{% for m in messages %}\n{{ m.x.y }}\n{% endfor %}"), 3);
    assert_eq!(line("{{ 1 + 'a' }}"), 1);
    assert_eq!(line("\n{% include 'x' %}"), 2);
    let error = render("\n  {{ messages[0].nothing.more }}", &conversation()).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("in `{{ messages[0].nothing.more }}`"), "{error}");
}

/// Templates come from strangers. Each of these would, run as it stands, take all memory, all time, or the stack.
#[test]
fn hostile_templates_end_with_a_reason() {
    let grows = |start: &str, step: &str| {
        format!(
            "{{% set ns = namespace(x={start}) %}}{{% for i in range(100) %}}\
             {{% set ns.x = {step} %}}{{% endfor %}}{{{{ ns.x }}}}"
        )
    };
    let hostile = [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}".to_owned(),
        grows("'aa'", "ns.x ~ ns.x"),
        grows("'aa'", "ns.x + ns.x"),
        grows("'aa'", "ns.x * 9"),
        grows("'aa'", "ns.x | replace('a', ns.x)"),
        grows("'aa'", "ns.x.replace('a', ns.x)"),
        grows("'aa'", "ns.x.join(ns.x)"),
        grows("'aa'", "(ns.x | list) | join(ns.x)"),
        grows("'aa'", "[ns.x, ns.x] | join"),
        grows("[1]", "ns.x + ns.x"),
        grows("[1]", "ns.x * 9"),
        grows("[1]", "[ns.x, ns.x]"),
        grows("[1]", "{'a': ns.x, 'b': ns.x}"),
        grows("[1]", "(ns.x, ns.x)"),
        grows("[1]", "dict(a=ns.x, b=ns.x)"),
        grows("[1]", "[ns.x, ns.x] | tojson"),
        grows("'a'", "'%s%s' % (ns.x, ns.x)"),
        grows("'a'", "'{0}{0}'.format(ns.x)"),
        grows("'a'", "'%s%s' | format(ns.x, ns.x)"),
        "{{ 'a' * 9999999999 }}".to_owned(),
        "{{ [1] * 9999999999 }}".to_owned(),
        "{{ 9999999999 * (1, 2) }}".to_owned(),
        "{{ '%999999999d' % 1 }}".to_owned(),
        "{{ '%999999999d' | format(1) }}".to_owned(),
        "{{ '{:999999999}'.format(1) }}".to_owned(),
        "{{ [1] | batch(999999999999, 0) | list }}".to_owned(),
        "{{ [1] | slice(999999999999, 0) | list }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x = [{'a': ns}] %}{{ ns }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x, b = ns, 1 %}{{ ns }}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro m(x) %}{{ m([x, x]) }}{% endmacro %}{{ m(1) }}".to_owned(),
        "{% for a in [1] recursive %}{{ loop([a, a]) }}{% endfor %}".to_owned(),
        "{% block a %}{{ self.a() }}{% endblock %}".to_owned(),
        format!(
            "{{% set x %}}{}{{% endset %}}",
            "{% for a in range(9999) %}".repeat(3) + "long text\n" + &"{% endfor %}".repeat(3)
        ),
        format!("{}long text\n{}", "{% for a in range(9999) %}".repeat(3), "{% endfor %}".repeat(3)),
        format!("{{{{ {}1{} }}}}", "(".repeat(9_999), ")".repeat(9_999)),
        format!("{{{{ {}1{} }}}}", "[".repeat(9_999), "]".repeat(9_999)),
        format!("{{{{ x{} }}}}", ".a".repeat(9_999)),
        format!("{{{{ x{} }}}}", "|e".repeat(9_999)),
        format!("{{{{ 1{} }}}}", "+1".repeat(9_999)),
        format!("{{{{ {}1 }}}}", "not ".repeat(9_999)),
        format!("{{{{ {}1 }}}}", "-".repeat(9_999)),
        format!("{}{}", "{% if true %}".repeat(9_999), "{% endif %}".repeat(9_999)),
        "{% if x %}".to_owned() + &"{% elif x %}".repeat(9_999),
        "{% set x = [1] %}".to_owned() + &"{% set x = x | batch(1) | list %}".repeat(9_999) + "{{ x }}",
        "{% set x = [1] %}".to_owned() + &"{% set x = [x, x] %}".repeat(9_999) + "{{ x == x }}",
        "x".repeat(2 << 20),
    ];
    for source in hostile {
        let start = Instant::now();
        // A tenth of what is allowed, for the patience of whoever runs this.
        let limits = Limits { steps: 1_000_000, text_bytes: 6 << 20, work_bytes: 50 << 20 };
        let template = Template::new(&source, "", "").map(|template| template.with_limits(limits));
        let result = template.and_then(|template| template.render(&conversation()));
        let (shown, took) = (source.chars().take(120).collect::<String>(), start.elapsed());
        assert!(result.is_err(), "{shown} gave {:?}", result.map(|text| text.len()));
        assert!(took < Duration::from_secs(20), "{shown} took {took:?}");
    }
}

#[test]
fn long_conversations_are_within_the_limits() {
    let turns = (0..2_000).flat_map(|_| {
        [Message::new("user", "word ".repeat(200)), Message::new("assistant", "answer ".repeat(200))]
    });
    let source = "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}\
        {% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}{% set c = m.content | trim %}\
        {{ '<' ~ m.role ~ '>' + c.split('</think>')[-1].lstrip('\n') ~ eos_token }}{% if loop.index0 == ns.last %}!{% endif %}{% endfor %}";
    let text = render(source, &Conversation::new(turns)).unwrap();
    assert!(text.len() > 2_000 * 2_000);
}

#[test]
fn limits_can_be_lowered() {
    let limits = Limits { steps: 20, ..Limits::default() };
    let template = Template::new("{% for m in messages %}{{ m.role }}{% endfor %}", "", "").unwrap();
    assert_eq!(
        template.with_limits(limits).render(&conversation()),
        Err(Error::TooMuch { what: "steps", limit: 20 })
    );
}

/// Knows everything, and says so in brackets.
const FULL: &str = "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]\
    {%- if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}\
    {%- if m.content is string %}{{ m.content }}{% elif m.content %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}\
    {%- for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
/// Knows user and assistant, who take turns, and text.
const BARE: &str = "{% for m in messages %}\
    {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}\
    {%- if m.role == 'user' %}U:{{ m.content + '|' }}{% elif m.role == 'assistant' %}A:{{ m.content + '|' }}{% endif %}{% endfor %}";

fn with_call(arguments: &str) -> Conversation {
    let json = r#"{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Where"}, {"type": "text", "text": " is it?"}]},
        {"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": ARGUMENTS}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "There."}],
        "tools": [{"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": {"type": "object"}}}], "add_generation_prompt": true}"#;
    Conversation::from_json(&json.replace("ARGUMENTS", arguments)).unwrap()
}

#[test]
fn what_a_template_knows_is_found_out() {
    let full = Template::new(FULL, "", "").unwrap().capabilities();
    let all = Capabilities {
        system: true,
        tools: true,
        tool_calls: true,
        object_arguments: true,
        tool_results: true,
        reasoning: true,
        text_content: true,
        part_content: true,
        null_content: true,
        repeated_turns: true,
    };
    assert_eq!(full, all);
    let bare = Template::new(BARE, "", "").unwrap().capabilities();
    let none = Capabilities {
        system: false,
        tools: false,
        tool_calls: false,
        object_arguments: false,
        tool_results: false,
        reasoning: false,
        text_content: true,
        part_content: false,
        null_content: false,
        repeated_turns: false,
    };
    assert_eq!(bare, none);
}

#[test]
fn a_conversation_is_changed_only_where_something_would_be_lost() {
    let prompt = Template::new(FULL, "", "").unwrap().prompt(&with_call(r#""{\"at\": 1}""#)).unwrap();
    assert!(prompt.changes.is_empty(), "{:?}", prompt.changes);
    assert!(
        prompt
            .text
            .ends_with(r#"[system]Be brief.[user]Where is it?[assistant](Hm.)find{"at": 1}[tool]There."#),
        "{}",
        prompt.text
    );

    let as_text = FULL.replace("arguments | tojson", "arguments");
    let prompt = Template::new(&as_text, "", "").unwrap().prompt(&with_call(r#"{"at": 1}"#)).unwrap();
    assert!(prompt.text.contains(r#"find{"at": 1}[tool]"#), "{}", prompt.text);
}

#[test]
fn what_a_template_does_not_know_is_put_into_words() {
    let prompt = Template::new(BARE, "", "").unwrap().prompt(&with_call(r#"{"at": 1}"#)).unwrap();
    use Change::{CallsWritten, PartsJoined, ReasoningLeftOut, ResultsWritten, SystemMerged, ToolsDescribed};
    assert_eq!(
        prompt.changes,
        [PartsJoined, ReasoningLeftOut, ToolsDescribed, CallsWritten, ResultsWritten, SystemMerged]
    );
    let (system, rest) = prompt.text.split_once("<tool_response> tags.\n").unwrap();
    assert!(system.starts_with("U:Be brief.\n\nYou can call tools."), "{system}");
    assert!(system.contains(r#"{"type": "function", "function": {"name": "find""#), "{system}");
    let expected = "Where is it?|A:<tool_call>\n{\"name\": \"find\", \"arguments\": {\"at\": 1}}\n</tool_call>|\
        U:<tool_response>\nThere.\n</tool_response>|";
    assert_eq!(rest, expected);
    // What the words ask for is what the reply is read by.
    let mut reply = prompt.format.reply(&prompt.text, &with_call("{}").tools);
    let pieces = reply.push("<tool_call>\n{\"name\": \"find\", \"arguments\": {}}\n</tool_call>");
    assert!(
        pieces
            .iter()
            .any(|piece| matches!(piece.event, athenaeum_inference::reply::Event::ToolCallEnded { .. }))
    );
    // Each change can be told to people.
    assert!(prompt.changes.iter().all(|change| change.as_str().len() > 20));

    let twice = Conversation::new(["a", "b"].map(|text| Message::new("user", text)));
    let prompt = Template::new(BARE, "", "").unwrap().prompt(&twice).unwrap();
    assert_eq!(
        (prompt.text.as_str(), prompt.changes.as_slice()),
        ("U:a\n\nb|", [Change::TurnsMerged].as_slice())
    );
}

#[test]
fn a_last_message_can_be_continued() {
    let check = |source: &str, last: &str, expected: &str| {
        let mut conversation = conversation();
        conversation.messages.push(Message::new("assistant", last));
        conversation.add_generation_prompt = false;
        conversation.continue_final_message = true;
        assert_eq!(render(source, &conversation).as_deref(), Ok(expected));
    };
    check("{{ messages[-1].content }}<end>", "In the ", "In the ");
    check("{{ messages[-1].content | trim }}<end>", " In the ", "In the");
    check("x{{ messages[-1].content }}<end>{{ eos_token }}", " In", "x In");
    let mut both = conversation();
    both.continue_final_message = true;
    assert!(matches!(render("{{ messages[-1].content }}", &both), Err(Error::NotAConversation { .. })));
}

#[test]
fn built_in_templates_have_names() {
    let known: Vec<&str> = Template::names().collect();
    assert!(known.len() > 40);
    for name in &known {
        let template = Template::named(name, "<s>", "</s>").unwrap();
        let prompt = template.prompt(&conversation()).unwrap();
        for text in ["Be brief.", "Who wrote it?", "Nobody knows.", "When?"] {
            assert!(prompt.text.contains(text), "{name}: {}", prompt.text);
        }
        assert!(prompt.changes.is_empty(), "{name}: {:?}", prompt.changes);
    }
    let check = |name: &str, expected: &str| {
        let user = Conversation::new([Message::new("system", "S"), Message::new("user", "U")]);
        assert_eq!(Template::named(name, "", "").unwrap().render(&user).as_deref(), Ok(expected), "{name}");
    };
    check(
        "chatml",
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n",
    );
    check("gemma", "<start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\n");
    check("llama2-sys", "[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST]");
    check("alpaca", "S\n\n### Instruction:\nU\n\n### Response:\n");
    let error = Template::named("chatxl", "", "").unwrap_err().to_string();
    assert!(error.contains("chatxl") && error.contains("chatml, llama2"), "{error}");
}

#[test]
fn templates_of_ollama_are_read() {
    let check = |source: &str, conversation: &Conversation, expected: &str| {
        let text = Template::go(source).and_then(|template| template.render(conversation));
        assert_eq!(text.as_deref(), Ok(expected), "{source}");
    };
    let turns = conversation();
    check(
        "{{- range .Messages }}<{{ .Role }}>{{ .Content }}\n{{ end }}<assistant>",
        &turns,
        "<system>Be brief.\n<user> Who wrote it? \n<assistant>Nobody knows.\n<user>When?\n<assistant>",
    );
    check(
        "{{ .System }}|{{ range $i, $m := .Messages }}{{ if and (gt $i 0) (ne $m.Role \"assistant\") }}{{ $i }}{{ else if eq .Role `system` `tool` }}S{{ else }}-{{ end }}{{ end }}",
        &turns,
        "Be brief.|S1-3",
    );
    check(
        "{{ $n := \"\" }}{{ range .Messages }}{{ if eq .Role \"assistant\" }}{{ continue }}{{ end }}{{ $n = printf \"%s%s;\" $n .Role }}{{ end }}{{ $n }}",
        &turns,
        "system;user;user;",
    );
    check(
        "{{ if not .Messages }}x{{ end }}a {{- /* not shown */ -}} b{{ `{{` }} {{ \"\\n\" -}}   c",
        &turns,
        "ab{{ \nc",
    );
    check(
        "{{ range .Messages }}{{ if eq .Role \"user\" }}{{ break }}{{ end }}{{ .Content }}{{ end }}{{ len (slice $.Messages 1) }}{{ (index .Messages 0).Role }}{{ with .Tools }}T{{ else }}N{{ end }}",
        &turns,
        "Be brief.3systemN",
    );
    // What knows one exchange only is run for each; the last ends where the model goes on.
    check(
        "{{ if .System }}S:{{ .System }} {{ end }}U:{{ .Prompt }} A:{{ .Response }}.",
        &turns,
        "S:Be brief. U: Who wrote it?  A:Nobody knows..U:When? A:",
    );
    check("{{ .Prompt }}>", &turns, " Who wrote it? >Nobody knows.When?>");

    let call = with_call(r#"{"at": "<1>"}"#);
    check(
        "{{ if .Tools }}{{ range .Tools }}{{ .Function.Name }} {{ .Function }}{{ end }}{{ end }}|{{ range .Messages }}{{ range .ToolCalls }}{{ json .Function.Arguments }}{{ .Function.Name }}{{ end }}{{ .Thinking }}{{ end }}",
        &call,
        r#"find {"name":"find","description":"Finds.","parameters":{"type":"object"}}|{"at":"\u003c1\u003e"}findHm."#,
    );
    let known = Template::go("{{ .System }}{{ .Tools }}{{ range .Messages }}{{ .Content }}{{ range .ToolCalls }}{{ .Function }}{{ end }}{{ end }}").unwrap().capabilities();
    assert!(known.system && known.tools && known.tool_calls && known.tool_results && !known.reasoning);

    for wrong in [
        "{{ if }}",
        "{{ if .A }}",
        "{{ end }}",
        "{{ .A",
        "{{ $x = 1 }}",
        "{{ unknown }}",
        "{{ template \"x\" }}",
        "{{ (.A }}",
        "{{ .A | }}",
        "{{ index .Messages 9 }}",
        "{{ \"a }}",
        "{{ 1 2 }}",
        "{{ ] }}",
    ] {
        assert!(Template::go(wrong).and_then(|template| template.render(&turns)).is_err(), "{wrong}");
    }
    let limits = Limits { steps: 100_000, text_bytes: 1 << 20, ..Limits::default() };
    let loops = "{{ range $.Messages }}".repeat(60) + "{{ $.Messages }}" + &"{{ end }}".repeat(60);
    let grows = "{{ $x := \"aa\" }}".to_owned() + &"{{ $x = printf \"%s%s\" $x $x }}".repeat(60);
    for hostile in [loops, grows, "{{ if .A }}".repeat(9_999), "{{ x ".to_owned() + &"(".repeat(9_999)] {
        let text = Template::go(&hostile).and_then(|template| template.with_limits(limits).render(&turns));
        assert!(text.is_err());
    }
}

/// Parts of templates, in any order: some are sound.
fn parts(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(parts), 0..30).prop_map(|parts| parts.join(" "))
}

const JINJA: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{%-",
    "-%}",
    "{#",
    "#}",
    "{{ x }}",
    "{% set",
    "x",
    "=",
    "ns",
    ".y",
    "namespace(y=1)",
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "in",
    "endfor",
    "m",
    "messages",
    "loop.index",
    "loop",
    "recursive",
    "macro f(a, b=1)",
    "endmacro",
    "f(1)",
    "call",
    "endcall",
    "caller()",
    "raw",
    "endraw",
    "generation",
    "endgeneration",
    "break",
    "continue",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "|",
    "tojson",
    "join",
    "indent",
    "replace('a', 'b')",
    "map(attribute='role')",
    "selectattr('role')",
    "list",
    "length",
    "~",
    "+",
    "*",
    "-1",
    "9999999",
    "1.5",
    "'text'",
    "\"é\"",
    "not",
    "and",
    "or",
    "is",
    "defined",
    "string",
    "true",
    "none",
    ".content",
    "[0]",
    "[::-1]",
    ".items()",
    ".split(',')",
    ".strip()",
    "text\n",
    "\n",
    "with",
    "endwith",
    "filter upper",
    "endfilter",
    "autoescape true",
    "endautoescape",
    "block b",
    "endblock",
    "include 'x'",
    "extends 'x'",
    "{% for m in messages %}",
    "{% endfor %}",
    "{% if m %}",
    "{% endif %}",
    "{{ m.content }}",
    "{% set ns = namespace() %}",
    "{% set ns.x = m %}",
    "range(9)",
    "strftime_now('%Y')",
    "raise_exception('no')",
    "{%set x=1%}",
    "%",
    "//",
    "**",
    "==",
];
const GO: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{ end }}",
    "{{ else }}",
    "{{ if .System }}",
    "{{ else if .Tools }}",
    "{{ range .Messages }}",
    "{{ range $i, $m := $.Messages }}",
    "{{ with .System }}",
    "{{ break }}",
    "{{ continue }}",
    "{{ .Content }}",
    "{{ $x := 1 }}",
    "{{ $x }}",
    "{{ $x = 2 }}",
    ".",
    "$",
    ".Role",
    "eq",
    "and",
    "or",
    "not",
    "len",
    "slice",
    "index",
    "json",
    "printf",
    "print",
    "\"%s%d%%\"",
    "`raw`",
    "\"",
    "(",
    ")",
    "|",
    ":=",
    "=",
    "1",
    "-3",
    "2.5",
    "true",
    "nil",
    "text\n",
    "é",
    "{{ .Response }}",
    "{{ .Prompt }}",
    "{{/* c */}}",
    "{{ json .Tools }}",
    "{{ .Messages }}",
    ",",
    "define",
    "currentDate",
];

proptest! {
    #[test]
    fn any_template_gives_text_or_a_reason(jinja in parts(JINJA), go in parts(GO)) {
        let limits = Limits { steps: 20_000, text_bytes: 1 << 20, work_bytes: 4 << 20 };
        for template in [Template::new(&jinja, "<s>", "</s>"), Template::go(&go)] {
            let text = template.and_then(|template| template.with_limits(limits).render(&conversation()));
            match text {
                Ok(text) => prop_assert!(text.len() <= 1 << 20),
                Err(error) => prop_assert!(!error.to_string().contains("gave up"), "{error}"),
            }
        }
    }
}
