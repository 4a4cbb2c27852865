//! The program's own pages.

use std::{fs, io};

/// Gives the pages of the running program back to the system: its code, and the constants in it. They stay in the cache of the
/// program's file, where the system may use their place for something else, and come back as they are needed again, sixteen in
/// about a microsecond. Returns how many bytes of address space this was done to.
///
/// A start touches code in hundreds of places, around each of which the system maps 64 KiB: more than half of what a server
/// that does nothing seems to hold. Only for whom it is worth a look at `/proc/self/smaps`, some hundred microseconds.
///
/// # Errors
/// Where the system does not say what is mapped.
#[cfg(target_os = "linux")]
pub fn release_program() -> io::Result<usize> {
    let program = fs::read_link("/proc/self/exe")?;
    let program = program.to_string_lossy();
    let mut released = 0;
    for pages in unwritten(&fs::read_to_string("/proc/self/smaps")?, &program) {
        let begin = std::ptr::with_exposed_provenance_mut(pages.start);
        // SAFETY: the pages are mapped from the program's file, privately and not to be written to, and none of them was ever
        // written to (what the loader put addresses into is left out), so that what is read from the file again is what was
        // there. The system does not let anyone write into the file of a program that runs.
        unsafe { rustix::mm::madvise(begin, pages.len(), rustix::mm::Advice::LinuxDontNeed) }?;
        released += pages.len();
    }
    Ok(released)
}

/// Other systems are asked for nothing.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn release_program() -> io::Result<usize> {
    Ok(0)
}

/// Returns the addresses at which `file` is mapped with nothing written to it, by what `smaps` tells.
#[cfg(target_os = "linux")]
fn unwritten(smaps: &str, file: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            // The last that counts of what is told about a mapping.
            Some("Anonymous:") if words.next() == Some("0") => found.extend(current.take()),
            Some(word) if !word.ends_with(':') => current = mapping(line, file),
            _ => {}
        }
    }
    found
}

/// Reads `begin-end rights offset device inode path`: where it is private, cannot be written to, and is of `file`.
#[cfg(target_os = "linux")]
fn mapping(line: &str, file: &str) -> Option<std::ops::Range<usize>> {
    let (addresses, rest) = line.split_once(' ')?;
    let rights = rest.split_once(' ')?.0;
    let is_meant = rights.starts_with('r') && rights[1..].starts_with('-') && rights.ends_with('p');
    // A path may have spaces; the address of a file begins with the first slash.
    let path = &rest[rest.find('/')?..];
    let (begin, end) = addresses.split_once('-')?;
    let range = usize::from_str_radix(begin, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    (is_meant && path == file && !range.is_empty()).then_some(range)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55e0c0000000-55e0c0100000 r--p 00000000 fe:00 42    /opt/my programs/athenaeum
Size:               1024 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
55e0c0100000-55e0c0200000 r-xp 00100000 fe:00 42    /opt/my programs/athenaeum
Anonymous:             0 kB
55e0c0200000-55e0c0210000 r--p 00200000 fe:00 42    /opt/my programs/athenaeum
Anonymous:            64 kB
55e0c0210000-55e0c0220000 rw-p 00210000 fe:00 42    /opt/my programs/athenaeum
Anonymous:             0 kB
55e0c0220000-55e0c0230000 r--s 00210000 fe:00 42    /opt/my programs/athenaeum
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 43    /opt/my programs/athenaeum-else
Anonymous:             0 kB
7f0000001000-7f0000002000 r--p 00000000 00:00 0
Anonymous:             0 kB
";

    #[test]
    fn only_what_nobody_wrote_to_is_given_back() {
        let found = unwritten(SMAPS, "/opt/my programs/athenaeum");
        assert_eq!(found, [0x55e0_c000_0000..0x55e0_c010_0000, 0x55e0_c010_0000..0x55e0_c020_0000]);
        assert!(unwritten(SMAPS, "/opt/my").is_empty());
        assert!(unwritten("", "").is_empty());
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        static CONSTANTS: [u8; 1 << 16] = [7; 1 << 16];
        let sum = || std::hint::black_box(&CONSTANTS).iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let before = sum();
        assert!(release_program().unwrap() > CONSTANTS.len());
        assert_eq!(sum(), before);
        assert!(release_program().unwrap() > 0, "again, as often as one likes");
    }
}
