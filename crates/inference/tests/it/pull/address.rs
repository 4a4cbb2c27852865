//! Files at plain addresses: the ways in which bytes come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use athenaeum_inference::{
    model::{RECORD_FILE, Record, Sha256},
    pull::{Error, Phase, Progress, Proxy},
};
use tokio_util::sync::CancellationToken;

use super::{Place, chain, model, sum};
use crate::stub::{Answer, Stub};

#[test]
fn a_model_at_an_address_comes_whole_and_is_remembered() {
    let file = model(300_000);
    let served = file.clone();
    let stub = Stub::start(move |seen, _| Answer::file(seen, &served, "\"v1\""));
    let place = Place::of(&stub);
    let url = format!("{}#sha256={}", stub.url("/some/tiny-Q8_0.gguf?key=secret"), Sha256::of(&file));
    let pulled = place.pull(&url).unwrap();
    assert_eq!((pulled.fetched_bytes, pulled.resumed_bytes), (file.len() as u64, 0));
    assert_eq!(pulled.summary.unwrap().name.as_deref(), Some("Tiny"));
    assert_eq!(place.files(), ["tiny-Q8_0/athenaeum-model.json", "tiny-Q8_0/tiny-Q8_0.gguf"]);
    assert_eq!(std::fs::read(place.path("tiny-Q8_0/tiny-Q8_0.gguf")).unwrap(), file);
    let record = Record::read(&place.path("tiny-Q8_0")).unwrap().unwrap();
    assert_eq!((record.files[0].sha256, record.bytes()), (Sha256::of(&file), file.len() as u64));
    assert!(!std::fs::read_to_string(place.path("tiny-Q8_0").join(RECORD_FILE)).unwrap().contains("secret"));
    assert_eq!(stub.seen()[0].header("accept-encoding"), Some("identity"));

    let again = place.pull(&url).unwrap();
    assert_eq!((again.fetched_bytes, stub.seen().len()), (0, 1), "it is there: nobody is asked");
    let other = place.pull(&stub.url("/other/tiny-Q8_0.gguf")).unwrap_err();
    assert!(other.to_string().contains("there is a model tiny-Q8_0 already"), "{other}");
}

#[test]
fn a_broken_connection_is_gone_on_with() {
    let file = model(300_000);
    let served = file.clone();
    let stub = Stub::start(move |seen, nth| {
        let answer = Answer::file(seen, &served, "\"v1\"");
        if nth < 3 { answer.cut(80_000) } else { answer }
    });
    let place = Place::of(&stub);
    place.pull(&stub.url("/m.gguf")).unwrap();
    assert_eq!(std::fs::read(place.path("m/m.gguf")).unwrap(), file);
    let seen = stub.seen();
    assert_eq!((seen.len(), seen[0].header("range")), (4, None));
    for (nth, seen) in seen.iter().enumerate().skip(1) {
        assert_eq!(seen.header("range"), Some(format!("bytes={}-", nth * 80_000).as_str()));
        assert_eq!(seen.header("if-range"), Some("\"v1\""));
    }
    let waits =
        place.phases.lock().unwrap().iter().filter(|phase| matches!(phase, Phase::Waiting { .. })).count();
    assert_eq!(waits, 3);
}

#[test]
fn what_changes_meanwhile_is_fetched_anew() {
    let (old, new) = (model(300_000), model(200_000));
    let served = new.clone();
    let stub = Stub::start(move |seen, nth| match nth {
        0 => Answer::file(seen, &old, "\"v1\"").cut(100_000),
        _ => Answer::file(seen, &served, "\"v2\""),
    });
    let place = Place::of(&stub);
    place.pull(&stub.url("/m.gguf")).unwrap();
    assert_eq!(sum(&place.path("m/m.gguf")), Sha256::of(&new));

    // One that never stays the same is given up.
    let file = model(300_000);
    let stub = Stub::start(move |seen, nth| Answer::file(seen, &file, &format!("\"v{nth}\"")).cut(100_000));
    let place = Place::of(&stub);
    let error = place.pull(&stub.url("/m.gguf")).unwrap_err();
    assert!(matches!(error, Error::Changing { .. }), "{error}");
}

/// Whatever a server does, in whatever order: either the file is right, or it is not there; and an honest answer in the
/// end always completes it.
#[test]
fn no_server_makes_a_wrong_model() {
    let file = model(40_000);
    let sum = Sha256::of(&file);
    for seed in 0..15_u64 {
        let served = file.clone();
        let honest = Arc::new(AtomicBool::new(false));
        let is_honest = Arc::clone(&honest);
        let stub = Stub::start(move |seen, nth| {
            let answer = Answer::file(seen, &served, "\"v\"");
            if is_honest.load(Ordering::Relaxed) {
                return answer;
            }
            let dice =
                seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(nth as u64 * 0xbf58_476d_1ce4_e5b9);
            let dice = (dice ^ (dice >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32;
            let some = (dice >> 8) as usize % served.len();
            match dice % 16 {
                0..=4 => answer.cut(some),
                5 => answer.chunked().cut(some),
                6 => Answer::file(seen, &served, &format!("\"{dice}\"")).cut(some),
                7 => Answer::status(200).with_body(&served).cut(some),
                8 => Answer::status(206).with_body(&served[some..]).with("Content-Range", "bytes 0-9/10"),
                9 => Answer::status(206)
                    .with_body(&served[some..])
                    .with("Content-Range", &format!("bytes {some}-{}/{}", served.len() - 1, served.len())),
                10 => Answer::status(416),
                11 => Answer::status(503),
                12 => answer.with("Content-Encoding", "gzip"),
                13 => Answer::status(200).with_body(&[&served[..], b"more"].concat()),
                14 => Answer::status(206).with_body(b"GGUF").with("Content-Range", "what?"),
                _ => answer,
            }
        });
        let mut place = Place::of(&stub);
        place.settings.retry_wait = Duration::ZERO;
        let url = format!("{}#sha256={sum}", stub.url("/m.gguf"));
        for _ in 0..3 {
            if let Err(error) = place.pull(&url) {
                assert!(!place.path("m").exists(), "{seed}: {error}");
            }
        }
        honest.store(true, Ordering::Relaxed);
        place.pull(&url).unwrap();
        assert_eq!(std::fs::read(place.path("m/m.gguf")).unwrap(), file, "{seed}");
    }
}

/// Without a version that can be relied on, the two halves might not belong together.
#[test]
fn only_what_is_known_to_belong_together_is_put_together() {
    let file = model(300_000);
    for (etag, sum, expected) in [
        ("W/\"weak\"", "", None),
        ("W/\"weak\"", "known", Some("bytes=100000-")),
        ("\"v\"", "", Some("bytes=100000-")),
    ] {
        let served = file.clone();
        let stub = Stub::start(move |seen, nth| {
            let answer = Answer::file(seen, &served, etag);
            if nth == 0 { answer.cut(100_000) } else { answer }
        });
        let place = Place::of(&stub);
        let sum = if sum.is_empty() { String::new() } else { format!("#sha256={}", Sha256::of(&file)) };
        place.pull(&format!("{}{sum}", stub.url("/m.gguf"))).unwrap();
        assert_eq!(stub.seen()[1].header("range"), expected, "{etag} {sum}");
        assert_eq!(std::fs::read(place.path("m/m.gguf")).unwrap(), file);
    }
}

#[test]
fn servers_that_know_no_ranges_or_lengths_are_met_with_patience() {
    let file = model(300_000);
    let served = file.clone();
    // Ranges are passed over; no length; the first answer ends early.
    let stub = Stub::start(move |_, nth| {
        let answer = Answer::status(200).with("ETag", "\"v\"").with_body(&served).chunked();
        if nth == 0 { answer.cut(100_000) } else { answer }
    });
    let place = Place::of(&stub);
    place.pull(&stub.url("/m.gguf")).unwrap();
    assert_eq!(std::fs::read(place.path("m/m.gguf")).unwrap(), file);
    assert_eq!(stub.seen().len(), 2);
}

#[test]
fn a_wrong_checksum_is_refused_and_what_came_removed() {
    let file = model(100_000);
    let stub = Stub::start(move |seen, _| Answer::file(seen, &file, "\"v1\""));
    let place = Place::of(&stub);
    let error = place.pull(&format!("{}#sha256={}", stub.url("/m.gguf"), Sha256::of(b"other"))).unwrap_err();
    assert!(matches!(error, Error::Checksum { .. }), "{error}");
    assert!(error.to_string().contains("was removed"));
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn what_is_no_model_is_told_and_removed() {
    let check = |name: &str, kind: &'static str, body: &'static [u8], reason: &str| {
        let stub = Stub::start(move |_, _| Answer::status(200).with("Content-Type", kind).with_body(body));
        let place = Place::of(&stub);
        let error = chain(&place.pull(&stub.url(name)).unwrap_err());
        assert!(error.contains(reason), "{error}");
        assert!(place.files().is_empty(), "{:?}", place.files());
    };
    check("/m.gguf", "text/html; charset=utf-8", b"<!doctype html>Sign in", "a web page");
    check("/m.gguf", "application/octet-stream", b"\n<html>", "a web page");
    check("/m.gguf", "text/plain", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS");
    check("/m.gguf", "application/octet-stream", b"PK\x03\x04", "does not begin as GGUF");
    check("/m.gguf", "application/octet-stream", b"GGUF\x03\0\0\0", "cannot be used as a model");
    check(
        "/m.safetensors",
        "application/octet-stream",
        b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
        "cannot be used as a model",
    );
    check("/m-00001-of-00002.gguf", "application/octet-stream", b"GGUF", "one part of a model");
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let file = model(50_000);
    let stub = Stub::start(move |seen, nth| match nth {
        0 => Answer::status(429).with("Retry-After", "1"),
        1 => Answer::status(503),
        _ => Answer::file(seen, &file, "\"v1\""),
    });
    let place = Place::of(&stub);
    place.pull(&stub.url("/m.gguf")).unwrap();
    let phases = place.phases.lock().unwrap().clone();
    let waits: Vec<Duration> = phases
        .iter()
        .filter_map(|phase| if let Phase::Waiting { wait, .. } = phase { Some(*wait) } else { None })
        .collect();
    assert_eq!(waits, [Duration::from_secs(1), Duration::from_millis(10)]);
}

#[test]
fn patience_has_an_end() {
    for (status, requests) in [(500, 4), (404, 1), (401, 1), (403, 1), (418, 1)] {
        let stub = Stub::start(move |_, _| Answer::status(status).with("X-Error-Message", "because"));
        let place = Place::of(&stub);
        let error = place.pull(&stub.url("/m.gguf")).unwrap_err().to_string();
        assert!(error.contains("m.gguf") || error.contains(&status.to_string()), "{error}");
        assert_eq!(stub.seen().len(), requests, "{status}");
        assert!(place.files().is_empty(), "{:?}", place.files());
    }
    // A server that says nothing, and one that is not there.
    let stub = Stub::start(|_, _| {
        std::thread::sleep(Duration::from_secs(3));
        Answer::status(200)
    });
    let mut place = Place::of(&stub);
    place.settings.retries_max = 1;
    place.settings.idle_timeout = Duration::from_millis(100);
    assert!(matches!(place.pull(&stub.url("/m.gguf")), Err(Error::Broken { .. })));
    assert!(matches!(place.pull("http://127.0.0.1:1/m.gguf"), Err(Error::Unreachable { .. })));
}

#[test]
fn a_pull_that_is_stopped_goes_on_later() {
    let file = model(400_000);
    let served = file.clone();
    let stub = Stub::start(move |seen, nth| {
        let answer = Answer::file(seen, &served, "\"v1\"");
        if nth == 0 { answer.slowly(20_000, Duration::from_millis(30)) } else { answer }
    });
    let place = Place::of(&stub);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let error = place.pull_until(&stub.url("/m.gguf"), &cancel, move |progress: &Progress| {
        if progress.bytes > 100_000 {
            stop.cancel();
        }
    });
    assert!(error.unwrap_err().to_string().contains("stopped"));
    assert_eq!(place.files(), [".partial/m.lock", ".partial/m/m.gguf.part", ".partial/m/m.gguf.part.json"]);
    assert!(place.shelf().models().unwrap().is_empty(), "half a model is none");
    let pulled = place.pull(&stub.url("/m.gguf")).unwrap();
    assert!(pulled.resumed_bytes > 100_000);
    assert_eq!(pulled.resumed_bytes + pulled.fetched_bytes, file.len() as u64);
    assert_eq!(std::fs::read(place.path("m/m.gguf")).unwrap(), file);
}

#[test]
fn nobody_fetches_what_somebody_else_is_fetching() {
    let file = model(100_000);
    let stub = Stub::start(move |seen, _| {
        Answer::file(seen, &file, "\"v\"").slowly(10_000, Duration::from_millis(20))
    });
    let place = Arc::new(Place::of(&stub));
    let url = stub.url("/m.gguf");
    let refused = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| match place.pull(&url) {
                Ok(_) => {}
                Err(error) => {
                    assert!(error.to_string().contains("somebody else"), "{error}");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(refused.load(Ordering::Relaxed), 2);
    assert_eq!(place.files(), ["m/athenaeum-model.json", "m/m.gguf"]);
}

#[test]
fn a_proxy_is_asked_where_there_is_one() {
    let file = model(50_000);
    let stub = Stub::start(move |seen, _| Answer::file(seen, &file, "\"v\""));
    let mut place = Place::of(&stub);
    place.settings.proxy = Proxy::new(&stub.url("").replace("http://", "http://user:secret@"));
    place.pull("http://models.example/m.gguf").unwrap();
    let seen = stub.seen();
    assert_eq!(seen[0].target, "http://models.example/m.gguf");
    assert!(seen[0].header("proxy-authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert!(!format!("{:?}", place.settings).contains("secret"));
    assert!(Proxy::new("socks5://localhost").is_none() && Proxy::new("localhost").is_none());
}

#[test]
fn a_disk_without_room_is_told_before_anything_comes() {
    let stub = Stub::start(|_, _| {
        // 256 PiB.
        Answer::status(200).with("Content-Length", "288230376151711744").without_length()
    });
    let place = Place::of(&stub);
    let error = place.pull(&stub.url("/m.gguf")).unwrap_err();
    assert!(error.to_string().contains("lacks room: 288230376151711744 bytes are needed"), "{error}");
    assert!(place.files().is_empty(), "{:?}", place.files());
}

/// Regression: what was left of another source under the same name would have become part of the model.
#[test]
fn only_what_belongs_to_a_model_comes_into_its_folder() {
    let file = model(100_000);
    let stub = Stub::start(move |seen, nth| {
        let answer = Answer::file(seen, &file, "\"v\"");
        if nth == 0 { answer.cut(50_000) } else { answer }
    });
    let mut place = Place::of(&stub);
    place.settings.retries_max = 0;
    place.pull(&stub.url("/m.gguf")).unwrap_err();
    let partial = place.path(".partial/m");
    std::fs::create_dir(partial.join("deeper")).unwrap();
    for left in ["other.gguf", "other.gguf.part", "m.gguf.part.json.new", "deeper/x"] {
        std::fs::write(partial.join(left), "left").unwrap();
    }
    let pulled = place.pull(&stub.url("/m.gguf")).unwrap();
    assert_eq!((pulled.resumed_bytes, place.files().len()), (50_000, 2), "{:?}", place.files());
}
