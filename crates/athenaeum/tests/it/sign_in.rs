//! A person with a browser at a server that asks for a key.

use std::{sync::mpsc::channel, thread, time::Duration};

use athenaeum::{Athenaeum, listen, sample, settings::Settings, tenancy::Register};

use crate::chromium::Chromium;

#[test]
fn a_person_signs_in_looks_around_and_signs_out() {
    let Some(mut browser) = Chromium::start() else { return };
    let (tell, told) = channel();
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let register = Register::in_folder(folder.path());
            let secret = register.add("laptop", None).await.unwrap().secret;
            let athenaeum = Athenaeum::open(folder.path(), &Settings::default()).await.unwrap();
            sample::fill(&athenaeum, folder.path()).await.unwrap();
            let listener = listen("127.0.0.1:0".parse().unwrap(), athenaeum.keys()).await.unwrap();
            tell.send((format!("http://{}", listener.local_addr().unwrap()), secret, register)).unwrap();
            athenaeum.serve(listener, async { drop(closed.await) }).await;
        });
    });
    let (origin, secret, register) = told.recv_timeout(Duration::from_secs(60)).unwrap();

    browser.go(&format!("{origin}/search?q=sourdough&sort=recent"));
    browser.wait("location.pathname === '/sign-in' && document.activeElement.id === 'key'");
    browser.evaluate("document.querySelector('#key').value = 'ath_not_this_one'; document.forms[0].submit()");
    browser.wait("document.querySelector('[role=alert]')?.textContent.includes('does not open')");
    assert_eq!(browser.evaluate("!!document.querySelector('[name=token]')"), false, "no token for strangers");
    browser.type_text(&secret);
    browser.evaluate("document.forms[0].submit()");
    browser.wait("location.pathname === '/search' && location.search === '?q=sourdough&sort=recent'");
    browser.wait("document.querySelector('#results mark')");
    assert_eq!(browser.evaluate("document.cookie"), "", "no script reads the session");

    // Whatever pages do by themselves works under the session: scripts that fetch, and forms.
    browser.evaluate("document.querySelector('#q').focus()");
    browser.type_text(" refuses");
    browser.wait("location.search.includes('refuses') && location.pathname === '/search'");
    browser.go(&format!("{origin}/conversations"));
    browser.wait("document.querySelector('main a[href^=\"/conversations/\"]')");
    browser
        .evaluate("location = document.querySelector('main a[href^=\"/conversations/\"]').href + '/delete'");
    browser.wait("document.querySelector('.button.danger')");
    browser.evaluate("document.querySelector('.button.danger').click()");
    browser.wait("location.pathname === '/conversations' && location.search === '?deleted=1'");

    browser.evaluate("document.querySelector('footer a[href=\"/sign-out\"]').click()");
    browser.wait("document.querySelector('main strong')?.textContent === 'laptop'");
    browser.evaluate("document.forms[0].submit()");
    browser.wait("location.pathname === '/sign-in' && document.querySelector('#key')");
    browser.go(&format!("{origin}/stats"));
    browser.wait("location.pathname === '/sign-in'");

    browser.type_text(&secret);
    browser.evaluate("document.forms[0].submit()");
    browser.wait("location.pathname === '/stats'");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(register.revoke("laptop")).unwrap();
    thread::sleep(Duration::from_millis(500));
    browser.go(&format!("{origin}/"));
    browser.wait("location.pathname === '/sign-in'");
    browser.assert_quiet(&origin);
    drop(close);
    serving.join().unwrap();
}
