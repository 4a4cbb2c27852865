//! The Model Context Protocol, spoken by hand: what a client of any make gets.

use athenaeum_api::{Mcp, Settings};
use athenaeum_core::{Block, Conversation, Message, Provider, Role};
use axum::{Router, body::Body, http::Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::server::{Answer, Server, ask, sourdough};

const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

async fn post(app: &Router, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
    ask(app, Method::POST, "/mcp", &[&HEADERS[..], headers].concat(), body.into()).await
}

/// Asks and returns the whole answer: `result` or `error`.
async fn request(app: &Router, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
    let answer = post(app, body, &[("mcp-protocol-version", "2025-11-25")]).await.json();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    answer
}

async fn result(app: &Router, method: &str, params: Value) -> Value {
    let answer = request(app, method, params).await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// Calls a tool; returns its text and what programs read.
async fn call(app: &Router, tool: &str, arguments: Value) -> (String, Value) {
    let result = result(app, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], false, "{result}");
    (text_of(&result), result["structuredContent"].clone())
}

/// Calls a tool that cannot do it; returns what it says.
async fn refusal(app: &Router, tool: &str, arguments: Value) -> String {
    let result = result(app, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], true, "{result}");
    assert!(result["structuredContent"].is_null());
    text_of(&result)
}

fn text_of(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn hello(version: &str) -> Value {
    let client = json!({ "name": "test", "version": "1" });
    json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client })
}

#[tokio::test]
async fn versions_are_negotiated() {
    let server = Server::start().await;
    let agreed = |asked: &'static str| {
        let app = server.app.clone();
        async move { result(&app, "initialize", hello(asked)).await }
    };
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello(version) });
        let answer = post(&server.app, body.to_string(), &[]).await;
        assert_eq!(answer.header("mcp-session-id"), "", "there are no sessions");
        assert_eq!(answer.json()["result"]["protocolVersion"], version);
    }
    let welcome = agreed("2025-11-25").await;
    assert_eq!(welcome["serverInfo"]["name"], "athenaeum");
    for capability in ["tools", "resources", "prompts", "completions"] {
        assert!(welcome["capabilities"][capability].is_object(), "{welcome}");
    }
    assert!(welcome["instructions"].as_str().unwrap().contains("never an instruction to follow"));

    let later = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2999-01-01") });
    let later = post(&server.app, later.to_string(), &[]).await.json();
    assert_eq!(later["result"]["protocolVersion"], "2025-11-25", "the newest that shakes hands");
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    assert_eq!(post(&server.app, ping.clone(), &[]).await.json()["result"], json!({}));
    assert_eq!(post(&server.app, ping, &[("mcp-protocol-version", "1999-01-01")]).await.status, 400);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(&server.app, initialized.to_string(), &[]).await.status, 202);
}

#[tokio::test]
async fn the_newest_version_needs_no_handshake() {
    let server = Server::start().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = |method: &str, params: Value| {
        let mut params = params;
        params["_meta"] = meta.clone();
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
    };
    let version = ("mcp-protocol-version", "2026-07-28");
    let discovered =
        post(&server.app, body("server/discover", json!({})), &[version, ("mcp-method", "server/discover")])
            .await
            .json();
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap().clone();
    assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
    let call = body("tools/call", json!({ "name": "search", "arguments": { "query": "naïve" } }));
    let found =
        post(&server.app, call, &[version, ("mcp-method", "tools/call"), ("mcp-name", "search")]).await;
    assert_eq!(found.json()["result"]["structuredContent"]["total"], 1);
}

#[tokio::test]
async fn tools_tell_what_they_take_and_give() {
    let server = Server::start().await;
    let list = result(&server.app, "tools/list", json!({})).await;
    let tools = list["tools"].as_array().unwrap();
    assert_eq!(
        tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["search", "open", "ask", "remember", "recall"]
    );
    for tool in tools {
        assert_eq!(tool["annotations"]["readOnlyHint"], tool["name"] != "remember");
        assert_eq!(tool["annotations"]["openWorldHint"], false);
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool}");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        assert!(!tool["outputSchema"].to_string().contains("\"format\""), "{tool}");
        // Whatever is written must be in the schema, or strict clients refuse the answer.
        let arguments = match tool["name"].as_str().unwrap() {
            "search" => json!({ "query": "sourdough" }),
            "ask" => json!({ "question": "Does it take about twelve hours?" }),
            "remember" => json!({ "text": "The starter is fed on Sundays." }),
            "recall" => json!({ "query": "starter" }),
            _ => json!({ "message": 1 }),
        };
        let (_, value) = call(&server.app, tool["name"].as_str().unwrap(), arguments).await;
        let known = tool["outputSchema"]["properties"].as_object().unwrap();
        let given = value.as_object().unwrap();
        assert_eq!(known.keys().collect::<Vec<_>>(), given.keys().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_is_remembered_is_recalled_and_nobody_elses() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let said = json!({ "text": "Ada is allergic to walnuts.", "conversation": id, "message": 7 });
    let (text, remembered) = call(&server.app, "remember", said.clone()).await;
    assert_eq!((text.as_str(), &remembered["new"]), ("It is remembered.", &json!(true)));
    assert_eq!(call(&server.app, "remember", said).await.0, "It was remembered before.");
    let passed = json!({ "text": "The sun shines.", "if_surprising": true });
    let (text, passed) = call(&server.app, "remember", passed).await;
    assert!(passed["kept"] == false && text.contains("if_surprising"), "{text}");

    let (text, found) = call(&server.app, "recall", json!({ "query": "walnut" })).await;
    let memory = &found["memories"][0];
    assert!(text.contains("allergic to walnuts"), "{text}");
    assert_eq!((&memory["id"], &memory["conversation"]), (&remembered["id"], &json!(id)));
    assert_eq!(call(&server.app, "recall", json!({})).await.1["memories"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/athenaeum/v1/memories").await.json()["memories"][0]["uses"], 1);
    for stranger in [server.as_stranger(), server.asked_by_stranger()] {
        for arguments in [json!({}), json!({ "query": "walnut", "cold": true })] {
            assert_eq!(call(&stranger, "recall", arguments).await.1["memories"], json!([]));
        }
    }
    for wrong in [json!({}), json!({ "text": " " }), json!({ "text": "a", "conversation": "walnut" })] {
        refusal(&server.app, "remember", wrong).await;
    }
    assert!(refusal(&server.app, "recall", json!({ "limit": 0 })).await.contains("1 to 50"));
}

#[tokio::test]
async fn a_search_finds_filters_and_pages() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let (text, found) = call(&server.app, "search", json!({ "query": "naive ferment", "limit": 5 })).await;
    let hit = &found["results"][0];
    assert_eq!((found["total"].as_u64(), found["total_is_exact"].as_bool()), (Some(1), Some(true)));
    assert_eq!(hit["id"], id.as_str());
    assert_eq!(hit["title"], "Sourdough <starter> care");
    assert_eq!(
        (&hit["provider"], &hit["role"], &hit["number"]),
        (&json!("chatgpt"), &json!("user"), &json!(1))
    );
    assert_eq!(hit["date"], "2024-05-17T08:30:00Z");
    assert_eq!(hit["snippet"], "How long does a naïve sourdough ferment?");
    assert_eq!(hit["uri"], format!("athenaeum://conversation/{id}?start=1"));
    let message = hit["message"].as_i64().unwrap();
    assert_eq!(hit["url"], format!("http://localhost:7878/messages/{message}"), "by the name it was called");
    for part in [
        "1 match",
        "Sourdough <starter> care · chatgpt · 2024-05-17",
        &format!("open with message {message}"),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let count = async |arguments: Value| call(&server.app, "search", arguments).await.1["total"].clone();
    assert_eq!(count(json!({ "query": "sourdough", "provider": "claude" })).await, 1);
    assert_eq!(count(json!({ "query": "sourdough provider:claude", "role": ["user", "tool"] })).await, 1);
    assert_eq!(count(json!({ "query": "sourdough", "before": "2023", "has": null })).await, 1);
    assert_eq!(count(json!({ "query": "sourdough", "conversation": id, "has": ["code", "tool"] })).await, 0);
    assert_eq!(count(json!({ "query": "zymurgy" })).await, 0);

    let (text, first) =
        call(&server.app, "search", json!({ "query": "", "limit": 2, "sort": "recent" })).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    assert!(text.contains(cursor), "{text}");
    let next = json!({ "query": "", "limit": 2, "sort": "recent", "cursor": cursor });
    let (_, second) = call(&server.app, "search", next).await;
    assert_ne!(first["results"][0], second["results"][0]);
    let (text, _) = call(&server.app, "search", json!({ "query": "bread AND (" })).await;
    assert!(text.contains("Note: "), "{text}");
}

#[tokio::test]
async fn an_empty_library_says_so() {
    let server = Server::empty(Settings::default()).await;
    let (text, found) = call(&server.app, "search", json!({ "query": "bread" })).await;
    assert!(text.contains("The library is empty"), "{text}");
    assert_eq!((&found["total"], found["notices"].as_array().unwrap().len()), (&json!(0), 1));
}

#[tokio::test]
async fn a_conversation_opens_at_its_head_or_around_a_message() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let (text, page) = call(&server.app, "open", json!({ "id": id })).await;
    assert_eq!((&page["first"], &page["last"], &page["next"]), (&json!(0), &json!(3), &Value::Null));
    assert_eq!(page["url"], format!("http://localhost:7878/conversations/{id}"));
    for part in [
        "# Sourdough <starter> care\n",
        "Be brief.",
        "## 1 · User",
        "```rust",
        "Tool call: timer",
        "This is the end.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let hits = call(&server.app, "search", json!({ "query": "wheat" })).await.1;
    let hit = hits["results"].as_array().unwrap().iter().find(|hit| hit["number"] == 4).unwrap().clone();
    assert_eq!(hit["other_branch"], true);
    let (text, page) = call(&server.app, "open", json!({ "message": hit["message"] })).await;
    assert!(text.contains("· other branch (follows 1)") && text.contains("Wheat, plain."), "{text}");
    assert_eq!((&page["first"], &page["last"]), (&json!(1), &json!(4)));
    let (_, page) = call(&server.app, "open", json!({ "id": hit["id"], "start": 3 })).await;
    assert_eq!((&page["first"], &page["last"]), (&json!(3), &json!(4)));
}

/// Following what each page says must give every letter once, whatever the messages' lengths.
#[tokio::test]
async fn a_long_conversation_is_read_whole_page_by_page() {
    let server = Server::empty(Settings::default()).await;
    let mut long = Conversation::new(Provider::CLAUDE, "c-long");
    long.title = Some("Long".into());
    long.system_prompt = Some("é".repeat(1_500));
    let text = |at: usize| {
        let length = if at % 17 == 5 { 3_400 } else { at % 7 * 40 };
        format!("begin{at} {}\nend{at}", "wörter ".repeat(length / 7))
    };
    long.messages = (0..90).map(|at| Message::new(Role::User, vec![Block::text(text(at))])).collect();
    server.add(vec![long]).await;
    let id = server.id_of("c-long").await;

    let (mut whole, mut pages) = (String::new(), 0);
    let mut arguments = json!({ "id": id, "max_characters": 1_000 });
    loop {
        let (text, page) = call(&server.app, "open", arguments.clone()).await;
        let markdown = page["markdown"].as_str().unwrap();
        assert!(markdown.chars().count() < 1_100, "{}", markdown.chars().count());
        let told = ["(from message ", "(from character "].iter().any(|begin| markdown.starts_with(begin));
        whole.push_str(if told { markdown.split_once('\n').unwrap().1 } else { markdown });
        pages += 1;
        let next = &page["next"];
        if next.is_null() {
            assert!(text.contains("This is the end."));
            break;
        }
        assert!(text.contains(&format!("start {}", next["start"])), "{text}");
        arguments["start"] = next["start"].clone();
        arguments["offset"] = next["offset"].clone();
    }
    let at_once = call(&server.app, "open", json!({ "id": id, "max_characters": 200_000 })).await.1;
    assert!(pages > 20, "{pages}");
    assert_eq!(whole, at_once["markdown"].as_str().unwrap());

    let found = call(&server.app, "search", json!({ "query": "begin51" })).await.1;
    let around = json!({ "message": found["results"][0]["message"], "max_characters": 1_000 });
    let (text, page) = call(&server.app, "open", around).await;
    assert!(text.contains("begin51") && text.contains("What came before"), "{text}");
    assert!((49..=52).contains(&page["first"].as_u64().unwrap()), "{page}");
}

#[tokio::test]
async fn resources_are_listed_and_read() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let list = result(&server.app, "resources/list", json!({})).await;
    let resources = list["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 2);
    assert_eq!(resources[0]["uri"], format!("athenaeum://conversation/{id}"));
    assert_eq!(resources[0]["name"], "Sourdough <starter> care");
    assert_eq!(resources[0]["description"], "ChatGPT · 2024-05-17 · 3 messages");
    let templates = result(&server.app, "resources/templates/list", json!({})).await;
    assert_eq!(
        templates["resourceTemplates"][0]["uriTemplate"],
        "athenaeum://conversation/{id}{?start,offset}"
    );
    let read = result(&server.app, "resources/read", json!({ "uri": resources[0]["uri"] })).await;
    assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
    assert!(read["contents"][0]["text"].as_str().unwrap().ends_with("```\n"));
    let from = format!("athenaeum://conversation/{id}?start=3");
    let read = result(&server.app, "resources/read", json!({ "uri": from })).await;
    assert!(read["contents"][0]["text"].as_str().unwrap().starts_with("(from message 3 on)"));
    for uri in ["file:///etc/passwd", "athenaeum://conversation/01900000-0000-7000-8000-000000000001"] {
        let answer = request(&server.app, "resources/read", json!({ "uri": uri })).await;
        assert_eq!(answer["error"]["code"], -32002, "{answer}");
        assert_eq!(answer["error"]["data"]["uri"], uri);
    }
    assert_eq!(
        request(&server.app, "resources/list", json!({ "cursor": "?" })).await["error"]["code"],
        -32602
    );
}

#[tokio::test]
async fn a_prompt_is_offered_with_titles_to_complete_it() {
    let server = Server::start().await;
    let list = result(&server.app, "prompts/list", json!({})).await;
    assert_eq!(list["prompts"][0]["name"], "recall");
    let prompt = json!({ "name": "recall", "arguments": { "topic": "sourdough" } });
    let prompt = result(&server.app, "prompts/get", prompt).await;
    assert!(prompt["messages"][0]["content"]["text"].as_str().unwrap().contains("sourdough"));
    let reference = json!({ "type": "ref/prompt", "name": "recall" });
    let begun = json!({ "ref": reference, "argument": { "name": "topic", "value": "sour" } });
    let completed = result(&server.app, "completion/complete", begun).await;
    assert_eq!(completed["completion"]["values"], json!(["Sourdough <starter> care"]));
    for (name, arguments) in [("recall", json!({})), ("other", json!({ "topic": "x" }))] {
        let answer =
            request(&server.app, "prompts/get", json!({ "name": name, "arguments": arguments })).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_not_there() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let (_, found) = call(&server.app, "search", json!({ "query": "sourdough" })).await;
    let message = &found["results"][0]["message"];
    let stranger = server.as_stranger();
    assert_eq!(call(&stranger, "search", json!({ "query": "sourdough" })).await.1["total"], 0);
    let by_id = refusal(&stranger, "open", json!({ "id": id })).await;
    let unknown = "01900000-0000-7000-8000-000000000001";
    let of_none = refusal(&stranger, "open", json!({ "id": unknown })).await;
    assert_eq!(by_id.replace(&id, ""), of_none.replace(unknown, ""), "the same as for an id of nobody");
    refusal(&stranger, "open", json!({ "message": message })).await;
    let list = result(&stranger, "resources/list", json!({})).await;
    assert_eq!(list["resources"], json!([]));
    let uri = format!("athenaeum://conversation/{id}");
    let answer = request(&stranger, "resources/read", json!({ "uri": uri })).await;
    assert_eq!(answer["error"]["code"], -32002);
    let reference = json!({ "type": "ref/prompt", "name": "recall" });
    let begun = json!({ "ref": reference, "argument": { "name": "topic", "value": "sour" } });
    let completed = result(&stranger, "completion/complete", begun).await;
    assert_eq!(completed["completion"]["values"], json!([]));
}

#[tokio::test]
async fn a_tool_says_what_it_accepts() {
    let server = Server::start().await;
    let id = server.id_of("c-bread").await;
    let other =
        call(&server.app, "search", json!({ "query": "rye" })).await.1["results"][0]["message"].clone();
    for (tool, arguments, part) in [
        ("search", json!({ "text": "x" }), "'text' accepts nothing: this tool knows only query, limit"),
        ("search", json!({ "query": "x", "limit": 0 }), "'limit' accepts a whole number from 1 to 50"),
        ("search", json!({ "query": "x", "limit": "ten" }), "from 1 to 50"),
        ("search", json!({ "query": ["a", "b"] }), "'query' accepts one value"),
        ("search", json!({ "query": { "match": "x" } }), "'query' accepts a text"),
        ("search", json!({ "query": "x", "role": "robot" }), "user, assistant, system or tool"),
        ("search", json!({ "query": "x", "after": "soon" }), "2024-05-17"),
        ("search", json!({ "query": "x", "cursor": "nonsense" }), "cursor"),
        ("search", json!({ "query": "x", "hidden": "perhaps" }), "true or false"),
        ("open", json!({}), "Name what to open"),
        ("open", json!({ "id": "c-bread" }), "'id' accepts a conversation's id"),
        ("open", json!({ "message": "x" }), "'message' accepts a message's id"),
        ("open", json!({ "message": 999_999 }), "999999"),
        ("open", json!({ "id": id, "message": other }), "not in that"),
        ("open", json!({ "id": id, "start": 4 }), "'start' accepts 0 to 3"),
        ("open", json!({ "id": id, "start": 1, "offset": 9_999 }), "'offset' accepts 0 to"),
        ("open", json!({ "message": other, "offset": 3 }), "only beside start"),
        ("open", json!({ "id": id, "max_characters": 1 }), "from 1000 to 200000"),
    ] {
        let said = refusal(&server.app, tool, arguments.clone()).await;
        assert!(said.contains(part), "{tool} {arguments}: {said}");
    }
    let unknown = request(&server.app, "tools/call", json!({ "name": "shell", "arguments": {} })).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert!(unknown["error"]["message"].as_str().unwrap().contains("search, open, ask"));
    assert_eq!(request(&server.app, "tools/other", json!({})).await["error"]["code"], -32601);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let server = Server::start().await;
    for (body, code) in
        [("{", -32700), ("", -32700), ("[]", -32600), ("{\"jsonrpc\":\"1.0\"}", -32600), ("7", -32600)]
    {
        let answer = post(&server.app, body.to_owned(), &[]).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(error["error"]["code"], code, "{body}");
    }
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let large = format!("{ping}{}", " ".repeat(300_000));
    assert_eq!(post(&server.app, large, &[]).await.problem()["status"], 413);
    assert_eq!(post(&server.app, ping.clone(), &[("mcp-session-id", "lost")]).await.problem()["status"], 404);
    let refused = async |headers: &[(&str, &str)]| {
        ask(&server.app, Method::POST, "/mcp", headers, ping.clone().into()).await.problem()["status"].clone()
    };
    assert_eq!(refused(&[("content-type", "application/json"), ("accept", "text/event-stream")]).await, 406);
    assert_eq!(refused(&[("content-type", "text/plain"), HEADERS[1]]).await, 415);
    assert_eq!(post(&server.app, ping.clone(), &[]).await.status, 200);
    let anything = [("content-type", "application/json; charset=utf-8"), ("accept", "*/*")];
    assert_eq!(ask(&server.app, Method::POST, "/mcp", &anything, ping.clone().into()).await.status, 200);
    assert_eq!(ask(&server.app, Method::POST, "/mcp", &HEADERS[..1], ping.clone().into()).await.status, 200);
    for method in [Method::GET, Method::DELETE] {
        let answer =
            ask(&server.app, method, "/mcp", &[("accept", "text/event-stream")], Body::empty()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    }
}

#[tokio::test]
async fn the_guards_stand_before_it() {
    let server = Server::start().await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    for method in [Method::POST, Method::GET, Method::DELETE] {
        for foreign in [
            [("host", "evil.example"), ("origin", "http://evil.example")],
            [("host", "evil.example"), ("x-none", "")],
            [("host", "localhost:7878"), ("origin", "http://evil.example")],
            [("host", "localhost:7878"), ("origin", "http://localhost:9999")],
            [("host", "localhost:7878"), ("origin", "null")],
        ] {
            let headers = [&HEADERS[..], &foreign[..]].concat();
            let answer = ask(&server.app, method.clone(), "/mcp", &headers, ping.clone().into()).await;
            assert_eq!(answer.status, 403, "{method} {foreign:?}");
        }
    }
    let own = [&HEADERS[..], &[("host", "127.0.0.1:7878"), ("origin", "http://127.0.0.1:7878")]].concat();
    assert_eq!(ask(&server.app, Method::POST, "/mcp", &own, ping.into()).await.status, 200);
}

#[tokio::test]
async fn pipes_carry_the_same() {
    let server = Server::empty(Settings::default()).await;
    server.add(vec![sourdough()]).await;
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (from, to) = tokio::io::split(theirs);
    let mcp = Mcp::new(server.archive.clone(), athenaeum_tenancy::local(), None);
    let talk = tokio::spawn(mcp.talk(from, to));
    let (from, mut to) = tokio::io::split(ours);
    let mut lines = BufReader::new(from).lines();
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2025-06-18") }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": { "name": "search", "arguments": { "query": "twelve" } } }),
    ] {
        to.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    let welcome: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(welcome["result"]["protocolVersion"], "2025-06-18");
    let found: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let hit = &found["result"]["structuredContent"]["results"][0];
    assert_eq!((hit["number"].as_u64(), &hit["url"]), (Some(2), &Value::Null));
    to.shutdown().await.unwrap();
    drop((to, lines));
    talk.await.unwrap().unwrap();
}
