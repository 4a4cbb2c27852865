//! Every format's fixtures: what is in them, counted by hand, and what the first conversation looks like.

use std::path::{Path, PathBuf};

use athenaeum_core::{Conversation, Message};
use athenaeum_ingest::Options;
use sqlx::{Connection as _, Executor as _};

use crate::harness::{Outcome, read_file, read_folder, read_path};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Reads a fixture; one of SQL is made a database first.
fn outcome(name: &str) -> Outcome {
    let path = fixture(name);
    let Some(database) = name.strip_suffix(".sql") else { return read_path(&path, &Options::default()) };
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join(format!("{}.db", database.rsplit('/').next().unwrap()));
    let sql = std::fs::read_to_string(path).unwrap();
    make_database(&made, &[&sql]);
    read_path(&made, &Options::default())
}

fn make_database(path: &Path, statements: &[&str]) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        for sql in statements {
            connection.execute(sqlx::AssertSqlSafe((*sql).to_owned())).await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

/// (fixture, conversations, messages, records lost, notices), counted in the files.
const COUNTS: &[(&str, usize, usize, usize, usize)] = &[
    ("aistudio/soup", 1, 7, 0, 1),
    ("antigravity/session.json", 1, 2, 0, 0),
    ("capture/page.json", 1, 3, 0, 0),
    ("claude_code/session.jsonl", 1, 7, 0, 2),
    ("codex/exec.jsonl", 1, 3, 0, 0),
    ("codex/old.jsonl", 1, 2, 0, 0),
    ("codex/rollout-2025.jsonl", 1, 7, 1, 1),
    ("copilot/chat.json", 1, 2, 0, 1),
    ("copilot/copilot-activity-history.csv", 2, 3, 0, 0),
    ("cursor/cursor.json", 1, 2, 0, 0),
    ("cursor/state.sql", 1, 2, 0, 0),
    ("deepseek/conversations.json", 2, 5, 0, 1),
    ("gemini/MyActivity.html", 1, 2, 0, 1),
    ("gemini/MyActivity.json", 2, 6, 0, 2),
    ("gemini/plain.json", 1, 2, 0, 0),
    ("gemini_cli/session-2025.json", 1, 3, 0, 0),
    ("grok/prod-grok-backend.json", 1, 4, 0, 0),
    ("hermes/atof.jsonl", 1, 4, 0, 0),
    ("hermes/session_1.json", 1, 3, 0, 0),
    ("lechat/chat-7d1.json", 1, 2, 0, 1),
    ("librechat/chatbot-ui.json", 1, 2, 0, 0),
    ("librechat/tree.json", 1, 3, 0, 0),
    ("llm/logs.json", 1, 4, 0, 0),
    ("llm/logs.sql", 2, 6, 0, 0),
    ("lmstudio/1746605587520.conversation.json", 1, 3, 0, 0),
    ("openassistant/flat.jsonl", 2, 3, 0, 0),
    ("openassistant/trees.jsonl", 1, 4, 0, 0),
    ("opencode/exported.json", 1, 2, 0, 1),
    ("opencode/opencode.sql", 1, 2, 0, 0),
    ("openwebui/chats.json", 1, 3, 0, 0),
    ("openwebui/webui.sql", 1, 2, 1, 0),
    ("perplexity/exported.json", 1, 2, 0, 0),
    ("perplexity/thread.json", 1, 4, 0, 0),
    ("sharegpt/openai.jsonl", 1, 4, 0, 0),
    ("sharegpt/tools.json", 2, 6, 0, 1),
    ("zed/talk.zed.json", 1, 2, 0, 0),
    ("zed/thread.json", 1, 2, 0, 0),
];

#[test]
fn fixtures_hold_what_was_counted_in_them() {
    let mut wrong = Vec::new();
    for (name, conversations, messages, losses, notices) in COUNTS {
        let outcome = outcome(name);
        let said: usize = outcome.conversations.iter().map(|conversation| conversation.messages.len()).sum();
        let found = (outcome.conversations.len(), said, outcome.losses().len(), outcome.notices().len());
        if found != (*conversations, *messages, *losses, *notices) {
            wrong.push(format!("{name}: {found:?} {:#?}", outcome.problems));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fixtures_look_as_they_should() {
    let mut shown = String::new();
    for (name, ..) in COUNTS {
        let outcome = outcome(name);
        shown.push_str(&format!("== {name}\n"));
        for conversation in &outcome.conversations {
            shown.push_str(&show(conversation));
        }
        for problem in &outcome.problems {
            shown.push_str(&format!(
                "! {} {}: {}\n",
                problem.severity.as_str(),
                problem.record,
                problem.reason
            ));
        }
    }
    insta::assert_snapshot!(shown);
}

/// Reading twice gives the same, ids included: a second import finds the first.
#[test]
fn ids_are_the_same_every_time() {
    for (name, ..) in COUNTS {
        let (first, second) = (outcome(name), outcome(name));
        assert_eq!(first.conversations, second.conversations, "{name}");
        let mut ids: Vec<&str> = first.conversations.iter().map(|found| found.external_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), first.conversations.len(), "{name}");
    }
}

/// What was read stands in the raw JSON, which is JSON again (a log's is one value a line).
#[test]
fn raw_json_is_json() {
    for (name, ..) in COUNTS {
        for conversation in outcome(name).conversations {
            let values =
                serde_json::Deserializer::from_str(&conversation.raw_json).into_iter::<serde_json::Value>();
            let values: Result<Vec<_>, _> = values.collect();
            assert!(values.is_ok_and(|values| !values.is_empty()), "{name}: {}", conversation.raw_json);
        }
    }
}

fn show(conversation: &Conversation) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let time = |time: Option<athenaeum_core::Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    let id = if conversation.external_id.starts_with('x') && conversation.external_id.len() == 33 {
        "(derived)"
    } else {
        &conversation.external_id
    };
    let mut shown = format!(
        "{} {id} | {} | {} | {} to {} | system {} | t {:?} max {:?} | user {}\n",
        conversation.provider,
        text(&conversation.title),
        text(&conversation.model),
        time(conversation.created_at),
        time(conversation.updated_at),
        text(&conversation.system_prompt),
        conversation.temperature,
        conversation.max_tokens,
        text(&conversation.user_id),
    );
    for (index, message) in conversation.messages.iter().enumerate() {
        shown.push_str(&show_message(index, message));
    }
    shown
}

fn show_message(index: usize, message: &Message) -> String {
    let mut line = format!(
        "  {index}<{} {}",
        message.parent.map_or("-".to_owned(), |parent| parent.to_string()),
        message.role.as_str()
    );
    for (flag, name) in [(message.off_branch, " off"), (message.hidden, " hidden")] {
        if flag {
            line.push_str(name);
        }
    }
    let optional = [&message.external_id, &message.author, &message.model, &message.finish_reason];
    for text in optional.into_iter().flatten() {
        line.push_str(&format!(" {text:?}"));
    }
    if let Some(time) = message.created_at {
        line.push_str(&format!(" {time}"));
    }
    if let Some(tokens) = message.tokens {
        line.push_str(&format!(" {tokens} tokens"));
    }
    for block in &message.blocks {
        let label = block.label.as_ref().map(|label| format!(":{label}")).unwrap_or_default();
        line.push_str(&format!("\n      [{}{label}] {:?}", block.kind.as_str(), block.text));
    }
    for call in &message.tool_calls {
        line.push_str(&format!("\n      call {:?} {}", call.id, call.name));
    }
    for file in &message.attachments {
        line.push_str(&format!(
            "\n      file {:?} {:?} {:?} {:?} {:?}",
            file.name, file.id, file.media_type, file.size, file.path
        ));
    }
    line.push('\n');
    line
}

#[test]
fn jan_keeps_a_thread_in_a_folder() {
    let outcome = read_folder(&[
        ("jan/threads/jan_1/thread.json", br#"{"id":"jan_1","object":"thread","title":"Tides","assistants":[{"model":{"id":"llama"},"instructions":"Sail."}],"created":1700000000}"#),
        ("jan/threads/jan_1/messages.jsonl", b"{\"id\":\"1\",\"thread_id\":\"jan_1\",\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":{\"value\":\"High?\",\"annotations\":[]}}],\"created_at\":1700000001000}\n{\"id\":\"2\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":{\"value\":\"<think>moon</think>At noon.\"}}],\"created_at\":1700000002000}\nbroken\n"),
    ]);
    let conversation = outcome.only();
    assert_eq!(conversation.title.as_deref(), Some("Tides"));
    assert_eq!(conversation.system_prompt.as_deref(), Some("Sail."));
    assert_eq!(conversation.messages[1].content(), "moon\n\nAt noon.");
    assert_eq!(outcome.losses().len(), 1);
}

#[test]
fn opencode_keeps_a_session_in_a_folder() {
    for session in ["storage/session/info/ses_1.json", "storage/session/project/ses_1.json"] {
        let outcome = read_folder(&[
            (session, br#"{"id":"ses_1","title":"Roof","time":{"created":1700000000000}}"#),
            (
                "storage/message/ses_1/msg_2.json",
                br#"{"id":"msg_2","role":"assistant","time":{"created":1700000002000}}"#,
            ),
            (
                "storage/message/ses_1/msg_1.json",
                br#"{"id":"msg_1","role":"user","time":{"created":1700000001000}}"#,
            ),
            ("storage/part/msg_1/prt_1.json", br#"{"id":"prt_1","type":"text","text":"Leaks?"}"#),
            ("storage/part/ses_1/msg_2/prt_2.json", br#"{"id":"prt_2","type":"text","text":"No."}"#),
            ("storage/project/p.json", br#"{"id":"p"}"#),
        ]);
        let conversation = outcome.only();
        let texts: Vec<String> = conversation.messages.iter().map(Message::content).collect();
        assert_eq!(texts, ["Leaks?", "No."]);
        assert_eq!(conversation.title.as_deref(), Some("Roof"));
    }
}

#[test]
fn one_id_for_two_conversations_loses_neither() {
    let line = |uuid: &str, parent: &str, session: &str, text: &str| {
        format!(
            r#"{{"type":"user","uuid":"{uuid}","parentUuid":{parent},"sessionId":"{session}","message":{{"role":"user","content":"{text}"}}}}"#
        )
    };
    let (a, b) = (line("1", "null", "s", "one"), line("2", "null", "s", "two"));
    let longer = format!("{a}\n{}", line("3", "\"1\"", "s", "more"));
    let outcome =
        read_folder(&[("a.jsonl", a.as_bytes()), ("b.jsonl", b.as_bytes()), ("c.jsonl", longer.as_bytes())]);
    let ids: Vec<&str> = outcome.conversations.iter().map(|found| found.external_id.as_str()).collect();
    assert_eq!((ids[0], ids[2]), ("s", "s"));
    assert!(ids[1].starts_with("s#"), "{ids:?}");
    assert_eq!(outcome.notices().len(), 1);
    // A resumed session carries its history, and goes by its new id.
    let resumed = format!("{a}\n{}", line("4", "\"1\"", "t", "again"));
    let outcome = read_file("t.jsonl", resumed);
    assert_eq!((outcome.only().external_id.as_str(), outcome.only().messages.len()), ("t", 2));
}

#[test]
fn zed_packs_its_threads() {
    let thread = std::fs::read(fixture("zed/thread.json")).unwrap();
    let packed = zstd::encode_all(thread.as_slice(), 3).unwrap();
    let hex: String = packed.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.db");
    let insert = format!(
        "INSERT INTO threads VALUES ('t-1','Gate','2025-08-01T10:00:00Z','zstd',x'{hex}'),('t-2','Bad','2025-08-01T10:00:00Z','zstd',x'00112233')"
    );
    make_database(
        &path,
        &[
            "CREATE TABLE threads (id TEXT PRIMARY KEY, summary TEXT NOT NULL, updated_at TEXT NOT NULL, data_type TEXT NOT NULL, data BLOB NOT NULL)",
            &insert,
        ],
    );
    let outcome = read_path(&path, &Options::default());
    let conversation = outcome.only();
    assert_eq!((conversation.external_id.as_str(), conversation.messages.len()), ("t-1", 2));
    assert!(conversation.raw_json.contains("\"data\":{\"version\""), "{}", conversation.raw_json);
    assert!(outcome.losses()[0].contains("cannot be unpacked"), "{:?}", outcome.problems);
}

/// A database in use has its newest rows in the log beside it; they are read, and nothing is written there.
#[test]
fn a_database_in_use_is_read_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webui.db");
    make_database(&path, &[&std::fs::read_to_string(fixture("openwebui/webui.sql")).unwrap()]);
    let wal = sqlx::sqlite::SqliteJournalMode::Wal;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).journal_mode(wal);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let insert =
        r#"INSERT INTO chat VALUES ('db-3','u','New','{"messages":[{"role":"user","content":"!"}]}',1,2)"#;
    let connection = runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(insert).await.unwrap();
        connection
    });
    let files = || -> Vec<(PathBuf, Vec<u8>)> {
        let paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(before.len(), 3, "database, log and shared memory");
    let outcome = read_path(&path, &Options::default());
    assert!(files() == before, "something was written");
    let ids: Vec<&str> = outcome.conversations.iter().map(|found| found.external_id.as_str()).collect();
    assert_eq!(ids, ["db-1", "db-3"]);
    drop(connection);
}

#[test]
fn damaged_databases_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webui.db");
    make_database(&path, &[&std::fs::read_to_string(fixture("openwebui/webui.sql")).unwrap()]);
    let whole = std::fs::read(&path).unwrap();
    for end in [0, 16, 100, 4_000, 4_096, 8_000, whole.len() - 1] {
        let outcome = read_file("webui.db", &whole[..end.min(whole.len())]);
        assert!(
            !outcome.losses().is_empty() || outcome.conversations.len() == 1,
            "{end}: {:?}",
            outcome.problems
        );
    }
    let mut flipped = whole.clone();
    for at in (100..whole.len()).step_by(97) {
        flipped[at] ^= 0xFF;
    }
    read_file("webui.db", &flipped);
}

mod damage {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        /// No cut and no wrong byte in any fixture makes it panic.
        #[test]
        fn any_damage_is_survived(which in 0..COUNTS.len(), cut in 0.0..1.0_f64, flips in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 0..6)) {
            let name = COUNTS[which].0;
            let mut bytes = std::fs::read(fixture(name)).unwrap();
            for (at, byte) in flips {
                let at = ((bytes.len() as f64) * at) as usize;
                if let Some(found) = bytes.get_mut(at) {
                    *found = byte;
                }
            }
            let end = if cut > 0.8 { bytes.len() } else { ((bytes.len() as f64) * cut / 0.8) as usize };
            read_file(name.rsplit('/').next().unwrap(), &bytes[..end]);
        }
    }
}
