//! What a command touches before it does its work.

use std::{mem::MaybeUninit, os::fd::OwnedFd, path::Path};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::support::Library;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");

/// Commands that need no model look for none: nothing in the folder of models is opened, nor the folder itself.
#[test]
fn commands_without_models_touch_none() {
    let library = Library::new();
    let models = library.data().join("models");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::copy(TINY, models.join("tiny.gguf")).unwrap();
    let export = library.write("conversations.json", EXPORT);
    library.ok(&["import", export.to_str().unwrap()]);
    let watched = watch(&models);
    for command in [
        &["--version"][..],
        &["--help"],
        &["config", "path"],
        &["config", "show"],
        &["import", "conversations.json"],
        &["imports"],
        &["list"],
        &["search", "bread"],
        &["stats"],
        &["query"],
    ] {
        library.ok(command);
        assert_eq!(touched(&watched), 0, "{command:?}");
    }
    library.ok(&["models", "list"]);
    assert!(touched(&watched) > 0, "this one does, and it is seen");
}

fn watch(folder: &Path) -> OwnedFd {
    let watch = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, folder, WatchFlags::OPEN | WatchFlags::ACCESS).unwrap();
    watch
}

/// How often something was opened or read since the last time.
fn touched(watch: &OwnedFd) -> usize {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    std::iter::from_fn(|| events.next().ok().map(drop)).count()
}

const EXPORT: &str = r#"[{"title":"Bread","create_time":1700000000.0,"update_time":1700000000.0,"mapping":{
    "a":{"id":"a","parent":null,"children":["b"],"message":null},
    "b":{"id":"b","parent":"a","children":[],"message":{"id":"b","author":{"role":"user"},"create_time":1700000000.0,
        "content":{"content_type":"text","parts":["How does bread rise?"]},"metadata":{}}}},
    "current_node":"b","conversation_id":"c1","id":"c1"}]"#;
