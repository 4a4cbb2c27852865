//! Other people's chat templates: what we make of them is what their makers, and Python's Jinja2, make of them.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use athenaeum_inference::template::{Conversation, Json, Message, Template};

use crate::shell::say;

/// Compares what the corpora under `data` expect. Skipped, visibly, where there are none.
pub(super) fn all(tables: &Path, data: &Path) -> anyhow::Result<u64> {
    let data = data.join("chat_templates");
    if !data.exists() {
        say(&format!("chat templates: skipped, there is no {}", data.display()));
        return Ok(0);
    }
    let exceptions = Exceptions::read(&tables.join("templates_exceptions.tsv"))?;
    let mut failed = 0;
    failed += cases("hfjs_jinja_unit", &data, ["template", "context", "expected"], &exceptions)?;
    failed += cases("hfjs_jinja_e2e", &data, ["chat_template", "data", "target"], &exceptions)?;
    failed += llama(&data, &exceptions)?;
    failed += ollama(&data)?;
    failed += python(tables, &data, &exceptions)?;
    Ok(failed)
}

/// Cases where something else is right than the corpus says, and why.
struct Exceptions(Vec<[String; 4]>);

impl Exceptions {
    fn read(table: &Path) -> anyhow::Result<Self> {
        let table = fs::read_to_string(table)?;
        let rows = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let row = |line: &str| {
            let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let found = columns.len();
            <[String; 4]>::try_from(columns)
                .ok()
                .with_context(|| format!("'{line}' has {found} columns, not 4"))
        };
        Ok(Self(rows.map(row).collect::<Result<_, _>>()?))
    }

    /// What is right instead: a JSON text, `error`, or `any`.
    fn find(&self, corpus: &str, case: &str) -> Option<&str> {
        let row = self.0.iter().find(|row| row[0] == corpus && row[1] == case)?;
        Some(&row[2])
    }
}

#[derive(Default)]
struct Count {
    passed: u64,
    excepted: u64,
    failed: u64,
}

impl Count {
    fn check(
        &mut self,
        exceptions: &Exceptions,
        [corpus, case]: [&str; 2],
        expected: &str,
        got: &Result<String, String>,
    ) {
        if got.as_deref() == Ok(expected) {
            self.passed += 1;
            return;
        }
        let excepted = exceptions.find(corpus, case).is_some_and(|instead| match (instead, got) {
            ("any", _) | ("error", Err(_)) => true,
            (text, Ok(got)) => Json::parse(text).is_ok_and(|text| text.as_str() == Some(got)),
            _ => false,
        });
        if excepted {
            self.excepted += 1;
            return;
        }
        self.failed += 1;
        say(&format!("✗ {corpus} {case}"));
        say(&format!("    expected {:?}", shown(expected)));
        say(&format!("    got      {:?}", told(got)));
    }

    fn tell(&self, corpus: &str) -> u64 {
        say(&format!(
            "chat templates, {corpus}: {} passed, {} as the exceptions say, {} failed",
            self.passed, self.excepted, self.failed
        ));
        self.failed
    }
}

fn told(got: &Result<String, String>) -> String {
    shown(got.as_ref().unwrap_or_else(|error| error))
}

fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}

/// A list of cases, each with its template, its variables and its text, under these three names.
fn cases(
    corpus: &str,
    data: &Path,
    [template, context, expected]: [&str; 3],
    exceptions: &Exceptions,
) -> anyhow::Result<u64> {
    let file = data.join(corpus).with_extension("json");
    let mut count = Count::default();
    for case in Json::parse(&fs::read_to_string(&file)?)?.elements() {
        let name = text(&case, "name")?;
        let context = case.field(context).context("a case has no context")?;
        let got = rendered(&text(&case, template)?, &context);
        count.check(exceptions, [corpus, &name], &text(&case, expected)?, &got);
    }
    Ok(count.tell(corpus))
}

fn llama(data: &Path, exceptions: &Exceptions) -> anyhow::Result<u64> {
    let corpus = "llama_chat_template_expected";
    let file = Json::parse(&fs::read_to_string(data.join(corpus).with_extension("json"))?)?;
    let (mut count, mut named) = (Count::default(), Count::default());
    for case in file.field("cases").context("no cases")?.elements() {
        let name = text(&case, "name")?;
        let token = |key: &str| (key.to_owned(), case.field(key).unwrap_or_else(|| Json::from("")));
        let shared = ["messages", "add_generation_prompt"].map(|key| (key.to_owned(), file.field(key)));
        let shared = shared.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let context = Json::object(shared.chain(["bos_token", "eos_token"].map(token)));
        let got = prompt(&text(&case, "template_str")?, &context);
        let jinja = text(&case, "expected_output_jinja").unwrap_or_default();
        let expected = if jinja.is_empty() { text(&case, "expected_output")? } else { jinja };
        count.check(exceptions, [corpus, &name], &expected, &got);
        if let Some((_, built_in)) = BUILT_IN.iter().find(|(case, _)| name.starts_with(case)) {
            let got = Template::named(built_in, "", "")
                .and_then(|template| template.render(&Conversation::from_json(&context.to_string())?))
                .map_err(|error| error.to_string());
            named.check(exceptions, ["built in", built_in], &text(&case, "expected_output")?, &got);
        }
    }
    Ok(count.tell(corpus) + named.tell("built in"))
}

/// Which template of ours is to give the same as llama.cpp's own of that family.
const BUILT_IN: &[(&str, &str)] = &[
    ("teknium/OpenHermes", "chatml"),
    ("mlabonne/AlphaMonarch", "monarch"),
    ("OrionStarAI", "orion"),
    ("openchat", "openchat"),
    ("deepseek-ai/deepseek-coder", "deepseek"),
    ("Orca-Vicuna", "vicuna-orca"),
    ("CohereForAI", "command-r"),
    ("Llama-3", "llama3"),
    ("Phi-3", "phi3"),
    ("ChatGLM3", "chatglm3"),
    ("MiniCPM", "minicpm"),
    ("mistralai/Mistral-7B", "mistral-v1"),
    ("Mistral-Large-Instruct-2407", "mistral-v3"),
    ("mistralai/Mistral-Large-Instruct-2411", "mistral-v7"),
    ("ai-sage", "gigachat"),
    ("yandex", "yandex"),
    ("inclusionAI", "bailing"),
    ("ByteDance", "seed_oss"),
];

/// Ollama's own templates with three conversations each.
fn ollama(data: &Path) -> anyhow::Result<u64> {
    let data = data.join("ollama-gotmpl");
    let conversations = [
        ("user", &[1][..]),
        ("user-assistant-user", &[1, 2, 3][..]),
        ("system-user-assistant-user", &[0, 1, 2, 3][..]),
    ];
    let messages = [
        ("system", "You are a helpful assistant."),
        ("user", "Hello, how are you?"),
        ("assistant", "I'm doing great. How can I help you today?"),
        ("user", "I'd like to show off how chat templating works!"),
    ];
    let (mut count, none) = (Count::default(), Exceptions(vec![]));
    for folder in super::files(&data.join("testdata"))? {
        let Some(name) = folder.parent().and_then(Path::file_name).filter(|name| *name != "testdata") else {
            continue;
        };
        let (template, case) = (data.join(name), folder.file_name().unwrap_or_default().to_string_lossy());
        let Some((_, chosen)) = conversations.iter().find(|(known, _)| *known == case) else { continue };
        let conversation = Conversation::new(chosen.iter().map(|at| {
            let (role, text) = messages[*at];
            Message::new(role, text)
        }));
        let source = fs::read_to_string(&template)?;
        let got = Template::go(&source).and_then(|template| template.render(&conversation));
        let name = format!("{} with {case}", name.to_string_lossy());
        let expected = fs::read_to_string(&folder)?;
        count.check(&none, ["ollama", &name], &expected, &got.map_err(|error| error.to_string()));
    }
    Ok(count.tell("ollama"))
}

/// Every template file with every conversation, against the table that templates.py made.
fn python(tables: &Path, data: &Path, exceptions: &Exceptions) -> anyhow::Result<u64> {
    let table = fs::read_to_string(tables.join("templates.tsv"))?;
    let ours = Json::parse(&fs::read_to_string(tables.join("template_conversations.json"))?)?;
    let mut conversations = Vec::new();
    for conversation in ours.elements() {
        conversations.push((text(&conversation, "name")?, conversation.field("input").context("no input")?));
    }
    for name in ["simple", "system", "tool_use"] {
        let input = fs::read_to_string(data.join("minja").join(name).with_extension("json"))?;
        conversations.push((format!("minja {name}"), Json::parse(&input)?));
    }
    let (mut count, mut raises) = (Count::default(), 0);
    for row in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        ensure!(columns.len() == conversations.len() + 1, "templates.tsv: '{row}' is not of this set");
        let source = source(data, columns[0])?;
        for ((name, context), expected) in conversations.iter().zip(&columns[1..]) {
            let got = rendered(&source, context);
            if *expected == "raises" {
                raises += 1; // Whatever we make of it, we came back.
                continue;
            }
            let case = format!("{} with {name}", columns[0]);
            let hashed = got.as_deref().map(fnv).map_err(Clone::clone);
            let before = count.failed;
            count.check(exceptions, ["jinja2", &case], expected, &hashed);
            if count.failed > before {
                say(&format!("    {:?}", told(&got)));
            }
        }
    }
    say(&format!("chat templates, jinja2: where Python raises, nothing is compared ({raises})"));
    Ok(count.tell("jinja2"))
}

/// The text of a file, or the only text in one line of a file of JSON.
fn source(data: &Path, name: &str) -> anyhow::Result<String> {
    let Some((file, line)) = name.split_once(':') else { return Ok(fs::read_to_string(data.join(name))?) };
    let file = fs::read_to_string(data.join(file))?;
    let line = file.lines().nth(line.parse()?).with_context(|| format!("there is no {name}"))?;
    let (_, source) = Json::parse(line)?.entries().next().with_context(|| format!("{name} is empty"))?;
    Ok(source.as_str().with_context(|| format!("{name} is no text"))?.to_owned())
}

fn rendered(source: &str, context: &Json) -> Result<String, String> {
    let conversation = if context.field("messages").is_some() {
        Conversation::from_json(&context.to_string())
    } else {
        Ok(Conversation { variables: context.entries().collect(), ..Conversation::default() })
    };
    let now = "2026-03-04T05:06:07".parse().ok();
    let text = conversation.and_then(|conversation| {
        Template::new(source, "", "")?.render(&Conversation { now, ..conversation })
    });
    text.map_err(|error| error.to_string())
}

/// The same with what the template has no place for put where it has.
fn prompt(source: &str, context: &Json) -> Result<String, String> {
    let text = |token: &str| {
        context.field(token).and_then(|text| Some(text.as_str()?.to_owned())).unwrap_or_default()
    };
    let prompt = Template::new(source, &text("bos_token"), &text("eos_token"))
        .and_then(|template| template.prompt(&Conversation::from_json(&context.to_string())?));
    prompt.map(|prompt| prompt.text).map_err(|error| error.to_string())
}

/// FNV-1a in 64 bits, as 16 digits.
fn fnv(text: &str) -> String {
    let step = |hashed: u64, byte: u8| (hashed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

fn text(case: &Json, key: &str) -> anyhow::Result<String> {
    let value = case.field(key).with_context(|| format!("a case has no {key}"))?;
    Ok(value.as_str().with_context(|| format!("{key} of a case is no text"))?.to_owned())
}
