use std::fs;

use crate::support::{Library, line};

fn filled(conversations: &[(&str, &str)]) -> Library {
    let library = Library::new();
    let lines: String =
        conversations.iter().map(|(id, title)| line(id, title, "a question", "an answer")).collect();
    let path = library.write("chats.jsonl", &lines);
    library.ok(&["import", path.to_str().unwrap()]);
    library
}

fn names(library: &Library, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(library.path(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn no_title_leads_out_of_the_folder() {
    let library = filled(&[
        ("a", "../../etc/passwd"),
        ("b", "/absolute/path"),
        ("c", "..\\..\\windows"),
        ("d", "nul\u{0}byte\nand line"),
        ("e", "..."),
        ("f", &"very long ".repeat(100)),
    ]);
    library.ok(&["export", "--all", "--output", "out"]);
    let names = names(&library, "out");
    assert_eq!(names.len(), 6, "{names:?}");
    for name in &names {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(name.bytes().all(safe) && !name.starts_with('.') && name.len() <= 80, "{name}");
    }
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let library = filled(&[("a", "Bread")]);
    library.ok(&["export", "--all", "--output", "out"]);
    let name = library.path("out").join(names(&library, "out").remove(0));
    fs::write(&name, "mine").unwrap();
    let refused = library.run(&["export", "--all", "--output", "out"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(fs::read_to_string(&name).unwrap(), "mine");
    library.ok(&["export", "--all", "--output", "out", "--force"]);
    assert!(fs::read_to_string(&name).unwrap().contains("Bread"));
}

#[test]
fn one_goes_to_stdout_many_to_a_folder_and_a_file_name_holds_all() {
    let library = filled(&[("a", "Bread"), ("b", "Boats")]);
    let id = library.json(&["list"])[0]["id"].as_str().unwrap().to_owned();
    assert!(library.ok(&["export", &id, "--format", "text"]).contains("a question"));
    library.ok(&["export", "--query", "answer"]);
    assert_eq!(names(&library, "athenaeum-export").len(), 2);
    library.ok(&["export", "--all", "--output", "both.md"]);
    let both = fs::read_to_string(library.path("both.md")).unwrap();
    assert!(both.contains("Bread") && both.contains("Boats"));
    let nothing = library.run(&["export", "--query", "zeppelin"]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
}
