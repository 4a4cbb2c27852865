//! Scripts in Lua over the library, in bounds of memory and time.
//!
//! ```no_run
//! # async fn example(open: athenaeum_script::OpenRooms) -> Result<(), Box<dyn std::error::Error>> {
//! use athenaeum_script::{Said, Script, Settings, World, run};
//!
//! let (print, mut printed) = tokio::sync::mpsc::channel(64);
//! let world = World { scope: athenaeum_tenancy::local(), open, print };
//! let source = "RAG.ingest({ content = 'Dough rises slowly.' }) print(RAG.search('bread').results[1].text)";
//! let script = Script { name: "bread.lua".into(), source: source.into(), arguments: Vec::new() };
//! let ended = run(script, world, &Settings::default(), Default::default()).await?;
//! assert_eq!(ended.code, 0);
//! while let Some(said) = printed.recv().await {
//!     match said {
//!         Said::Line(line) => print!("{}", String::from_utf8_lossy(&line)),
//!         Said::Note(note) => eprintln!("{note}"),
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! A script runs on a thread of its own and is handed a few globals: `RAG` (texts in, texts found), `Session`, `Artifact`, `JSON`, `ARGS`
//! and `arg`; of Lua's own what does not reach out of the script. What each takes and gives is told in `docs/scripts.md`.
//! Whatever they do is done by the crates below: here Lua's values become theirs and back.
//!
//! **Invariants:** a script reaches what its [`Scope`](athenaeum_tenancy::Scope) opens and nothing else of the machine: no file,
//! no process, no network, no variable of the environment, no compiled code. It ends when its time is over, whatever it does. What
//! is asked of a global is done or refused by name, never passed over; an option that can change no answer here is told of once.

mod ended;
mod error;
mod globals;
mod json;
mod options;
mod path;
mod run;
mod sandbox;

pub use error::ScriptError;
pub use run::{Ended, OpenRooms, Opening, Said, Script, Settings, World, run};
