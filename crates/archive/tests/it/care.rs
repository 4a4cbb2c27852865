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
