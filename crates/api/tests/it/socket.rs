//! `/v1/ws`, by a client of another library.

use athenaeum_api::Settings;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::server::Server;

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    _server: Server,
}

impl Client {
    async fn connect() -> Self {
        let server = Server::with_model(Settings::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = server.app.clone();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (socket, _) = connect_async(format!("ws://{address}/v1/ws")).await.unwrap();
        Self { socket, _server: server }
    }

    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let Some(Ok(Message::Text(text))) = self.socket.next().await else { panic!("the socket ended") };
        serde_json::from_str(&text).unwrap()
    }

    /// All frames up to the last of an answer.
    async fn hear_all(&mut self, id: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        while frames.last().is_none_or(|last: &Value| last["end"] != true) {
            let frame = self.hear().await;
            assert_eq!(frame["id"], id);
            frames.push(frame);
        }
        frames
    }
}

fn question() -> Value {
    json!({ "model": "tiny", "temperature": 0, "messages": [{ "role": "user", "content": "Who are you?" }] })
}

#[tokio::test]
async fn tokens_arrive_one_frame_each_in_any_dialect() {
    let mut client = Client::connect().await;
    client.say(json!({ "id": "a", "body": question() })).await;
    let frames = client.hear_all("a").await;
    let pieces = frames.iter().filter_map(|frame| frame["data"]["choices"][0]["delta"]["content"].as_str());
    let pieces: Vec<&str> = pieces.filter(|piece| !piece.is_empty()).collect();
    assert!(pieces.len() > 20 && pieces.concat().starts_with("I am Tiny, a very small"), "{pieces:?}");
    assert_eq!(frames.last().unwrap()["status"], 200);

    let mut body = question();
    body["max_tokens"] = 64.into();
    client.say(json!({ "id": "b", "path": "/v1/messages", "body": body })).await;
    let frames = client.hear_all("b").await;
    assert_eq!(frames[0]["event"], "message_start");
}

#[tokio::test]
async fn an_answer_is_called_off_and_leaves_the_socket_open() {
    let mut client = Client::connect().await;
    let mut endless = question();
    endless["ignore_eos"] = true.into();
    client.say(json!({ "id": "a", "body": endless })).await;
    assert_eq!(client.hear().await["id"], "a");
    client.say(json!({ "id": "a", "cancel": true })).await;
    assert_eq!(client.hear_all("a").await.last().unwrap()["cancelled"], true);
    client.say(json!({ "id": "a", "body": question() })).await;
    assert_eq!(client.hear_all("a").await.last().unwrap()["status"], 200);
}

#[tokio::test]
async fn frames_that_ask_for_nothing_are_told_why() {
    let mut client = Client::connect().await;
    for (frame, id, says) in [
        (json!({}), "", "'id' is missing"),
        (json!({ "id": "a" }), "a", "'body' is missing"),
        (json!({ "id": "a", "cancel": true }), "a", "'id' accepts"),
        (json!({ "id": "a", "body": {}, "odd": 1 }), "a", "not known"),
        (json!({ "id": "a", "body": {} }), "a", "'messages' is missing"),
        (json!({ "id": "a", "path": "/nowhere", "body": {} }), "a", "No route"),
    ] {
        client.say(frame.clone()).await;
        let answer = client.hear().await;
        assert_eq!((&answer["id"], &answer["end"]), (&json!(id), &json!(true)), "{frame}");
        assert!(answer["error"]["detail"].as_str().unwrap().contains(says), "{answer}");
    }
}
