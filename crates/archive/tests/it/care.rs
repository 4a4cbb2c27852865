//! Backups, restoring them, and checks.

use athenaeum_archive::{Archive, ErrorKind, Settings};
use athenaeum_tenancy::local;

use crate::sample;

#[tokio::test]
async fn a_backup_brings_everything_back() {
    let (dir, archive) = sample::archive().await;
    sample::import(&archive, &local(), &[sample::everything()]).await;
    let backup = dir.path().join("copy.db");
    archive.backup(&backup).await.unwrap();
    assert_eq!(archive.backup(&backup).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    sample::import(&archive, &local(), &[sample::conversation("later", "Later", &["x"])]).await;
    archive.close().await;
    drop(archive);

    let aside = Archive::restore(dir.path(), &backup).await.unwrap().unwrap();
    assert!(aside.exists());
    let archive = Archive::open(dir.path(), &Settings::default()).await.unwrap();
    assert_eq!(archive.stats(&local()).await.unwrap().conversations, 1);
    assert_eq!(archive.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_touched() {
    let (dir, archive) = sample::archive().await;
    sample::import(&archive, &local(), &[sample::everything()]).await;
    let bad = dir.path().join("bad.db");
    for bytes in [&b"SQLite format 3\0 and then nothing"[..], b"", b"{}"] {
        std::fs::write(&bad, bytes).unwrap();
        assert_eq!(Archive::restore(dir.path(), &bad).await.unwrap_err().kind(), ErrorKind::Damaged);
    }
    assert!(Archive::restore(dir.path(), &dir.path().join("absent.db")).await.is_err());
    assert_eq!(archive.stats(&local()).await.unwrap().conversations, 1);
}

/// On a medium for reading only, SQLite could not make the file that readers share, and nothing could be read. (The
/// administrator may write anywhere; then all of this reads without further ado.)
#[cfg(unix)]
#[tokio::test]
async fn an_archive_is_read_where_nothing_can_be_written() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let (dir, archive) = sample::archive().await;
    sample::import(&archive, &local(), &[sample::everything()]).await;
    let copy = |with: &[&str]| {
        let copy = tempfile::TempDir::new().unwrap();
        for name in with {
            fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
        }
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o555)).unwrap();
        copy
    };
    let unlock = |copy: &tempfile::TempDir| {
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
    };

    // Taken from a running archive, without what readers share.
    let torn = copy(&["archive.db", "archive.db-wal"]);
    let is_root = fs::write(torn.path().join("probe"), b"").is_ok();
    match Archive::open_read_only(torn.path(), &Settings::default()).await {
        Ok(_) => assert!(is_root),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Io);
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("open it once where it can be written"), "{error}: {source}");
        }
    }
    unlock(&torn);

    archive.close().await;
    let whole = copy(&["archive.db"]);
    let archive = Archive::open_read_only(whole.path(), &Settings::default()).await.unwrap();
    let request = athenaeum_archive::SearchRequest { query: "slowly".into(), ..Default::default() };
    let found = archive.search(&local(), &request).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    assert!(archive.conversation(&local(), found.hits[0].conversation.id).await.is_ok());
    assert_eq!(archive.stats(&local()).await.unwrap().conversations, 1);
    drop(archive);
    unlock(&whole);
}

#[tokio::test]
async fn a_closed_archive_is_one_file_without_a_log() {
    let (dir, archive) = sample::archive().await;
    sample::import(&archive, &local(), &[sample::everything()]).await;
    archive.stats(&local()).await.unwrap();
    archive.close().await;
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["archive.db", "running", "search"]);
}
