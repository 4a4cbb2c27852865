//! The listener for gRPC, beside the one for pages.

use std::{net::SocketAddr, time::Duration};

use athenaeum::{Athenaeum, settings::Settings};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);
/// How an HTTP/2 client begins, and that it has no settings of its own.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

struct Served {
    http: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _folder: TempDir,
}

async fn serve(grpc: SocketAddr) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.server.grpc_addr = Some(grpc);
    settings.server.header_seconds = 1;
    let athenaeum = Athenaeum::open(folder.path(), &settings).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(athenaeum.serve(listener, async { drop(stopped.await) }));
    Served { http, stop, ended, _folder: folder }
}

/// Says something, and reads what comes until the other side ends it or `bytes` are there.
async fn say(addr: SocketAddr, words: &[u8], bytes: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(words).await.unwrap();
    let mut answer = Vec::new();
    let mut limited = stream.take(bytes as u64);
    let read = limited.read_to_end(&mut answer);
    drop(timeout(PATIENCE, read).await.expect("nothing comes"));
    answer
}

async fn is_well(http: SocketAddr) -> bool {
    let answer = say(http, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", 12).await;
    answer.ends_with(b"200")
}

#[tokio::test]
async fn grpc_is_answered_beside_pages_and_ends_with_them() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let grpc = free.local_addr().unwrap();
    drop(free);
    let first = serve(grpc).await;
    assert!(is_well(first.http).await);
    let settings = say(grpc, HELLO, 9).await;
    assert_eq!(settings.get(3), Some(&4), "a frame of settings: {settings:?}");
    assert!(say(grpc, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 9).await.is_empty(), "no HTTP/1 here");
    assert!(say(grpc, &HELLO[..10], 9).await.is_empty(), "who does not go on is cut off");

    // Another one does without.
    let second = serve(grpc).await;
    assert!(is_well(second.http).await);
    for Served { stop, ended, .. } in [second, first] {
        let mut idle = TcpStream::connect(grpc).await.unwrap();
        idle.write_all(HELLO).await.unwrap();
        stop.send(()).unwrap();
        timeout(PATIENCE, ended).await.expect("it goes on").unwrap();
    }
    assert!(TcpStream::connect(grpc).await.is_err(), "nobody listens any more");
}
