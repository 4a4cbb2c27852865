//! Documents on the pages: handed in, found, read, and asked.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use crate::{
    browser::Open,
    chromium::Chromium,
    house::{House, between, text},
};

const LEASE: &str = "# Lease\n\nThe notice period is <b>three months</b>. The rent is due on the first.\n";

#[tokio::test]
async fn the_ledger_tells_what_became_of_every_file() {
    let house = House::empty().await;
    assert!(house.page("/library").await.contains("Nothing is in the library yet"));
    house.shelve("lease.md", LEASE).await;
    house.shelve("<script>alert(1)</script>.docx", "PK\u{3}\u{4}broken").await;
    let page = house.page("/library").await;
    assert!(
        page.contains("lease.md</a>") && page.contains("<span class=\"badge good\">kept</span>"),
        "{page}"
    );
    assert!(page.contains("Try again") && !page.contains("<script>alert"), "{page}");
    let kept = house.page("/library?state=kept").await;
    assert!(kept.contains("lease.md") && !kept.contains("alert(1)"));
    let fragment = house.page("/library/ledger").await;
    assert!(!fragment.contains("<html") && fragment.contains("lease.md"));
}

#[tokio::test]
async fn a_file_is_handed_in_by_the_form_and_forgotten() {
    let house = House::empty().await;
    let token = between(&house.page("/library").await, "name=\"token\" value=\"", "\"").to_owned();
    let form = format!(
        "--b\r\ncontent-disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"a b.md\"\r\n\r\nherons fish\r\n--b--\r\n"
    );
    let send = |path: &str, media_type: &str, body: String| {
        Request::post(path)
            .header("host", "127.0.0.1")
            .header("content-type", media_type)
            .body(Body::from(body))
            .unwrap()
    };
    let scope = athenaeum_tenancy::local();
    let mut watch = house.librarian.watch(&scope);
    let answer = house.send(send("/library", "multipart/form-data; boundary=b", form.clone())).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()[header::LOCATION], "/library");
    watch.wait_for(|now| now.changes > 0 && !now.is_busy()).await.unwrap();
    assert!(house.page("/search?q=heron").await.contains("a b.md"));
    let foreign =
        house.send(send("/library", "multipart/form-data; boundary=b", form.replace(&token, "x"))).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);

    let page = house.page("/library").await;
    let path = between(&page, "name=\"path\" value=\"", "\"").replace('/', "%2F").replace(' ', "%20");
    let urlencoded = "application/x-www-form-urlencoded";
    let refused = house.send(send("/library/forget", urlencoded, format!("token=x&path={path}"))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let gone = house.send(send("/library/forget", urlencoded, format!("token={token}&path={path}"))).await;
    let (status, body) = text(gone).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{body}");
    assert!(house.page("/library").await.contains("Nothing is in the library yet"));
}

#[tokio::test]
async fn one_search_shows_documents_among_the_hits() {
    let house = House::furnished().await;
    let before = house.page("/search?q=sourdough").await;
    assert!(!before.contains("Documents</span>"));
    house.shelve("bread.md", "# Bread book\n\nSourdough needs a warm place.\n").await;
    let page = house.page("/search?q=sourdough").await;
    assert!(
        page.contains("Bread book") && page.contains("Sourdough that rises")
            || page.contains("<mark>Sourdough</mark> that rises"),
        "{page}"
    );
    assert!(page.contains("by its words"), "{page}");
    assert!(page.contains("#passage\" data-item"), "{page}");
    assert!(!house.page("/search?q=sourdough&in=library").await.contains("that rises"));
    assert!(!house.page("/search?q=sourdough&in=chats").await.contains("Bread book"));
    assert!(!house.page("/search?q=sourdough&role=user").await.contains("Bread book"));
}

#[tokio::test]
async fn an_answer_leads_to_its_passage() {
    let house = House::empty().await;
    house.shelve("lease.md", LEASE).await;
    assert!(house.page("/ask").await.contains("id=\"ask-form\""));
    let page = house.page("/ask?q=How+long+is+the+notice+period%3F").await;
    assert!(page.contains("three months") && page.contains("class=\"cite\" href=\"#source-1\""), "{page}");
    assert!(!page.contains("<b>three"), "{page}");
    let source = between(&page, "<li id=\"source-1\" value=\"1\"><a href=\"", "\"").replace("&#38;", "&");
    let document = house.page(source.split('#').next().unwrap()).await;
    let passage = between(&document, "<span id=\"passage\" class=\"cited\" tabindex=\"-1\">", "</span>");
    assert!(passage.contains("&lt;b&gt;three months&lt;/b&gt;"), "{passage}");
    assert!(house.page("/ask?q=zeppelin").await.contains("Nothing was found"));
    let nowhere = house.get("/library/00000000-0000-7000-8000-000000000000").await;
    assert_eq!(nowhere.0, StatusCode::NOT_FOUND);
    assert_eq!(house.get("/library/nothing").await.0, StatusCode::NOT_FOUND);
}

/// A Word document of one paragraph: a zip of files that are not compressed.
fn docx(paragraph: &str) -> Vec<u8> {
    let word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let links = "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>";
    let document = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"{word}\"><w:body><w:p><w:r><w:t>{paragraph}</w:t></w:r></w:p></w:body></w:document>"
    );
    zip(&[("[Content_Types].xml", types), ("_rels/.rels", links), ("word/document.xml", &document)])
}

/// Writes a zip by the book (APPNOTE 4.3), without compression.
fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let size = u32::try_from(text.len()).unwrap().to_le_bytes();
        let name_size = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &crc32(text.as_bytes()).to_le_bytes(),
            &size,
            &size,
            &name_size,
            &[0, 0],
        ]
        .concat();
        let at = u32::try_from(out.len()).unwrap().to_le_bytes();
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), text.as_bytes()].concat());
        directory.extend([b"PK\x01\x02", &[20, 0][..], &common, &[0; 10], &at, name.as_bytes()].concat());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let at = u32::try_from(out.len()).unwrap().to_le_bytes();
    out.extend(&directory);
    out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &size, &at, &[0, 0]].concat());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

/// Drops files on the page, as from a folder's window.
fn drop_files(browser: &mut Chromium, files: &[(&str, &[u8])]) {
    let files: Vec<_> =
        files.iter().map(|(name, bytes)| serde_json::json!({"name": name, "bytes": bytes})).collect();
    let files = serde_json::Value::from(files);
    browser.evaluate(&format!(
        "const dropped = new DataTransfer(); for (const one of {files}) dropped.items.add(new File([new Uint8Array(one.bytes)], one.name)); document.querySelector('.drop').dispatchEvent(new DragEvent('drop', {{dataTransfer: dropped, bubbles: true, cancelable: true}}))"
    ));
}

#[test]
fn files_are_dropped_while_the_page_watches_and_answer_a_question() {
    let Some(mut browser) = Chromium::start() else { return };
    let house = Open::furnished();
    browser.go(&format!("{}/library", house.origin));
    browser.wait("document.querySelector('.blank')");
    let word = docx("The heron nests on the island in March.");
    let lease = include_bytes!("../../../../assets/documents/house/lease.pdf");
    let mail = include_bytes!("../../../../assets/documents/water/boat.eml");
    drop_files(&mut browser, &[("lease.pdf", lease), ("birds.docx", &word), ("boat.eml", mail)]);
    browser.wait("document.querySelectorAll('#ledger .badge.good').length === 3");
    browser.wait("document.querySelector('#activity-told').textContent.startsWith('Done: 3 new')");
    photograph(&mut browser, "library");

    browser.go(&format!("{}/search?q=copper+rivets", house.origin));
    browser.wait("document.querySelector('.group-of-hits .meta')?.textContent.includes('boat.eml')");
    browser.go(&format!("{}/search?q=heron", house.origin));
    browser.wait("document.querySelector('.hit mark')?.textContent === 'heron'");
    assert_eq!(
        browser.evaluate("document.querySelector('.group-of-hits .meta').textContent.includes('birds.docx')"),
        true
    );
    photograph(&mut browser, "search");
    browser.evaluate("document.querySelector('.hit a').click()");
    browser.wait(
        "location.hash === '#passage' && document.querySelector('#passage mark')?.textContent === 'heron'",
    );

    browser.go(&format!("{}/ask", house.origin));
    browser.wait("document.activeElement.id === 'question'");
    browser.type_text("How long is the notice period?");
    browser.press("Enter");
    browser.wait("document.querySelector('.answer-text')?.textContent.includes('three months')");
    photograph(&mut browser, "ask");
    browser.evaluate("document.querySelector('.sources a[href^=\"/library/\"]').click()");
    browser.wait("location.pathname.startsWith('/library/') && location.hash === '#passage'");
    browser.wait("document.querySelector('#passage')?.textContent.includes('three months')");
    browser.wait("document.querySelector('#passage').getBoundingClientRect().top < innerHeight");
    photograph(&mut browser, "document");
    browser.assert_quiet(&house.origin);
}

/// Keeps a picture of the page where `PICTURES` names a folder, for people to look at.
fn photograph(browser: &mut Chromium, name: &str) {
    if let Some(folder) = std::env::var_os("PICTURES") {
        let picture = browser.call("Page.captureScreenshot", serde_json::json!({"format": "png"}));
        let file = std::path::Path::new(&folder).join(format!("{name}.png.base64"));
        std::fs::write(file, picture["data"].as_str().unwrap()).unwrap();
    }
}
