//! What a person does, in a real browser. Without a Chromium these tests say that they were skipped.

use std::{
    path::Path,
    sync::mpsc::{Sender, channel},
};

use serde_json::json;

use crate::{chromium::Chromium, house::House};

/// A house that is open to browsers until it is dropped.
pub(crate) struct Open {
    pub(crate) origin: String,
    close: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Open {
    pub(crate) fn furnished() -> Self {
        let (tell, told) = channel::<String>();
        let (close, closed) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || serve(&tell, closed));
        Self { origin: told.recv().unwrap(), close: Some(close) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        drop(self.close.take());
    }
}

fn serve(tell: &Sender<String>, closed: tokio::sync::oneshot::Receiver<()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let house = House::furnished().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        tell.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::select! {
            served = axum::serve(listener, house.router.clone()).into_future() => served.unwrap(),
            _ = closed => {}
        }
    });
}

/// Starts both, or ends the test where there is no browser.
macro_rules! open_or_skip {
    () => {
        match Chromium::start() {
            Some(browser) => (Open::furnished(), browser),
            None => return,
        }
    };
}

#[test]
fn results_come_while_typing_and_lead_into_the_conversation() {
    let (house, mut browser) = open_or_skip!();
    browser.go(&format!("{}/search", house.origin));
    browser.wait("document.activeElement.name === 'q'");
    browser.type_text("ferments");
    browser.wait("document.querySelector('#results mark')?.textContent === 'ferments'");
    browser.wait("location.search === '?q=ferments'");
    assert_eq!(browser.evaluate("document.title"), "ferments · Search · Athenaeum");
    // Opened in place, then folded away.
    browser.evaluate("document.querySelector('[data-open]').click()");
    browser.wait("document.querySelector('.in-place')?.textContent.includes('Rye ferments faster.')");
    browser.evaluate("document.querySelector('[data-open]').click()");
    browser.wait("!document.querySelector('.in-place')");
    // A filter is put on without loading the page anew, and the next typing keeps it.
    browser.evaluate(
        "window.same = true; document.querySelector('.facets a[href*=\"provider=chatgpt\"]').click()",
    );
    browser.wait("location.search.includes('provider=chatgpt') && document.querySelector('.chips')");
    browser.evaluate("document.querySelector('#q').focus()");
    browser.type_text(" faster");
    browser.wait("location.search === '?q=ferments+faster&provider=chatgpt'");
    assert_eq!(browser.evaluate("window.same"), true);
    browser.evaluate("document.querySelector('.hit a').click()");
    browser.wait("location.pathname.startsWith('/conversations/') && location.hash === '#m4'");
    browser.wait("document.querySelector('#m4 mark')?.textContent === 'ferments'");
    browser.assert_quiet(&house.origin);
}

#[test]
fn all_of_it_by_keyboard() {
    let (house, mut browser) = open_or_skip!();
    browser.go(&house.origin);
    browser.press("/");
    browser.wait("document.activeElement.id === 'q'");
    browser.type_text("rise");
    browser.press("Enter");
    browser.wait("location.pathname === '/search' && document.querySelector('.hit')");
    browser.evaluate("document.activeElement.blur()");
    browser.press("j");
    browser.wait("document.activeElement.matches('.passage')");
    browser.press("ArrowDown");
    browser.press("k");
    browser.press("Enter");
    browser.wait("location.pathname.startsWith('/conversations/')");
    browser.wait("document.readyState === 'complete'");
    browser.press("Escape");
    browser.wait("location.pathname === '/search'");
    browser.wait("document.readyState === 'complete'");
    browser.press("?");
    browser.wait("document.querySelector('#keys').open");
    browser.press("Escape");
    browser.wait("!document.querySelector('#keys').open");
    for (key, path) in [("c", "/conversations"), ("s", "/stats"), ("h", "/")] {
        browser.press("g");
        browser.press(key);
        browser.wait(&format!("location.pathname === '{path}' && document.readyState === 'complete'"));
    }
    browser.press("/");
    browser.type_text("x");
    browser.press("Escape");
    browser.wait("document.activeElement.value === ''");
    browser.assert_quiet(&house.origin);
}

#[test]
fn a_file_is_imported_with_progress() {
    let (house, mut browser) = open_or_skip!();
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("conversations.json");
    // So many that the import outlasts the page's connection to its progress on a busy machine.
    write_export(&export, 6_000);
    browser.go(&format!("{}/import", house.origin));
    // What the page told on its way; it is kept across the reload at the end.
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": "const told = EventSource.prototype.addEventListener; EventSource.prototype.addEventListener = function (kind, heed) { return told.call(this, kind, (event) => { if (kind === 'progress') sessionStorage.setItem('steps', Number(sessionStorage.getItem('steps') ?? 0) + 1); heed(event); }); };"}),
    );
    browser.choose_files("#files", &[&export]);
    browser.wait("location.pathname.startsWith('/imports/')");
    browser.wait("document.querySelector('.badge.good')");
    assert_eq!(browser.evaluate("document.querySelector('[data-field=conversations]').textContent"), "6,000");
    assert!(browser.evaluate("Number(sessionStorage.getItem('steps'))").as_i64().unwrap() >= 1);
    browser.go(&format!("{}/search?q=heron5999", house.origin));
    browser.wait("document.querySelector('.hit mark')");
    browser.go(&format!("{}/imports", house.origin));
    browser.wait("document.body.textContent.includes('6,000 conversations')");
    browser.assert_quiet(&house.origin);
}

#[test]
fn the_theme_is_switched_and_kept() {
    let (house, mut browser) = open_or_skip!();
    browser.go(&house.origin);
    let paper = "getComputedStyle(document.body).backgroundColor";
    let light = browser.evaluate(paper);
    browser.evaluate("document.querySelector('.theme-button').click()");
    let dark = browser.evaluate(paper);
    assert_ne!(light, dark);
    browser.go(&format!("{}/help", house.origin));
    assert_eq!(browser.evaluate(paper), dark);
    browser.assert_quiet(&house.origin);
}

#[test]
fn every_page_is_quiet_and_fits_a_phone() {
    let (house, mut browser) = open_or_skip!();
    let phone = json!({"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": true});
    browser.call("Emulation.setDeviceMetricsOverride", phone);
    browser.go(&format!("{}/conversations", house.origin));
    let entries = browser.evaluate("[...document.querySelectorAll('.entry a')].map((entry) => entry.href)");
    let mut pages: Vec<String> =
        entries.as_array().unwrap().iter().map(|href| href.as_str().unwrap().to_owned()).collect();
    assert_eq!(pages.len(), 3);
    for path in [
        "/",
        "/search",
        "/search?q=hostile",
        "/conversations",
        "/stats",
        "/topics",
        "/help",
        "/import",
        "/imports",
        "/library",
        "/ask",
    ] {
        pages.push(format!("{}{path}", house.origin));
    }
    for page in pages {
        browser.go(&page);
        let over =
            browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{page} is wider than a phone");
        // Each page has one main heading, and everything that can be operated has a name.
        assert_eq!(browser.evaluate("document.querySelectorAll('h1').length"), 1, "{page}");
        let nameless = browser.evaluate(
            "[...document.querySelectorAll('a, button, input:not([type=hidden]), select')].filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map((one) => one.outerHTML)",
        );
        assert_eq!(nameless, json!([]), "{page}");
        assert_eq!(
            browser.evaluate("document.querySelectorAll('main, header.top, nav, footer').length >= 4"),
            true
        );
    }
    // On a phone the hits are in sight and the filters folded until they are asked for.
    browser.go(&format!("{}/search?q=hostile", house.origin));
    assert_eq!(browser.evaluate("document.querySelector('.hit').getBoundingClientRect().top < 800"), true);
    browser.evaluate("document.querySelector('.facets > summary').click()");
    browser.wait("document.querySelector('.facets .group').offsetHeight > 0");
    browser.assert_quiet(&house.origin);
}

#[test]
fn everything_works_without_script() {
    let (house, mut browser) = open_or_skip!();
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go(&format!("{}/search?q=ferments", house.origin));
    browser.wait("document.querySelector('.hit mark') && !document.documentElement.classList.contains('js')");
    // A hit opens in place by its link; a branch is switched by its own.
    let open = browser.evaluate("document.querySelector('[data-open]').href");
    browser.go(open.as_str().unwrap());
    browser.wait("document.querySelector('.in-place mark')");
    let hit = browser.evaluate("document.querySelector('.hit .passage').href");
    browser.go(hit.as_str().unwrap());
    browser.wait("document.querySelector('#m4')");
    let branch = browser.evaluate("document.querySelector('.fork a[rel=next]').href");
    browser.go(branch.as_str().unwrap());
    browser.wait("document.body.textContent.includes('warm kitchen')");
    // The upload is a plain form.
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("conversations.json");
    write_export(&export, 3);
    browser.go(&format!("{}/import", house.origin));
    browser.choose_files("#files", &[&export]);
    let place = browser.evaluate("(() => { const box = document.querySelector('#import-form .button').getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()");
    for kind in ["mousePressed", "mouseReleased"] {
        let click = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
        browser.call("Input.dispatchMouseEvent", click);
    }
    browser.wait("location.pathname.startsWith('/imports/')");
    browser.wait("document.querySelector('.badge.good')");
    browser.assert_quiet(&house.origin);
}

/// Writes an export of ChatGPT with `count` conversations of one message.
fn write_export(path: &Path, count: usize) {
    let conversation = |i: usize| {
        json!({
            "id": format!("c{i}"), "conversation_id": format!("c{i}"), "title": format!("Walk {i}"),
            "create_time": 1_704_164_645.5, "update_time": 1_704_164_650.5, "current_node": "b",
            "mapping": {
                "a": {"id": "a", "message": null, "parent": null, "children": ["b"]},
                "b": {"id": "b", "parent": "a", "children": [], "message": {
                    "id": format!("m{i}"), "author": {"role": "user"}, "create_time": 1_704_164_645.5,
                    "content": {"content_type": "text", "parts": [format!("Where does heron{i} nest?")]},
                    "status": "finished_successfully", "weight": 1.0, "metadata": {}, "recipient": "all",
                }},
            },
        })
    };
    let export: Vec<_> = (0..count).map(conversation).collect();
    std::fs::write(path, serde_json::to_vec(&export).unwrap()).unwrap();
}
