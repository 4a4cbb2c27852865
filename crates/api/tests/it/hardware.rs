//! What the machine can do, and how often it is looked at.

use athenaeum_api::{Settings, app};
use athenaeum_hardware::{Backends, Overrides, Probe};
use axum::{Router, body::Body, http::Method};
use tempfile::TempDir;

use crate::server::{Server, ask};

/// A machine of one core without caches, in files.
fn machine() -> (TempDir, Probe) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("proc/cpuinfo", "model name\t: Example 5000\n"),
        ("proc/self/status", "Cpus_allowed_list:\t0\n"),
        ("proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"),
        ("sys/devices/system/cpu/online", "0\n"),
        ("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0\n"),
    ] {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let probe = Probe { root: root.path().to_owned(), ..Probe::default() };
    (root, probe)
}

#[tokio::test]
async fn the_machine_and_the_plan() {
    let server = Server::empty(Settings::default()).await;
    let (root, probe) = machine();
    let overrides = Overrides { threads: 2, ..Overrides::default() };
    let app = app(server.api.clone().with_hardware(probe, overrides, Backends::default()), Router::new());
    let get = async || ask(&app, Method::GET, "/athenaeum/v1/hardware", &[], Body::empty()).await;

    let answer = get().await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let hardware = answer.json();
    assert_eq!(hardware["cpu"]["model"], "Example 5000");
    assert_eq!(hardware["cpu"]["physical_cores"], 1);
    assert_eq!(hardware["memory"]["total_bytes"], 8_u64 << 30);
    assert!(hardware["memory"]["limit_bytes"].is_null());
    assert_eq!(hardware["plan"]["device"]["value"], "cpu");
    assert_eq!(hardware["plan"]["threads"]["value"], 2);
    assert_eq!(hardware["plan"]["threads"]["source"], "settings");
    assert_eq!(hardware["plan"]["memory_budget_bytes"]["source"], "proposed");
    let unknown = hardware["unknown"].as_array().unwrap();
    assert!(unknown.iter().any(|unknown| unknown["what"] == "caches"), "{unknown:?}");

    // Another request soon after does not look again: neither files nor programs.
    drop(root);
    assert_eq!(get().await.json(), hardware);
}

#[cfg(unix)]
#[tokio::test]
async fn programs_are_run_once_however_many_ask() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::empty(Settings::default()).await;
    let (root, mut probe) = machine();
    let driver = root.path().join("proc/driver/nvidia/version");
    std::fs::create_dir_all(driver.parent().unwrap()).unwrap();
    std::fs::write(driver, "1").unwrap();
    let (program, runs) = (root.path().join("smi"), root.path().join("runs"));
    let script = format!("#!/bin/sh\necho run >> {}\necho 0, 100, 90, 550.1, 8.9, Example\n", runs.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    probe.nvidia_smi = program;
    let app = app(
        server.api.clone().with_hardware(probe, Overrides::default(), Backends::default()),
        Router::new(),
    );
    let asking = (0..8).map(|_| {
        let app = app.clone();
        tokio::spawn(async move {
            ask(&app, Method::GET, "/athenaeum/v1/hardware", &[], Body::empty()).await.json()
        })
    });
    for answer in asking.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap()["gpus"][0]["name"], "Example");
    }
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\n");
}

#[tokio::test]
async fn parameters_and_foreign_hosts_are_refused() {
    let server = Server::empty(Settings::default()).await;
    let answer = server.get("/athenaeum/v1/hardware?verbose=1").await;
    assert_eq!((answer.status, &answer.problem()["parameter"]["name"]), (400, &"verbose".into()));
    let headers = [("host", "rebound.example")];
    let answer = ask(&server.app, Method::GET, "/athenaeum/v1/hardware", &headers, Body::empty()).await;
    assert_eq!(answer.status, 403);
    answer.problem();
}
