use std::{error::Error as StdError, io, path::PathBuf};

use athenaeum_retrieval::{Source, UploadFolder};
use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
    http::{HeaderMap, header},
};
use futures_util::{Stream, StreamExt as _};
use tokio::{
    fs::File,
    io::{AsyncWriteExt as _, BufWriter},
};

use crate::{
    Settings,
    problem::{Kind, Problem},
};

/// What somebody sent, at rest in a folder that goes with it.
pub(crate) struct Upload {
    /// The file, or the folder where several files came.
    path: PathBuf,
    /// Gone, with all in it, when this is dropped.
    folder: UploadFolder,
    /// What its sender calls it.
    pub(crate) display_name: String,
    /// Every file, as its sender calls it and where it lies.
    pub(crate) files: Vec<(String, PathBuf)>,
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// What exports are sent as.
    Exports,
    /// Files of any kind.
    Anything,
}

impl Upload {
    /// Hands it to the import, which lets go of the folder at its end.
    pub(crate) fn into_source(self) -> Source {
        Source { path: self.path, keep: Some(Box::new(self.folder)) }
    }
}

/// Writes the body to disk as it comes: one raw file, or the files of a multipart form. Memory does not grow
/// with the size. Formats are recognised later, by content; the media type only tells a form from a file.
pub(crate) async fn receive(request: Request, settings: &Settings, takes: Takes) -> Result<Upload, Problem> {
    let media_type = media_type(request.headers(), takes)?;
    let folder = match &settings.upload_dir {
        Some(dir) => UploadFolder::new_in(dir),
        None => UploadFolder::temporary(),
    }
    .map_err(|error| not_written(&error))?;
    if media_type == "multipart/form-data" {
        return receive_form(request, folder).await;
    }
    let sent_name = request.headers().get(header::CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
    let display_name = display_name(sent_name.and_then(file_name_of).as_deref());
    let path = folder.path().join(disk_name(&display_name, 1));
    let size = write(request.into_body().into_data_stream(), &path).await?;
    if size == 0 {
        return Err(empty());
    }
    let files = vec![(display_name.clone(), path.clone())];
    Ok(Upload { path, folder, display_name, files })
}

async fn receive_form(request: Request, folder: UploadFolder) -> Result<Upload, Problem> {
    let mut form = Multipart::from_request(request, &()).await.map_err(|refusal| {
        Problem::new(Kind::BadRequest, format!("The form cannot be read: {}.", refusal.body_text()))
    })?;
    let mut received: Vec<(PathBuf, String)> = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| not_received(&error))? {
        if field.name() != Some("file") {
            return Err(Problem::parameter(
                field.name().unwrap_or("(unnamed)"),
                "nothing: a form knows only file",
            ));
        }
        let name = display_name(field.file_name());
        if received.len() >= FILES_MAX {
            let detail = format!("A form may hold {FILES_MAX} files; put more into a zip.");
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let mut path = folder.path().join(disk_name(&name, received.len() + 1));
        if received.iter().any(|(taken, _)| *taken == path) {
            path = folder.path().join(format!("{}-{}", received.len() + 1, disk_name(&name, 1)));
        }
        if write(field, &path).await? > 0 {
            received.push((path, name));
        } else {
            // An empty file input of a page sends an empty file.
            let _ = tokio::fs::remove_file(&path).await;
        }
    }
    let files = received.iter().map(|(path, name)| (name.clone(), path.clone())).collect();
    match received.as_slice() {
        [] => Err(empty()),
        [(path, name)] => Ok(Upload { path: path.clone(), display_name: name.clone(), folder, files }),
        [(_, name), rest @ ..] => Ok(Upload {
            path: folder.path().to_owned(),
            display_name: format!("{name} and {} more", rest.len()),
            folder,
            files,
        }),
    }
}

/// Returns the number of bytes written.
async fn write<S, E>(mut chunks: S, path: &PathBuf) -> Result<u64, Problem>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: StdError + 'static,
{
    let file = File::create_new(path).await.map_err(|error| not_written(&error))?;
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| not_received(&error))?;
        size += chunk.len() as u64;
        file.write_all(&chunk).await.map_err(|error| not_written(&error))?;
    }
    file.flush().await.map_err(|error| not_written(&error))?;
    Ok(size)
}

fn media_type(headers: &HeaderMap, takes: Takes) -> Result<String, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(String::new()) };
    let text = value.to_str().unwrap_or("unreadable").to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim().to_owned();
    if takes == Takes::Anything || essence.is_empty() || ACCEPTED.contains(&essence.as_str()) {
        return Ok(essence);
    }
    let detail = format!("Send the export as it was downloaded, with one of: {}.", ACCEPTED.join(", "));
    Err(Problem::new(Kind::MediaType, detail))
}

/// Returns the file name in a Content-Disposition header (RFC 6266), without undoing any encoding.
fn file_name_of(disposition: &str) -> Option<String> {
    let (_, value) = disposition.split_once("filename=")?;
    let value = value.trim_start();
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().map(str::to_owned),
        None => value.split(';').next().map(|value| value.trim().to_owned()),
    }
}

/// Returns the last part of a name that a stranger chose, printable and of at most 120 characters: to be shown.
fn display_name(sent: Option<&str>) -> String {
    let last = sent.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(120).collect();
    let name = name.trim();
    if name.is_empty() || name == "." || name == ".." { "upload".to_owned() } else { name.to_owned() }
}

/// Returns a name for the disk: nothing but ASCII letters, digits, `.`, `_`, `-`, beginning with a letter or
/// digit. Exports tell their parts apart by name, so it stays close to what was sent.
fn disk_name(display_name: &str, number: usize) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = display_name.chars().map(keep).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() { format!("upload-{number}") } else { name.to_owned() }
}

fn empty() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "The upload holds no file; send the export as it was downloaded, or the documents.",
    )
}

/// Tells whose fault it is that a body broke off: too large, too slow, or a client that went away.
fn not_received(error: &(dyn StdError + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("length limit exceeded") {
            let detail = "The upload is larger than this server takes; see upload_bytes_max in its settings.";
            return Problem::new(Kind::TooLarge, detail);
        }
        if error.is::<tower_http::timeout::TimeoutError>() {
            return Problem::new(Kind::UploadStalled, "The upload paused for too long; send it again.");
        }
        cause = error.source();
    }
    Problem::new(Kind::BadRequest, "The upload broke off or is not well formed; send it again.")
}

fn not_written(error: &io::Error) -> Problem {
    tracing::error!(%error, "an upload cannot be written");
    let detail = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "The disk is full; make room or set upload_dir."
        }
        _ => "The upload could not be written to disk; the server's log has the reason.",
    };
    Problem::new(Kind::Internal, detail)
}

/// Most files of one form.
const FILES_MAX: usize = 1_000;

/// One write a quarter megabyte.
const BUFFER_BYTES: usize = 256 * 1024;

/// What exports are sent as. The content decides what they are.
const ACCEPTED: [&str; 13] = [
    "multipart/form-data",
    "application/octet-stream",
    "application/zip",
    "application/x-zip-compressed",
    "application/json",
    "application/jsonl",
    "application/x-ndjson",
    "application/ndjson",
    "application/vnd.sqlite3",
    "application/x-sqlite3",
    "text/html",
    "text/plain",
    "text/markdown",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_strangers_stay_in_the_folder() {
        let check = |sent: &str, shown: &str, stored: &str| {
            assert_eq!(display_name(Some(sent)), shown);
            assert_eq!(disk_name(shown, 1), stored);
        };
        check("conversations-001.json", "conversations-001.json", "conversations-001.json");
        check("../../etc/passwd", "passwd", "passwd");
        check("..\\..\\boot.ini", "boot.ini", "boot.ini");
        check("..", "upload", "upload");
        check("C:\\", "upload", "upload");
        check("a\0b\r\n.zip", "ab.zip", "ab.zip");
        check(".htaccess", ".htaccess", "htaccess");
        check("会話.zip", "会話.zip", "zip");
        check("会話", "会話", "upload-1");
        assert_eq!(display_name(Some(&"x".repeat(9_000))).len(), 120);
        assert_eq!(display_name(None), "upload");
    }

    #[test]
    fn a_disposition_names_its_file() {
        assert_eq!(file_name_of("attachment; filename=\"a b.zip\"; x=y"), Some("a b.zip".into()));
        assert_eq!(file_name_of("attachment; filename=a.zip; x=y"), Some("a.zip".into()));
        assert_eq!(file_name_of("attachment"), None);
    }
}
