//! Folders whose changes this system may never hear of.

use std::path::Path;

/// Returns what a folder lies on, where others can change it without this system being told: the name of a network's file
/// system. `None` where it is told of everything, and where that cannot be found out.
#[cfg(target_os = "linux")]
pub(super) fn lies_on(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    // Of 32 bits, whatever their type is on this machine.
    let magic = found.f_type as u32;
    KNOWN.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Elsewhere the system is trusted.
#[cfg(not(target_os = "linux"))]
pub(super) fn lies_on(_: &Path) -> Option<&'static str> {
    None
}

/// `statfs(2)` and `linux/magic.h`. FUSE is among them: what it shows comes from anywhere.
#[cfg(target_os = "linux")]
const KNOWN: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x6573_5546, "FUSE"),
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_this_machine_is_none() {
        assert_eq!(lies_on(Path::new("/proc")), None);
        assert_eq!(lies_on(Path::new("/no/such/folder")), None);
    }
}
