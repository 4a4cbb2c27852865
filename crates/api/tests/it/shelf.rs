//! Models fetched, copied and removed over `/api`, with a registry over loopback.

use std::path::{Path, PathBuf};

use athenaeum_api::{Api, Models, Pulls, Settings, app};
use athenaeum_inference::{
    catalog::{self, Catalog, Named},
    model::{Root, Sha256},
    pull,
    residents::{self, Residents},
    shelf::Shelf,
};
use axum::{Json, Router, body::Body, extract, http::Method, routing::get};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Answer, Server, ask};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");

/// A server whose registry has `me/tiny:1b`, and that knows a model of another program, `foreign`.
struct Place {
    server: Server,
    folder: TempDir,
}

impl Place {
    async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("models");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::copy(TINY, folder.path().join("foreign.gguf")).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = || format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let settings = pull::Settings { retries_max: 0, ..pull::Settings::new(base(), base()) };
        let files = vec![Named { name: "foreign".to_owned(), path: folder.path().join("foreign.gguf") }];
        let roots = vec![Root::recognised(own.clone())];
        let catalog = Catalog::new(catalog::Settings { files, roots, ..catalog::Settings::default() });
        tokio::spawn(async { axum::serve(listener, registry()).await.unwrap() });
        let server = Server::empty(Settings::default()).await;
        let models = Models::new(catalog, Residents::new(residents::Settings::default()));
        let pulls = Pulls::new(Shelf::at(own), settings);
        let api: Api = server.api.clone().with_models(models).with_pulls(pulls);
        Self { server: Server { app: app(api.clone(), Router::new()), api, ..server }, folder }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.server.post(path, &body).await
    }

    async fn delete(&self, name: &str) -> Answer {
        let headers = [("content-type", "application/json")];
        let body = json!({ "model": name }).to_string();
        ask(&self.server.app, Method::DELETE, "/api/delete", &headers, Body::from(body)).await
    }

    async fn names(&self) -> Vec<String> {
        let list = self.server.get("/api/tags").await.json();
        let names = list["models"].as_array().unwrap().iter();
        let mut names: Vec<String> = names.map(|model| model["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files.sort();
        files
    }
}

fn registry() -> Router {
    let model = std::fs::read(TINY).unwrap();
    let digest = format!("sha256:{}", Sha256::of(&model));
    let layer =
        json!({ "mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": model.len() });
    let small = |kind: &str, text: &'static str| {
        let digest = format!("sha256:{}", Sha256::of(text.as_bytes()));
        let media_type = format!("application/vnd.ollama.image.{kind}");
        (json!({ "mediaType": media_type, "digest": digest, "size": text.len() }), digest, text)
    };
    let params = small("params", r#"{"temperature":0,"num_predict":5,"stop":["<|x|>"],"odd":1}"#);
    let system = small("system", "You know some poems.");
    let manifest = json!({ "schemaVersion": 2, "layers": [layer, params.0, system.0] });
    let texts = [(params.1, params.2), (system.1, system.2)];
    let blob = move |digest: &str| {
        let text = texts.iter().find(|(known, _)| known == digest);
        text.map_or_else(|| model.clone(), |(_, text)| text.as_bytes().to_vec())
    };
    Router::new().route("/v2/me/tiny/manifests/1b", get(async || Json(manifest))).route(
        "/v2/me/tiny/blobs/{digest}",
        get(async move |extract::Path(digest): extract::Path<String>| blob(&digest)),
    )
}

#[tokio::test]
async fn a_model_is_fetched_asked_copied_and_deleted() {
    let place = Place::make().await;
    let lines = place.post("/api/pull", json!({ "model": "me/tiny:1b" })).await.lines();
    assert_eq!(lines[0], json!({ "status": "pulling manifest" }));
    let layer = lines.iter().rfind(|line| line["digest"].is_string()).unwrap();
    assert_eq!(layer["completed"], layer["total"]);
    assert_eq!(layer["status"], format!("pulling {}", &layer["digest"].as_str().unwrap()[7..19]));
    let last = &lines[lines.len() - 3..];
    let words = last.iter().map(|line| line["status"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(words, ["verifying sha256 digest", "writing manifest", "success"]);
    assert_eq!(place.names().await, ["foreign:latest", "me/tiny:1b"]);
    let digest = layer["digest"].as_str().unwrap();
    let head = async |digest: &str| {
        ask(&place.server.app, Method::HEAD, &format!("/api/blobs/{digest}"), &[], Body::empty()).await.status
    };
    assert_eq!((head(digest).await, head(&format!("sha256:{}", Sha256::of(b""))).await), (200, 404));
    assert_eq!((head("sha256:..%2F..").await, head(&digest.to_uppercase()).await), (400, 400));

    // What is here already is not fetched again.
    let again = place.post("/api/pull", json!({ "name": "me/tiny:1b", "stream": false })).await;
    assert_eq!(again.json()["status"], "success");
    let chat =
        json!({ "model": "me/tiny:1b", "stream": false, "messages": [{ "role": "user", "content": "Hi" }] });
    let answer = place.post("/api/chat", chat.clone()).await.json();
    assert_eq!(
        (&answer["model"], &answer["eval_count"]),
        (&json!("me/tiny:1b"), &json!(5)),
        "as its options say"
    );
    let mut more = chat;
    more["options"] = json!({ "num_predict": 3 });
    assert_eq!(
        place.post("/api/chat", more).await.json()["eval_count"],
        3,
        "unless the request says otherwise"
    );
    let shown = place.post("/api/show", json!({ "model": "me/tiny:1b" })).await.json();
    assert_eq!(shown["system"], "You know some poems.");
    let parameters = shown["parameters"].as_str().unwrap();
    assert!(
        parameters.contains("num_predict") && parameters.contains("\"<|x|>\"") && !parameters.contains("odd")
    );

    let copy = |from: &str, to: &str| json!({ "source": from, "destination": to });
    assert_eq!(place.post("/api/copy", copy("me/tiny:1b", "mine:best")).await.status, 200);
    assert_eq!(place.names().await, ["foreign:latest", "me/tiny:1b", "mine:best"]);
    assert_eq!(place.post("/api/show", json!({ "model": "mine:best" })).await.status, 200);
    assert_eq!(place.post("/api/copy", copy("me/tiny:1b", "mine:best")).await.status, 409);
    assert_eq!(place.post("/api/copy", copy("none", "x")).await.status, 404);

    assert_eq!(place.delete("me/tiny").await.status, 404, "a part of a name deletes nothing");
    assert_eq!(place.delete("me/tiny:1b").await.status, 200);
    assert_eq!(place.names().await, ["foreign:latest", "mine:best"]);
    assert_eq!(place.delete("mine:best").await.status, 200);
    assert_eq!(place.delete("mine:best").await.status, 404);
    assert_eq!(place.files(), [place.folder.path().join("foreign.gguf")]);
}

#[tokio::test]
async fn the_models_of_other_programs_stay_as_they_are() {
    let place = Place::make().await;
    for answer in [
        place.delete("foreign").await,
        place.post("/api/copy", json!({ "source": "foreign", "destination": "mine" })).await,
    ] {
        assert_eq!(answer.status, 409);
        let error = answer.refusal("/api/delete")["error"].as_str().unwrap().to_owned();
        assert!(
            error.contains("not Athenaeum's own") && !error.contains(place.folder.path().to_str().unwrap())
        );
    }
    assert_eq!(place.names().await, ["foreign:latest"]);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told_as_ollama_tells_it() {
    let place = Place::make().await;
    let lines = place.post("/api/pull", json!({ "model": "nobody/nothing" })).await.lines();
    assert!(lines.last().unwrap()["error"].as_str().unwrap().contains("nobody/nothing"), "{lines:?}");
    let whole = place.post("/api/pull", json!({ "model": "nobody/nothing", "stream": false })).await;
    assert_eq!(whole.status, 404);
    whole.refusal("/api/pull");
    for name in ["", "a/b/c/d", "evil.example/a/b", "../../etc", "http://127.0.0.1:1/x/y"] {
        assert_eq!(place.post("/api/pull", json!({ "model": name })).await.status, 400, "{name}");
    }
    for path in ["/api/create", "/api/push"] {
        assert_eq!(place.post(path, json!({ "model": "x" })).await.status, 400);
    }
    assert_eq!(place.files(), [place.folder.path().join("foreign.gguf")]);

    let bare = Server::empty(Settings::default()).await;
    assert_eq!(bare.post("/api/pull", &json!({ "model": "tiny" })).await.status, 501);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Whatever is asked for, nothing outside of the folder comes or goes.
    #[test]
    fn no_name_reaches_outside_of_the_folder(
        names in proptest::collection::vec(r"([a-z]|foreign|\.\./|/|:|\\|%2f|\x00|\.gguf|\PC){0,6}", 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = Place::make().await;
            place.post("/api/pull", json!({ "model": "me/tiny:1b", "stream": false })).await.json();
            for name in &names {
                place.post("/api/copy", json!({ "source": "me/tiny:1b", "destination": name })).await;
                place.post("/api/copy", json!({ "source": name, "destination": "x" })).await;
                place.delete(name).await;
            }
            let own = place.folder.path().join("models");
            let outside: Vec<PathBuf> = place.files().into_iter().filter(|path| !path.starts_with(&own)).collect();
            assert_eq!(outside, [place.folder.path().join("foreign.gguf")], "{names:?}");
        });
    }
}
