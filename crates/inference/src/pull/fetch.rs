mod answer;
mod patience;

use std::{path::Path, sync::Arc};

use athenaeum_outbound::reqwest::{Response, header::HeaderMap};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Error, Phase, Settings,
    net::{Again, Failure, Net, Request, broken},
    part::Part,
    plan::Wanted,
    progress::Tracker,
};
use crate::{
    model::RecordedFile,
    shelf::{self, room},
};

use answer::{Begin, begin, look};
pub(super) use patience::Patience;

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
/// Pieces that have come and are not written yet.
const PIECES_MAX: usize = 32;

/// Fetches one file into `folder`, goes on with what is there of it, and checks it.
pub(super) async fn fetch(
    fetching: &Fetching<'_>,
    wanted: &Wanted,
    folder: &Path,
) -> Result<RecordedFile, Error> {
    let Fetching { tracker, .. } = fetching;
    tracker.file(wanted);
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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Panicked)
}

fn stopped() -> Error {
    Error::Shelf(shelf::Error::Stopped)
}
