/// Makes the name of an archive's entry harmless: relative, with `/`, without `..`, drive letters and control
/// characters. Returns whether that changed anything but the direction of slashes.
pub(super) fn harmless(name: &str) -> (String, bool) {
    let mut changed = false;
    let mut parts = Vec::new();
    for (place, part) in name.split(['/', '\\']).enumerate() {
        let drive = place == 0 && part.len() == 2 && part.ends_with(':');
        if part == ".." || drive || (place == 0 && part.is_empty()) {
            changed = true;
        } else if !part.is_empty() && part != "." {
            let clean: String = part.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
            changed |= clean != part;
            parts.push(clean);
        }
    }
    (parts.join("/"), changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out() {
        for (name, expected) in [
            ("a/b.json", ("a/b.json", false)),
            ("a\\b.json", ("a/b.json", false)),
            ("../../etc/passwd", ("etc/passwd", true)),
            ("/etc/passwd", ("etc/passwd", true)),
            ("C:\\x", ("x", true)),
            ("a\0b", ("a_b", true)),
            ("./a//b", ("a/b", false)),
            ("..", ("", true)),
        ] {
            assert_eq!(harmless(name), (expected.0.to_owned(), expected.1), "{name}");
        }
    }
}
