use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{self, HeaderMap},
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Error, Phase, Settings,
    net::{Again, Failure, Net, Request, broken, host},
    part::Part,
    plan::Wanted,
    progress::Tracker,
};
use crate::{
    model::RecordedFile,
    shelf::{self, room},
};

/// What every request of a pull works with.
#[derive(Clone, Copy)]
pub(super) struct Fetching<'a> {
    pub(super) net: &'a Net,
    pub(super) settings: &'a Settings,
    pub(super) tracker: &'a Arc<Tracker>,
    pub(super) cancel: &'a CancellationToken,
}

impl Fetching<'_> {
    /// Asks for JSON, again and again where that may help, and also returns the headers that came with it.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        bytes_max: usize,
        patience: &mut Patience,
    ) -> Result<(T, HeaderMap), Error> {
        loop {
            let asked = tokio::select! {
                () = self.cancel.cancelled() => return Err(stopped()),
                asked = self.net.json(request, bytes_max) => asked,
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.wait(failure, self).await?,
            }
        }
    }
}

/// How often what is published may change under our hands.
const RESTARTS_MAX: u32 = 3;
/// Tries to connect to a server that was never reached.
const FEW: u32 = 2;
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Pieces that have come and are not written yet.
const PIECES_MAX: usize = 32;

/// Fetches one file into `folder`, goes on with what is there of it, and checks it.
pub(super) async fn fetch(
    fetching: &Fetching<'_>,
    wanted: &Wanted,
    folder: &Path,
) -> Result<RecordedFile, Error> {
    let Fetching { tracker, .. } = fetching;
    tracker.file(wanted.path.as_str());
    let path = wanted.path.within(folder);
    let mut part = open(fetching, wanted, &path).await?;
    let (mut patience, mut restarts) = (Patience::default(), 0);
    while !is_whole(&part, wanted) {
        let before = (restarts, part.bytes());
        let ended;
        (part, ended) = attempt(fetching, wanted, &path, part, &mut restarts).await?;
        match ended {
            Ok(Ended::Whole) => break,
            Ok(Ended::Again) => {}
            Err(failure) => {
                if matches!(failure.error, Error::Length { .. } | Error::Other { .. }) {
                    part.discard().map_err(Error::disk("removing", &path))?;
                    return Err(failure.error);
                }
                if (restarts, part.bytes()) > before {
                    patience = Patience::default();
                }
                patience.has_begun = part.bytes() > 0;
                patience.wait(failure, fetching).await?;
            }
        }
        if restarts > RESTARTS_MAX {
            return Err(Error::Changing { file: wanted.path.to_string(), times: restarts });
        }
    }
    let (bytes, sha256) = (part.bytes(), part.sum());
    let proved = match (wanted.bytes, wanted.sha256) {
        (Some(expected), _) if expected != bytes => {
            Err(Error::Length { file: wanted.path.to_string(), expected, found: bytes })
        }
        (_, Some(expected)) if expected != sha256 => {
            Err(Error::Checksum { file: wanted.path.to_string(), expected, found: sha256 })
        }
        _ => Ok(()),
    };
    if let Err(error) = proved {
        part.discard().map_err(Error::disk("removing", &path))?;
        return Err(error);
    }
    let to = path.clone();
    blocking(move || part.complete(&to)).await?.map_err(Error::disk("writing", &path))?;
    tracker.whole(bytes);
    Ok(RecordedFile { path: wanted.path.clone(), bytes, sha256 })
}

/// Opens what is there of a file, and reads it for the checksum.
async fn open(fetching: &Fetching<'_>, wanted: &Wanted, path: &Path) -> Result<Part, Error> {
    let Fetching { tracker, cancel, .. } = fetching;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::disk("making", parent))?;
    }
    let part_path = path.with_added_extension("part");
    let (tracker, cancel, of) = (Arc::clone(tracker), (*cancel).clone(), wanted.identity());
    let opened = blocking(move || {
        let read = |bytes| {
            tracker.phase(Phase::Reading);
            tracker.read(bytes);
            !cancel.is_cancelled()
        };
        Part::open(&part_path, &of, read)
    });
    let opened = opened.await?.map_err(Error::disk("opening what has come of", path))?;
    opened.ok_or_else(stopped)
}

/// All is there that was announced, so that no request is needed.
fn is_whole(part: &Part, wanted: &Wanted) -> bool {
    part.bytes() > 0 && wanted.bytes.or(part.bytes_total()) == Some(part.bytes())
}

enum Ended {
    /// The answer came to its end.
    Whole,
    /// The file has to be asked for once more, from the start.
    Again,
}

/// Asks for what is missing, once. The part comes back, however it ends; the outer error is that of the disk.
async fn attempt(
    fetching: &Fetching<'_>,
    wanted: &Wanted,
    path: &Path,
    mut part: Part,
    restarts: &mut u32,
) -> Result<(Part, Result<Ended, Failure>), Error> {
    let disk = || Error::disk("writing", path);
    // Without a version or a checksum nobody could tell whether the two halves belong together.
    if part.bytes() > 0 && part.version().is_empty() && wanted.sha256.is_none() {
        fetching.tracker.restart();
        part.restart("", None).map_err(disk())?;
    }
    let version = part.version().to_owned();
    let request = Request {
        url: &wanted.url,
        what: wanted.path.as_str(),
        token: fetching.settings.hub_token.as_ref().filter(|_| wanted.with_token),
        accept: None,
        from: (part.bytes() > 0).then_some((part.bytes(), version.as_str())),
    };
    let response = tokio::select! {
        () = fetching.cancel.cancelled() => return Err(stopped()),
        response = fetching.net.get(&request) => response,
    };
    let response = match response {
        Ok(response) => response,
        Err(failure) => return Ok((part, Err(failure))),
    };
    match begin(&response, wanted, &part) {
        Ok(Begin::On) => {}
        Ok(Begin::Anew { version, bytes_total }) => {
            if part.bytes() > 0 {
                *restarts += 1;
                fetching.tracker.restart();
            }
            part.restart(&version, bytes_total).map_err(disk())?;
            if wanted.bytes.is_none()
                && let Some(bytes) = bytes_total
            {
                fetching.tracker.expect(Some(bytes));
                room(path.parent().unwrap_or(path), bytes)?;
            }
        }
        Ok(Begin::Unfit) => {
            *restarts += 1;
            fetching.tracker.restart();
            part.restart("", None).map_err(disk())?;
            return Ok((part, Ok(Ended::Again)));
        }
        Err(error) => return Ok((part, Err(Failure { error, again: Again::No }))),
    }
    pump(fetching, wanted, path, part, response).await
}

enum Begin {
    /// The answer goes on where the part ends.
    On,
    /// The answer is the file from its start.
    Anew { version: String, bytes_total: Option<u64> },
    /// The answer fits nothing that is there.
    Unfit,
}

/// Looks at the head of an answer: where it begins, and whether it can be the file.
fn begin(response: &Response, wanted: &Wanted, part: &Part) -> Result<Begin, Error> {
    let headers = response.headers();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let odd = |reason: &str| Error::Answer {
        host: host(response.url()),
        what: wanted.path.to_string(),
        reason: reason.to_owned(),
    };
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(odd("it comes compressed, though that was not asked for"));
    }
    let version = strong_etag(headers);
    let (begin, bytes_total) = match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = text(header::CONTENT_RANGE).and_then(range);
            let (from, bytes_total) =
                range.ok_or_else(|| odd("it does not say which part of the file it is"))?;
            let is_other = !version.is_empty() && !part.version().is_empty() && version != part.version();
            if from != part.bytes()
                || is_other
                || part.bytes_total().is_some_and(|total| total != bytes_total)
            {
                return Ok(Begin::Unfit);
            }
            (Begin::On, Some(bytes_total))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Begin::Unfit),
        _ => {
            let bytes_total = response.content_length();
            (Begin::Anew { version, bytes_total }, bytes_total)
        }
    };
    if let (Some(expected), Some(found)) = (wanted.bytes, bytes_total)
        && expected != found
    {
        return Err(Error::Length { file: wanted.path.to_string(), expected, found });
    }
    Ok(begin)
}

/// Returns the version that a server calls an answer by, if two answers of the same version are equal byte for byte
/// (RFC 9110, 8.8.3); empty if it has none.
fn strong_etag(headers: &HeaderMap) -> String {
    let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
    if etag.starts_with('"') && etag.len() <= 1024 { etag.to_owned() } else { String::new() }
}

/// Reads `bytes 5-9/10` as 5 and 10 (RFC 9110, 14.4). The end has to be that of the file.
fn range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    let (from, to, total): (u64, u64, u64) = (from.parse().ok()?, to.parse().ok()?, total.parse().ok()?);
    (from <= to && to.checked_add(1)? == total).then_some((from, total))
}

/// Writes what comes, on a thread of its own, so that the disk and the checksum do not hold up the network.
async fn pump(
    fetching: &Fetching<'_>,
    wanted: &Wanted,
    path: &Path,
    mut part: Part,
    mut response: Response,
) -> Result<(Part, Result<Ended, Failure>), Error> {
    let Fetching { tracker, cancel, .. } = fetching;
    tracker.phase(Phase::Fetching);
    let mut bytes = part.bytes();
    let announced = wanted.bytes.or(part.bytes_total());
    let (send, mut receive) = mpsc::channel::<Bytes>(PIECES_MAX);
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(piece) = receive.blocking_recv() {
            part.append(&piece)?;
        }
        part.sync()?;
        Ok::<Part, std::io::Error>(part)
    });
    let ended = loop {
        let piece = tokio::select! {
            () = cancel.cancelled() => break Err(Failure { error: stopped(), again: Again::No }),
            piece = response.chunk() => piece,
        };
        match piece {
            Ok(Some(piece)) => {
                if bytes == 0
                    && let Err(error) = look(&piece, &response, wanted)
                {
                    break Err(Failure { error, again: Again::No });
                }
                bytes += piece.len() as u64;
                if let Some(expected) = announced.filter(|announced| bytes > *announced) {
                    let error = Error::Length { file: wanted.path.to_string(), expected, found: bytes };
                    break Err(Failure { error, again: Again::No });
                }
                tracker.came(piece.len() as u64);
                if send.send(piece).await.is_err() {
                    // The writer failed, and says why below.
                    break Ok(Ended::Whole);
                }
            }
            Ok(None) => break Ok(Ended::Whole),
            Err(error) => break Err(broken(&wanted.url, error)),
        }
    };
    drop(send);
    let written = writer.await.map_err(|_| Error::Panicked)?;
    let part = written.map_err(Error::disk("writing", path))?;
    Ok((part, ended))
}

/// Looks at the first bytes, so that nobody waits for gigabytes of something else.
fn look(first: &[u8], response: &Response, wanted: &Wanted) -> Result<(), Error> {
    let other = |what| Err(Error::Other { file: wanted.path.to_string(), what });
    let is_kind = |ending: &str| wanted.path.as_str().to_ascii_lowercase().ends_with(ending);
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_page = kind.is_some_and(|kind| kind.starts_with("text/html"));
    let text = first.trim_ascii_start();
    let is_markup = text.first() == Some(&b'<');
    match (is_kind(".gguf"), is_kind(".safetensors")) {
        (true, _) | (_, true) if is_page || is_markup => other("a web page"),
        (true, _) if text.starts_with(b"version https://git-lfs") => {
            other("a note of where the file is (Git LFS)")
        }
        (true, _) if first.len() >= 4 && !first.starts_with(b"GGUF") => {
            other("something else: it does not begin as GGUF")
        }
        _ => Ok(()),
    }
}

/// How often something failed in a row.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
    /// Something had come.
    has_begun: bool,
}

impl Patience {
    /// Waits until it can be tried again, or gives the error back where that is of no use.
    pub(super) async fn wait(&mut self, failure: Failure, fetching: &Fetching<'_>) -> Result<(), Error> {
        self.failures += 1;
        let most = fetching.settings.retries_max;
        let most = match failure.again {
            Again::No => 0,
            Again::Few if !self.has_begun => most.min(FEW),
            _ => most,
        };
        if self.failures > most {
            return Err(failure.error);
        }
        let wait = match failure.again {
            Again::After(wait) => wait,
            _ => fetching.settings.retry_wait.saturating_mul(1 << (self.failures - 1).min(16)).min(WAIT_MAX),
        };
        fetching.tracker.phase(Phase::Waiting { wait, reason: failure.error.to_string() });
        tokio::select! {
            () = fetching.cancel.cancelled() => Err(stopped()),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Panicked)
}

fn stopped() -> Error {
    Error::Shelf(shelf::Error::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_meant() {
        assert_eq!(range("bytes 5-9/10"), Some((5, 10)));
        for wrong in [
            "bytes 5-8/10",
            "bytes 5-10/10",
            "bytes 9-5/10",
            "bytes */10",
            "bytes 5-9/*",
            "5-9/10",
            "bytes 5-9",
            "bytes 5-18446744073709551615/0",
            "bytes -1-9/10",
            "",
        ] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
