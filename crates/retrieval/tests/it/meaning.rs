//! Search by word and meaning, and answers that prove themselves, with a model of a few words.

use std::{fs, sync::Arc};

use athenaeum_archive::{
    Archive, Settings,
    library::{Library, Query},
};
use athenaeum_core::{Block, Conversation, Message, Provider, Role};
use athenaeum_retrieval::{
    CancellationToken,
    ask::{self, Answer, Budget, Kind, Origin, Verdict},
    documents::{self, Options},
    meaning::Meaning,
    search::{Found, Mode, Request, Searcher, Within},
    testing::FourMeanings,
};
use athenaeum_tenancy::{for_test, local};
use athenaeum_vector::Vectors;
use tempfile::TempDir;

struct Place {
    data: TempDir,
    folder: TempDir,
    archive: Archive,
    library: Library,
    meaning: Meaning,
}

impl Place {
    async fn new(files: &[(&str, &str)]) -> Self {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let library = Library::open(data.path(), &Settings::default()).await.unwrap();
        let archive = Archive::open(data.path(), &Settings::default()).await.unwrap();
        let vectors =
            Vectors::open(&data.path().join("vectors"), athenaeum_vector::Settings::default()).await.unwrap();
        let meaning = Meaning::new(vectors, Arc::new(FourMeanings::new()));
        let place = Self { data, folder, archive, library, meaning };
        place.add().await;
        place
    }

    async fn add(&self) {
        let paths = [self.folder.path().to_owned()];
        let cancel = CancellationToken::new();
        let report = documents::add(&self.library, &local(), &paths, &Options::default(), |_| {}, cancel)
            .await
            .unwrap();
        self.meaning.remove_chunks(&local(), &report.chunks_removed).await.unwrap();
    }

    async fn fill(&self) -> u64 {
        let cancel = CancellationToken::new();
        self.meaning.fill(&local(), &self.library, |_| {}, &cancel).await.unwrap().made
    }

    fn searcher(&self) -> Searcher {
        Searcher::new(Some(self.archive.clone()), Some(self.library.clone()), Some(self.meaning.clone()))
    }

    async fn found(&self, query: &str, mode: Mode) -> Vec<String> {
        let request = Request { query: query.into(), mode, ..Request::default() };
        let results = self.searcher().search(&local(), &request).await.unwrap();
        results
            .hits
            .into_iter()
            .map(|hit| match hit.found {
                Found::Chunk(hit) => {
                    let path = hit.chunk.document.path.clone().unwrap();
                    path.rsplit('/').next().unwrap().to_owned()
                }
                Found::Message(hit) => hit.conversation.external_id.clone(),
            })
            .collect()
    }
}

const FILES: &[(&str, &str)] = &[
    ("dogs.md", "A hound barks at the moon."),
    ("cats.md", "A kitten purrs in the sun."),
    ("bread.md", "The dough rises for twelve hours. A loaf wants a hot oven of 250 degrees."),
];

#[tokio::test]
async fn paraphrases_are_found_by_meaning_and_not_by_word() {
    let place = Place::new(FILES).await;
    assert_eq!(place.fill().await, 3);
    assert!(place.found("puppy", Mode::Text).await.is_empty());
    assert_eq!(place.found("puppy", Mode::Semantic).await[0], "dogs.md");
    assert_eq!(place.found("puppy", Mode::Hybrid).await[0], "dogs.md");
    let both = place.found("kitten in the sun, no puppy", Mode::Hybrid).await;
    assert_eq!(both[0], "cats.md");
}

#[tokio::test]
async fn every_hit_says_why_it_is_there() {
    let place = Place::new(FILES).await;
    place.fill().await;
    let request = Request { query: "dough".into(), ..Request::default() };
    let results = place.searcher().search(&local(), &request).await.unwrap();
    let why = results.hits[0].why;
    assert_eq!((why.text.unwrap().rank, why.meaning.unwrap().rank), (1, 1));
    assert!(why.meaning.unwrap().score > 0.9);
    assert!(results.hits[0].score > 0.0, "both lists say so");
    let coverage = results.coverage.unwrap();
    assert_eq!((coverage.embedded, coverage.total), (3, 3));
}

#[tokio::test]
async fn only_what_changed_is_embedded_again_and_what_went_is_not_found() {
    let place = Place::new(FILES).await;
    assert_eq!(place.fill().await, 3);
    assert_eq!(place.fill().await, 0);
    fs::write(place.folder.path().join("dogs.md"), "A cat now.").unwrap();
    fs::remove_file(place.folder.path().join("cats.md")).unwrap();
    place.add().await;
    assert_eq!(place.fill().await, 1);
    assert_eq!(place.found("puppy kitten", Mode::Semantic).await[0], "dogs.md");
    assert_eq!(place.found("kitten", Mode::Semantic).await.len(), 2);
}

#[tokio::test]
async fn filling_may_be_stopped_and_goes_on() {
    let files: Vec<(String, String)> = (0..200).map(|n| (format!("{n}.md"), format!("cat {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let place = Place::new(&files).await;
    let cancel = CancellationToken::new();
    let first = place.meaning.fill(&local(), &place.library, |_| cancel.cancel(), &cancel).await.unwrap();
    assert!(first.stopped && first.made < 200);
    assert_eq!(first.made + place.fill().await, 200);
}

#[tokio::test]
async fn filters_hold_on_both_sides() {
    let place = Place::new(FILES).await;
    place.fill().await;
    fs::write(place.folder.path().join("dogs.txt"), "puppy hound").unwrap();
    place.add().await;
    place.fill().await;
    let request = Request { query: "puppy".into(), formats: vec!["text".into()], ..Request::default() };
    let hits = place.searcher().search(&local(), &request).await.unwrap().hits;
    assert_eq!(hits.len(), 1);
    let later =
        athenaeum_core::Timestamp::from_micros(athenaeum_core::Timestamp::now().as_micros() + 3_600_000_000);
    let filters = athenaeum_archive::Filters { after: Some(later), ..Default::default() };
    let request = Request { query: "puppy".into(), filters, ..Request::default() };
    assert!(place.searcher().search(&local(), &request).await.unwrap().hits.is_empty());
}

#[tokio::test]
async fn nothing_of_one_tenant_is_found_by_another() {
    let place = Place::new(FILES).await;
    place.fill().await;
    for mode in Mode::ALL {
        let request = Request { query: "dough".into(), mode, ..Request::default() };
        assert!(place.searcher().search(&for_test("other"), &request).await.unwrap().hits.is_empty());
    }
}

#[tokio::test]
async fn without_a_model_words_are_looked_for_and_it_is_said() {
    let place = Place::new(FILES).await;
    let searcher = Searcher::new(None, Some(place.library.clone()), None);
    let request = Request { query: "dough".into(), ..Request::default() };
    let results = searcher.search(&local(), &request).await.unwrap();
    assert_eq!(results.hits.len(), 1);
    assert!(results.notices[0].0.contains("no model"), "{:?}", results.notices);
}

async fn with_a_conversation(place: &Place) {
    let mut conversation = Conversation::new(Provider::CLAUDE, "talk");
    conversation.title = Some("Ovens".into());
    let text = "How hot is the oven? An oven for pizza has 400 degrees.";
    conversation.messages.push(Message::new(Role::Assistant, vec![Block::text(text)]));
    let mut import = place.archive.begin_import(&local(), "talk.json", None).await.unwrap();
    import.add(conversation).await.unwrap();
    import.finish("{}").await.unwrap();
}

#[tokio::test]
async fn conversations_and_documents_are_found_together() {
    let place = Place::new(FILES).await;
    with_a_conversation(&place).await;
    let found = place.found("oven degrees", Mode::Text).await;
    assert!(found.contains(&"talk".to_owned()) && found.contains(&"bread.md".to_owned()), "{found:?}");
    let only = Request { query: "oven".into(), within: Within::Library, ..Request::default() };
    assert_eq!(place.searcher().search(&local(), &only).await.unwrap().hits.len(), 1);
}

async fn answered(place: &Place, question: &str) -> Answer {
    let request = Request { query: question.into(), ..Request::default() };
    let hits = place.searcher().search(&local(), &request).await.unwrap().hits;
    let sources = (Some(&place.archive), Some(&place.library));
    let count = |text: &str| text.split_whitespace().count();
    let passages =
        ask::passages(sources, &local(), question, &hits, Budget::default(), &count).await.unwrap();
    Answer::quoted(question, &passages, Some(&place.meaning)).await.unwrap()
}

#[tokio::test]
async fn an_answer_is_quoted_with_what_it_rests_on_and_can_be_checked_again() {
    let place = Place::new(FILES).await;
    place.fill().await;
    with_a_conversation(&place).await;
    let answer = answered(&place, "How hot must the oven be for a loaf?").await;
    assert_eq!(answer.kind, Kind::Extractive);
    assert!(answer.text.contains("A loaf wants a hot oven of 250 degrees. ["), "{}", answer.text);
    let cited = answer.citations.iter().find(|citation| citation.text.contains("loaf")).unwrap();
    let Origin::Document { path, text_range, source_range, source_blake3, .. } = &cited.origin else {
        panic!()
    };
    let bytes = fs::read(path.as_deref().unwrap()).unwrap();
    let range = source_range.clone().unwrap();
    assert_eq!(&bytes[range.start as usize..range.end as usize], cited.text.as_bytes());
    assert_eq!(*text_range, 0..cited.text.len());
    assert_eq!(*source_blake3, blake3::hash(&bytes).to_hex().to_string());

    let read = athenaeum_ingest::document::Options::default();
    let json = serde_json::to_string(&answer).unwrap();
    let again: Answer = serde_json::from_str(&json).unwrap();
    assert_eq!(again, answer);
    let verdict = |answer: &Answer, number: u32| {
        let checked = ask::verify(answer, &read);
        checked.citations.into_iter().find(|checked| checked.number == number).unwrap().verdict
    };
    assert_eq!(verdict(&again, cited.number), Verdict::Holds);
    assert!(ask::verify(&again, &read).unsupported.is_empty());

    fs::write(path.as_deref().unwrap(), format!("New. {}", cited.text)).unwrap();
    assert_eq!(verdict(&again, cited.number), Verdict::Moved);
    fs::write(path.as_deref().unwrap(), "Something else.").unwrap();
    assert_eq!(verdict(&again, cited.number), Verdict::Missing);
    let mut forged = again.clone();
    forged.citations[cited.number as usize - 1].text.push('!');
    assert_eq!(verdict(&forged, cited.number), Verdict::Forged);
    fs::remove_file(path.as_deref().unwrap()).unwrap();
    assert_eq!(verdict(&again, cited.number), Verdict::Unseen);
    drop(place.data);
}

#[tokio::test]
async fn a_written_answer_marks_what_nothing_bears_out() {
    let place = Place::new(FILES).await;
    let found =
        place.library.search(&local(), &Query { text: "dough".into(), ..Query::default() }).await.unwrap();
    assert_eq!(found.hits.len(), 1);
    let request = Request { query: "dough".into(), within: Within::Library, ..Request::default() };
    let hits = place.searcher().search(&local(), &request).await.unwrap().hits;
    let sources = (None, Some(&place.library));
    let passages =
        ask::passages(sources, &local(), "dough", &hits[..1], Budget::default(), &|text| text.len() / 4)
            .await
            .unwrap();
    let said = "The dough rises for twelve hours [1]. It was invented by Napoleon [1]. Trust me.";
    let answer = Answer::written("dough", "some-model", said, &passages);
    let supported: Vec<bool> = answer.sentences.iter().map(|sentence| sentence.supported).collect();
    assert_eq!(supported, [true, false, false]);
    let (rules, question) = ask::prompt("dough", &passages);
    assert!(rules.contains("numbered passages") && question.starts_with("[1] bread.md"), "{question}");
}
