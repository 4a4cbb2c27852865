//! A server with documents: nothing is opened before it is needed, what lies there is found, and the end comes at once.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use athenaeum::{Athenaeum, listen, settings::Settings};

/// Serves a folder until the sender is dropped.
fn serve(data: &Path) -> (SocketAddr, tokio::sync::oneshot::Sender<()>, thread::JoinHandle<()>) {
    let (tell, told) = std::sync::mpsc::channel();
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let data = data.to_owned();
    let serving = thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let athenaeum = Athenaeum::open(&data, &Settings::default()).await.unwrap();
            let listener = listen("127.0.0.1:0".parse().unwrap(), athenaeum.keys()).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            athenaeum.serve(listener, async { drop(closed.await) }).await;
        });
    });
    (told.recv_timeout(Duration::from_secs(60)).unwrap(), close, serving)
}

fn get(addr: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {addr}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn documents_are_caught_up_with_and_a_page_that_watches_delays_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let (addr, close, serving) = serve(folder.path());
    assert!(get(addr, "/healthz").contains("200 OK"));
    thread::sleep(Duration::from_millis(1_500));
    for file in ["library.db", "vectors", "drop"] {
        assert!(!folder.path().join(file).exists(), "{file} is there though nobody asked for it");
    }
    drop(close);
    serving.join().unwrap();

    std::fs::create_dir_all(folder.path().join("drop/local")).unwrap();
    std::fs::write(folder.path().join("drop/local/heron.md"), "The heron nests in March.\n").unwrap();
    let (addr, close, serving) = serve(folder.path());
    let begun = Instant::now();
    while !get(addr, "/athenaeum/v1/search?q=heron&in=library").contains("heron.md") {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not found");
        thread::sleep(Duration::from_millis(50));
    }
    for watched in ["/library/events", "/athenaeum/v1/library/events?wait=true"] {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(stream, "GET {watched} HTTP/1.1\r\nHost: {addr}\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("event: activity")), "{watched}");
        std::mem::forget(stream);
    }
    let begun = Instant::now();
    drop(close);
    serving.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn topics_come_with_the_vectors_and_are_answered_over_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let drop_folder = folder.path().join("drop/local");
    std::fs::create_dir_all(&drop_folder).unwrap();
    for (name, text) in [
        ("tides", "Spring tides come with a full moon."),
        ("moon", "The moon pulls the tides twice a day."),
        ("neap", "Neap tides come with half a moon."),
        ("kernel", "The Linux kernel schedules threads."),
        ("threads", "Two threads share the memory of a Linux <b>process</b>."),
    ] {
        std::fs::write(drop_folder.join(name).with_extension("txt"), text).unwrap();
    }
    let (addr, close, serving) = serve(folder.path());
    let begun = Instant::now();
    let found = loop {
        let answer = get(addr, "/athenaeum/v1/topics?count=2");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let found: serde_json::Value = serde_json::from_str(body).unwrap();
        if found["passages"] == 5 {
            break found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer}");
        thread::sleep(Duration::from_millis(200));
    };
    let topics = found["topics"].as_array().unwrap();
    let label = |number: usize| topics[number]["label"].as_str().unwrap();
    assert!(label(0).contains("moon") && label(1).contains("threads"), "{found}");
    assert_eq!((&topics[0]["documents"], &topics[0]["conversations"]), (&3.into(), &0.into()), "{found}");
    let first = &topics[1]["examples"][0];
    assert_eq!(first["kind"], "document");
    let id = first["document"]["document_id"].as_str().unwrap();
    assert!(get(addr, &format!("/athenaeum/v1/documents/{id}")).contains("threads"));

    // And on a page, whose passages lead to where they stand.
    let page = get(addr, "/topics?in=library");
    assert!(page.contains("of 5 passages") && page.contains("3 passages · 3 documents"), "{page}");
    assert!(page.contains("a Linux &#60;b&#62;process&#60;/b&#62;."), "{page}");
    let end = first["document"]["text_range"][1].as_u64().unwrap();
    let passage = format!("/library/{id}?from=0&amp;to={end}#passage");
    let link = page.split('"').find(|part| part.replace("&#38;", "&amp;") == passage);
    let link = link.unwrap_or_else(|| panic!("{passage} in {page}"));
    let link = link.replace("&#38;", "&").replace("&amp;", "&");
    assert!(get(addr, link.trim_end_matches("#passage")).contains("id=\"passage\""), "{link}");
    let none = get(addr, "/topics?in=chats");
    assert!(none.contains("No topics yet"), "{none}");
    drop(close);
    serving.join().unwrap();
}
