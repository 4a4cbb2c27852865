//! The pages that ask models, in a real browser against the whole server: pages and API only meet here. Without a
//! Chromium these tests say that they were skipped.

use athenaeum_inference::synthetic;
use serde_json::{Value, json};

use crate::{
    chromium::Chromium,
    models::sighted,
    support::{Library, Server},
};

/// The small model of the examples.
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");

/// Has the model go on until it is stopped, where the page says `window.forever`; and notes what is asked of it.
const FOREVER: &str = "const plain = fetch; window.fetch = (address, request) => { if (String(address).endsWith('/completions')) window.asked = JSON.parse(request.body); if (window.forever && String(address).endsWith('/completions')) { request.body = JSON.stringify({ ...window.asked, ignore_eos: true }); } return plain(address, request); };";

/// A library with a model, a server over it, and a browser; `None` where there is no browser.
fn open() -> Option<(Library, Server, Chromium)> {
    let mut browser = Chromium::start()?;
    let library = Library::new();
    let models = library.data().join("models");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::copy(TINY, models.join("tiny.gguf")).unwrap();
    let server = library.serve(&[]);
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": FOREVER }));
    Some((library, server, browser))
}

/// Sends what is typed, and waits until the answer is whole and kept.
fn say(browser: &mut Chromium, text: &str, answers: usize) {
    browser.evaluate("document.querySelector('#ask').focus()");
    browser.call("Input.insertText", json!({ "text": text }));
    browser.press("Enter");
    settled(browser, answers);
}

fn settled(browser: &mut Chromium, answers: usize) {
    browser.wait(&format!("document.querySelectorAll('.message.assistant .told').length >= {answers}"));
    browser.wait("location.pathname.startsWith('/chat/') && !document.querySelector('#stop:not([hidden])')");
}

#[test]
fn a_conversation_is_held_stopped_given_anew_and_kept() {
    let Some((_library, server, mut browser)) = open() else { return };
    let origin = format!("http://{}", server.addr);
    browser.go(&format!("{origin}/chat"));
    browser.wait("document.querySelector('#model').value === 'tiny'");
    say(&mut browser, "Who are you?", 1);
    browser
        .wait("document.querySelector('.message.assistant .prose > p')?.textContent.includes('I am Tiny')");
    // Stopped by Esc: what there is is kept, and said to be a part.
    browser.evaluate("window.forever = true");
    browser.evaluate("document.querySelector('#ask').focus()");
    browser.call("Input.insertText", json!({"text": "Recite a poem."}));
    browser.press("Enter");
    browser.wait("document.querySelectorAll('.message.assistant')[1]?.textContent.length > 60");
    browser.press("Escape");
    settled(&mut browser, 2);
    browser.wait("document.querySelectorAll('.told')[1].textContent.includes('stopped')");
    let asked = browser.evaluate("window.asked");
    assert_eq!(asked["messages"].as_array().map(Vec::len), Some(3), "the conversation goes along: {asked}");
    // The same answered anew is another branch, and the first stays reachable.
    browser.evaluate("window.forever = false");
    let regenerate = "[...document.querySelectorAll('.turn-tools button')].filter((button) => button.textContent === 'Regenerate').at(-1).click()";
    browser.evaluate(regenerate);
    browser.wait("document.querySelector('.fork')?.textContent.includes('2 / 2')");
    settled(&mut browser, 2);
    browser.evaluate("document.querySelector('.fork button').click()");
    browser.wait("document.querySelector('.fork').textContent.includes('1 / 2')");
    // A question asked otherwise is one as well.
    browser
        .evaluate("document.querySelector('.turn-tools button[aria-label=\"Ask this otherwise\"]').click()");
    browser.wait("document.activeElement.closest('.edit')");
    browser.call("Input.insertText", json!({"text": " Tell me."}));
    browser.press("Enter");
    browser.wait("document.querySelector('.message.user .fork')?.textContent.includes('2 / 2')");
    settled(&mut browser, 1);
    let kept = browser.evaluate("location.href");
    // All of it is there again, here and on the archive's own page.
    browser.go(kept.as_str().unwrap());
    browser.wait("document.querySelector('.message.user .fork')?.textContent.includes('2 / 2')");
    browser.evaluate("document.querySelector('.message.user .fork button').click()");
    browser.wait("document.querySelectorAll('.message').length === 4");
    browser.wait("document.querySelector('.message.assistant .fork')?.textContent.includes('/ 2')");
    browser.go(&kept.as_str().unwrap().replace("/chat/", "/conversations/"));
    browser.wait("document.querySelector('.message.user .fork')?.textContent.includes('2 / 2')");
    let found: Value = serde_json::from_str(&server.get("/athenaeum/v1/search?q=Tiny").1).unwrap();
    assert!(found["hits"].as_array().is_some_and(|hits| !hits.is_empty()), "{found}");
    browser.assert_quiet(&origin);
}

#[test]
fn pictures_are_attached_shown_and_sent_to_a_model_that_sees() {
    let Some(mut browser) = Chromium::start() else { return };
    let library = Library::new();
    let models = library.data().join("models");
    sighted(&models);
    std::fs::create_dir_all(models.join("alone")).unwrap();
    std::fs::copy(TINY, models.join("alone/blind.gguf")).unwrap();
    let server = library.serve(&[]);
    let origin = format!("http://{}", server.addr);
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": FOREVER }));
    browser.go(&format!("{origin}/chat?model=blind"));
    browser.wait("document.querySelector('#model').value === 'blind'");
    browser.wait("document.querySelector('#model').textContent.includes('tiny (sees pictures')");
    // No list takes what the model sees with for a model.
    for (list, at) in [("/v1/models", "data"), ("/api/tags", "models"), ("/athenaeum/v1/models", "models")] {
        let told: Value = serde_json::from_str(&server.get(list).1).unwrap();
        assert_eq!(told[at].as_array().map(Vec::len), Some(2), "{list}: {told}");
    }
    attach(&mut browser, "no.png", b"no picture");
    browser.wait("document.querySelector('#trouble').textContent.includes('no.png holds no picture')");
    assert_eq!(browser.evaluate("document.querySelectorAll('#files li').length"), 0);
    attach(&mut browser, "shot.png", &synthetic::vision::png(40, 24, 1).unwrap());
    browser.wait("document.querySelector('#trouble').textContent.includes('blind sees no pictures')");
    // It is not sent to whoever cannot see it.
    browser.evaluate("document.querySelector('#ask').focus()");
    browser.call("Input.insertText", json!({ "text": "Who are you?" }));
    browser.press("Enter");
    assert_eq!(browser.evaluate("document.querySelectorAll('.message').length"), 0);
    browser.evaluate("[...document.querySelectorAll('#trouble button')].find((button) => button.textContent === 'Ask tiny').click()");
    assert_eq!(browser.evaluate("document.querySelector('#trouble').hidden"), true);
    browser.press("Enter");
    settled(&mut browser, 1);
    let asked = browser.evaluate("window.asked");
    let parts = &asked["messages"][0]["content"];
    assert!(
        parts[0]["image_url"]["url"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"),
        "{asked}"
    );
    assert_eq!((&parts[1]["text"], &asked["model"]), (&json!("Who are you?"), &json!("tiny")));
    let shown = "[...document.querySelectorAll('.message.user canvas[aria-label=\"shot.png\"]')].map((one) => [one.width, one.height, one.getContext('2d').getImageData(3, 3, 1, 1).data[3]])";
    assert_eq!(browser.evaluate(shown), json!([[40, 24, 255]]));
    // It goes along as the conversation goes on.
    say(&mut browser, "Count to ten.", 2);
    assert_eq!(browser.evaluate("window.asked.messages[0].content[0].type"), "image_url");
    assert_eq!(browser.evaluate("window.asked.messages.length"), 3);
    // The archive keeps that there was one.
    let kept = browser.evaluate("location.href").as_str().unwrap().to_owned();
    browser.go(&kept);
    browser.wait("document.querySelector('.message.user .gone')?.textContent.includes('not kept')");
    browser.wait("document.querySelector('.message.user .attachments').textContent.includes('shot.png')");
    browser.go(&kept.replace("/chat/", "/conversations/"));
    browser
        .wait("document.querySelector('.message .attachments')?.textContent.includes('shot.png image/png')");
    browser.go(&format!("{origin}/shelf"));
    browser.wait("document.querySelectorAll('.model-card').length === 2");
    browser.wait("document.querySelector('.model-list').textContent.includes('sees pictures')");
    browser.assert_quiet(&origin);
}

/// Chooses a file, as by the button for that.
fn attach(browser: &mut Chromium, name: &str, bytes: &[u8]) {
    browser.evaluate(&format!(
        "(() => {{ const chosen = new DataTransfer(); \
         chosen.items.add(new File([new Uint8Array({bytes:?})], '{name}', {{ type: 'image/png' }})); \
         const input = document.querySelector('#attach'); input.files = chosen.files; \
         input.dispatchEvent(new Event('change')); }})()"
    ));
}

#[test]
fn what_was_kept_outlives_a_kill_in_the_middle_of_an_answer() {
    let Some((library, mut server, mut browser)) = open() else { return };
    browser.go(&format!("http://{}/chat", server.addr));
    browser.wait("document.querySelector('#model').value === 'tiny'");
    say(&mut browser, "Who are you?", 1);
    let kept = browser.evaluate("location.pathname").as_str().unwrap().to_owned();
    browser.evaluate("window.forever = true");
    browser.evaluate("document.querySelector('#ask').focus()");
    browser.call("Input.insertText", json!({"text": "Recite a poem."}));
    browser.press("Enter");
    browser.wait("document.querySelectorAll('.message.assistant')[1]?.textContent.length > 30");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    browser.wait("!document.querySelector('#trouble').hidden");
    let server = library.serve(&[]);
    let turns: Value = serde_json::from_str(&server.get(&format!("{kept}/turns")).1).unwrap();
    assert!(turns["turns"].as_array().is_some_and(|turns| turns.len() >= 2), "{turns}");
    assert!(turns["turns"][1]["text"].as_str().unwrap().contains("I am Tiny"), "{turns}");
}

#[test]
fn nothing_that_was_said_becomes_markup() {
    let Some((_library, server, mut browser)) = open() else { return };
    let origin = format!("http://{}", server.addr);
    browser.go(&format!("{origin}/chat"));
    browser.wait("document.querySelector('#model').value === 'tiny'");
    let hostile = "<img src=x onerror=\"window.hacked = 1\"><script>window.hacked = 1</script> ![x](https://evil.example/?q=1)";
    say(&mut browser, hostile, 1);
    let check = |browser: &mut Chromium| {
        assert_eq!(browser.evaluate("typeof window.hacked"), "undefined");
        assert_eq!(browser.evaluate("document.querySelectorAll('main img, main script').length"), 0);
    };
    browser.wait("document.querySelector('.message.user .prose').textContent.includes('<img src=x')");
    check(&mut browser);
    let kept = browser.evaluate("location.href").as_str().unwrap().to_owned();
    for page in [
        kept.clone(),
        kept.replace("/chat/", "/conversations/"),
        format!("{origin}/chat"),
        format!("{origin}/"),
    ] {
        browser.go(&page);
        browser.wait("document.body.textContent.includes('<img src=x')");
        check(&mut browser);
    }
    // A phone shows all of it, and each page has one main heading.
    let phone = json!({"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": true});
    browser.call("Emulation.setDeviceMetricsOverride", phone);
    for page in [kept, format!("{origin}/chat"), format!("{origin}/shelf")] {
        browser.go(&page);
        browser.wait("document.querySelector('.message.user, #model option[value=tiny], .model-card')");
        let over =
            browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{page} is wider than a phone");
        assert_eq!(browser.evaluate("document.querySelectorAll('h1').length"), 1, "{page}");
        let nameless = browser.evaluate(
            "[...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')].filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map((one) => one.outerHTML)",
        );
        assert_eq!(nameless, json!([]), "{page}");
    }
    browser.assert_quiet(&origin);
}

#[test]
fn models_are_loaded_measured_let_go_and_removed() {
    let Some((library, server, mut browser)) = open() else { return };
    let origin = format!("http://{}", server.addr);
    browser.go(&format!("{origin}/shelf"));
    let press = |text: &str| format!("document.querySelector('[data-focus=\"tiny {text}\"]').click()");
    browser.wait("document.querySelector('.model-card .badge.good')?.textContent === 'fits'");
    browser.evaluate(&press("Load"));
    browser.wait("document.querySelector('[data-focus=\"tiny Unload\"]:enabled')");
    browser.evaluate(&press("Speed"));
    browser.wait("document.querySelector('.figures-line')?.textContent.includes('tokens a second')");
    browser.wait("document.querySelector('[data-focus=\"tiny Unload\"]:enabled')");
    browser.evaluate(&press("Unload"));
    browser.wait("document.querySelector('[data-focus=\"tiny Load\"]:enabled')");
    // An address of this machine's own network is not for whoever asks over the wire, and the page says so.
    browser.evaluate("document.querySelector('#source').value = 'http://127.0.0.1:1/x.gguf'; document.querySelector('#pull').requestSubmit()");
    browser.wait("document.querySelector('#pulls .failed')?.textContent.includes('own network')");
    browser.evaluate("document.querySelector('#source').value = 'nonsense'; document.querySelector('#pull').requestSubmit()");
    browser
        .wait("document.querySelector('#trouble').textContent.includes('does not say where the model is')");
    browser.evaluate(&press("Remove"));
    assert!(library.data().join("models/tiny.gguf").exists(), "once is not enough");
    browser.evaluate(&press("Remove"));
    browser.wait("document.querySelector('#list').textContent.includes('No model is here yet')");
    assert!(!library.data().join("models/tiny.gguf").exists());
    // Without a model the chat page leads to where there are some.
    browser.go(&format!("{origin}/chat"));
    browser.wait("document.querySelector('#trouble a[href=\"/shelf\"]')");
}
