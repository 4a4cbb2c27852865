//! Asks a model on another engine: `cargo run --example ask -- vllm http://127.0.0.1:8000 qwen3 'How long does it rise?'`. A
//! key is taken from `ENGINE_KEY`.

use std::io::Write as _;

use athenaeum_providers::{Conversation, Event, Input, Message, Remote, Request, Settings, Token, Wire};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [wire, url, model, question] = &arguments[..] else {
        return Err("usage: ask openai|vllm|llama.cpp|ollama URL MODEL QUESTION".into());
    };
    let wires = [Wire::OpenAi, Wire::Vllm, Wire::LlamaCpp, Wire::Ollama];
    let wire = wires.into_iter().find(|known| known.as_str() == wire).ok_or("there is no such wire")?;
    let key = std::env::var("ENGINE_KEY").ok().and_then(|key| Token::new(&key));
    let remote = Remote::new(Settings { key, ..Settings::new(model, url, wire) })?;
    let conversation = Conversation::new([Message::new("user", question)]);
    let mut reply = remote.ask(Request::new(Input::Conversation(conversation))).await?;
    let mut out = std::io::stdout();
    while let Some(event) = reply.next().await {
        match event? {
            Event::Text(text) | Event::Reasoning(text) => write!(out, "{text}")?,
            Event::End(end) => writeln!(out, "\n{end:?}")?,
            Event::CallStarted { .. } | Event::CallArguments { .. } => {}
        }
        out.flush()?;
    }
    Ok(())
}
