//! The accept loop: how many may be connected, how long they may take to ask, and how it ends.

mod http2;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, extract::ConnectInfo, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What a listener's clients may take.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections open at once; further ones wait in the system's queue. At least 1.
    pub(crate) connections_max: usize,
    /// How long a request's head may take, counted from the opening of the connection or from the answer before.
    pub(crate) head: Duration,
    /// How long requests under way may take once the end has come.
    pub(crate) grace: Duration,
}

/// The connections that are open, each a task of its own. Dropping this cuts them off.
pub(crate) struct Connections {
    wire: Wire,
    router: Router,
    limits: Limits,
    open: JoinSet<()>,
    /// Tells each connection to close after the request that it is at.
    closing: CancellationToken,
}

/// What is spoken at a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wire {
    Http1,
    /// From the first byte, as gRPC has it.
    Http2,
}

impl Connections {
    pub(crate) fn new(router: Router, wire: Wire, limits: Limits) -> Self {
        Self { wire, router, limits, open: JoinSet::new(), closing: CancellationToken::new() }
    }

    /// Takes connections until `shutdown` completes, and then lets go of the listener.
    pub(crate) async fn take(&mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let has_room = self.open.len() < self.limits.connections_max.max(1);
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => return,
                Some(_) = self.open.join_next() => continue,
                accepted = listener.accept(), if has_room => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.answer(stream, client),
                Err(error) if is_of_one_client(&error) => {}
                // Most often there are no more file descriptors. They come back when connections close, and asking
                // at once again would only keep a processor busy.
                Err(error) => {
                    tracing::error!(%error, "cannot take a connection; trying again in a second");
                    tokio::select! {
                        () = &mut shutdown => return,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Lets the requests under way end within the grace, closes idle connections at once, and cuts off the rest.
    pub(crate) async fn end(mut self) {
        self.closing.cancel();
        let all_ended = async { while self.open.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.grace, all_ended).await.is_err() {
            let connections = self.open.len();
            tracing::warn!(connections, "requests that were still under way have been cut off");
            self.open.shutdown().await;
        }
    }

    fn answer(&mut self, stream: TcpStream, client: SocketAddr) {
        // Events are small and should not wait for a packet to fill; where that cannot be had, they wait.
        let _ = stream.set_nodelay(true);
        let router = self.router.clone();
        if let Wire::Http2 = self.wire {
            let limits = self.limits.clone();
            self.open.spawn(http2::answer(stream, client, router, limits, self.closing.clone()));
            return;
        }
        let service = service_fn(move |request| answer(router.clone(), request, client));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let closing = self.closing.clone();
        self.open.spawn(async move {
            let mut connection = pin!(connection);
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
        });
    }
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    client: SocketAddr,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(client));
    router.oneshot(request).await
}

/// Tells whether a client gave up before it was taken, which says nothing about the listener.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// How long nothing is taken after the system could not give a connection.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::{Notify, oneshot},
        task::JoinHandle,
        time::timeout,
    };

    use super::*;

    /// Longer than anything here takes, so that a test hangs on nothing.
    const PATIENCE: Duration = Duration::from_secs(30);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    struct Served {
        addr: SocketAddr,
        stop: oneshot::Sender<()>,
        ended: JoinHandle<()>,
        /// A request of `/slow` has begun; it ends when `go` is told.
        begun: Arc<Notify>,
        go: Arc<Notify>,
    }

    async fn serve(limits: Limits) -> Served {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            move || async move {
                begun.notify_one();
                go.notified().await;
                "at last"
            }
        };
        let from = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.ip().to_string() };
        let router = Router::new().route("/", get(from)).route("/slow", get(slow));
        // As it listens for other machines, where the limits matter most.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let mut connections = Connections::new(router, Wire::Http1, limits);
            connections.take(listener, async { drop(stopped.await) }).await;
            connections.end().await;
        });
        Served { addr, stop, ended, begun, go }
    }

    fn generous() -> Limits {
        Limits { connections_max: 8, head: PATIENCE, grace: PATIENCE }
    }

    async fn send(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Reads until the server closes the connection.
    async fn read_all(stream: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is never closed");
        // One that is cut off may end in a reset as well.
        drop(read);
        String::from_utf8(answer).unwrap()
    }

    async fn read_some(stream: &mut TcpStream) -> String {
        let mut answer = vec![0; 4_096];
        let count = timeout(PATIENCE, stream.read(&mut answer)).await.expect("no answer").unwrap();
        String::from_utf8(answer[..count].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_does_not_end_its_head_is_cut_off() {
        let served = serve(Limits { head: Duration::from_millis(200), ..generous() }).await;
        let mut half = send(served.addr, b"GET / HTTP/1.1\r\nHost: loc").await;
        let mut silent = send(served.addr, b"").await;
        let mut idle = send(served.addr, REQUEST).await;
        assert_eq!(read_all(&mut half).await, "");
        assert_eq!(read_all(&mut silent).await, "");
        let answer = read_all(&mut idle).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
    }

    #[tokio::test]
    async fn one_too_many_waits_until_another_goes() {
        let served = serve(Limits { connections_max: 1, ..generous() }).await;
        let mut first = send(served.addr, REQUEST).await;
        assert!(read_some(&mut first).await.starts_with("HTTP/1.1 200"));
        let mut second = send(served.addr, REQUEST).await;
        let early = timeout(Duration::from_millis(200), second.readable()).await;
        assert!(early.is_err(), "answered although one is connected");
        drop(first);
        assert!(read_some(&mut second).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn what_has_begun_is_answered_and_what_idles_is_closed() {
        let Served { addr, stop, ended, begun, go } = serve(generous()).await;
        let mut idle = send(addr, REQUEST).await;
        assert!(read_some(&mut idle).await.starts_with("HTTP/1.1 200"));
        let mut slow = send(addr, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        begun.notified().await;
        stop.send(()).unwrap();
        assert_eq!(read_all(&mut idle).await, "", "closed at once");
        assert!(TcpStream::connect(addr).await.is_err(), "nothing new is taken");
        assert!(!ended.is_finished(), "one request is under way");
        go.notify_one();
        let answer = read_all(&mut slow).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("at last"), "{answer}");
        timeout(PATIENCE, ended).await.expect("it does not end").unwrap();
    }

    #[tokio::test]
    async fn what_outlasts_the_grace_is_cut_off() {
        let served = serve(Limits { grace: Duration::from_millis(100), ..generous() }).await;
        let mut slow = send(served.addr, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        served.begun.notified().await;
        served.stop.send(()).unwrap();
        timeout(PATIENCE, served.ended).await.expect("it does not end").unwrap();
        assert_eq!(read_all(&mut slow).await, "");
    }
}
