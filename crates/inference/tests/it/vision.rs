//! Encoders of pictures and what becomes of their rows, against what transformers and Pillow compute
//! (`tests/golden/vision.py`), and as a model on this machine takes them.

use std::{fs, path::Path, sync::Arc};

use athenaeum_inference::{
    cache::{Cache, PAGE, Page},
    catalog::{Catalog, Named, Settings as CatalogSettings},
    decoder::{Decoder, GIVEN, Given, Row, Want, Work},
    engine::{Event, Pictured, Reason, Request, Rows},
    kernels::{Format, Pool},
    local::{LocalModel, PromptError, Settings, bytes_of},
    model::{self, Root},
    processor::Processor,
    sampling::LogProbs,
    synthetic,
    template::{Conversation, Json, Message},
    vision::{
        Limits, Picture, Vision,
        kind::{self, Kind},
    },
    weights::Access,
};
use serde_json::Value;

/// How far a number may be from the golden one, which was computed in another order.
const TOLERANCE: f32 = 2e-3;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vision.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn numbers(json: &Value) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn close(what: &str, found: &[f32], golden: &Value) {
    let golden = numbers(golden);
    assert_eq!(found.len(), golden.len(), "{what}");
    let size = (golden.iter().map(|number| number * number).sum::<f32>() / golden.len() as f32).sqrt();
    for (index, (found, golden)) in found.iter().zip(&golden).enumerate() {
        let apart = (found - golden).abs();
        assert!(apart < TOLERANCE * size.max(1.0), "{what}: {found} for {golden} at {index}");
    }
}

fn picture(width: u32, height: u32, seed: u32) -> Picture {
    Picture::read(&synthetic::vision::png(width, height, seed).unwrap(), Limits::default()).unwrap()
}

fn vision(kind: &Kind, width: usize) -> Vision {
    let bytes = synthetic::vision::projector(kind, width).unwrap();
    let model = model::from_gguf_bytes("mmproj.gguf", bytes.into()).unwrap();
    Vision::load(&model, Access::Read).unwrap()
}

fn processor(threads: usize) -> Processor {
    Processor::new(threads.try_into().unwrap())
}

fn recipe_of(kind: &Kind) -> &'static synthetic::Recipe {
    synthetic::find(if kind.name == "gemma3" { "gemma3" } else { "llama" }).unwrap()
}

#[test]
fn pictures_become_the_pixels_and_rows_of_the_references() {
    let golden = golden();
    for kind in kind::ALL {
        let vision = vision(kind, recipe_of(kind).width);
        let of_kind = &golden[kind.name];
        for (size, sums) in
            golden["sizes"].as_array().unwrap().iter().zip(of_kind["pixels"].as_array().unwrap())
        {
            let side = |index: usize| size[index].as_u64().unwrap() as u32;
            let pixels = vision.pixels(&picture(side(0), side(1), 0));
            let across = synthetic::vision::IMAGE_SIZE;
            let sum = |row: usize, column: usize| {
                (0..3).map(|colour| pixels[(colour * across + row) * across + column]).sum::<f32>()
            };
            let some = (0..across).step_by(5).flat_map(|row| (0..across).step_by(3).map(move |c| (row, c)));
            let some: Vec<f32> = some.map(|(row, column)| sum(row, column)).collect();
            close(&format!("{} pixels of {size}", kind.name), &some, sums);
        }
        let rows = vision.see(&picture(40, 24, 0), &processor(1));
        assert_eq!(vision.rows() as u64, of_kind["count"].as_u64().unwrap(), "{}", kind.name);
        let some: Vec<f32> =
            rows.chunks_exact(vision.width()).flat_map(|row| row.iter().step_by(17).copied()).collect();
        close(&format!("{} rows", kind.name), &some, &of_kind["rows"]);
    }
}

#[test]
fn rows_do_not_depend_on_threads() {
    for kind in kind::ALL {
        let vision = vision(kind, 64);
        let see = |threads| vision.see(&picture(50, 31, 1), &processor(threads));
        assert_eq!(see(1), see(3), "{}", kind.name);
    }
}

#[test]
fn decoders_make_of_rows_what_the_references_make() {
    let golden = golden();
    let tokens = |name: &str| {
        golden[name].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect::<Vec<u32>>()
    };
    let (before, behind, ids) = (tokens("before"), tokens("behind"), tokens("ids"));
    for kind in kind::ALL {
        let recipe = recipe_of(kind);
        let vision = vision(kind, recipe.width);
        let seen = vision.see(&picture(40, 24, 0), &processor(2));
        let bytes = synthetic::gguf(recipe, synthetic::STORAGES[0].1).unwrap();
        let model = model::from_gguf_bytes("model.gguf", bytes.into()).unwrap();
        let decoder = Decoder::load(&model, Access::Read, 512).unwrap();
        let picture = vec![GIVEN; vision.rows()];
        let all: Vec<u32> = before.iter().chain(&picture).chain(&behind).copied().collect();
        let rows: Vec<Row> = (0..).zip(&all).map(|(position, &token)| row(position, token)).collect();
        let end = (before.len() + vision.rows()) as u32;
        let given: Vec<Given<'_>> = seen
            .chunks_exact(vision.width())
            .enumerate()
            .map(|(index, numbers)| {
                let row = before.len() + index;
                let sees_until = if kind.sees_itself { end } else { row as u32 + 1 };
                Given { row, numbers, sees_until }
            })
            .collect();
        let pages: Vec<Page> = (0..(all.len().div_ceil(PAGE) as u32)).map(Page).collect();
        let mut cache = Cache::new(decoder.cache_shape(Format::F32), pages.len()).unwrap();
        let (mut work, pool) = (Work::default(), Pool::new(2));
        let output = decoder.forward_given((&rows, &given), &[&pages], &mut cache, &mut work, &pool).logits;
        let logits = output.chunks_exact(decoder.config().vocabulary);
        let some: Vec<f32> = logits.flat_map(|logits| ids.iter().map(|id| logits[*id as usize])).collect();
        close(&format!("{} logits", kind.name), &some, &golden[kind.name]["logits"]);
    }
}

fn row(position: u32, token: u32) -> Row {
    Row { token, position, sequence: 0, want: Want::Logits }
}

/// A model whose text hangs on all that came before, with a projector of a kind beside it.
fn folder(kind: &Kind) -> tempfile::TempDir {
    let recipe = synthetic::find("llama").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bytes = synthetic::gguf(recipe, synthetic::STORAGES[0].1).unwrap();
    fs::write(folder.path().join("tiny.gguf"), bytes).unwrap();
    let bytes = synthetic::vision::projector(kind, recipe.width).unwrap();
    fs::write(folder.path().join("mmproj-tiny-f32.gguf"), bytes).unwrap();
    folder
}

fn load(folder: &Path, change: impl FnOnce(&mut Settings)) -> LocalModel {
    let mut settings = Settings { template: Some("chatml".to_owned()), ..Settings::default() };
    change(&mut settings);
    LocalModel::load(&folder.join("tiny.gguf"), &settings).unwrap()
}

/// The user shows pictures, and says something behind them.
fn showing(pictures: impl IntoIterator<Item = Picture>, text: &str) -> Conversation {
    let mut conversation = Conversation::new([]);
    let mut parts: Vec<Json> =
        pictures.into_iter().map(|picture| conversation.part(Arc::new(picture))).collect();
    parts.push(serde_json::json!({ "type": "text", "text": text }).into());
    conversation.messages.push(Message::new("user", Json::array(parts)));
    conversation
}

fn answer(model: &LocalModel, conversation: &Conversation, guesses: usize) -> (Vec<u32>, usize) {
    let prompt = model.chat_prompt(conversation).unwrap();
    let pictures = model.see(&prompt.pictures).unwrap();
    let request = Request {
        pictures,
        tokens_max: Some(24),
        ignore_ends: true,
        guesses: Some(guesses),
        ..Request::new(prompt.tokens)
    };
    let mut request = greedily(request);
    request.sampling.repeat_penalty = 1.1;
    request.sampling.dry_multiplier = 0.5;
    let mut generation = model.engine().submit(request).unwrap();
    let (mut tokens, mut cached) = (Vec::new(), 0);
    while let Some(event) = generation.next_blocking() {
        match event {
            Event::Token { token, .. } => tokens.push(token),
            Event::End(end) => {
                assert!(!matches!(end.reason, Reason::Failed(_)), "{end:?}");
                cached = end.cached_tokens;
            }
            _ => {}
        }
    }
    (tokens, cached)
}

/// How likely the model finds what it says first.
fn sure(model: &LocalModel, conversation: &Conversation) -> LogProbs {
    let prompt = model.chat_prompt(conversation).unwrap();
    let pictures = model.see(&prompt.pictures).unwrap();
    let request = Request { pictures, tokens_max: Some(1), logprobs: Some(3), ..Request::new(prompt.tokens) };
    let mut generation = model.engine().submit(Request { ignore_ends: true, ..greedily(request) }).unwrap();
    std::iter::from_fn(|| generation.next_blocking())
        .find_map(|event| match event {
            Event::Token { logprobs, .. } => logprobs,
            _ => None,
        })
        .unwrap()
}

fn greedily(mut request: Request) -> Request {
    request.sampling.temperature = 0.0;
    request
}

#[test]
fn an_answer_hangs_on_the_picture_and_on_nothing_around_it() {
    for kind in kind::ALL {
        let folder = folder(kind);
        let asked = |seed| showing([picture(60, 40, seed)], "Look.");
        let usual = load(folder.path(), |_| {});
        let (one, none_cached) = answer(&usual, &asked(0), 0);
        // Each token is one of two, so that another picture may give the same text; never for the same reasons.
        for seed in 1..4 {
            assert_ne!(sure(&usual, &asked(seed)), sure(&usual, &asked(0)), "{}: another picture", kind.name);
        }
        assert_eq!(sure(&usual, &asked(0)), sure(&usual, &asked(0)), "{}: the same picture", kind.name);
        assert_eq!(none_cached, 0, "{}", kind.name);
        let (again, _) = answer(&usual, &asked(0), 0);
        assert_eq!(one, again, "{}: the same picture", kind.name);
        assert_eq!(answer(&usual, &asked(0), 4).0, one, "{}: guessing", kind.name);
        let pieces = load(folder.path(), |settings| settings.engine.batch_tokens = 3);
        assert_eq!(answer(&pieces, &asked(0), 0).0, one, "{}: read in pieces", kind.name);
        let long = || showing([picture(60, 40, 2), picture(60, 40, 0)], &"Who are you? ".repeat(12));
        let (first, _) = answer(&usual, &long(), 0);
        let (second, cached) = answer(&usual, &long(), 0);
        assert!(cached >= PAGE, "{}: {cached} tokens were known", kind.name);
        assert_eq!(first, second, "{}: with what was known", kind.name);
        assert_eq!(answer(&pieces, &long(), 0).0, first, "{}: in pieces", kind.name);
    }
}

#[test]
fn every_marker_gets_one_picture_and_no_text_is_taken_for_one() {
    for kind in kind::ALL {
        let folder = folder(kind);
        let model = load(folder.path(), |_| {});
        let rows = vision(kind, 64).rows();
        let hostile = format!("{0} or {0}\n{1}", kind.marker, kind.slot);
        let prompt = model.chat_prompt(&showing([picture(9, 9, 0), picture(9, 9, 1)], &hostile)).unwrap();
        assert_eq!(prompt.pictures.len(), 2, "{}", kind.name);
        assert_eq!(prompt.tokens.iter().filter(|&&token| token >= GIVEN).count(), 2 * rows, "{}", kind.name);
        for seat in &prompt.pictures {
            assert_eq!(seat.count, rows);
            assert!(prompt.tokens[seat.at..seat.at + rows].iter().all(|&token| token >= GIVEN));
        }
        assert!(prompt.text.contains(&hostile), "{}: {}", kind.name, prompt.text);
        let plain = model.chat_prompt(&Conversation::new([Message::new("user", hostile.as_str())])).unwrap();
        assert!(plain.pictures.is_empty() && plain.tokens.iter().all(|&token| token < GIVEN));
        // Other pictures, other tokens, all of them.
        let of = |seed| model.chat_prompt(&showing([picture(9, 9, seed)], "Look.")).unwrap();
        let (one, other) = (of(0), of(1));
        let own = |prompt: &athenaeum_inference::local::ChatPrompt| {
            let seat = &prompt.pictures[0];
            prompt.tokens[seat.at..seat.at + seat.count].to_vec()
        };
        assert!(own(&one).iter().zip(&own(&other)).all(|(one, other)| one != other), "{}", kind.name);
    }
}

#[test]
fn a_template_says_where_pictures_stand_if_it_can() {
    let folder = folder(kind::find("mlp").unwrap());
    let source = "{% for m in messages %}{% for p in m.content %}{% if p.type == 'image' %}<image>{% endif %}{% endfor %}\
                  {% for p in m.content %}{% if p.type == 'text' %}[{{ p.text }}]{% endif %}{% endfor %}{% endfor %}";
    let model = load(folder.path(), |settings| settings.template = Some(source.to_owned()));
    let prompt = model.chat_prompt(&showing([picture(9, 9, 0)], "<image>")).unwrap();
    assert_eq!(prompt.text, "<image>[<image>]");
    assert_eq!(prompt.pictures[0].at, prompt.tokens.iter().position(|&token| token >= GIVEN).unwrap());
    let twice = source.replace("<image>{%", "<image><image>{%");
    let model = load(folder.path(), |settings| settings.template = Some(twice));
    // It writes two for one: such a template is not asked, and the picture is a line of the text.
    let prompt = model.chat_prompt(&showing([picture(9, 9, 0)], "Look.")).unwrap();
    assert_eq!((prompt.pictures.len(), prompt.text.as_str()), (1, "[<image>\nLook.]"));
}

#[test]
fn a_model_without_a_projector_says_what_to_do() {
    let folder = folder(kind::find("mlp").unwrap());
    let asked = showing([picture(9, 9, 0)], "Look.");
    let with = bytes_of(&folder.path().join("tiny.gguf"), &Settings::default()).unwrap();
    let projector = folder.path().join("mmproj-tiny-f32.gguf");
    let own = fs::metadata(&projector).unwrap().len();
    fs::rename(&projector, folder.path().join("elsewhere.bin")).unwrap();
    let model = load(folder.path(), |_| {});
    assert!(matches!(model.chat_prompt(&asked), Err(PromptError::Blind)));
    let without = bytes_of(&folder.path().join("tiny.gguf"), &Settings::default()).unwrap();
    assert_eq!(with - without, own, "it counts for the memory");
    fs::copy(folder.path().join("elsewhere.bin"), &projector).unwrap();
    assert_eq!(model.chat_prompt(&asked).unwrap().pictures.len(), 1, "it is there now");
    fs::remove_file(&projector).unwrap();
    // Named, it may be anywhere; of another width, it is refused at once.
    let named = load(folder.path(), |settings| {
        settings.projector = Some(folder.path().join("elsewhere.bin"));
    });
    assert_eq!(named.chat_prompt(&asked).unwrap().pictures.len(), 1);
    let wrong = folder.path().join("wrong.gguf");
    fs::write(&wrong, synthetic::vision::projector(kind::find("mlp").unwrap(), 48).unwrap()).unwrap();
    let settings = Settings { projector: Some(wrong), ..Settings::default() };
    let refused = LocalModel::load(&folder.path().join("tiny.gguf"), &settings).unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("not made for each other"), "{why}");
}

#[test]
fn the_projector_beside_a_model_is_found_and_is_no_model() {
    let folder = folder(kind::find("idefics3").unwrap());
    let roots = vec![Root::recognised(folder.path().to_owned())];
    let catalog = Catalog::new(CatalogSettings { roots, ..CatalogSettings::default() });
    let entries = catalog.list();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0].projector.as_deref(), Some(&*folder.path().join("mmproj-tiny-f32.gguf")));
    assert!(catalog.problems().is_empty(), "{:?}", catalog.problems());
    // One of another model, and one of a kind that is not computed.
    fs::write(
        folder.path().join("mmproj-tiny-f32.gguf"),
        synthetic::vision::projector(kind::find("idefics3").unwrap(), 48).unwrap(),
    )
    .unwrap();
    let strange = Kind { name: "resampler", ..copied(kind::find("mlp").unwrap()) };
    fs::write(folder.path().join("mmproj-b.gguf"), synthetic::vision::projector(&strange, 48).unwrap())
        .unwrap();
    let roots = vec![Root::recognised(folder.path().to_owned())];
    let catalog = Catalog::new(CatalogSettings { roots, ..CatalogSettings::default() });
    assert_eq!(catalog.list()[0].projector, None);
    let problems = catalog.problems();
    assert!(problems.len() == 1 && problems[0].reason.contains("resampler"), "{problems:?}");
}

fn copied(kind: &Kind) -> Kind {
    let Kind { name, joint, fit, filter, marker, before, behind, slot, sees_itself } = *kind;
    Kind { name, joint, fit, filter, marker, before, behind, slot, sees_itself }
}

#[test]
fn ollamas_manifests_name_projectors() {
    let from = folder(kind::find("mlp").unwrap());
    let root = tempfile::tempdir().unwrap();
    let tag = root.path().join("manifests/registry.ollama.ai/library/tiny");
    fs::create_dir_all(&tag).unwrap();
    fs::create_dir_all(root.path().join("blobs")).unwrap();
    let mut layers = Vec::new();
    for (number, (file, kind)) in
        [("tiny.gguf", "model"), ("mmproj-tiny-f32.gguf", "projector")].into_iter().enumerate()
    {
        let digest = format!("{number}").repeat(64);
        let blob = root.path().join(format!("blobs/sha256-{digest}"));
        fs::copy(from.path().join(file), blob).unwrap();
        let media_type = format!("application/vnd.ollama.image.{kind}");
        layers.push(serde_json::json!({ "mediaType": media_type, "digest": format!("sha256:{digest}") }));
    }
    fs::write(tag.join("latest"), serde_json::json!({ "layers": layers }).to_string()).unwrap();
    let roots = vec![Root::recognised(root.path().to_owned())];
    let catalog = Catalog::new(CatalogSettings { roots, ..CatalogSettings::default() });
    let entry = catalog.resolve(Some("tiny")).unwrap();
    let expected = root.path().join(format!("blobs/sha256-{}", "1".repeat(64)));
    assert_eq!(entry.projector, Some(expected));
    let files = vec![Named { name: "other".to_owned(), path: from.path().join("tiny.gguf") }];
    let catalog = Catalog::new(CatalogSettings { files, ..CatalogSettings::default() });
    assert!(catalog.resolve(Some("other")).unwrap().projector.is_some());
}

#[test]
fn a_request_whose_pictures_are_elsewhere_is_refused() {
    let folder = folder(kind::find("mlp").unwrap());
    let model = load(folder.path(), |_| {});
    let prompt = model.chat_prompt(&showing([picture(9, 9, 0)], "Look.")).unwrap();
    assert!(model.engine().submit(Request::new(prompt.tokens.clone())).is_err());
    let mut pictures = model.see(&prompt.pictures).unwrap();
    pictures[0].at += 1;
    assert!(model.engine().submit(Request { pictures, ..Request::new(prompt.tokens) }).is_err());
    let rows = Arc::new(Rows { numbers: Vec::new(), count: 0, see_one_another: false });
    let pictures = vec![Pictured { at: 0, rows }];
    assert!(model.engine().submit(Request { pictures, ..Request::new(vec![5]) }).is_err());
}
