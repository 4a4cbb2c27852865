//! Our own surface over models: what there is, what is in memory, what is fetched and removed.

use std::time::Duration;

use athenaeum_api::{Models, Pulls, Settings, app};
use athenaeum_inference::{
    catalog::{self, Catalog},
    model::Root,
    pull,
    residents::{self, Residents},
    shelf::Shelf,
};
use axum::{Router, body::Body, http::Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Server, TINY, ask};

/// A server with the small model on its shelf, and that folder.
async fn with_shelf() -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("small")).unwrap();
    std::fs::copy(TINY, folder.path().join("small/tiny.gguf")).unwrap();
    let server = Server::empty(Settings::default()).await;
    let roots = vec![Root::recognised(folder.path().to_owned())];
    let catalog = Catalog::new(catalog::Settings { roots, ..catalog::Settings::default() });
    let residents =
        Residents::new(residents::Settings { budget_bytes: Some(1 << 30), ..residents::Settings::default() });
    let settings =
        pull::Settings::new("http://127.0.0.1:9".parse().unwrap(), "http://127.0.0.1:9".parse().unwrap());
    let pulls = Pulls::new(
        Shelf::at(folder.path().to_owned()),
        pull::Settings { retries_max: 0, retry_wait: Duration::from_millis(1), ..settings },
    );
    let api = server.api.clone().with_models(Models::new(catalog, residents)).with_pulls(pulls);
    (Server { app: app(api.clone(), Router::new()), api, ..server }, folder)
}

#[tokio::test]
async fn a_model_is_listed_loaded_measured_and_let_go() {
    let (server, _folder) = with_shelf().await;
    let page = server.get("/athenaeum/v1/models").await.json();
    let model = &page["models"][0];
    let name = model["name"].as_str().unwrap().to_owned();
    assert_eq!((&model["purpose"], &model["loaded"]), (&json!("generate"), &Value::Null), "{page}");
    assert_eq!((&model["fit"]["verdict"], &model["removable"]), (&json!("yes"), &json!(true)), "{page}");
    assert!(model["fit"]["reason"].as_str().unwrap().starts_with("It fits: "), "{page}");

    let loaded = server.post(&format!("/athenaeum/v1/models/{name}/load"), &Value::Null).await;
    assert_eq!((loaded.status, &loaded.json()["loaded"]["users"]), (200, &json!(0)), "{}", loaded.text());
    assert!(server.get("/athenaeum/v1/models").await.json()["used_bytes"].as_u64() > Some(0));
    let target = format!("/athenaeum/v1/models/{name}/speed?prompt_tokens=16&generated_tokens=4");
    let speed = server.post(&target, &Value::Null).await.json();
    assert!(speed["generated_tokens_per_second"].as_f64() > Some(0.0), "{speed}");
    let gone = server.post(&format!("/athenaeum/v1/models/{name}/unload"), &Value::Null).await.json();
    assert_eq!(gone["loaded"], Value::Null, "{gone}");

    for (target, parameter) in [
        ("load?keep_seconds=-1", "keep_seconds"),
        ("speed?prompt_tokens=0", "prompt_tokens"),
        ("unload?x=1", "x"),
    ] {
        let answer = server.post(&format!("/athenaeum/v1/models/{name}/{target}"), &Value::Null).await;
        assert_eq!((answer.status, &answer.problem()["parameter"]["name"]), (400, &json!(parameter)));
    }
    let long =
        server.post(&format!("/athenaeum/v1/models/{name}/speed?prompt_tokens=8192"), &Value::Null).await;
    assert_eq!((long.status, &long.problem()["type"]), (400, &json!("urn:athenaeum:problem:context-length")));
}

#[tokio::test]
async fn only_what_is_ours_is_removed() {
    let (server, folder) = with_shelf().await;
    let name =
        server.get("/athenaeum/v1/models").await.json()["models"][0]["name"].as_str().unwrap().to_owned();
    let removed = server.delete(&format!("/athenaeum/v1/models/{name}")).await;
    assert_eq!((removed.status, &removed.json()["files"]), (200, &json!(1)), "{}", removed.text());
    assert!(!folder.path().join("small").exists());
    assert_eq!(server.get("/athenaeum/v1/models").await.json()["models"], json!([]));
    assert_eq!(server.delete(&format!("/athenaeum/v1/models/{name}")).await.status, 404);
    for name in ["..%2F..", "%2Fetc%2Fpasswd", ".partial"] {
        assert_eq!(server.delete(&format!("/athenaeum/v1/models/{name}")).await.status, 404, "{name}");
    }
    // A model that lies elsewhere stays.
    let elsewhere = Server::with_model(Settings::default()).await;
    assert_eq!(elsewhere.delete("/athenaeum/v1/models/tiny").await.status, 501);
    assert!(std::path::Path::new(TINY).exists());
}

#[tokio::test]
async fn what_is_fetched_can_be_followed_to_its_end() {
    let (server, _folder) = with_shelf().await;
    for (body, parameter) in [
        (json!({}), "source"),
        (json!({"source": "nonsense"}), "source"),
        (json!({"source": "hf:a/b", "name": "../x"}), "name"),
        (json!({"source": "hf:a/b", "nmae": "x"}), "nmae"),
        (json!({"source": "http://user:password@example.com/x.gguf"}), "source"),
    ] {
        let answer = server.post("/athenaeum/v1/pulls", &body).await;
        assert_eq!(
            (answer.status, &answer.problem()["parameter"]["name"]),
            (400, &json!(parameter)),
            "{body}"
        );
    }
    // Nobody answers there, and it says so.
    let started = server.post("/athenaeum/v1/pulls", &json!({"source": "hf:owner/model"})).await;
    assert_eq!(started.status, 202, "{}", started.text());
    let (pull, place) = (started.json(), started.header("location").to_owned());
    assert_eq!(pull["status"], "running");
    let events = server.get(pull["events"].as_str().unwrap()).await;
    let events = events.text();
    let last = events.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: failed\ndata: {"), "{events}");
    let told = server.get(&place).await.json();
    assert_eq!((&told["status"], &told["problem"]["status"]), (&json!("failed"), &json!(503)), "{told}");
    assert_eq!(server.get("/athenaeum/v1/pulls").await.json()["pulls"][0]["id"], pull["id"]);
    assert_eq!(server.delete(&place).await.status, 204);
    // What only this machine's own network can reach is not for whoever asks over the wire.
    for address in ["http://127.0.0.1:10/x.gguf", "http://[::1]/x.gguf", "http://169.254.169.254/x.gguf"] {
        let inside = server.post("/athenaeum/v1/pulls", &json!({"source": address})).await.json();
        let told = server.get(inside["events"].as_str().unwrap()).await;
        assert!(told.text().contains("own network"), "{address}: {}", told.text());
    }
    let none = Server::with_model(Settings::default()).await;
    let refused = none.post("/athenaeum/v1/pulls", &json!({"source": "hf:a/b"})).await;
    assert_eq!((refused.status, none.get("/athenaeum/v1/pulls").await.status), (501, 200));
    let wrong = ask(&none.app, Method::GET, "/athenaeum/v1/pulls/x", &[], Body::empty()).await;
    assert_eq!(wrong.status, 404);
}
