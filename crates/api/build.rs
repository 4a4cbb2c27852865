//! Makes the types and services of gRPC from their description, without a compiler from elsewhere.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.open_file("athenaeum/v1/athenaeum.proto")?;
    // What reflection tells.
    fs::write(out.join("athenaeum.bin"), compiler.encode_file_descriptor_set())?;
    let mut builder = tonic_prost_build::configure().build_transport(false);
    for name in OF_THE_ARCHIVE {
        let attribute = "#[derive(serde::Deserialize)] #[serde(deny_unknown_fields)]";
        builder = builder.message_attribute(format!(".athenaeum.v1.{name}"), attribute);
    }
    builder.compile_fds(protox::compile(["athenaeum/v1/athenaeum.proto"], ["proto"])?)?;
    Ok(())
}

/// Those that are the same as over HTTP, field by field.
const OF_THE_ARCHIVE: [&str; 12] = [
    "SearchResults",
    "Total",
    "Hit",
    "Marked",
    "Mark",
    "ConversationSummary",
    "Conversation",
    "Branch",
    "Message",
    "Block",
    "ToolCall",
    "Attachment",
];
