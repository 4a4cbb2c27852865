//! Requests that wait for their turn, over HTTP.

use std::{sync::Arc, time::Duration};

use athenaeum_api::Settings;
use athenaeum_inference::{engine, local};
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

use crate::server::Server;

const CHAT: &str = "/v1/chat/completions";
const PATIENCE: Duration = Duration::from_secs(60);

/// One is answered at a time, and so many may wait.
async fn narrow(waiting_max: usize) -> Arc<Server> {
    let engine = engine::Settings { sequences_max: 1, waiting_max, ..local::Settings::default().engine };
    let load = local::Settings { engine, ..local::Settings::default() };
    Arc::new(Server::loaded_so(Settings::default(), Vec::new(), load).await)
}

fn asking(tokens: usize, priority: i32) -> Value {
    json!({ "model": "tiny", "temperature": 0, "ignore_eos": true, "max_tokens": tokens, "priority": priority,
        "messages": [{ "role": "user", "content": format!("Who are you, {priority}?") }] })
}

async fn waiting(server: &Server, count: usize) {
    let look = async {
        loop {
            let told = server.get("/metrics").await;
            let line = format!("athenaeum_model_waiting{{model=\"tiny\"}} {count}");
            if told.text().lines().any(|told| told == line) {
                return;
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, look).await.unwrap();
}

async fn running(server: &Server) {
    let look = async {
        // Whether it is loaded yet is in no other line.
        while !server.get("/metrics").await.text().contains("athenaeum_model_running{model=\"tiny\"} 1") {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, look).await.unwrap();
}

fn ask(server: &Arc<Server>, body: Value, told: &Arc<Mutex<Vec<i32>>>) -> tokio::task::JoinHandle<u16> {
    let (server, told) = (Arc::clone(server), Arc::clone(told));
    tokio::spawn(async move {
        let answer = server.post(CHAT, &body).await;
        told.lock().await.push(i32::try_from(body["priority"].as_i64().unwrap()).unwrap());
        answer.status
    })
}

#[tokio::test]
async fn who_comes_to_a_full_queue_is_told_to_come_back() {
    let server = narrow(1).await;
    let told = Arc::default();
    let first = ask(&server, asking(900, 0), &told);
    running(&server).await;
    let second = ask(&server, asking(3, 1), &told);
    waiting(&server, 1).await;
    for path in [CHAT, "/v1/messages", "/api/chat", "/completion"] {
        let body = match path {
            "/completion" => json!({ "prompt": "Who", "n_predict": 3 }),
            _ => {
                json!({ "model": "tiny", "max_tokens": 3, "messages": [{ "role": "user", "content": "Hello?" }] })
            }
        };
        let refused = server.post(path, &body).await;
        assert_eq!(refused.status, 429, "{path}: {}", refused.text());
        assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1, "{path}");
        refused.refusal(path);
    }
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (200, 200));
    assert_eq!(server.post(CHAT, &asking(3, 2)).await.status, 200);
}

#[tokio::test]
async fn higher_priorities_go_first_and_equals_in_the_order_they_came() {
    let server = narrow(16).await;
    let told = Arc::default();
    let mut asked = vec![ask(&server, asking(900, 0), &told)];
    running(&server).await;
    for (index, priority) in [1, 2, 9, 5].into_iter().enumerate() {
        asked.push(ask(&server, asking(2, priority), &told));
        waiting(&server, index + 1).await;
    }
    for asked in asked {
        assert_eq!(asked.await.unwrap(), 200);
    }
    assert_eq!(*told.lock().await, [0, 9, 5, 2, 1]);
}
