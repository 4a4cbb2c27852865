//! A parser of one's own, in Rust: turns a format that Athenaeum does not know into its import format.
//!
//! ```text
//! cargo build -p athenaeum --example write_parser
//! athenaeum import --parser target/debug/examples/write_parser NOTES.txt
//! ```
//!
//! A parser is any program that takes a path as its last argument and writes one conversation a line to its
//! standard output (`docs/formats/import-jsonl.md`). This one reads plain text in which questions begin with `Q:`
//! and answers with `A:`. `examples/parsers` has one in Python.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use athenaeum::{
    core::{Block, Conversation, Message, Provider, Role},
    ingest::to_json_line,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path: PathBuf = std::env::args_os().skip(1).last().ok_or("name the file to read")?.into();
    let text = std::fs::read_to_string(&path)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "{}", to_json_line(&conversation(&path, &text)?))?;
    out.flush()?;
    Ok(())
}

fn conversation(path: &Path, text: &str) -> Result<Conversation, Box<dyn std::error::Error>> {
    // The id must be the same the next time, so that a second import finds the first.
    let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut conversation = Conversation::new("notes".parse::<Provider>()?, id);
    conversation.title = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    for line in text.lines() {
        let (role, said) = match (line.strip_prefix("Q:"), line.strip_prefix("A:")) {
            (Some(said), _) => (Role::User, said),
            (_, Some(said)) => (Role::Assistant, said),
            _ => continue,
        };
        let mut message = Message::new(role, vec![Block::text(said.trim())]);
        message.parent =
            u32::try_from(conversation.messages.len()).ok().and_then(|count| count.checked_sub(1));
        conversation.messages.push(message);
    }
    Ok(conversation)
}
