//! Kill it and look.

use std::{
    path::Path,
    process::{Child, Command},
    task::Poll,
    time::{Duration, Instant},
};

use athenaeum_archive::{Archive, Filters, ImportStatus, SearchRequest, Settings};
use athenaeum_core::Conversation;
use athenaeum_tenancy::local;

use crate::sample;

/// Names the data directory to the process that is going to be killed.
const CHILD: &str = "ATHENAEUM_TEST_IMPORT_INTO";

const BATCH: usize = 50;

fn settings() -> Settings {
    Settings { batch_conversations: BATCH, ..Settings::default() }
}

fn conversation(i: usize) -> Conversation {
    sample::conversation(&format!("c{i}"), "Killed", &["one word", "another word", &format!("number{i}")])
}

/// Not a test of its own: [`a_killed_import_leaves_whole_batches_and_a_rerun_completes_it`] runs it in a process
/// of its own, where it imports until it is killed.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let archive = Archive::open(Path::new(&dir), &settings()).await.unwrap();
    let mut import = archive.begin_import(&local(), "endless.json", None).await.unwrap();
    for i in 0.. {
        import.add(conversation(i)).await.unwrap();
    }
}

/// This binary again, with only [`child`] to run.
fn spawn(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::child"]).env(CHILD, dir);
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

async fn conversations(archive: &Archive) -> u64 {
    archive.stats(&local()).await.unwrap().conversations
}

#[tokio::test]
async fn a_killed_import_leaves_whole_batches_and_a_rerun_completes_it() {
    let (dir, archive) = sample::archive().await;
    let mut child = spawn(dir.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    // The two processes share the archive: what one commits, the other sees while it goes on writing.
    while conversations(&archive).await < 3 * BATCH as u64 {
        assert!(Instant::now() < deadline, "the other process imports nothing");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Writers take turns: this one gets in between two batches.
    let other = [sample::conversation("other", "Between", &["meanwhile"])];
    tokio::time::timeout(Duration::from_secs(20), sample::import(&archive, &local(), &other)).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let kept = conversations(&archive).await - 1;
    assert_eq!(kept % BATCH as u64, 0, "{kept} conversations are not whole batches");
    assert_eq!(archive.check().await.unwrap(), []);
    let imports = archive.imports(&local(), None, 10).await.unwrap().items;
    let running = imports.into_iter().find(|event| event.file_path == "endless.json").unwrap();
    assert_eq!(running.status, ImportStatus::InProgress);

    archive.close().await;
    let archive = Archive::open(dir.path(), &settings()).await.unwrap();
    let ended = archive.import_event(&local(), running.id).await.unwrap();
    assert_eq!(ended.status, ImportStatus::Failed);
    assert!(ended.error.unwrap().starts_with("interrupted"));

    let all: Vec<_> = (0..kept as usize + 20).map(conversation).collect();
    sample::import(&archive, &local(), &all).await;
    assert_eq!(conversations(&archive).await, kept + 21);
    for i in [0, kept as usize - 1, kept as usize + 19] {
        let request = SearchRequest { query: format!("number{i}"), ..SearchRequest::default() };
        assert_eq!(archive.search(&local(), &request).await.unwrap().hits.len(), 1, "number{i}");
    }
    assert_eq!(archive.check().await.unwrap(), []);
}

#[tokio::test]
async fn an_abandoned_import_is_recorded_as_interrupted_and_keeps_nobody_waiting() {
    let (_dir, archive) = sample::archive().await;
    let mut import = archive.begin_import(&local(), "a.json", None).await.unwrap();
    let id = import.id();
    import.add(conversation(0)).await.unwrap();
    drop(import);
    let deadline = Instant::now() + Duration::from_secs(10);
    while archive.import_event(&local(), id).await.unwrap().status == ImportStatus::InProgress {
        assert!(Instant::now() < deadline, "it is never recorded");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(conversations(&archive).await, 0);
    sample::import(&archive, &local(), &[conversation(0)]).await;
    assert_eq!(conversations(&archive).await, 1);
}

#[tokio::test]
async fn two_imports_and_many_searches_at_once() {
    let (dir, archive) = sample::archive().await;
    // A second handle has connections of its own, as another process would.
    let other = Archive::open(dir.path(), &settings()).await.unwrap();
    let import = async |archive: &Archive, from: usize| {
        let mut import = archive.begin_import(&local(), "x", None).await.unwrap();
        for i in from..from + 400 {
            import.add(conversation(i)).await.unwrap();
            if i % 40 == 0 {
                import.commit_now().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        import.finish("{}").await.unwrap();
    };
    let search = async |archive: &Archive| {
        for _ in 0..40 {
            let request = SearchRequest { query: "word".into(), ..SearchRequest::default() };
            archive.search(&local(), &request).await.unwrap();
            archive.conversations(&local(), &Filters::default(), None, 5).await.unwrap();
        }
    };
    tokio::join!(
        import(&archive, 0),
        import(&other, 200),
        search(&archive),
        search(&other),
        search(&archive),
        search(&other)
    );
    assert_eq!(conversations(&archive).await, 600);
    let request = SearchRequest { query: "another".into(), limit: 200, ..SearchRequest::default() };
    let results = archive.search(&local(), &request).await.unwrap();
    assert_eq!(results.hits.len(), 200);
    for i in [0, 199, 200, 399, 599] {
        let request = SearchRequest { query: format!("number{i}"), ..SearchRequest::default() };
        assert_eq!(archive.search(&local(), &request).await.unwrap().hits.len(), 1, "number{i}");
    }
}

/// A request whose client goes away is dropped wherever it waits. One that was dropped while its transaction began
/// left that open and unknown, and every later write failed until the program was restarted; one that was dropped later
/// held up other processes until this one wrote again.
#[tokio::test]
async fn a_write_that_is_dropped_half_way_does_not_stop_later_ones() {
    let (dir, archive) = sample::archive().await;
    let impatient = Settings { busy_timeout: Duration::from_secs(5), ..settings() };
    let other = Archive::open(dir.path(), &impatient).await.unwrap();
    let scope = local();
    for steps in 0..40 {
        {
            let mut import = std::pin::pin!(archive.begin_import(&scope, "dropped.json", None));
            for _ in 0..steps {
                if std::future::poll_fn(|context| Poll::Ready(import.as_mut().poll(context).is_ready())).await
                {
                    break;
                }
                // Lets the connection's thread do what it was told; nothing tells when it has.
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let import = other.begin_import(&scope, "meanwhile.json", None).await;
        import.unwrap_or_else(|error| panic!("after {steps} steps: {error}")).finish("{}").await.unwrap();
    }
    let import = archive.begin_import(&scope, "later.json", None).await.unwrap();
    import.finish("{}").await.unwrap();
}
