//! A whole server over a real archive in a temporary folder.

use athenaeum_api::{Api, Models, Settings, app, router};
use athenaeum_archive::{Archive, State, library::Library};
use athenaeum_core::{Block, BlockKind, Conversation, Message, Provider, Role, Timestamp, ToolCall};
use athenaeum_inference::{
    catalog::{self, Catalog, Named},
    local,
    residents::{self, Residents},
};
use athenaeum_retrieval::{
    Chats, Imports,
    documents::Options,
    librarian::{Librarian, Open, Opening},
    meaning::Meaning,
    memory::{self, Place},
};
use athenaeum_tenancy::{Caller, Keys, Register};
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Method, Request, Response},
};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) struct Server {
    pub(crate) app: Router,
    pub(crate) api: Api,
    pub(crate) archive: Archive,
    pub(crate) folder: TempDir,
}

/// A model that talks a little, and always alike.
pub(crate) const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");

/// First parts of the addresses of llama.cpp's server.
const LLAMA_CPP: [&str; 15] = [
    "models",
    "health",
    "completion",
    "completions",
    "embedding",
    "chat",
    "embeddings",
    "rerank",
    "tokenize",
    "detokenize",
    "apply-template",
    "infill",
    "props",
    "slots",
    "lora-adapters",
];

impl Server {
    /// Starts with the small model of the examples, and nothing in the archive.
    pub(crate) async fn with_model(settings: Settings) -> Self {
        Self::with_files(settings, Vec::new()).await
    }

    /// The same with further models beside it.
    pub(crate) async fn with_files(settings: Settings, files: Vec<Named>) -> Self {
        Self::loaded_so(settings, files, local::Settings::default()).await
    }

    /// The same with models loaded as `load` says.
    pub(crate) async fn loaded_so(settings: Settings, mut files: Vec<Named>, load: local::Settings) -> Self {
        let server = Self::empty(settings).await;
        files.push(Named { name: "tiny".to_owned(), path: TINY.into() });
        let catalog = Catalog::new(catalog::Settings { files, ..catalog::Settings::default() });
        let residents = Residents::new(residents::Settings { load, ..residents::Settings::default() });
        let models = Models::new(catalog, residents);
        let api = server.api.clone().with_models(models);
        let api = api.with_state(State::in_folder(server.folder.path()));
        Self { app: app(api.clone(), Router::new()), api, ..server }
    }

    /// The same with the small model, and what is said to it is kept.
    pub(crate) async fn that_keeps() -> Self {
        let server = Self::with_model(Settings::default()).await;
        let api = server.api.clone().with_chats(Chats::new(server.archive.clone()));
        Self { app: app(api.clone(), Router::new()), api, ..server }
    }

    /// Asks a model.
    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        ask(&self.app, Method::POST, target, &headers, Body::from(body.to_string())).await
    }

    /// Starts with [`sourdough`] and [`forked`] in the archive.
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let server = Self::empty(settings).await;
        server.add(vec![sourdough(), forked()]).await;
        server
    }

    pub(crate) async fn empty(mut settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        settings.upload_dir = Some(folder.path().join("uploads"));
        let archive = Archive::open(folder.path(), &athenaeum_archive::Settings::default()).await.unwrap();
        let shelves = Shelves(folder.path().to_owned());
        let librarian = Librarian::new(shelves, &folder.path().join("drop"), Options::default());
        let api =
            Api::new(archive.clone(), Imports::new(archive.clone()), settings).with_librarian(librarian);
        let memory =
            Place::new(folder.path(), athenaeum_archive::Settings::default(), memory::Settings::default());
        let api = api.with_memory(memory);
        Self { app: app(api.clone(), Router::new()), api, archive, folder }
    }

    pub(crate) async fn add(&self, conversations: Vec<Conversation>) {
        let scope = athenaeum_tenancy::local();
        let mut import = self.archive.begin_import(&scope, "fixture.json", None).await.unwrap();
        for conversation in conversations {
            import.add(conversation).await.unwrap();
        }
        import.finish("{\"conversations\":2,\"messages\":7,\"duration_ms\":5}").await.unwrap();
    }

    /// The same archive, asked by somebody else.
    pub(crate) fn as_stranger(&self) -> Router {
        app(self.api.clone().with_scope(athenaeum_tenancy::for_test("stranger")), Router::new())
    }

    /// The same server, asked with the key of somebody else.
    pub(crate) fn asked_by_stranger(&self) -> Router {
        let scope = athenaeum_tenancy::for_test("stranger");
        router(self.api.clone()).layer(Extension(Caller::for_test(scope, "stranger's")))
    }

    /// The same archive, behind the keys of its folder.
    pub(crate) async fn with_keys(&self) -> Router {
        let keys = Keys::open(self.folder.path(), Vec::new()).await.unwrap();
        app(self.api.clone().with_keys(keys), Router::new())
    }

    pub(crate) fn register(&self) -> Register {
        Register::in_folder(self.folder.path())
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        ask(&self.app, Method::GET, target, &[], Body::empty()).await
    }

    /// How many answers the small model is giving, as the metrics tell.
    pub(crate) async fn running(&self) -> u32 {
        let metrics = self.get("/metrics").await;
        let mark = "athenaeum_model_running{model=\"tiny\"} ";
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(mark));
        line.unwrap().parse().unwrap()
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        ask(&self.app, Method::DELETE, target, &[], Body::empty()).await
    }

    /// The id of the one conversation with this external id.
    pub(crate) async fn id_of(&self, external_id: &str) -> String {
        let list = self.get("/athenaeum/v1/conversations").await.json();
        let list = list["conversations"].as_array().unwrap().clone();
        let found = list.iter().find(|conversation| conversation["external_id"] == external_id);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }
}

/// Opens the library in a folder, with no model to search by meaning.
struct Shelves(std::path::PathBuf);

impl Open for Shelves {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let folder = self.0.clone();
        Box::pin(async move { Library::open(&folder, &athenaeum_archive::Settings::default()).await })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        Box::pin(async { Ok(None) })
    }
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) response: Response<()>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads the objects of a stream of server-sent events, and what ends it.
    pub(crate) fn events(&self) -> (Vec<Value>, Vec<String>) {
        assert_eq!(self.header("content-type"), "text/event-stream; charset=utf-8", "{}", self.text());
        let data = self
            .text()
            .split("\n\n")
            .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
        let (json, other): (Vec<&str>, Vec<&str>) = data.partition(|data| data.starts_with('{'));
        (
            json.iter().map(|data| serde_json::from_str(data).unwrap()).collect(),
            other.iter().map(ToString::to_string).collect(),
        )
    }

    /// Reads the objects of a stream of lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), "application/x-ndjson", "{}", self.text());
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert!(self.status < 300, "{} {}", self.status, self.text());
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Reads a refusal in the shape that clients of `path` look for.
    pub(crate) fn refusal(&self, path: &str) -> Value {
        let first = path.split(['/', '?']).nth(1).unwrap_or_default();
        if !["v1", "api"].contains(&first) && !LLAMA_CPP.contains(&first) {
            return self.problem();
        }
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        if first == "api" {
            assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
            return body;
        }
        for field in ["message", "type"] {
            assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {body}");
        }
        body
    }

    /// Reads a refusal of our own; every one has the same shape.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for field in ["type", "title", "detail", "instance"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {problem}");
        }
        problem
    }
}

pub(crate) async fn ask(
    app: &Router,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:7878");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
    Answer { status: parts.status.as_u16(), response: Response::from_parts(parts, ()), body }
}

/// Three messages about bread, May 2024.
pub(crate) fn sourdough() -> Conversation {
    let mut conversation = Conversation::new(Provider::CHATGPT, "c-bread");
    conversation.title = Some("Sourdough <starter> care".into());
    conversation.model = Some("gpt-4o".into());
    conversation.created_at = Some("2024-05-17T08:30:00.123456Z".parse().unwrap());
    conversation.updated_at = Some("2024-05-17T09:00:00Z".parse().unwrap());
    conversation.system_prompt = Some("Be brief.".into());
    conversation.temperature = Some(0.5);
    conversation.user_id = Some("account-7".into());
    conversation.raw_json = r#"{"id": "c-bread",  "kept": "to the letter"}"#.into();
    conversation.messages = vec![
        said(Role::User, None, "2024-05-17T08:30:00Z", "How long does a naïve sourdough ferment?"),
        Message {
            model: Some("gpt-4o".into()),
            tool_calls: vec![ToolCall { id: None, name: "timer".into(), arguments: "{\"h\":12}".into() }],
            ..said(Role::Assistant, Some(0), "2024-05-17T08:30:05Z", "About <b>twelve</b> hours & a bit.")
        },
        Message {
            blocks: vec![Block::new(BlockKind::Code, "fn ferment() {}").labelled("rust")],
            ..said(Role::User, Some(1), "2024-05-17T08:31:00Z", "")
        },
    ];
    conversation
}

/// Four messages, the answer regenerated once, March 2023.
pub(crate) fn forked() -> Conversation {
    let mut conversation = Conversation::new(Provider::CLAUDE, "c-fork");
    conversation.title = Some("Rye or wheat".into());
    conversation.created_at = Some("2023-03-01T00:00:00Z".parse().unwrap());
    conversation.raw_json = "{}".into();
    conversation.messages = vec![
        said(Role::User, None, "2023-03-01T00:00:00Z", "Which flour for sourdough?"),
        said(Role::Assistant, Some(0), "2023-03-01T00:00:01Z", "Rye, whole."),
        said(Role::User, Some(1), "2023-03-01T00:00:02Z", "Thank you."),
        Message {
            off_branch: true,
            ..said(Role::Assistant, Some(0), "2023-03-01T00:00:03Z", "Wheat, plain.")
        },
    ];
    conversation
}

fn said(role: Role, parent: Option<u32>, time: &str, text: &str) -> Message {
    let time: Timestamp = time.parse().unwrap();
    Message { parent, created_at: Some(time), ..Message::new(role, vec![Block::text(text)]) }
}
