use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use athenaeum::inference::{
    model::{self, Checked, Verdict, VerifyError},
    shelf::Shelf,
};
use serde::Serialize;

use super::{Context, Outcome, chain, complain, note, progress::Bar};
use crate::{
    interrupt::cancel_on_interrupt,
    output::{Output, Style, bytes, one_line, tame},
};

/// One line of `models verify --json`: a file.
#[derive(Debug, Serialize)]
struct Line {
    path: String,
    /// `same`, `different`, `length`, `missing` or `unrecorded`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

pub(super) async fn run(context: &mut Context, models: &[PathBuf]) -> Outcome {
    let shelf = context.places.shelf(&context.settings.settings)?;
    let cancel = cancel_on_interrupt();
    let paths: Vec<PathBuf> = match models {
        [] => shelf.models()?.into_iter().map(|kept| kept.path).collect(),
        named => named.iter().map(|named| place(&shelf, named)).collect(),
    };
    if paths.is_empty() {
        note(&"There are no models in Athenaeum's folder; `athenaeum models pull` fetches one.");
    }
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        let (token, read) = (cancel.clone(), path.clone());
        let mut bar = Bar::new(&path.file_name().unwrap_or_default().to_string_lossy());
        let checked = tokio::task::spawn_blocking(move || {
            let checked = model::verify(&read, |done, total| {
                bar.show(done, Some(total), None, "");
                !token.is_cancelled()
            });
            bar.end();
            checked
        });
        match checked.await? {
            Ok(files) => {
                for file in &files {
                    line(&mut context.output, file)?;
                }
                if !files.iter().all(is_fine) {
                    code = ExitCode::FAILURE;
                }
            }
            Err(VerifyError::Stopped) => return Ok(ExitCode::FAILURE),
            Err(error) => {
                complain(&tame(&chain(&error)));
                code = ExitCode::FAILURE;
            }
        }
        context.output.flush()?;
    }
    Ok(code)
}

/// A name in our own folder, unless it is a path.
fn place(shelf: &Shelf, named: &Path) -> PathBuf {
    let kept = named.to_str().and_then(|name| shelf.get(name).ok());
    kept.map_or_else(|| named.to_owned(), |kept| kept.path)
}

fn is_fine(file: &Checked) -> bool {
    matches!(file.verdict, Verdict::Same(_) | Verdict::Unrecorded(_))
}

fn line(output: &mut Output, file: &Checked) -> std::io::Result<()> {
    let path = file.path.display().to_string();
    let (verdict, sha256, expected) = match &file.verdict {
        Verdict::Same(sum) => ("same", Some(sum.to_string()), None),
        Verdict::Different { expected, found } => {
            ("different", Some(found.to_string()), Some(expected.to_string()))
        }
        Verdict::Length { .. } => ("length", None, None),
        Verdict::Missing => ("missing", None, None),
        Verdict::Unrecorded(sum) => ("unrecorded", Some(sum.to_string()), None),
    };
    if output.json {
        return output.object(&Line { path, verdict, sha256, expected });
    }
    let (style, mark) = match file.verdict {
        Verdict::Same(_) => (Style::Good, "ok  "),
        Verdict::Unrecorded(_) => (Style::Faint, "?   "),
        _ => (Style::Bad, "bad "),
    };
    let told = match &file.verdict {
        Verdict::Same(_) => String::new(),
        Verdict::Different { expected, found } => {
            format!("its SHA-256 is {found}, not {expected}; remove it and fetch it again")
        }
        Verdict::Length { expected, found } => {
            format!("it has {} instead of {}; remove it and fetch it again", bytes(*found), bytes(*expected))
        }
        Verdict::Missing => "it is not there; remove the model and fetch it again".to_owned(),
        Verdict::Unrecorded(sum) => format!("nothing was recorded; its SHA-256 is {sum}"),
    };
    let mark = output.paint(style, mark);
    output.line(format_args!("{mark} {}", one_line(&path, 300)))?;
    if told.is_empty() { Ok(()) } else { output.line(format_args!("     {told}")) }
}
