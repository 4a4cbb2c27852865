//! Pictures with words on them, by `tesseract` where it is installed. Nothing else of a picture is looked at.

use std::{
    io::{self, Read, Write},
    process::{Command, Stdio},
    time::Instant,
};

use super::{
    Error, Ocr, Part,
    draft::{At, Draft},
};
use crate::{
    external::{Cause, Watch, settle, tail},
    options::Stop,
};

/// How many times the limit of one picture those of one document may take together.
const PAGES_TIME: u32 = 10;
/// What it may write about one picture.
const OUTPUT_BYTES_MAX: u64 = 16 << 20;

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let Some(ocr) = draft.options.ocr.clone() else { return Err(Error::Pictures { pages: 1 }) };
    let text = recognise(bytes, &ocr)?;
    draft.part(Part { page: Some(1), ..Part::default() });
    draft.push(text.trim(), At::default());
    draft.end();
    draft.tell("ocr", "tesseract");
    Ok(())
}

/// Reads the pages of a document that are pictures; it has no text otherwise if `without` is more than none.
pub(super) fn scanned(without: u32, draft: &mut Draft) -> Result<(), Error> {
    let pictures = draft.take_pictures();
    let missing = || if without > 0 { Err(Error::Pictures { pages: without }) } else { Ok(()) };
    let Some(ocr) = draft.options.ocr.clone().filter(|_| !pictures.is_empty()) else { return missing() };
    let found = pictures.len() as u32;
    let mut failed = 0;
    let begun = Instant::now();
    for (page, picture) in pictures {
        if begun.elapsed() > ocr.time_limit.saturating_mul(PAGES_TIME) {
            draft.broken(
                format!("page {page}"),
                "reading the pictures took too long; this one and those after it were not read",
            );
            break;
        }
        match recognise(&picture, &ocr) {
            Ok(text) => {
                draft.part(Part { page: Some(page), ..Part::default() });
                draft.push(text.trim(), At::default());
                draft.tell("ocr", "tesseract");
            }
            // It is not installed.
            Err(Error::Pictures { .. }) => return missing(),
            Err(error) => {
                failed += 1;
                draft.skipped(format!("page {page}"), error.to_string());
            }
        }
    }
    if without > 0 && found == failed {
        return missing();
    }
    if without > found {
        draft.notice("", format!("{} pages are pictures in a form that is not read", without - found));
    }
    draft.end();
    Ok(())
}

/// The words on a picture.
fn recognise(bytes: &[u8], ocr: &Ocr) -> Result<String, Error> {
    let failed = |error: io::Error| Error::GivenUp {
        reason: format!("the picture could not be handed over: {error}"),
    };
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    let mut command = Command::new(&ocr.program);
    command.arg(file.path()).arg("stdout");
    if !ocr.languages.is_empty() {
        command.args(["-l", &ocr.languages]);
    }
    // More threads than one slow it down on small pictures.
    command.env("OMP_THREAD_LIMIT", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut process = match command.spawn() {
        Ok(process) => process,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Pictures { pages: 1 }),
        Err(error) => return Err(Error::GivenUp { reason: format!("tesseract cannot be started: {error}") }),
    };
    let output = process.stdout.take();
    let said = process.stderr.take().map(tail);
    let watch = Watch::begin(&process, ocr.time_limit, Stop::default());
    let mut text = Vec::new();
    if let Some(output) = output {
        let _ = output.take(OUTPUT_BYTES_MAX).read_to_end(&mut text);
    }
    let ended = watch.end();
    let status = settle(&mut process);
    let said = said.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match (ended, status) {
        (Some(Cause::Time), _) => Err(Error::GivenUp {
            reason: format!("tesseract took more than {} s", ocr.time_limit.as_secs_f64()),
        }),
        (_, Ok(status)) if status.success() => Ok(String::from_utf8_lossy(&text).into_owned()),
        _ => {
            let said = String::from_utf8_lossy(&said);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it gives no reason");
            Err(Error::damaged(format!("tesseract cannot read the picture: {last}")))
        }
    }
}
