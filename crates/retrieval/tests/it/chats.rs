use athenaeum_archive::{Conversation, Filters};
use athenaeum_core::{Block, Message, Role, Timestamp, ToolCall};
use athenaeum_retrieval::{Chats, Exchange};
use athenaeum_tenancy::{Scope, local};

use crate::support::{Place, export};

/// Messages from words: `u…` is asked, `a…` answered, `t…` a tool's; `c…` is an answer that calls a tool.
fn messages(words: &str) -> Vec<Message> {
    let message = |word: &str| {
        let (role, calls) = match word.as_bytes()[0] {
            b'u' => (Role::User, vec![]),
            b't' => (Role::Tool, vec![]),
            b'c' => (
                Role::Assistant,
                vec![ToolCall { id: None, name: word.into(), arguments: "{\"a\": 1}".into() }],
            ),
            _ => (Role::Assistant, vec![]),
        };
        Message { tool_calls: calls, ..Message::new(role, vec![Block::text(format!("says {word}"))]) }
    };
    words.split_whitespace().map(message).collect()
}

fn exchange(asked: &str, answers: &str) -> Exchange {
    Exchange {
        messages: messages(asked),
        answers: messages(answers),
        system_prompt: Some("Be brief.".into()),
        model: Some("tiny".into()),
        temperature: None,
        max_tokens: None,
        asked_at: Timestamp::now(),
    }
}

async fn kept(place: &Place, scope: &Scope) -> Vec<Conversation> {
    let page = place.archive.conversations(scope, &Filters::default(), None, 50).await.unwrap();
    let mut kept = Vec::new();
    for summary in page.items {
        kept.push(place.archive.conversation(scope, summary.id).await.unwrap());
    }
    kept
}

/// What is kept after these exchanges, oldest conversation first: what each message says, `*` behind those of other
/// branches, and where its parent stands.
async fn check(exchanges: &[(&str, &str)], expected: &[&str]) {
    let place = Place::new().await;
    let chats = Chats::new(place.archive.clone());
    for (asked, answers) in exchanges {
        chats.keep(&local(), &exchange(asked, answers)).await.unwrap();
    }
    let told = kept(&place, &local()).await.into_iter().rev().map(|conversation| {
        let of = |message: &Message| {
            let parent = message.parent.map_or("-".into(), |parent| parent.to_string());
            let says = message.content().replace("says ", "");
            format!("{says}{}{parent}", if message.off_branch { "*" } else { ":" })
        };
        conversation.messages.iter().map(|stored| of(&stored.message)).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(told.collect::<Vec<_>>(), expected, "{exchanges:?}");
}

#[tokio::test]
async fn what_goes_on_from_a_conversation_is_an_update_of_it() {
    check(&[("u1", "a1")], &["u1:- a1:0"]).await;
    check(&[("u1", "a1"), ("u1 a1 u2", "a2")], &["u1:- a1:0 u2:1 a2:2"]).await;
    // Again, to the letter.
    check(&[("u1", "a1"), ("u1", "a1")], &["u1:- a1:0"]).await;
    // Answered anew, asked otherwise, and back.
    check(&[("u1", "a1"), ("u1 a1 u2", "a2"), ("u1 a1 u2", "a3")], &["u1:- a1:0 u2:1 a2*2 a3:2"]).await;
    check(
        &[("u1", "a1"), ("u1 a1 u2", "a2"), ("u1 a1 u3", "a3"), ("u1 a1 u2", "a2")],
        &["u1:- a1:0 u2:1 a2:2 u3*1 a3*4"],
    )
    .await;
    // What was never seen before comes as a whole.
    check(&[("u1 a1 u2", "a2"), ("u1", "a1")], &["u1:- a1:0 u2*1 a2*2"]).await;
    // Another beginning is another conversation, and so is another first answer.
    check(&[("u1", "a1"), ("u2 a1 u3", "a3")], &["u1:- a1:0", "u2:- a1:0 u3:1 a3:2"]).await;
    check(&[("u1", "a1"), ("u1", "a2")], &["u1:- a1:0", "u1:- a2:0"]).await;
    // The first of several counts.
    check(&[("u1", "a1"), ("u1 a1 u2", "a2 a3")], &["u1:- a1:0 u2:1 a3*2 a2:2"]).await;
    // Tools, and what they gave.
    check(&[("u1", "c1"), ("u1 c1 t1", "a1"), ("u1 c1 t2", "a1")], &["u1:- c1:0 t1*1 a1*2 t2:1 a1:4"]).await;
    check(&[("u1", "")], &[]).await;
}

#[tokio::test]
async fn clients_may_write_what_they_send_back_in_their_own_way() {
    let place = Place::new().await;
    let chats = Chats::new(place.archive.clone());
    chats.keep(&local(), &exchange("u1", "c1")).await.unwrap();
    let mut next = exchange("u1 c1 t1", "a1");
    next.messages[1].blocks[0].text = "  says c1\n".into();
    next.messages[1].tool_calls[0].arguments = "{\"a\":1}".into();
    next.messages[1].tool_calls[0].id = Some("call-7".into());
    next.system_prompt = Some("Today is Friday.".into());
    chats.keep(&local(), &next).await.unwrap();
    let kept = kept(&place, &local()).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].messages.len(), 4);
    assert_eq!(kept[0].summary.title.as_deref(), Some("says u1"));
    assert_eq!(kept[0].system_prompt.as_deref(), Some("Today is Friday."));
    assert_eq!(place.hits("says").await, 5, "the title is found, too");
}

#[tokio::test]
async fn everybody_has_their_own() {
    let place = Place::new().await;
    let chats = Chats::new(place.archive.clone());
    let stranger = athenaeum_tenancy::for_test("stranger");
    chats.keep(&local(), &exchange("u1", "a1")).await.unwrap();
    chats.keep(&stranger, &exchange("u1 a1 u2", "a2")).await.unwrap();
    assert_eq!(kept(&place, &local()).await[0].messages.len(), 2);
    assert_eq!(kept(&place, &stranger).await[0].messages.len(), 4);
}

#[tokio::test]
async fn many_at_once_lose_nothing() {
    let place = Place::new().await;
    let chats = Chats::new(place.archive.clone());
    let asked = (0..20).map(|n| {
        let chats = chats.clone();
        tokio::spawn(async move { chats.keep(&local(), &exchange("u0 a0 u1", &format!("a{n}x"))).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap().unwrap();
    }
    let kept = kept(&place, &local()).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].messages.len(), 3 + 20);
}

#[tokio::test]
async fn an_import_of_the_same_takes_its_place() {
    let place = Place::new().await;
    let chats = Chats::new(place.archive.clone());
    chats.keep(&local(), &exchange("u1", "a1")).await.unwrap();
    chats.keep(&local(), &exchange("u1 a1 u2", "a2")).await.unwrap();
    chats.keep(&local(), &exchange("u9", "a9")).await.unwrap();

    // An older export does not hold all of it.
    let older = place.write("older.jsonl", &export(&[("c1", &["says u1", "says a1"])]));
    assert_eq!(place.import(&older).await.unwrap().replaced, 0);
    assert_eq!(kept(&place, &local()).await.len(), 3);

    let texts = ["says u1", "says a1", "says u2", "says a2", "says u3", "says a3"];
    let newer = place.write("newer.jsonl", &export(&[("c1", &texts), ("c2", &["says u8", "says a9"])]));
    let report = place.import(&newer).await.unwrap();
    assert_eq!(report.replaced, 1);
    assert!(report.to_json().contains("\"replaced\":1"), "{}", report.to_json());
    let left = kept(&place, &local()).await;
    let mut names: Vec<_> = left.iter().map(|kept| kept.summary.title.clone().unwrap_or_default()).collect();
    names.sort();
    assert_eq!(left.len(), 3, "{names:?}");
    assert!(names.contains(&"says u9".to_owned()), "{names:?}");
    assert_eq!(place.import(&newer).await.unwrap().replaced, 0);
}

#[tokio::test]
async fn what_was_exported_comes_back_as_itself() {
    let place = Place::new().await;
    let chats = Chats::new(place.archive.clone());
    chats.keep(&local(), &exchange("u1", "c1")).await.unwrap();
    chats.keep(&local(), &exchange("u1 c1 t1", "a1")).await.unwrap();
    let conversation = kept(&place, &local()).await.remove(0);
    let raw = place.archive.raw_json(&local(), conversation.summary.id).await.unwrap();
    let line = athenaeum_retrieval::export::to_json_line(conversation, raw);
    let path = place.write("own.jsonl", &line);
    let report = place.import(&path).await.unwrap();
    assert_eq!((report.added, report.updated, report.unchanged), (0, 0, 1));
    chats.keep(&local(), &exchange("u1 c1 t1 a1 u2", "a2")).await.unwrap();
    assert_eq!(kept(&place, &local()).await[0].messages.len(), 6);
}
