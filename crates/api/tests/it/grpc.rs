//! The services of gRPC, by tonic's own clients over a real connection.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use athenaeum_api::{Models, Settings, grpc};
use athenaeum_inference::{
    catalog::{self, Catalog, Named},
    residents::{self, Residents},
};
use athenaeum_tenancy::Keys;
use axum::extract::ConnectInfo;
use futures_util::stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    metadata::{MetadataKey, MetadataValue},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tower::ServiceExt as _;

use crate::server::{Server, TINY, forked, sourdough};
use wire::{archive_client::ArchiveClient, generate_response::Said, models_client::ModelsClient};

/// The types of the description, as any client makes them.
#[allow(clippy::all, dead_code, unreachable_pub, unused_qualifications, reason = "it is generated")]
mod wire {
    tonic::include_proto!("athenaeum.v1");
}

const PATIENCE: Duration = Duration::from_secs(30);

struct Served {
    server: Server,
    residents: Arc<Residents>,
    channel: Channel,
    addr: SocketAddr,
}

async fn serve() -> Served {
    serve_with(Settings::default(), false).await
}

async fn serve_with(settings: Settings, keys: bool) -> Served {
    let server = Server::start_with(settings).await;
    let files = vec![Named { name: "tiny".to_owned(), path: TINY.into() }];
    let catalog = Catalog::new(catalog::Settings { files, ..catalog::Settings::default() });
    let residents = Residents::new(residents::Settings::default());
    let mut api = server.api.clone().with_models(Models::new(catalog, Arc::clone(&residents)));
    if keys {
        api = api.with_keys(Keys::open(server.folder.path(), Vec::new()).await.unwrap());
    }
    let router = grpc(api).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, client)) = listener.accept().await {
            let router = router.clone();
            let service = hyper::service::service_fn(move |mut request: hyper::Request<_>| {
                request.extensions_mut().insert(ConnectInfo::<SocketAddr>(client));
                router.clone().oneshot(request)
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    let channel = Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
    Served { server, residents, channel, addr }
}

fn question() -> wire::GenerateRequest {
    let message = wire::ChatMessage {
        role: "user".to_owned(),
        content: Some("Who are you?".to_owned()),
        ..wire::ChatMessage::default()
    };
    wire::GenerateRequest {
        model: "tiny".to_owned(),
        messages: vec![message],
        temperature: Some(0.0),
        ..wire::GenerateRequest::default()
    }
}

/// Reads a stream to its end: text, reason, and the summary.
async fn heard(mut stream: Streaming<wire::GenerateResponse>) -> (Vec<String>, String, wire::Summary) {
    let (mut pieces, mut reason) = (Vec::new(), String::new());
    while let Some(message) = stream.message().await.unwrap() {
        match message.said.unwrap() {
            Said::Text(text) => pieces.push(text),
            Said::Ended(ended) => reason = ended.reason,
            Said::Summary(summary) => {
                assert!(stream.message().await.unwrap().is_none(), "it is the last");
                return (pieces, reason, summary);
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("there is no summary")
}

#[tokio::test]
async fn an_answer_comes_in_pieces_and_is_summed_up() {
    let served = serve().await;
    let mut client = ModelsClient::new(served.channel);
    let stream = client.generate(question()).await.unwrap().into_inner();
    let (pieces, reason, summary) = heard(stream).await;
    assert!(pieces.len() > 20 && pieces.concat().starts_with("I am Tiny, a very small"), "{pieces:?}");
    assert_eq!((reason.as_str(), summary.model.as_str()), ("stop", "tiny"));
    let usage = summary.usage.unwrap();
    assert!(usage.prompt_tokens > 3 && usage.completion_tokens > 20, "{usage:?}");
    assert!(summary.warnings.is_empty());

    // What is not done is told of, or refused.
    let more = r#"{"sing": true, "n": 2, "max_tokens": 4, "store": true, "verbose": true}"#.to_owned();
    let odd = wire::GenerateRequest { more, ..question() };
    let (_, reason, summary) = heard(client.generate(odd.clone()).await.unwrap().into_inner()).await;
    let warned: Vec<&str> = summary.warnings.iter().map(|warning| warning.parameter.as_str()).collect();
    assert_eq!((reason.as_str(), warned), ("length", vec!["sing", "verbose", "store"]));
    let mut strict = Request::new(odd);
    strict.metadata_mut().insert("x-athenaeum-strict", MetadataValue::from_static("true"));
    let refused = client.generate(strict).await.unwrap_err();
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("sing"), "{refused}");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let served = serve().await;
    let mut client = ModelsClient::new(served.channel);
    let mut check = async |request: wire::GenerateRequest, code: Code, name: &str| {
        let status = client.generate(request).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(name), "{name}: {status}");
    };
    let bad = Code::InvalidArgument;
    check(wire::GenerateRequest { model: "nobody".to_owned(), ..question() }, Code::NotFound, "nobody").await;
    check(wire::GenerateRequest { temperature: Some(-1.0), ..question() }, bad, "'temperature'").await;
    check(wire::GenerateRequest { top_p: Some(f64::NAN), ..question() }, bad, "'top_p'").await;
    check(wire::GenerateRequest { messages: Vec::new(), ..question() }, bad, "'messages'").await;
    check(wire::GenerateRequest { tools: "[{".to_owned(), ..question() }, bad, "'tools'").await;
    let format = r#"{"type": "poem"}"#.to_owned();
    check(wire::GenerateRequest { response_format: format, ..question() }, bad, "'response_format.type'")
        .await;
    let more = |text: &str| wire::GenerateRequest { more: text.to_owned(), ..question() };
    check(more("[]"), bad, "'more'").await;
    check(more(r#"{"stream": false}"#), bad, "'more.stream'").await;
    check(more(r#"{"temperature": 1}"#), bad, "'more.temperature'").await;
    check(more(r#"{"top_k": "many"}"#), bad, "'top_k'").await;
    let mut odd = question();
    odd.messages[0].role = "choir".to_owned();
    check(odd, bad, "messages[0].role").await;
    let mut long = question();
    long.messages[0].content = Some("a tale of many words ".repeat(10_000));
    check(long, bad, "context").await;
}

#[tokio::test]
async fn whoever_goes_away_frees_the_place() {
    let served = serve().await;
    let mut client = ModelsClient::new(served.channel);
    // All of it would take minutes.
    let more = r#"{"n": 128, "ignore_eos": true}"#.to_owned();
    let endless = wire::GenerateRequest { more, ..question() };
    let mut stream = client.generate(endless).await.unwrap().into_inner();
    for _ in 0..20 {
        stream.message().await.unwrap().unwrap();
    }
    let model = served.residents.get(Path::new(TINY), None).unwrap();
    assert!(model.engine().stats().running > 0);
    drop(stream);
    let freed = async {
        while model.engine().stats().running + model.engine().stats().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("it goes on");
    let generated = model.engine().stats().generated_tokens;
    assert!(generated < 64 * 256, "{generated}");
}

#[tokio::test]
async fn texts_become_vectors_as_over_http() {
    let served = serve().await;
    let mut client = ModelsClient::new(served.channel);
    let request = wire::EmbedRequest {
        model: "tiny".to_owned(),
        input: vec!["a text".to_owned(), "another".to_owned()],
        dimensions: Some(8),
        ..wire::EmbedRequest::default()
    };
    let made = client.embed(request.clone()).await.unwrap().into_inner();
    let over_http = Server::with_model(Settings::default()).await;
    let body = serde_json::json!({ "model": "tiny", "input": ["a text", "another"], "dimensions": 8 });
    let over_http = over_http.post("/v1/embeddings", &body).await.json();
    assert_eq!(made.embeddings.len(), 2);
    for (index, vector) in made.embeddings.iter().enumerate() {
        let expected = over_http["data"][index]["embedding"].as_array().unwrap();
        let expected: Vec<f32> = expected.iter().map(|number| number.as_f64().unwrap() as f32).collect();
        assert_eq!(vector.values, expected);
    }
    assert_eq!(Value::from(made.tokens), over_http["usage"]["total_tokens"]);
    let odd = wire::EmbedRequest { dimensions: Some(0), ..request };
    let status = client.embed(odd).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("'dimensions'"), "{status}");
}

#[tokio::test]
async fn models_are_listed_loaded_and_let_go() {
    let served = serve().await;
    let mut client = ModelsClient::new(served.channel);
    let mut listed = async || {
        let mut models = client.list_models(wire::ListModelsRequest {}).await.unwrap().into_inner().models;
        assert_eq!(models.len(), 1);
        models.remove(0)
    };
    let before = listed().await;
    assert_eq!((before.name.as_str(), before.purpose.as_str(), before.loaded), ("tiny", "generate", false));
    assert!(before.context_length.unwrap() > 0);
    let named = || "tiny".to_owned();
    let mut client = client.clone();
    let loaded = client.load(wire::LoadRequest { model: named() }).await.unwrap().into_inner();
    assert!(loaded.model.unwrap().loaded);
    assert_eq!(served.residents.list().len(), 1);
    let mut unload = async || {
        let answer = client.unload(wire::UnloadRequest { model: named() }).await;
        answer.unwrap().into_inner().was_loaded
    };
    assert!(unload().await && !unload().await);
    assert!(served.residents.list().is_empty());
    let status = client.load(wire::LoadRequest { model: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = client.unload(wire::UnloadRequest::default()).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("'model'"), "{status}");
}

/// Reads an answer of the HTTP interface as a message; a field that the message lacks is an error.
async fn over_http<T: DeserializeOwned>(served: &Served, target: &str) -> T {
    serde_json::from_value(served.server.get(target).await.json()).unwrap()
}

#[tokio::test]
async fn the_archive_answers_the_same_as_over_http() {
    let served = serve().await;
    let mut client = ArchiveClient::new(served.channel.clone());
    let check = async |client: &mut ArchiveClient<Channel>,
                       request: wire::SearchRequest,
                       target: &str,
                       hits: usize| {
        let mut found = client.search(request).await.unwrap().into_inner();
        let mut expected: wire::SearchResults = over_http(&served, target).await;
        (found.elapsed_ms, expected.elapsed_ms) = (0.0, 0.0);
        assert_eq!(found, expected, "{target}");
        assert_eq!(found.hits.len(), hits, "{target}");
        found
    };
    let query = |text: &str| wire::SearchRequest { query: text.to_owned(), ..wire::SearchRequest::default() };
    let target = "/athenaeum/v1/search?q=sourdough";
    let found = check(&mut client, query("sourdough"), target, 3).await;
    assert!(found.total.unwrap().exact && !found.hits[0].snippet.as_ref().unwrap().marks.is_empty());
    let narrow = wire::SearchRequest {
        role: vec!["user".to_owned(), "assistant".to_owned()],
        provider: vec!["claude".to_owned()],
        after: "2023".to_owned(),
        hidden: true,
        sort: "recent".to_owned(),
        limit: Some(1),
        ..query("sourdough OR rye")
    };
    let target = "/athenaeum/v1/search?q=sourdough+OR+rye&role=user&role=assistant&provider=claude&after=2023\
                  &hidden=true&sort=recent&limit=1";
    let page = check(&mut client, narrow.clone(), target, 1).await;
    let cursor = page.next_cursor.unwrap();
    let target = format!("{target}&cursor={cursor}");
    check(&mut client, wire::SearchRequest { cursor, ..narrow }, &target, 1).await;

    let metrics = served.server.get("/metrics").await;
    let counted = "athenaeum_searches_total{path=\"/athenaeum.v1.Archive/Search\",status=\"200\"} 3";
    assert!(metrics.text().lines().any(|line| line == counted), "{}", metrics.text());

    for conversation in [sourdough(), forked()] {
        let id = served.server.id_of(&conversation.external_id).await;
        let read = client.get(wire::GetRequest { id: id.clone() }).await.unwrap().into_inner();
        let expected: wire::Conversation =
            over_http(&served, &format!("/athenaeum/v1/conversations/{id}")).await;
        assert_eq!(read, expected);
        assert_eq!(read.messages.len(), conversation.messages.len());
    }

    let mut refused = async |request: wire::SearchRequest, name: &str| {
        let status = client.search(request).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains(name), "{status}");
    };
    refused(wire::SearchRequest { limit: Some(0), ..query("rye") }, "'limit'").await;
    refused(wire::SearchRequest { sort: "odd".to_owned(), ..query("rye") }, "'sort'").await;
    refused(wire::SearchRequest { role: vec!["choir".to_owned()], ..query("rye") }, "'role'").await;
    for (id, code) in [
        ("", Code::InvalidArgument),
        ("odd", Code::NotFound),
        ("018f8a1e-0000-7000-8000-000000000000", Code::NotFound),
    ] {
        let status = client.get(wire::GetRequest { id: id.to_owned() }).await.unwrap_err();
        assert_eq!(status.code(), code, "{id}");
    }
}

#[tokio::test]
async fn searches_are_counted() {
    let settings = Settings { searches_per_second: 1, searches_burst: 2, ..Settings::default() };
    let served = serve_with(settings, false).await;
    let mut client = ArchiveClient::new(served.channel);
    let mut codes = Vec::new();
    for _ in 0..3 {
        let request = wire::SearchRequest { query: "rye".to_owned(), ..wire::SearchRequest::default() };
        codes.push(client.search(request).await.map_or_else(|status| status.code(), |_| Code::Ok));
    }
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::ResourceExhausted]);
}

/// Every method of the description, and of those that come with it.
fn methods() -> Vec<String> {
    let description = include_bytes!(concat!(env!("OUT_DIR"), "/athenaeum.bin"));
    let description = prost_types::FileDescriptorSet::decode(&description[..]).unwrap();
    let mut methods: Vec<String> = Vec::new();
    for file in &description.file {
        for service in &file.service {
            let of = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| of(method.name())));
        }
    }
    assert_eq!(methods.len(), 7, "{methods:?}");
    methods.push("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned());
    methods.push("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo".to_owned());
    methods.push("/athenaeum.v1.Nothing/Nothing".to_owned());
    methods
}

/// Calls a method with an empty message and these headers.
async fn call(channel: &Channel, method: &str, headers: &[(&str, String)]) -> Code {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(stream::iter([()]));
    for (name, value) in headers {
        let name = MetadataKey::from_bytes(name.as_bytes()).unwrap();
        request.metadata_mut().append(name, value.parse().unwrap());
    }
    let codec = ProstCodec::<(), ()>::default();
    let answer = client.streaming(request, method.parse().unwrap(), codec).await;
    match answer {
        Err(status) => status.code(),
        Ok(answer) => match answer.into_inner().message().await {
            Err(status) => status.code(),
            Ok(_) => Code::Ok,
        },
    }
}

/// Waits until the server has noticed that there is a key.
async fn asks_for_a_key(served: &Served) {
    let asks = async {
        while call(&served.channel, "/athenaeum.v1.Models/ListModels", &[]).await != Code::Unauthenticated {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, asks).await.expect("the key is not noticed");
}

#[tokio::test]
async fn every_method_asks_for_a_key_where_there_is_one() {
    let settings = Settings { wrong_keys_burst: 1_000_000, searches_burst: 1_000_000, ..Settings::default() };
    let served = serve_with(settings, true).await;
    let register = served.server.register();
    for method in methods() {
        let code = call(&served.channel, &method, &[]).await;
        assert_ne!(code, Code::Unauthenticated, "{method}: nobody made a key yet");
    }
    let right = register.add("right", None).await.unwrap().secret;
    let gone = register.add("gone", None).await.unwrap().secret;
    register.revoke("gone").await.unwrap();
    asks_for_a_key(&served).await;
    /// What a request carries for a key.
    type Way = fn(&str) -> Vec<(&'static str, String)>;
    let ways: [Way; 4] = [
        |key| vec![("authorization", format!("Bearer {key}"))],
        |key| vec![("x-api-key", key.to_owned())],
        |key| vec![("api-key", key.to_owned())],
        |key| vec![("authorization", format!("Bearer {key}")), ("x-api-key", key.to_owned())],
    ];
    for method in methods() {
        let call = async |headers: &[(&str, String)]| call(&served.channel, &method, headers).await;
        assert_eq!(call(&[]).await, Code::Unauthenticated, "{method}");
        for way in ways {
            assert_ne!(call(&way(&right)).await, Code::Unauthenticated, "{method}");
            for wrong in [&gone, &right[..10], "right"] {
                assert_eq!(call(&way(wrong)).await, Code::Unauthenticated, "{method} {wrong}");
            }
        }
        let two = [("x-api-key", right.clone()), ("authorization", format!("Bearer {gone}"))];
        assert_eq!(call(&two).await, Code::Unauthenticated, "{method}");
        let session = [("cookie", format!("athenaeum_session={right}"))];
        assert_eq!(call(&session).await, Code::Unauthenticated, "{method}");
    }
    let health = HealthClient::new(served.channel).check(HealthCheckRequest::default()).await;
    assert_eq!(health.unwrap().into_inner().status, 1, "whether it is well is told without a key");
}

/// Opens a stream that goes on until one of both sides ends it.
async fn open(
    channel: &Channel,
    key: Option<&str>,
    time: Option<Duration>,
) -> Result<(Vec<String>, Streaming<tonic_reflection::pb::v1::ServerReflectionResponse>), Status> {
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asks = futures_util::StreamExt::chain(stream::iter([ask]), stream::pending());
    let mut request = Request::new(asks);
    if let Some(key) = key {
        request.metadata_mut().insert("x-api-key", key.parse().unwrap());
    }
    if let Some(time) = time {
        request.set_timeout(time);
    }
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut stream = client.server_reflection_info(request).await?.into_inner();
    let first = stream.message().await?.unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = first.message_response else {
        panic!("{first:?}")
    };
    Ok((list.service.into_iter().map(|service| service.name).collect(), stream))
}

#[tokio::test]
async fn reflection_tells_the_services() {
    let served = serve().await;
    let (mut services, _) = open(&served.channel, None, None).await.unwrap();
    services.sort();
    services.retain(|name| !name.starts_with("grpc.reflection"));
    assert_eq!(services, ["athenaeum.v1.Archive", "athenaeum.v1.Models", "grpc.health.v1.Health"]);
}

#[tokio::test]
async fn a_stream_ends_with_its_key_and_with_its_time() {
    let served = serve_with(Settings::default(), true).await;
    let register = served.server.register();
    let secret = register.add("laptop", None).await.unwrap().secret;
    asks_for_a_key(&served).await;
    let (_, mut stream) = open(&served.channel, Some(&secret), None).await.unwrap();
    let (_, mut short) =
        open(&served.channel, Some(&secret), Some(Duration::from_millis(1_500))).await.unwrap();
    let ended = timeout(PATIENCE, short.message()).await.expect("it goes on");
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    register.revoke("laptop").await.unwrap();
    let ended = timeout(PATIENCE, stream.message()).await.expect("it goes on");
    assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(open(&served.channel, Some(&secret), None).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn other_names_of_this_server_are_refused() {
    let served = serve().await;
    let code = async |name: &'static str| {
        let mut request = Request::new(wire::ListModelsRequest {});
        request.metadata_mut().insert("x-request-id", MetadataValue::from_static("trace-1"));
        let endpoint = Endpoint::from_shared(format!("http://{}", served.addr)).unwrap();
        let channel = endpoint.origin(format!("http://{name}").parse().unwrap()).connect().await.unwrap();
        let answer = ModelsClient::new(channel).list_models(request).await;
        let (code, metadata) = match answer {
            Ok(answer) => (Code::Ok, answer.metadata().clone()),
            Err(status) => (status.code(), status.metadata().clone()),
        };
        assert_eq!(metadata.get("x-request-id").unwrap(), "trace-1");
        code
    };
    assert_eq!(code("localhost:7879").await, Code::Ok);
    assert_eq!(code("rebound.example").await, Code::PermissionDenied);
}
