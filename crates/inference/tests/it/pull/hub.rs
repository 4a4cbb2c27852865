//! A hub that behaves like Hugging Face's: lists in pages, files that lie on another server, tokens, gates.

use std::sync::Arc;

use athenaeum_inference::{
    model::{Record, Sha256},
    pull::{Error, Token},
};

use super::{Place, chain, model};
use crate::stub::{Answer, Seen, Stub};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A repository's files, by path; those that are large lie on the CDN and have a checksum.
type Files = Vec<(&'static str, Vec<u8>, bool)>;

/// Starts a hub, and the server that its large files lie on.
fn hub(files: Files, guard: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> (Stub, Stub) {
    let files = Arc::new(files);
    let large = Arc::clone(&files);
    let cdn = Stub::start(move |seen, _| {
        let wanted = large.iter().find(|(path, ..)| seen.path() == format!("/cdn/{path}"));
        wanted.map_or_else(|| Answer::status(404), |(_, bytes, _)| Answer::file(seen, bytes, "\"cdn\""))
    });
    let elsewhere = cdn.url_by_name("");
    let stub = Stub::start(move |seen, _| {
        if let Some(answer) = guard(seen) {
            return answer;
        }
        let (path, page) = (seen.path(), seen.target.contains("cursor=2"));
        if path == "/api/models/owner/repo/revision/main" {
            return Answer::json(format!(r#"{{"id":"owner/repo","sha":"{COMMIT}","private":false}}"#));
        }
        if path == format!("/api/models/owner/repo/tree/{COMMIT}") {
            let (first, second) = files.split_at(files.len() / 2);
            let entries: Vec<String> = if page { second } else { first }.iter().map(entry).collect();
            let answer = Answer::json(format!(
                r#"[{{"type":"directory","oid":"0","size":0,"path":"d"}}{}]"#,
                entries.concat()
            ));
            return match page {
                true => answer,
                false => answer.with("Link", &format!("<{path}?recursive=true&cursor=2>; rel=\"next\"")),
            };
        }
        let file = files.iter().find(|(name, ..)| path == format!("/owner/repo/resolve/{COMMIT}/{name}"));
        match file {
            Some((name, bytes, true)) => {
                Answer::redirect(&format!("{elsewhere}/cdn/{name}?signature=secret"))
                    .with("X-Linked-ETag", &format!("\"{}\"", Sha256::of(bytes)))
                    .with("X-Linked-Size", &bytes.len().to_string())
            }
            Some((_, bytes, false)) => Answer::file(seen, bytes, "\"hub\""),
            None => Answer::status(404).with("X-Error-Message", "Entry not found"),
        }
    });
    (stub, cdn)
}

fn entry((path, bytes, is_large): &(&'static str, Vec<u8>, bool)) -> String {
    let lfs = match is_large {
        true => {
            format!(r#","lfs":{{"oid":"{}","size":{},"pointerSize":134}}"#, Sha256::of(bytes), bytes.len())
        }
        false => String::new(),
    };
    format!(r#",{{"type":"file","oid":"00","size":{},"path":"{path}"{lfs}}}"#, bytes.len())
}

/// A header that names one tensor of 64 zeros, and the tensor.
fn safetensors(name: &str) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 256]].concat()
}

#[test]
fn a_quantization_comes_from_where_the_hub_leads() {
    let file = model(200_000);
    let (stub, cdn) = hub(
        vec![
            (".gitattributes", b"*".to_vec(), false),
            ("m-Q4_K_M.gguf", model(100_000), true),
            ("m-Q8_0.gguf", file.clone(), true),
            ("README.md", b"# m".to_vec(), false),
        ],
        |_| None,
    );
    let mut place = Place::of(&stub);
    place.settings.hub_token = Token::new("hf_secret");
    place.pull("hf:owner/repo:Q8_0").unwrap();
    assert_eq!(place.files(), ["m-Q8_0/athenaeum-model.json", "m-Q8_0/m-Q8_0.gguf"]);
    assert_eq!(std::fs::read(place.path("m-Q8_0/m-Q8_0.gguf")).unwrap(), file);
    let record = Record::read(&place.path("m-Q8_0")).unwrap().unwrap();
    assert_eq!((record.source.as_str(), record.revision.as_deref()), ("hf:owner/repo:Q8_0", Some(COMMIT)));

    // The token goes to the hub, and nowhere else.
    assert!(stub.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer hf_secret")));
    assert!(!cdn.seen().is_empty() && cdn.seen().iter().all(|seen| seen.header("authorization").is_none()));

    let usual = place.pull("owner/repo").unwrap();
    assert!(usual.kept.name == "m-Q4_K_M" && usual.notes[0].contains("of 2 GGUF models"), "{usual:?}");
    let asked = stub.seen().len() + cdn.seen().len();
    assert_eq!(place.pull("owner/repo:Q8_0").unwrap().fetched_bytes, 0);
    assert_eq!(stub.seen().len() + cdn.seen().len(), asked + 3, "only the list was asked for");
    let error = place.pull("owner/repo:IQ2_XS").unwrap_err().to_string();
    assert!(error.contains("has no IQ2_XS; there is m-Q4_K_M.gguf, m-Q8_0.gguf"), "{error}");
}

#[test]
fn a_folder_comes_as_a_whole_or_not_at_all() {
    let config = br#"{"architectures":["LlamaForCausalLM"],"hidden_size":8}"#.to_vec();
    let index =
        br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    let files = vec![
        ("config.json", config, false),
        ("model.safetensors.index.json", index.to_vec(), false),
        ("model-00001-of-00002.safetensors", safetensors("a"), true),
        ("model-00002-of-00002.safetensors", safetensors("b"), true),
        ("1_Pooling/config.json", b"{}".to_vec(), false),
        ("pytorch_model.bin", vec![0; 9], true),
    ];
    // The last file fails at first.
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let fails = Arc::clone(&broken);
    let (stub, cdn) = hub(files, move |seen| {
        let fails = fails.load(std::sync::atomic::Ordering::Relaxed);
        (fails && seen.path().ends_with("00002-of-00002.safetensors")).then(|| Answer::status(500))
    });
    let place = Place::of(&stub);
    let error = place.pull("hf:owner/repo").unwrap_err();
    assert!(matches!(error, Error::Unwell { status: 500, .. }), "{error}");
    assert!(place.shelf().models().unwrap().is_empty());
    assert!(place.files().iter().all(|file| file.starts_with(".partial/")), "{:?}", place.files());

    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    let pulled = place.pull("hf:owner/repo").unwrap();
    assert_eq!(pulled.summary.unwrap().tensors, 2);
    assert_eq!(
        place.files(),
        [
            "repo/1_Pooling/config.json",
            "repo/athenaeum-model.json",
            "repo/config.json",
            "repo/model-00001-of-00002.safetensors",
            "repo/model-00002-of-00002.safetensors",
            "repo/model.safetensors.index.json",
        ]
    );
    let first = cdn.seen().iter().filter(|seen| seen.path().contains("00001-of")).count();
    assert_eq!(first, 1, "what was whole was not fetched again");
}

#[test]
fn the_parts_of_a_split_model_come_together() {
    let names = ["q/m-00001-of-00003.gguf", "q/m-00002-of-00003.gguf", "q/m-00003-of-00003.gguf"];
    let files = |bytes: Vec<Vec<u8>>| -> Files {
        names.into_iter().zip(bytes).map(|(name, bytes)| (name, bytes, true)).collect()
    };
    let bytes: Vec<Vec<u8>> = crate::split::parts().iter().map(crate::write::Gguf::bytes).collect();
    let (stub, _cdn) = hub(files(bytes.clone()), |_| None);
    let place = Place::of(&stub);
    assert_eq!(place.pull("hf:owner/repo").unwrap().summary.unwrap().files, 3);
    assert_eq!(place.files().len(), 4, "{:?}", place.files());

    let (stub, _cdn) = hub(files(bytes[..2].to_vec()), |_| None);
    let error = Place::of(&stub).pull("hf:owner/repo").unwrap_err().to_string();
    assert!(error.contains("only 2 of its 3 parts"), "{error}");
    // All are there, but two of them are the same: seen before it gets its name.
    let (stub, _cdn) = hub(files(vec![bytes[0].clone(), bytes[1].clone(), bytes[1].clone()]), |_| None);
    let place = Place::of(&stub);
    let error = place.pull("hf:owner/repo").unwrap_err();
    assert!(matches!(error, Error::NotAModel(_)), "{}", chain(&error));
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn a_token_is_not_said_aloud() {
    let (stub, _cdn) = hub(Vec::new(), |_| None);
    let mut place = Place::of(&stub);
    place.settings.hub = "http://hub.example/".parse().unwrap();
    place.settings.hub_token = Token::new("hf_secret");
    let error = place.pull("hf:owner/repo").unwrap_err();
    assert!(matches!(error, Error::TokenInClear { .. }), "{error}");
}

#[test]
fn what_the_hub_refuses_is_explained() {
    let check = |status: u16, token: Option<&str>, expected: &str| {
        let (stub, _cdn) = hub(Vec::new(), move |_| {
            Some(
                Answer::status(status)
                    .with("X-Error-Code", "GatedRepo")
                    .with("X-Error-Message", "Access is restricted"),
            )
        });
        let mut place = Place::of(&stub);
        place.settings.hub_token = token.and_then(Token::new);
        let error = place.pull("hf:owner/repo").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("Access is restricted"), "{status}: {error}");
        assert!(!error.contains("hf_secret") && place.files().is_empty());
    };
    check(401, None, "set models.hub_token or HF_TOKEN");
    check(403, Some("hf_secret"), "ask for access on its page");
    check(403, None, "does not give owner/repo");
    check(404, None, "has no owner/repo");
}

#[test]
fn lists_that_cannot_be_right_are_refused() {
    let check = |list: &'static str, expected: &str| {
        let (stub, cdn) =
            hub(Vec::new(), move |seen| seen.path().contains("/tree/").then(|| Answer::json(list)));
        let place = Place::of(&stub);
        let error = chain(&place.pull("hf:owner/repo").unwrap_err());
        assert!(error.contains(expected), "{list}: {error}");
        assert!(cdn.seen().is_empty() && place.files().is_empty());
    };
    check("{}", "cannot be understood");
    check("[", "cannot be understood");
    check(r#"[{"type":"file","path":"../../x.gguf","size":1}]"#, "is not taken as the name of a file");
    check(r#"[{"type":"file","path":"/etc/x.gguf","size":1}]"#, "is not taken as the name of a file");
    check(r#"[{"type":"file","path":"x.gguf","size":-1}]"#, "cannot be understood");
    check(
        r#"[{"type":"file","path":"x.gguf","size":1,"lfs":{"oid":"../x","size":1}}]"#,
        "its checksum is none",
    );
    check(r#"[{"type":"file","path":"x.gguf","size":18446744073709551615}]"#, "lacks room");
    check(
        r#"[{"type":"file","path":"config.json","size":1},{"type":"file","path":"a.safetensors","size":1},
            {"type":"file","path":"A.safetensors","size":1}]"#,
        "two files of the name a.safetensors",
    );
}

/// The hub says one thing of a file and the server it leads to another.
#[test]
fn what_is_not_what_the_hub_lists_is_refused() {
    let (good, other) = (model(100_000), model(120_000));
    let check = |served: Vec<u8>, expected: &str| {
        let (stub, _cdn) = hub(vec![("m.gguf", good.clone(), true)], move |seen| {
            seen.path().contains("/resolve/").then(|| Answer::file(seen, &served, "\"x\""))
        });
        let place = Place::of(&stub);
        let error = place.pull("hf:owner/repo").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(place.files().is_empty(), "{:?}", place.files());
    };
    let mut tampered = good.clone();
    tampered[90_000] ^= 0x10;
    check(tampered, "its SHA-256 is");
    check(other, &format!("instead of {}", good.len()));
}
