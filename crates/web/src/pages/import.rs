//! Bringing files in: the form, the upload, and asking an import to end.

use std::path::{Path as FilePath, PathBuf};

use askama::Template;
use athenaeum_core::ImportId;
use athenaeum_retrieval::{Error as ImportError, ImportOptions, Source, UploadFolder};
use axum::{
    Form,
    extract::{Multipart, Path, State, multipart::Field},
    http::{HeaderMap, StatusCode},
    response::{Html, Redirect},
};
use serde::Deserialize;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::{Room, file_name, render};
use crate::{
    Desk,
    error::Error,
    guard,
    html::{bytes, shortened},
};

/// Answers `GET /import`.
pub(crate) async fn show() -> Result<Html<String>, Error> {
    render(&ImportPage { room: Room::at("Import", "import"), ways: WAYS })
}

/// Answers `POST /import`: keeps the files as they arrive, a piece at a time, and begins the import.
pub(crate) async fn upload(
    State(desk): State<Desk>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Result<Redirect, Error> {
    guard::check_site(&headers)?;
    let folder = match &desk.settings.upload_folder {
        Some(parent) => UploadFolder::new_in(parent),
        None => UploadFolder::temporary(),
    };
    let folder = folder.map_err(Error::Upload)?;
    let files = receive(&mut form, &headers, &folder, desk.settings.upload_bytes_max).await?;
    let display_name = match files.as_slice() {
        [] => {
            let sentence = "No file arrived. Go back, choose one or more files and send them again.";
            return Err(Error::refused(StatusCode::BAD_REQUEST, sentence));
        }
        [one] => one.name.clone(),
        [first, others @ ..] => format!("{} and {} more", first.name, others.len()),
    };
    let path = match files.as_slice() {
        [one] => one.path.clone(),
        _ => folder.path().to_owned(),
    };
    let source = Source { path, keep: Some(Box::new(folder)) };
    let options = ImportOptions { display_name: Some(display_name), ..ImportOptions::default() };
    match desk.imports.start(&athenaeum_tenancy::local(), source, options) {
        Ok(id) => Ok(Redirect::to(&format!("/imports/{id}"))),
        Err(error) => Err(refusal(&error)),
    }
}

/// Answers `POST /imports/{id}/cancel`.
pub(crate) async fn cancel(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Cancellation>,
) -> Result<Redirect, Error> {
    guard::check_form(&headers, &form.token)?;
    let id: ImportId = id.parse().map_err(|_| Error::NotFound)?;
    desk.imports.cancel(&athenaeum_tenancy::local(), id).map_err(|error| refusal(&error))?;
    Ok(Redirect::to(&format!("/imports/{id}")))
}

#[derive(Deserialize)]
pub(crate) struct Cancellation {
    #[serde(default)]
    token: String,
}

/// A file that arrived.
pub(super) struct Received {
    /// As its sender called it.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// Most files in one form.
const FILES_MAX: usize = 1_000;

pub(super) async fn receive(
    form: &mut Multipart,
    headers: &HeaderMap,
    folder: &UploadFolder,
    bytes_max: u64,
) -> Result<Vec<Received>, Error> {
    let broken_off = |error: axum::extract::multipart::MultipartError| {
        let sentence =
            format!("The upload broke off ({}). Nothing was imported; send it again.", error.body_text());
        Error::refused(error.status(), sentence)
    };
    let mut files = Vec::new();
    let mut left = bytes_max;
    let mut allowed = false;
    while let Some(mut field) = form.next_field().await.map_err(broken_off)? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            if field.name() == Some("token") {
                // The form's first field, so that a foreign upload is refused before its files are taken.
                guard::check_form(headers, &field.text().await.map_err(broken_off)?)?;
                allowed = true;
            }
            continue;
        };
        if !allowed {
            guard::check_form(headers, "")?;
        }
        if files.len() >= FILES_MAX {
            let sentence = format!("More than {FILES_MAX} files at once; put them into a zip and send that.");
            return Err(Error::refused(StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        let path = place(folder.path(), &name, files.len());
        let written = keep(&mut field, &path, &mut left).await?;
        // A file field left empty arrives as a file without name and content.
        if !name.is_empty() || written > 0 {
            files.push(Received { name: shortened(&name, 200), path });
        }
    }
    if left == 0 {
        let sentence =
            format!("More than {} at once; import the file with `athenaeum import`.", bytes(bytes_max));
        return Err(Error::refused(StatusCode::PAYLOAD_TOO_LARGE, sentence));
    }
    Ok(files)
}

/// Writes a field to `path`, piece by piece, and returns how many bytes it held.
async fn keep(field: &mut Field<'_>, path: &FilePath, left: &mut u64) -> Result<u64, Error> {
    let parent = path.parent().unwrap_or(path);
    tokio::fs::create_dir_all(parent).await.map_err(Error::Upload)?;
    let mut file =
        BufWriter::with_capacity(256 * 1024, tokio::fs::File::create(path).await.map_err(Error::Upload)?);
    let mut written = 0;
    loop {
        let piece = field.chunk().await.map_err(|error| {
            let sentence =
                format!("The upload broke off ({}). Nothing was imported; send it again.", error.body_text());
            Error::refused(error.status(), sentence)
        })?;
        let Some(piece) = piece else { break };
        let length = piece.len() as u64;
        *left = left.saturating_sub(length);
        if *left == 0 {
            let sentence =
                "These files are larger than the library takes through a page; use `athenaeum import`.";
            return Err(Error::refused(StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        written += length;
        file.write_all(&piece).await.map_err(Error::Upload)?;
    }
    file.flush().await.map_err(Error::Upload)?;
    Ok(written)
}

/// Returns where to keep the file that its sender calls `name`: its last part, harmless, in a folder of its own
/// so that no two files meet. Parsers look at extensions, so that stays.
fn place(folder: &FilePath, name: &str, number: usize) -> PathBuf {
    let harmless = |char: char| if char.is_alphanumeric() || "-_. ()".contains(char) { char } else { '_' };
    let mut safe: String = file_name(name).chars().map(harmless).collect();
    if safe.len() > 120 {
        // The end holds the extension.
        let from = (safe.len() - 120..safe.len()).find(|at| safe.is_char_boundary(*at)).unwrap_or(0);
        safe = safe.split_off(from);
    }
    let safe = safe.trim_start_matches(['.', ' ']).trim_end();
    folder.join(number.to_string()).join(if safe.is_empty() { "upload" } else { safe })
}

fn refusal(error: &ImportError) -> Error {
    let status = match error {
        ImportError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        ImportError::Unknown(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut sentence = error.with_causes();
    if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
        sentence.replace_range(..1, &first);
    }
    Error::refused(status, sentence + ".")
}

/// Where people get their data from.
const WAYS: &[(&str, &str)] = &[
    ("ChatGPT", "Settings → Data controls → Export data. A mail brings a link to a zip; give that zip here."),
    ("Claude", "Settings → Privacy → Export data. The mail's zip is what is wanted."),
    (
        "Gemini",
        "takeout.google.com → My Activity → Gemini Apps, as JSON. AI Studio keeps its chats in Google Drive.",
    ),
    ("Grok, DeepSeek, Le Chat", "Settings → Data or Account → Export. JSON and zip are read."),
    (
        "Open WebUI, LibreChat, LM Studio, Jan",
        "The export from their settings, or their own files: webui.db, a folder of JSON.",
    ),
    (
        "Coding agents",
        "The folder of logs of Claude Code (~/.claude), Codex (~/.codex), OpenCode, Gemini CLI; zip it to hand it over here.",
    ),
];

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    room: Room,
    ways: &'static [(&'static str, &'static str)],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(place(FilePath::new("/t"), name, 3), FilePath::new("/t/3").join(expected));
    }

    /// Names as in the advisories on path traversal: no upload may leave its folder.
    #[test]
    fn names_stay_in_their_folder() {
        check("conversations.json", "conversations.json");
        check("../../etc/passwd", "passwd");
        check("..\\..\\windows\\system.ini", "system.ini");
        check("C:\\x.zip", "x.zip");
        check("a%2f..%2fb", "a_2f.._2fb");
        check("..", "upload");
        check(".bashrc", "bashrc");
        check("nul\0.json", "nul_.json");
        check("", "upload");
        check("Mein Export (1).zip", "Mein Export (1).zip");
        check(&format!("{}.zip", "é".repeat(300)), &format!("{}.zip", "é".repeat(58)));
    }
}
