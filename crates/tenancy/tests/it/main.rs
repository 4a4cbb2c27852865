//! Keys from their making to their end, over the file that programs share.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

use std::time::Duration;

use athenaeum_core::Timestamp;
use athenaeum_tenancy::{Caller, Error, GivenKey, Keys, Refusal, Register, Standing};
use tokio::time::{sleep, timeout};

/// Longer than it takes until a change is noticed when somebody shows a key.
const NOTICED: Duration = Duration::from_millis(400);

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn in_seconds(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_micros(Timestamp::now().as_micros() + seconds * 1_000_000))
}

async fn ends(caller: &Caller) -> bool {
    timeout(PATIENCE, caller.revoked()).await.is_ok()
}

#[tokio::test]
async fn without_keys_everybody_comes_in_until_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    let early = keys.admit(None).await.unwrap();
    assert_eq!((early.key_name(), early.scope()), (None, &athenaeum_tenancy::local()));
    assert!(keys.admit(Some("whatever a client likes to send")).await.is_ok());
    assert!(!keys.are_required() && !folder.path().join("tenancy.db").exists());

    let added = Register::in_folder(folder.path()).add("laptop", None).await.unwrap();
    assert!(ends(&early).await, "who came in without a key must go when one is asked for");
    assert!(matches!(keys.admit(None).await, Err(Refusal::Missing)));
    assert_eq!(keys.admit(Some(&added.secret)).await.unwrap().key_name(), Some("laptop"));

    std::fs::remove_file(folder.path().join("tenancy.db")).unwrap();
    sleep(NOTICED).await;
    assert!(matches!(keys.admit(None).await, Err(Refusal::Missing)), "a lost file opens no door");
    assert!(matches!(keys.admit(Some(&added.secret)).await, Err(Refusal::Wrong)));
}

#[tokio::test]
async fn only_the_key_itself_opens() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    let added = register.add("laptop", None).await.unwrap();
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    let upper = added.secret.to_uppercase();
    let more = format!("{} ", added.secret);
    let less = &added.secret[..added.secret.len() - 1];
    let long = "a".repeat(100_000);
    for wrong in ["", "laptop", &added.key.beginning, &upper, &more, less, &long, "ath_", "\0"] {
        assert!(matches!(keys.admit(Some(wrong)).await, Err(Refusal::Wrong)), "{wrong:.60}");
        assert!(matches!(keys.begin_session(wrong).await, Err(Refusal::Wrong)), "{wrong:.60}");
        assert!(matches!(keys.admit_session(wrong).await, Err(Refusal::Wrong)), "{wrong:.60}");
    }
    assert!(keys.admit(Some(&added.secret)).await.is_ok());
}

/// What is on the disk, in memory dumps of `Debug` and in errors tells no secret.
#[tokio::test]
async fn the_secret_is_seen_once() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    let added = register.add("laptop", None).await.unwrap();
    assert!(added.secret.starts_with(&added.key.beginning) && added.key.beginning.len() == 10);
    let file = std::fs::read(register.path()).unwrap();
    let random = &added.secret.as_bytes()[added.key.beginning.len()..];
    assert!(!file.windows(8).any(|window| random.starts_with(window)), "part of the secret is in the file");
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    let caller = keys.admit(Some(&added.secret)).await.unwrap();
    for shown in [format!("{added:?}"), format!("{keys:?}"), format!("{caller:?}")] {
        assert!(!shown.contains(&added.secret), "{shown}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(register.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_revoked_key_ends_what_runs_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    let [laptop, phone] =
        [register.add("laptop", None).await.unwrap(), register.add("phone", None).await.unwrap()];
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    let by_key = keys.admit(Some(&laptop.secret)).await.unwrap();
    let token = keys.begin_session(&laptop.secret).await.unwrap();
    let by_session = keys.admit_session(token.as_str()).await.unwrap();
    let other = keys.admit(Some(&phone.secret)).await.unwrap();

    assert_eq!(register.revoke("laptop").await.unwrap().standing(Timestamp::now()), Standing::Revoked);
    assert!(ends(&by_key).await && ends(&by_session).await);
    assert!(matches!(keys.admit(Some(&laptop.secret)).await, Err(Refusal::Wrong)));
    assert!(matches!(keys.admit_session(token.as_str()).await, Err(Refusal::Wrong)));
    assert!(!other.is_revoked() && keys.admit(Some(&phone.secret)).await.is_ok());

    register.revoke("phone").await.unwrap();
    assert!(ends(&other).await);
    assert!(!keys.can_open());
    assert!(matches!(keys.admit(None).await, Err(Refusal::Missing)), "the last one gone opens no door");
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    let brief = register.add("brief", in_seconds(1)).await.unwrap();
    let past = register.add("past", in_seconds(-1)).await.unwrap();
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    assert!(matches!(keys.admit(Some(&past.secret)).await, Err(Refusal::Wrong)));
    let caller = keys.admit(Some(&brief.secret)).await.unwrap();
    assert!(ends(&caller).await);
    assert!(matches!(keys.admit(Some(&brief.secret)).await, Err(Refusal::Wrong)));
}

#[tokio::test]
async fn a_session_can_be_ended_alone() {
    let folder = tempfile::tempdir().unwrap();
    let added = Register::in_folder(folder.path()).add("laptop", None).await.unwrap();
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    let by_key = keys.admit(Some(&added.secret)).await.unwrap();
    let token = keys.begin_session(&added.secret).await.unwrap();
    assert!(matches!(keys.admit(Some(token.as_str())).await, Err(Refusal::Wrong)), "a session is no key");
    let by_session = keys.admit_session(token.as_str()).await.unwrap();
    assert_eq!(by_session.key_name(), Some("laptop"));
    keys.end_session(&by_session);
    assert!(by_session.is_revoked() && !by_key.is_revoked());
    assert!(matches!(keys.admit_session(token.as_str()).await, Err(Refusal::Wrong)));
}

#[tokio::test]
async fn the_register_knows_names_and_beginnings() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    assert!(register.list().await.unwrap().is_empty());
    let added = register.add("laptop", None).await.unwrap();
    assert!(matches!(register.add("laptop", None).await, Err(Error::NameTaken(_))));
    for name in ["", "a b", "ath_x", "é", &"a".repeat(65), "a\nb"] {
        assert!(matches!(register.add(name, None).await, Err(Error::Name(_))), "{name}");
    }
    for unknown in ["lap", "ath_", "ath_!", ""] {
        assert!(matches!(register.revoke(unknown).await, Err(Error::Unknown(_))), "{unknown}");
    }
    assert!(matches!(register.forget("laptop").await, Err(Error::InUse(_))));
    register.revoke(&added.key.beginning).await.unwrap();
    let again = register.add("laptop", None).await.unwrap();
    register.revoke(&again.secret).await.unwrap();
    let standings: Vec<_> =
        register.list().await.unwrap().iter().map(|key| key.standing(Timestamp::now())).collect();
    assert_eq!(standings, [Standing::Revoked, Standing::Revoked]);
    assert_eq!(register.forget(&added.key.beginning).await.unwrap().beginning, added.key.beginning);
    assert_eq!(register.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn use_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    let added = register.add("laptop", None).await.unwrap();
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    keys.admit(Some(&added.secret)).await.unwrap();
    let noted = async {
        while register.list().await.unwrap()[0].last_used_at.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, noted).await.unwrap();
}

#[tokio::test]
async fn keys_of_the_settings_open_beside_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let given = GivenKey::parse("container:0123456789abcdef").unwrap();
    let keys = Keys::open(folder.path(), given).await.unwrap();
    assert!(keys.are_required() && keys.can_open());
    assert!(matches!(keys.admit(None).await, Err(Refusal::Missing)));
    let caller = keys.admit(Some("0123456789abcdef")).await.unwrap();
    assert_eq!(caller.key_name(), Some("container"));
    let added = Register::in_folder(folder.path()).add("laptop", None).await.unwrap();
    sleep(NOTICED).await;
    assert!(keys.admit(Some(&added.secret)).await.is_ok());
    assert!(!caller.is_revoked());
}

/// A damaged file must not be taken for one without keys.
#[tokio::test]
async fn what_cannot_be_read_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |content: &[u8]| {
        std::fs::write(folder.path().join("tenancy.db"), content).unwrap();
        Keys::open(folder.path(), Vec::new()).await
    };
    let damaged =
        check(b"this is no database, and longer than a header of one hundred bytes would be, for sure; yes.")
            .await;
    assert!(matches!(damaged, Err(Error::Database { .. })), "{damaged:?}");

    let running = tempfile::tempdir().unwrap();
    let register = Register::in_folder(running.path());
    let added = register.add("laptop", None).await.unwrap();
    let keys = Keys::open(running.path(), Vec::new()).await.unwrap();
    std::fs::write(register.path(), "no longer a database").unwrap();
    sleep(NOTICED).await;
    assert!(matches!(keys.admit(Some(&added.secret)).await, Err(Refusal::Unreadable(_))));
    assert!(matches!(keys.admit(None).await, Err(Refusal::Unreadable(_))));
}

/// Changes closer together than the file system's clock can tell are all seen.
#[tokio::test]
async fn no_change_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::in_folder(folder.path());
    let keys = Keys::open(folder.path(), Vec::new()).await.unwrap();
    for n in 0..4 {
        let added = register.add(&format!("k{n}"), None).await.unwrap();
        sleep(NOTICED).await;
        keys.admit(Some(&added.secret)).await.unwrap();
        register.revoke(&format!("k{n}")).await.unwrap();
        sleep(NOTICED).await;
        assert!(matches!(keys.admit(Some(&added.secret)).await, Err(Refusal::Wrong)));
    }
}
