use std::{future::pending, pin::Pin, sync::Arc, time::Duration};

use athenaeum_tenancy::Caller;
use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use futures_util::{StreamExt as _, stream::unfold};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use tokio::time::sleep;
use tonic::Status;
use tracing::Instrument as _;

use super::deadline::deadline;
use crate::{
    Access, Api, Settings, host,
    limits::{self, SearchRate},
    problem::{Kind, Problem},
    protect::client_of,
    traced::{self, Ids},
};

/// The method whose rate is bounded.
pub(super) const SEARCH: &str = "/athenaeum.v1.Archive/Search";

/// Tells without a key whether the server is well.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// What requests are held against.
pub(super) struct Gate {
    access: Access,
    rate: SearchRate,
    settings: Arc<Settings>,
}

impl Gate {
    pub(super) fn new(api: &Api) -> Self {
        Self {
            access: api.access.clone(),
            rate: SearchRate::new(&api.settings),
            settings: Arc::clone(&api.settings),
        }
    }
}

/// Lets in whom the HTTP interface would let in. What is still being answered when the client's time is over, or when
/// its key ends, is cut off with the status that says so.
pub(super) async fn guard(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let ids = Ids::of(request.headers());
    let span = ids.span();
    let mut response = match admit(&gate, &mut request).instrument(span.clone()).await {
        Ok((caller, time)) => {
            request.extensions_mut().insert(caller.clone());
            let answer = next.run(request).instrument(span.clone());
            let mut response = traced::within(span, until(ended(caller.revoked(), time), answer).await);
            response.extensions_mut().insert(caller);
            response
        }
        Err(problem) => refused(&problem.into()),
    };
    ids.tell(response.headers_mut());
    response
}

async fn admit(gate: &Gate, request: &mut Request) -> Result<(Caller, Option<Duration>), Problem> {
    // HTTP/2 has the name of the server elsewhere; it is checked where HTTP/1 has it.
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    let (uri, headers) = (request.uri(), request.headers());
    host::check(uri, headers, &gate.settings.allowed_hosts)?;
    limits::check_sizes(uri, headers, &gate.settings)?;
    let time = deadline(headers)?;
    if uri.path().starts_with(HEALTH) {
        return Ok((Caller::local(), time));
    }
    let client = client_of(request);
    // A browser's session counts for pages only.
    let caller = gate.access.admit(headers, client, false).await?;
    if uri.path() == SEARCH {
        gate.rate.check(client)?;
    }
    Ok((caller, time))
}

type Ended = Pin<Box<dyn Future<Output = Status> + Send>>;

/// Completes when an answer is to be cut off, and says why.
fn ended(revoked: impl Future<Output = ()> + Send + 'static, time: Option<Duration>) -> Ended {
    Box::pin(async move {
        let over = async {
            match time {
                Some(time) => sleep(time).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = revoked => {
                Problem::new(Kind::Unauthorized, "The key does not open this server.").into()
            }
            () = over => Status::deadline_exceeded("The time that the client gave is over."),
        }
    })
}

async fn until(mut ended: Ended, answer: impl Future<Output = Response>) -> Response {
    let response = tokio::select! {
        biased;
        status = &mut ended => return refused(&status),
        response = answer => response,
    };
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| {
        let frames = unfold(Some((BodyStream::new(body), ended)), |state| async move {
            let (mut body, mut ended) = state?;
            tokio::select! {
                biased;
                status = &mut ended => {
                    let mut trailers = HeaderMap::new();
                    // What cannot be written there still ends the stream, which clients take for a failure.
                    let _ = status.add_header(&mut trailers);
                    Some((Ok(Frame::trailers(trailers)), None))
                }
                frame = body.next() => frame.map(|frame| (frame, Some((body, ended)))),
            }
        });
        Body::new(StreamBody::new(frames))
    })
}

fn refused(status: &Status) -> Response {
    status.clone().into_http()
}
