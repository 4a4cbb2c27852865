//! Serves the pages over an archive folder: `cargo run -p athenaeum-web --example reading_room -- DIR [ADDR] [FILE…]`.
//!
//! For work on the pages. It checks neither `Host` nor who asks, which `athenaeum serve` does. Files are imported
//! first.

use std::path::{Path, PathBuf};

use athenaeum_archive::{Archive, Settings, library::Library};
use athenaeum_retrieval::{
    CancellationToken, ImportOptions, Imports,
    documents::Options,
    import,
    librarian::{Librarian, Open, Opening},
    meaning::Meaning,
};
use athenaeum_web::Web;

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("name the folder of an archive")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7979".into());
    let archive = Archive::open(Path::new(&folder), &Settings::default()).await?;
    let scope = athenaeum_tenancy::local();
    for file in arguments {
        let cancel = CancellationToken::new();
        match import(&archive, &scope, Path::new(&file), ImportOptions::default(), |_| {}, cancel).await {
            Ok(report) => println!("{file}: {} conversations", report.conversations),
            Err(error) => eprintln!("{file}: {}", error.with_causes()),
        }
    }
    let settings =
        athenaeum_web::Settings { upload_folder: Some(folder.clone().into()), ..Default::default() };
    let imports = Imports::new(archive.clone());
    let drop = Path::new(&folder).join("drop");
    let librarian = Librarian::new(Folder(PathBuf::from(&folder)), &drop, Options::default());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(
        listener,
        athenaeum_web::router(Web {
            archive,
            imports,
            librarian,
            keys: athenaeum_tenancy::Keys::none(),
            settings,
        }),
    )
    .await?;
    Ok(())
}

/// Opens the library in a folder, with no model to search by meaning.
struct Folder(PathBuf);

impl Open for Folder {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let folder = self.0.clone();
        Box::pin(async move { Library::open(&folder, &Settings::default()).await })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        Box::pin(async { Ok(None) })
    }
}
