//! Measures what `docs/benchmarks.md` says of searches over documents and conversations:
//!
//! ```text
//! cargo run --profile profiling -p athenaeum-retrieval --example search_speed -- [DOCUMENTS [FOLDER]]
//! ```
//!
//! DOCUMENTS (10,000) of eight chunks, and as many conversations, of made-up words; vectors of made-up numbers, so that what
//! is measured is the search and no model. FOLDER keeps what is made, so that the next run need not make it.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{path::PathBuf, sync::Arc, time::Instant};

use athenaeum_archive::{
    Archive, Settings,
    library::{Library, NewChunk, NewDocument, NewFile},
};
use athenaeum_core::{
    Block, Conversation, Embed, Embedded, Embedding, EmbeddingModel, Message, Provider, Role, TextKind,
    Timestamp,
};
use athenaeum_retrieval::{
    CancellationToken,
    meaning::Meaning,
    search::{Mode, Request, Searcher},
};
use athenaeum_vector::Vectors;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let documents = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    let folder = arguments.next().map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(documents, folder))
}

async fn measure(documents: u64, folder: Option<PathBuf>) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = folder.unwrap_or_else(|| temporary.path().to_owned());
    let scope = athenaeum_tenancy::local();
    let library = Library::open(&dir, &Settings::default()).await?;
    let archive = Archive::open(&dir, &Settings::default()).await?;
    let vectors = Vectors::open(&dir.join("vectors"), athenaeum_vector::Settings::default()).await?;
    let meaning = Meaning::new(vectors, Arc::new(MadeUp::new()));
    if library.chunk_count(&scope).await? == 0 {
        for from in (0..documents).step_by(256) {
            let batch = (from..documents.min(from + 256)).map(document).collect();
            library.keep(&scope, batch).await?;
        }
        let mut import = archive.begin_import(&scope, "made up", None).await?;
        for number in 0..documents {
            import.add(conversation(number)).await?;
        }
        import.finish("{}").await?;
        meaning.fill(&scope, &library, |_| {}, &CancellationToken::new()).await?;
    }
    println!("{documents} documents, {} chunks", library.chunk_count(&scope).await?);
    let searcher = Searcher::new(Some(archive), Some(library), Some(meaning));
    for mode in Mode::ALL {
        let mut times = Vec::new();
        for query in 0..QUERIES {
            let request = Request { query: words(1_000_000 + query, 5), mode, ..Request::default() };
            let begun = Instant::now();
            let found = searcher.search(&scope, &request).await?;
            times.push(begun.elapsed());
            assert!(!found.hits.is_empty());
        }
        let first = times[0];
        times.sort();
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        let (middle, last) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!(
            "{:>9}: first {:.1} ms, p50 {:.1}, p99 {:.1}",
            mode.as_str(),
            ms(first),
            ms(middle),
            ms(last)
        );
    }
    Ok(())
}

fn document(number: u64) -> (NewFile, NewDocument) {
    let (mut text, mut chunks) = (String::new(), Vec::new());
    for chunk in 0..8 {
        let begins = text.len();
        text.push_str(&words(number * 8 + chunk, 120));
        chunks.push(NewChunk { range: begins..text.len(), ..NewChunk::default() });
        text.push('\n');
    }
    let file = NewFile { path: format!("/made-up/{number}.md"), ..NewFile::default() };
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    (file, NewDocument { hash, format: "markdown".into(), text, chunks, ..NewDocument::default() })
}

fn conversation(number: u64) -> Conversation {
    let mut conversation = Conversation::new(Provider::CHATGPT, format!("c-{number}"));
    conversation.created_at =
        Some(Timestamp::from_micros(1_700_000_000_000_000 + number as i64 * 60_000_000));
    for turn in 0..4 {
        let role = if turn % 2 == 0 { Role::User } else { Role::Assistant };
        let text = words(5_000_000 + number * 4 + turn, 60);
        conversation.messages.push(Message::new(role, vec![Block::text(text)]));
    }
    conversation
}

/// So many words, the frequent ones more often, always the same of the same number.
fn words(number: u64, count: usize) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let word = |_| format!("w{}", (20_000_f64.powf(next()) - 1.0) as u64);
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

/// Adds up what stands for each word.
struct MadeUp(EmbeddingModel);

impl MadeUp {
    fn new() -> Self {
        Self(EmbeddingModel { name: "made-up".into(), fingerprint: 1, dimensions: 384, tokens_max: 256 })
    }
}

impl Embed for MadeUp {
    fn model(&self) -> &EmbeddingModel {
        &self.0
    }

    fn tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: TextKind) -> Embedding<'a> {
        let vector = |text: &String| {
            let mut vector = vec![0.0; 384];
            for word in text.split_whitespace() {
                let mut state = xxhash_rust::xxh3::xxh3_64(word.as_bytes()) | 1;
                for value in &mut vector {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *value += (state >> 40) as f32 / (1 << 24) as f32 - 0.5;
                }
            }
            Embedded { vector, cut_tokens: 0 }
        };
        Box::pin(async move { Ok(texts.iter().map(vector).collect()) })
    }
}

const QUERIES: u64 = 100;
