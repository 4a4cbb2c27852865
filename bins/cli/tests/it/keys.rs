use crate::support::Library;

#[test]
fn a_key_is_made_listed_revoked_and_forgotten() {
    let library = Library::new();
    let none = library.run(&["keys", "list"]);
    assert!(none.code == Some(0) && none.stdout.is_empty() && none.stderr.contains("keys add"), "{none:?}");
    assert!(!library.data().exists(), "looking makes nothing");

    let secret = library.ok(&["keys", "add", "phone"]);
    let secret = secret.trim_end();
    assert!(secret.starts_with("ath_") && secret.len() == 47, "{secret}");
    let added = library.json(&["keys", "add", "notebook", "--expires", "90d"]);
    assert!(added[0]["key"].as_str().is_some_and(|key| key.starts_with("ath_")), "{added:?}");
    assert!(added[0]["expires_at"].is_string());
    let again = library.run(&["keys", "add", "phone"]);
    assert!(again.code == Some(1) && again.stderr.contains("revoke it first"), "{again:?}");

    let listed = library.ok(&["keys", "list"]);
    assert!(!listed.contains(secret) && listed.contains(&secret[..10]), "{listed}");
    let listed = library.json(&["keys", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["standing"]), (&"phone".into(), &"active".into()));
    assert!(listed[0].get("key").is_none());

    assert_eq!(library.run(&["keys", "revoke", "nobody"]).code, Some(1));
    library.ok(&["keys", "revoke", &secret[..10]]);
    assert_eq!(library.json(&["keys", "list"])[0]["standing"], "revoked");
    let in_use = library.run(&["keys", "forget", "notebook"]);
    assert!(in_use.code == Some(1) && in_use.stderr.contains("in use"), "{in_use:?}");
    library.ok(&["keys", "forget", "phone"]);
    assert_eq!(library.json(&["keys", "list"]).len(), 1);
    assert_eq!(library.run(&["keys", "add", "late", "--expires", "2001-01-01"]).code, Some(2));
}
