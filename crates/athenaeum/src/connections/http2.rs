use std::{io::Cursor, net::SocketAddr, pin::pin, time::Duration};

use axum::Router;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, join},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::Limits;

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a client that says nothing is still there is asked so often.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// Requests of one connection at once; further ones wait at the client.
const REQUESTS_MAX: u32 = 128;

/// Answers one connection until it ends, or until what is under way when `closing` comes has ended.
pub(super) async fn answer(
    mut stream: TcpStream,
    client: SocketAddr,
    router: Router,
    limits: Limits,
    closing: CancellationToken,
) {
    // The connection itself would wait for ever for these.
    let mut preface = [0; PREFACE.len()];
    let begun = tokio::select! {
        begun = timeout(limits.head, stream.read_exact(&mut preface)) => begun,
        () = closing.cancelled() => return,
    };
    if !matches!(begun, Ok(Ok(_))) || preface != *PREFACE {
        tracing::debug!(%client, "a connection did not begin as HTTP/2 does");
        return;
    }
    let (read, write) = stream.into_split();
    let stream = join(Cursor::new(preface).chain(read), write);
    let service = service_fn(move |request| super::answer(router.clone(), request, client));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(ASK_EVERY)
        .keep_alive_timeout(limits.head)
        .max_concurrent_streams(REQUESTS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %client, "a connection ended early");
    }
}
