//! Opens an archive and searches it.
//!
//! ```text
//! cargo run -p athenaeum --example search -- DATA-FOLDER 'borrow checker'
//! ```
//!
//! Without arguments, it makes an archive of its own in a temporary folder and fills it with the sample.

use std::io::Write;

use athenaeum::{Athenaeum, archive::SearchRequest, sample, settings::Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let mut args = std::env::args().skip(1);
    let own = args.next();
    let folder = own.as_ref().map_or(temporary.path(), |folder| folder.as_ref());
    let athenaeum = Athenaeum::open(folder, &Settings::default()).await?;
    if own.is_none() {
        sample::fill(&athenaeum, folder).await?;
    }

    let query = args.next().unwrap_or_else(|| "sourdough".to_owned());
    let request = SearchRequest { query, limit: 5, ..SearchRequest::default() };
    let results = athenaeum.archive().search(athenaeum.scope(), &request).await?;

    let mut out = std::io::stdout().lock();
    for hit in &results.hits {
        let title = hit.conversation.title.as_deref().unwrap_or("(no title)");
        writeln!(out, "{title}\n  {}: {}", hit.role.as_str(), hit.snippet.text)?;
    }
    writeln!(out, "{} hits in {:?}", results.hits.len(), results.elapsed)?;
    athenaeum.close().await;
    Ok(())
}
