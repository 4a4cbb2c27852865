use std::sync::Arc;

use super::*;

#[path = "../../../tests/it/stub.rs"]
#[expect(dead_code, reason = "a few tests need a few of its ways")]
mod stub;

use stub::{Answer, Stub};

fn settings() -> Settings {
    let nowhere: Url = "http://127.0.0.1:1".parse().unwrap();
    Settings { idle_timeout: Duration::from_secs(1), ..Settings::new(nowhere.clone(), nowhere) }
}

/// Takes the address that servers of tests have for one of the Internet, and all others for this machine's own.
fn only_127_0_0_1(address: IpAddr) -> bool {
    address == IpAddr::from([127, 0, 0, 1])
}

fn get(net: &Net, url: &str, token: Option<&Token>) -> Result<u16, String> {
    let url = url.parse().unwrap();
    let request = Request { url: &url, what: "it", token, accept: None, from: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let got = runtime.block_on(net.get(&request));
    got.map(|response| response.status().as_u16()).map_err(|failure| {
        assert_eq!(failure.again, Again::No, "what is refused is not tried again");
        failure.error.to_string()
    })
}

/// Regression: downloaders that judged only the first address could be led to 127.0.0.1 and 169.254.169.254 and made to
/// ask this machine's neighbours (CVE-2026-45401 and others).
#[test]
fn the_internet_does_not_lead_home() {
    let net = Net::judging(&settings(), only_127_0_0_1).unwrap();
    for to in [
        "http://127.0.0.2/",
        "http://127.2/",
        "http://0x7f000002/",
        "http://2130706434/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.2]/",
        "http://[::ffff:7f00:2]/",
        "http://169.254.169.254/latest",
        "//127.0.0.2/",
        "http://10.0.0.1:8080/",
        "http://[fe80::1]/",
        "http://127.0.0.2\\@good.example/",
    ] {
        let stub = Stub::start(move |_, _| Answer::redirect(to));
        let told = get(&net, &stub.url("/m"), None).unwrap_err();
        assert!(told.contains("not followed") && told.contains("own network"), "{to}: {told}");
        assert_eq!(stub.seen().len(), 1);
    }
    // Others of the Internet may be led to, by number and by name.
    let there = Stub::start(|_, _| Answer::status(200));
    for to in [there.url("/x"), there.url_by_name("/x")] {
        let stub = Stub::start(move |_, _| Answer::redirect(&to));
        assert_eq!(get(&net, &stub.url("/m"), None), Ok(200));
    }
}

/// A name that is judged once and looked up again for the connection can stand for something else by then (DNS
/// rebinding). Here the connection is made to what was judged.
#[test]
fn names_of_what_is_at_home_are_not_connected_to() {
    let lookup = |is_public: fn(IpAddr) -> bool| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(PublicOnly(is_public).resolve("localhost".parse().unwrap()));
        found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
    };
    let refused = lookup(address::is_public).unwrap_err();
    assert!(refused.is::<NotPublic>());
    assert_eq!(lookup(only_127_0_0_1).unwrap(), [IpAddr::from([127, 0, 0, 1])]);
    let net = Net::new(&settings()).unwrap();
    for home in ["http://localhost/", "http://LOCALHOST./", "http://x.localhost:8080/"] {
        assert!(net.leads_home(&home.parse().unwrap()).is_some(), "{home}");
    }
    assert!(net.leads_home(&"http://models.example/".parse().unwrap()).is_none());
}

/// Who asks for what is at home may be led about at home: mirrors and tests are there.
#[test]
fn home_leads_home() {
    let net = Net::new(&settings()).unwrap();
    let there = Stub::start(|_, _| Answer::status(200));
    let to = there.url_by_name("/x");
    let stub = Stub::start(move |_, _| Answer::redirect(&to));
    assert_eq!(get(&net, &stub.url("/m"), None), Ok(200));
}

/// Regression: GO-2025-3824, a token that went along to another host.
#[test]
fn a_token_goes_to_nobody_else() {
    let net = Net::new(&settings()).unwrap();
    let token = Token::new("secret");
    // First to a place on the same server, then away, then back.
    let [away, home] = [0, 1].map(|_| Arc::new(std::sync::OnceLock::<String>::new()));
    let (to, back) = (Arc::clone(&away), Arc::clone(&home));
    let other = Stub::start(move |_, _| Answer::redirect(back.get().unwrap()));
    let stub = Stub::start(move |seen, _| match seen.path() {
        "/start" => Answer::redirect("/again"),
        "/again" => Answer::redirect(to.get().unwrap()),
        _ => Answer::status(200),
    });
    away.set(other.url("/other")).unwrap();
    home.set(stub.url("/end")).unwrap();
    assert_eq!(get(&net, &stub.url("/start"), token.as_ref()), Ok(200));
    let told: Vec<_> =
        stub.seen().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(told, [Some("Bearer secret".to_owned()), Some("Bearer secret".to_owned()), None]);
    assert_eq!(other.seen()[0].header("authorization"), None, "another port is another server");
}

#[test]
fn redirects_have_an_end() {
    let net = Net::new(&settings()).unwrap();
    let stub = Stub::start(|_, _| Answer::redirect("/again"));
    assert!(get(&net, &stub.url("/m"), None).unwrap_err().contains("on and on"));
    assert_eq!(stub.seen().len(), REDIRECTS_MAX + 1);
}

#[test]
fn where_redirects_may_lead() {
    let check = |from: &str, location: &str, expected: Result<&str, &str>| {
        let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_str(location).unwrap())]);
        let next = next(&from.parse().unwrap(), &headers).map_err(|error| error.to_string());
        match expected {
            Ok(to) => assert_eq!(next.unwrap().as_str(), to),
            Err(reason) => {
                let told = next.unwrap_err();
                assert!(told.contains(reason) && !told.contains("secret"), "{location}: {told}");
            }
        }
    };
    check("https://a.example/x/y", "../z?q=1", Ok("https://a.example/z?q=1"));
    check("http://a.example/", "https://b.example/", Ok("https://b.example/"));
    check("https://a.example/", "//b.example/", Ok("https://b.example/"));
    check("https://a.example/", "https://good.example\\@127.0.0.1/", Ok("https://good.example/@127.0.0.1/"));
    check("https://a.example/", "http://a.example/?key=secret", Err("no longer be secure"));
    check("https://a.example/", "ftp://b.example/", Err("only http and https"));
    check("https://a.example/", "file:///etc/passwd", Err("only http and https"));
    check("https://a.example/", "data:text/plain,x", Err("only http and https"));
    check("https://a.example/", "https://user:secret@b.example/", Err("a name or a password"));
    check("https://a.example/", "https://", Err("no address"));
    assert!(next(&"https://a.example/".parse().unwrap(), &HeaderMap::new()).is_err());
}
