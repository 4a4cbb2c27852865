use athenaeum_inference::synthetic;

use crate::{models::sighted, support::Library};

/// The small model of the examples.
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny.gguf");
/// The same as a folder.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/tiny");

#[test]
fn a_text_is_gone_on_from_in_either_format() {
    let library = Library::new();
    for model in [TINY, FOLDER] {
        let told = library.ok(&[
            "complete",
            "--model",
            model,
            "--temperature",
            "0",
            "-n",
            "24",
            "Shall I compare thee",
        ]);
        assert!(told.starts_with(" to a summer's day?\nThou art more lovely"), "{model}: {told}");
    }
    let lines = library.json(&[
        "complete",
        "--model",
        TINY,
        "--temperature",
        "0",
        "-n",
        "4",
        "--logprobs",
        "2",
        "Shall I",
    ]);
    let whole = lines.last().unwrap();
    assert_eq!((whole["reason"].as_str(), whole["generated_tokens"].as_u64()), (Some("length"), Some(4)));
    assert_eq!(lines[0]["top_logprobs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_text_is_gone_on_from_with_a_picture_in_view() {
    let library = Library::new();
    sighted(&library.data().join("models"));
    std::fs::write(library.path("shot.png"), synthetic::vision::png(40, 24, 1).unwrap()).unwrap();
    let complete = |more: &[&str]| {
        let ask = ["complete", "--json", "--temperature", "0", "-n", "4", "Shall I compare thee"];
        library.run(&[&ask[..], more].concat())
    };
    let tokens = |ran: &crate::support::Ran| {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let last = ran.stdout.lines().last().unwrap();
        serde_json::from_str::<serde_json::Value>(last).unwrap()["prompt_tokens"].as_u64().unwrap()
    };
    let (none, one) = (tokens(&complete(&[])), tokens(&complete(&["--image", "shot.png"])));
    let two = tokens(&complete(&["--image", "shot.png", "--image", "shot.png"]));
    assert!(one > none + 4 && two - one == one - none, "{none} {one} {two}");
    let blind = complete(&["--model", TINY, "--image", "shot.png"]);
    assert!(blind.code == Some(1) && blind.stderr.contains("reads text only"), "{}", blind.stderr);
    assert!(complete(&["--image", "absent.png"]).stderr.contains("cannot show absent.png"));
}

#[test]
fn a_draft_may_guess() {
    let library = Library::new();
    let complete = |more: &[&str]| {
        let ask = ["complete", "--model", TINY, "--seed", "7", "-n", "40", "Shall I"];
        library.run(&[&ask[..], more].concat())
    };
    let plain = complete(&[]);
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    assert_eq!(complete(&["--draft", FOLDER]).stdout, plain.stdout);
    assert_eq!(complete(&["--draft", FOLDER, "--guess", "2"]).stdout, plain.stdout);
    assert!(complete(&["--draft", "huge"]).stderr.contains("there is no file huge"));
}

/// What the program was not built for is refused, and it says how to get it; a program that was built for it uses it.
#[test]
fn what_computes_can_be_chosen() {
    let library = Library::new();
    let complete = |device: &[&str]| {
        let ask = ["--model", TINY, "--temperature", "0", "-n", "24", "Shall I compare thee"];
        library.run(&[&["complete"], device, &ask].concat())
    };
    let plain = complete(&[]).stdout;
    for (device, feature, built) in [
        ("cpu", "", true),
        ("candle", "candle", cfg!(any(feature = "candle", feature = "cuda", feature = "metal"))),
        ("cuda:63", "cuda", cfg!(feature = "cuda")),
        ("metal", "metal", cfg!(feature = "metal")),
    ] {
        let told = complete(&["--device", device]);
        if built && told.stderr.contains("cannot be used") {
            // Built for it, and it is not there.
            assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{device}");
            continue;
        }
        if built {
            assert_eq!((told.code, &told.stdout), (Some(0), &plain), "{device}: {}", told.stderr);
            continue;
        }
        assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{device}");
        let how = format!("cargo build --release --features {feature}");
        assert!(told.stderr.contains(&how), "{}", told.stderr);
    }
    let none = complete(&["--device", "gpu"]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("'gpu' is none of"), "{}", none.stderr);
    // As a setting it holds for every model, and a device that is typed goes first.
    std::fs::write(library.path("wish.toml"), "hardware.device = \"cuda:7\"\n").unwrap();
    let wishful = |more: &[&str]| complete(&[&["--config", "wish.toml"], more].concat());
    let refused = wishful(&[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("CUDA device 7"), "{}", refused.stderr);
    assert_eq!(wishful(&["--device", "cpu"]).stdout, plain);
}

#[test]
fn loading_tells_its_steps_and_refuses_what_changed() {
    let library = Library::new();
    library.ok(&["models", "add", TINY]);
    let complete = ["--log", "info", "complete", "-m", "tiny", "-n", "2", "Shall I"];
    let log = library.run(&complete).stderr;
    let steps =
        ["headers are sound", "as long as recorded", "is computed on the processor", "is ready after"];
    let mut rest = log.as_str();
    for step in steps {
        rest = rest.split_once(step).unwrap_or_else(|| panic!("{step}: {log}")).1;
    }
    let path = library.data().join("models/tiny/tiny.gguf");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
    let refused = library.run(&complete);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("is not as long as it was when it came"), "{refused:?}");
}

#[test]
fn an_answer_keeps_to_its_form_or_is_refused() {
    let library = Library::new();
    let complete = |form: &[&str]| {
        library.run(
            &[&["complete", "--model", TINY, "--temperature", "0", "-n", "60"], form, &["Answer:"]].concat(),
        )
    };
    let told = complete(&["--regex", "(yes|no), [0-9]{3}"]).stdout;
    assert!(told.trim_end().len() > 6 && (told.starts_with("yes, ") || told.starts_with("no, ")), "{told}");
    std::fs::write(library.path("grammar.gbnf"), "root ::= \"<\" [a-f]+ \">\"").unwrap();
    let told = complete(&["--grammar", "grammar.gbnf"]).stdout;
    assert!(told.starts_with('<'), "{told}");
    std::fs::write(library.path("schema.json"), r#"{"type": "string", "pattern": "(?=a)b"}"#).unwrap();
    let refused = complete(&["--json-schema", "schema.json"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("pattern"), "{}", refused.stderr);
}

#[test]
fn a_chat_is_held_and_kept() {
    let library = Library::new();
    let told = library.ok(&["chat", "--model", TINY, "--temperature", "0", "Who are you?"]);
    assert!(told.contains("Tiny"), "{told}");
    let found = library.ok(&["search", "who"]);
    assert!(found.contains("Who are you?"), "{found}");
    library.ok(&["chat", "--forget", "--model", TINY, "--temperature", "0", "Count to ten."]);
    assert!(!library.ok(&["list"]).contains("Count to ten."));
}

#[test]
fn a_model_is_found_by_a_part_of_its_name() {
    let library = Library::new();
    let ask = |name: &str| library.run(&["complete", "-m", name, "--temperature", "0", "-n", "2", "Shall I"]);
    let none = ask("tiny");
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("no model in any of the folders"), "{}", none.stderr);
    let folder = library.data().join("models");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(TINY, folder.join("tiny-one.gguf")).unwrap();
    assert_eq!(ask("TINY").code, Some(0));
    std::fs::copy(TINY, folder.join("tiny-two.gguf")).unwrap();
    assert!(ask("tiny").stderr.contains("fits several models"));
    assert!(ask("huge").stderr.contains("no model is called"));
}

#[test]
fn speed_and_quality_are_measured() {
    let library = Library::new();
    let measured =
        &library.json(&["bench", TINY, "-p", "32", "-n", "8", "--repeat", "1", "--draft", FOLDER])[0];
    for field in ["prompt_tokens_per_s", "generate_tokens_per_s", "first_token_ms", "load_ms", "rss_bytes"] {
        assert!(measured[field].as_f64().is_some_and(|figure| figure > 0.0), "{field}: {measured}");
    }
    let one = &library.json(&["bench", TINY, "-p", "8", "-n", "2", "--repeat", "1", "--threads", "1"])[0];
    let doctor = library.json(&["doctor"]);
    let plan = &doctor.iter().find(|line| line["check"] == "machine").unwrap()["hardware"]["plan"];
    assert_eq!(
        (one["threads"].as_u64(), measured["threads"].as_u64()),
        (Some(1), plan["threads"]["value"].as_u64())
    );
    assert_eq!((measured["model"].as_str(), measured["device"].as_str()), (Some(TINY), Some("cpu")));
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/text/sonnet-18.txt");
    let known = &library.json(&["eval", "perplexity", TINY, text, "--window", "64"])[0];
    let perplexity = known["perplexity"].as_f64().unwrap();
    assert!(perplexity > 1.0 && perplexity < 1.5, "it knows this text by heart: {known}");
}

/// The limits are the machine's, which a model as small as this comes nowhere near.
#[test]
fn speeds_are_held_against_the_machine_and_another_program() {
    let library = Library::new();
    let other = format!("'{}' bench", env!("CARGO_BIN_EXE_athenaeum"));
    let bench = ["bench", TINY, "-p", "8", "-n", "4", "--repeat", "1", "--against"];
    let measured = &library.json(&[&bench[..], &[&other]].concat())[0];
    for share in ["bandwidth_share", "integer_share"] {
        // Where the processor has no instructions for whole numbers, nothing is said of them.
        let is_share = |share: f64| (0.0..1.0).contains(&share);
        assert!(measured[share].is_null() || measured[share].as_f64().is_some_and(is_share), "{measured}");
    }
    assert!(measured["memory_read_bytes_per_s"].as_f64().unwrap() > 1e7, "{measured}");
    let against = &measured["against"];
    for (speed, ratio) in
        [("prompt_tokens_per_s", "prompt_ratio"), ("generate_tokens_per_s", "generate_ratio")]
    {
        let (ours, theirs) = (measured[speed].as_f64().unwrap(), against[speed].as_f64().unwrap());
        assert!((against[ratio].as_f64().unwrap() * theirs / ours - 1.0).abs() < 1e-6, "{measured}");
    }
    let told = library.run(&[&bench[..], &[&other]].concat());
    assert!(told.stdout.contains("beside") && told.stdout.contains("from memory"), "{told:?}");
    let wrong = library.run(&[&bench[..], &["echo"]].concat());
    assert!(wrong.stderr.contains("did not tell its speeds"), "{wrong:?}");
    let none = library.run(&[&bench[..], &["no-such-program"]].concat());
    assert!(none.stderr.contains("cannot be started"), "{none:?}");
}

#[test]
fn the_kernels_that_are_set_are_those_that_compute() {
    let library = Library::new();
    let measure = ["--json", "bench", TINY, "-p", "8", "-n", "2", "--repeat", "1"];
    let output = library.command().args(measure).env("ATHENAEUM_HARDWARE_KERNEL", "scalar").output().unwrap();
    let measured: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(measured["kernel"], "plain", "{measured}");
}
