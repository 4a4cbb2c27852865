use std::{fmt, time::Instant};

use athenaeum_outbound::reqwest::{Response, header};

use crate::{
    End, Error, Event, Reason, Remote,
    body::Kind,
    reading::{Fault, Reading},
    refusal,
    remote::{earlier, within},
};

/// An answer that has begun. Dropping it hangs up.
pub struct Reply {
    remote: Remote,
    /// `None` when it is over.
    response: Option<Response>,
    reading: Reading,
    /// When something came last.
    heard: Instant,
    deadline: Option<Instant>,
}

impl Reply {
    pub(crate) async fn new(
        remote: Remote,
        response: Response,
        kind: Kind,
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        let kind_of_body = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_whole = kind_of_body.is_some_and(|kind| kind.starts_with("application/json"));
        let mut reply = Self {
            remote,
            response: Some(response),
            reading: Reading::new(kind),
            heard: Instant::now(),
            deadline,
        };
        if is_whole && kind.is_events() {
            reply.whole().await?;
        }
        Ok(reply)
    }

    /// Returns what the model says next; `None` after an [`Event::End`] or an error, one of which always comes. Whoever reads on to
    /// the `None` leaves the connection to the next request.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`], [`Error::Silent`], [`Error::NotUnderstood`] where the answer is not whole; [`Error::Unwell`],
    /// [`Error::Refused`] and [`Error::Busy`] where the engine says so in the middle of it. Nothing is asked again then: what came
    /// before has been handed out. An answer whose time is over ends with [`Reason::Deadline`], and is no error.
    ///
    /// # Cancellation
    ///
    /// The future may be dropped and made anew; nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.reading.next() {
                return Some(event.map_err(|fault| self.fault(fault)));
            }
            if self.reading.is_over() {
                self.leave().await;
                return None;
            }
            let response = self.response.as_mut()?;
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Some(Ok(self.cut()));
            }
            let silent_at = self.heard.checked_add(self.remote.settings().silence);
            let piece = within(earlier(silent_at, self.deadline), response.chunk()).await;
            self.heard = Instant::now();
            match piece {
                Some(Ok(Some(bytes))) => self.reading.push(&bytes),
                Some(Ok(None)) => self.reading.finish(),
                Some(Err(_)) if self.reading.is_whole() => self.reading.finish(),
                Some(Err(error)) => {
                    self.response = None;
                    return Some(Err(self.remote.broken(error)));
                }
                None if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Some(Ok(self.cut()));
                }
                None => {
                    self.response = None;
                    return Some(Err(self.remote.silent()));
                }
            }
        }
    }

    /// Ends the answer because its time is over.
    fn cut(&mut self) -> Event {
        self.response = None;
        Event::End(End::new(Reason::Deadline))
    }

    fn fault(&mut self, fault: Fault) -> Error {
        self.response = None;
        let settings = self.remote.settings();
        match fault {
            Fault::NotUnderstood(reason) => self.remote.not_understood(&reason),
            Fault::Failed { status, said } => {
                refusal::error(settings, status, refusal::words(settings, &said), None)
            }
        }
    }

    /// Reads what follows the end, which is no more than a few bytes, so that the connection can be used again.
    async fn leave(&mut self) {
        if let Some(mut response) = self.response.take() {
            let until = Instant::now().checked_add(LEAVE);
            while let Some(Ok(Some(_))) = within(until, response.chunk()).await {}
        }
    }

    /// Reads an answer that is no stream: some gateways know none, and some say what went wrong with a status that says it went
    /// well.
    async fn whole(&mut self) -> Result<(), Error> {
        let Some(mut response) = self.response.take() else { return Ok(()) };
        let mut text = Vec::new();
        while let Some(piece) = self.remote.piece(&mut response, self.deadline).await? {
            if text.len() + piece.len() > WHOLE_BYTES_MAX {
                return Err(self
                    .remote
                    .not_understood(&format!("it is longer than {WHOLE_BYTES_MAX} bytes")));
            }
            text.extend_from_slice(&piece);
        }
        match self.reading.whole(&text) {
            Some(failed) => Err(self.fault(failed)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// How long the end of a connection's answer is waited for.
const LEAVE: std::time::Duration = std::time::Duration::from_millis(100);

const WHOLE_BYTES_MAX: usize = 4 << 20;
