use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use athenaeum_outbound::{
    is_unproved,
    reqwest::{
        self, Client, Method, Response,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    Error, Reply, Request, Settings, Wire,
    address::Address,
    body::{self, Asked, Inexpressible, Kind, Limit},
    connection, refusal,
};

/// A model on another engine, to be asked. Clones share their connections.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    settings: Settings,
    address: Address,
    authorization: Option<HeaderValue>,
    client: OnceCell<Client>,
    /// The engine has refused `max_tokens` and named another word for it.
    completion_tokens: AtomicBool,
}

/// What is sent.
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Bytes>,
    pub(crate) deadline: Option<Instant>,
}

/// Why an attempt came to nothing, and whether there may be another.
struct Failure {
    error: Error,
    again: bool,
    /// When, if the engine said so.
    wait: Option<Duration>,
}

impl Remote {
    /// Makes ready to ask. Nothing is sent, and no certificate read, before the first request.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] and [`Error::Key`] for settings that no request can be made of.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let address = Address::of(&settings)?;
        let authorization = settings.key.as_ref().map(|key| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
                .map_err(|_| Error::Key { name: settings.name.clone() })?;
            value.set_sensitive(true);
            Ok(value)
        });
        let authorization = authorization.transpose()?;
        let (client, completion_tokens) = Default::default();
        Ok(Self(Arc::new(Inner { settings, address, authorization, client, completion_tokens })))
    }

    /// Returns how the model is asked.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Sends a request, again and again until an engine takes it ([`Settings::attempts`]), and returns when the answer has begun.
    /// The text itself comes from [`Reply::next`].
    ///
    /// # Errors
    ///
    /// [`Error::Inexpressible`] where the wire has no word for something, before anything is sent. [`Error::Unreachable`],
    /// [`Error::Broken`], [`Error::Busy`], [`Error::Unwell`], [`Error::Refused`], [`Error::NotUnderstood`] for what came of the
    /// last attempt; [`Error::Silent`] and [`Error::Deadline`] where nothing came in time.
    ///
    /// # Cancellation
    ///
    /// Dropping the future hangs up.
    pub async fn ask(&self, request: Request) -> Result<Reply, Error> {
        let (sent, kind, limit) = self.written(&request, self.limit())?;
        let response = match self.send(&sent).await {
            Err(Error::Refused { status: 400, said, .. })
                if limit == Some(Limit::Tokens)
                    && self.settings().wire == Wire::OpenAi
                    && said.contains("max_completion_tokens") =>
            {
                self.0.completion_tokens.store(true, Ordering::Relaxed);
                self.send(&self.written(&request, Limit::CompletionTokens)?.0).await?
            }
            sent => sent?,
        };
        Reply::new(self.clone(), response, kind, request.deadline).await
    }

    /// Returns what the engine serves, by its own names and in its own order.
    ///
    /// # Errors
    ///
    /// As [`Remote::ask`].
    pub async fn models(&self) -> Result<Vec<String>, Error> {
        let (end, list, names) = match self.settings().wire {
            Wire::Ollama => ("tags", "models", ["name", "model"]),
            _ => ("models", "data", ["id", "name"]),
        };
        let sent = Sent { method: Method::GET, url: self.0.address.api(end), body: None, deadline: None };
        let answer = self.json(&sent, MODELS_BYTES_MAX).await?;
        let models = answer.get(list).and_then(Value::as_array);
        let models =
            models.ok_or_else(|| self.not_understood(&format!("there is no list {list:?} in it")))?;
        let name = |model: &Value| names.iter().find_map(|name| Some(model.get(name)?.as_str()?.to_owned()));
        Ok(models.iter().filter_map(name).collect())
    }

    /// Sends, and reads the answer as JSON of at most `bytes_max` bytes.
    pub(crate) async fn json(&self, sent: &Sent, bytes_max: usize) -> Result<Value, Error> {
        let mut response = self.send(sent).await?;
        let mut text = Vec::new();
        while let Some(piece) = self.piece(&mut response, sent.deadline).await? {
            if text.len() + piece.len() > bytes_max {
                return Err(self.not_understood(&format!("it is longer than {bytes_max} bytes")));
            }
            text.extend_from_slice(&piece);
        }
        serde_json::from_slice(&text).map_err(|error| self.not_understood(&format!("it is no JSON: {error}")))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    pub(crate) fn not_understood(&self, reason: &str) -> Error {
        let reason = refusal::tamed(self.settings(), reason);
        Error::NotUnderstood { name: self.settings().name.clone(), reason }
    }

    pub(crate) fn broken(&self, error: reqwest::Error) -> Error {
        Error::Broken { name: self.settings().name.clone(), source: error.without_url() }
    }

    pub(crate) fn silent(&self) -> Error {
        Error::Silent { name: self.settings().name.clone(), silence: self.settings().silence }
    }

    fn limit(&self) -> Limit {
        match self.0.completion_tokens.load(Ordering::Relaxed) {
            true => Limit::CompletionTokens,
            false => Limit::Tokens,
        }
    }

    fn written(&self, request: &Request, limit: Limit) -> Result<(Sent, Kind, Option<Limit>), Error> {
        let settings = self.settings();
        let Asked { kind, body, limit } =
            body::of(settings, request, limit).map_err(|Inexpressible(place, what)| {
                Error::Inexpressible { name: settings.name.clone(), wire: settings.wire, place, what }
            })?;
        let body = Some(Bytes::from(Value::Object(body).to_string()));
        let url = self.0.address.of_kind(kind);
        Ok((Sent { method: Method::POST, url, body, deadline: request.deadline }, kind, limit))
    }

    /// Sends until an engine says yes.
    async fn send(&self, sent: &Sent) -> Result<Response, Error> {
        let settings = self.settings();
        let client = self.client().await?;
        let mut usual_wait = settings.retry_wait.min(WAIT_MAX);
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(client, sent, attempt).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let wait = failure.wait.unwrap_or(usual_wait);
            let ready = Instant::now() + wait.min(RETRY_AFTER_MAX);
            let in_time = sent.deadline.is_none_or(|deadline| ready < deadline);
            if !failure.again || attempt >= settings.attempts || wait > RETRY_AFTER_MAX || !in_time {
                return Err(failure.error);
            }
            tokio::time::sleep_until(ready.into()).await;
            usual_wait = usual_wait.saturating_mul(2).min(WAIT_MAX);
            attempt += 1;
        }
    }

    async fn attempt(&self, client: &Client, sent: &Sent, attempt: u32) -> Result<Response, Failure> {
        let (settings, host) = (self.settings(), self.0.address.host());
        let mut request = client.request(sent.method.clone(), sent.url.clone());
        if let Some(authorization) = &self.0.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(body) = &sent.body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let until = earlier(Instant::now().checked_add(settings.silence), sent.deadline);
        let response = match within(until, request.send()).await {
            None => {
                tracing::debug!(model = settings.name, host, attempt, "an engine said nothing in time");
                return Err(Failure::last(self.late(sent.deadline)));
            }
            Some(Err(error)) => {
                tracing::debug!(model = settings.name, host, attempt, "an engine was not reached");
                return Err(self.unreached(error, host));
            }
            Some(Ok(response)) => response,
        };
        let status = response.status();
        tracing::debug!(model = settings.name, host, attempt, status = status.as_u16(), "asked an engine");
        if status.is_success() {
            return Ok(response);
        }
        let wait = refusal::retry_after(response.headers());
        let mut said = refusal::said(settings, &beginning(response, until).await);
        if said.is_empty() {
            status.canonical_reason().unwrap_or("nothing").clone_into(&mut said);
        }
        let error = refusal::error(settings, status.as_u16(), said, wait);
        Err(Failure { error, again: refusal::is_passing(status.as_u16()), wait })
    }

    /// Reads the next piece of an answer that is read as a whole.
    pub(crate) async fn piece(
        &self,
        response: &mut Response,
        deadline: Option<Instant>,
    ) -> Result<Option<Bytes>, Error> {
        let until = earlier(Instant::now().checked_add(self.settings().silence), deadline);
        match within(until, response.chunk()).await {
            None => Err(self.late(deadline)),
            Some(piece) => piece.map_err(|error| self.broken(error)),
        }
    }

    fn late(&self, deadline: Option<Instant>) -> Error {
        match deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            true => Error::Deadline { name: self.settings().name.clone() },
            false => self.silent(),
        }
    }

    fn unreached(&self, error: reqwest::Error, host: String) -> Failure {
        let name = self.settings().name.clone();
        let source = error.without_url();
        // A certificate is the same the next time.
        let again = !source.is_builder() && !is_unproved(&source);
        let error = match source.is_connect() || source.is_builder() {
            true => Error::Unreachable { name, host, source },
            false => Error::Broken { name, source },
        };
        Failure { error, again, wait: None }
    }

    async fn client(&self) -> Result<&Client, Error> {
        let made = self.0.client.get_or_try_init(async || {
            let (settings, is_secure) = (self.settings().clone(), self.0.address.is_secure());
            let made = tokio::task::spawn_blocking(move || connection::client(&settings, is_secure)).await;
            made.map_err(|error| Error::Client(Box::new(error)))?
        });
        made.await
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("settings", self.settings()).finish_non_exhaustive()
    }
}

impl Failure {
    fn last(error: Error) -> Self {
        Self { error, again: false, wait: None }
    }
}

/// Waits for something until a time; for ever where there is none. What is there already is taken in any case.
pub(crate) async fn within<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    match until {
        Some(until) => tokio::time::timeout_at(until.into(), future).await.ok(),
        None => Some(future.await),
    }
}

/// Returns the earlier of two times, of which either may not be there.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// Reads as much of an answer as is shown of it.
async fn beginning(mut response: Response, until: Option<Instant>) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some(Ok(Some(piece))) = within(until, response.chunk()).await {
        let room = refusal::BYTES_MAX - text.len();
        text.extend_from_slice(&piece[..piece.len().min(room)]);
        if text.len() == refusal::BYTES_MAX {
            break;
        }
    }
    text
}

const MODELS_BYTES_MAX: usize = 16 << 20;
const WAIT_MAX: Duration = Duration::from_secs(10);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
