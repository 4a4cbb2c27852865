//! A registry that behaves like Ollama's.

use athenaeum_inference::{
    model::{Record, Sha256},
    pull::Error,
};

use super::{Place, model};
use crate::stub::{Answer, Stub};

/// Starts a registry of one model, whose layers lie on another server.
fn registry(layers: Vec<(&'static str, Vec<u8>)>) -> (Stub, Stub) {
    let blobs = layers.clone();
    let store = Stub::start(move |seen, _| {
        let wanted = blobs.iter().find(|(_, bytes)| seen.path().ends_with(&Sha256::of(bytes).to_string()));
        wanted.map_or_else(|| Answer::status(404), |(_, bytes)| Answer::file(seen, bytes, "\"store\""))
    });
    let elsewhere = store.url_by_name("/store/");
    let stub = Stub::start(move |seen, _| {
        if seen.path() == "/v2/library/tiny/manifests/1b" {
            assert_eq!(seen.header("accept"), Some("application/vnd.docker.distribution.manifest.v2+json"));
            let layers: Vec<String> = layers
                .iter()
                .map(|(kind, bytes)| {
                    let (sum, size) = (Sha256::of(bytes), bytes.len());
                    format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:{sum}","size":{size}}}"#)
                })
                .collect();
            return Answer::json(format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, layers.join(",")));
        }
        match seen.path().strip_prefix("/v2/library/tiny/blobs/") {
            Some(digest) => Answer::redirect(&format!("{elsewhere}{digest}")),
            None => Answer::status(404),
        }
    });
    (stub, store)
}

#[test]
fn the_layers_of_a_model_come_by_their_digests() {
    let file = model(200_000);
    let (stub, store) = registry(vec![
        ("model", file.clone()),
        ("template", b"{{ .Prompt }}".to_vec()),
        ("license", b"first".to_vec()),
        ("license", b"second".to_vec()),
        ("params", b"{\"stop\":[\"<|im_end|>\"]}".to_vec()),
        ("somethingnew", b"?".to_vec()),
    ]);
    let place = Place::of(&stub);
    let pulled = place.pull("ollama:tiny:1b").unwrap();
    assert_eq!(
        place.files(),
        [
            "tiny-1b/LICENSE-2.txt",
            "tiny-1b/LICENSE.txt",
            "tiny-1b/athenaeum-model.json",
            "tiny-1b/ollama-params.json",
            "tiny-1b/ollama-template.txt",
            "tiny-1b/tiny-1b.gguf",
        ]
    );
    assert_eq!(std::fs::read(place.path("tiny-1b/tiny-1b.gguf")).unwrap(), file);
    assert_eq!(pulled.notes, ["a layer of the kind application/vnd.ollama.image.somethingnew was left out"]);
    assert_eq!(Record::read(&place.path("tiny-1b")).unwrap().unwrap().source, "ollama:tiny:1b");
    assert_eq!(store.seen().len(), 5);
    assert_eq!(place.pull("ollama:tiny:1b").unwrap().fetched_bytes, 0);
    assert!(matches!(place.pull("ollama:tiny:2b"), Err(Error::NotFound { .. })));
}

#[test]
fn a_layer_that_is_not_its_digest_is_refused() {
    let file = model(100_000);
    let size = file.len();
    let stub = Stub::start(move |seen, _| match seen.path().contains("/manifests/") {
        true => Answer::json(format!(
            r#"{{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{}","size":{size}}}]}}"#,
            Sha256::of(b"other")
        )),
        false => Answer::file(seen, &file, "\"x\""),
    });
    let place = Place::of(&stub);
    assert!(matches!(place.pull("ollama:tiny"), Err(Error::Checksum { .. })));
    assert!(place.files().is_empty(), "{:?}", place.files());
}

/// Digests become names of files elsewhere (CVE-2024-37032), and sizes are believed nowhere.
#[test]
fn manifests_that_cannot_be_right_are_refused() {
    let check = |layers: &'static str, expected: &str| {
        let stub = Stub::start(move |_, _| Answer::json(format!(r#"{{"layers":{layers}}}"#)));
        let place = Place::of(&stub);
        let error = place.pull("ollama:tiny").unwrap_err().to_string();
        assert!(error.contains(expected), "{layers}: {error}");
        assert!(stub.seen().len() == 1 && place.files().is_empty(), "{:?}", place.files());
    };
    let digest = "by no proper digest";
    check(
        r#"[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:../../../etc/passwd","size":1}]"#,
        digest,
    );
    check(r#"[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256-00","size":1}]"#, digest);
    check(r#"[{"mediaType":"application/vnd.ollama.image.model","digest":"","size":1}]"#, digest);
    check("[]", "does not name one GGUF file");
    check("{}", "cannot be understood");
    check(
        r#"[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:0","size":-1}]"#,
        "cannot be understood",
    );
}
