//! Which models make vectors and order hits, as the settings name them.

use std::{num::NonZeroUsize, path::Path};

use athenaeum::{
    Error,
    archive::{Archive, Settings as ArchiveSettings},
    core::{Block, Conversation, Message, Provider, Role},
    inference::{
        built_in, catalog,
        embedder::Truncate,
        kernels::Pool,
        model::{self, safetensors::Dtype},
        processor::Processor,
        reranker::Reranker,
        synthetic,
        weights::Access,
    },
    retrieval::{
        CancellationToken,
        meaning::Meaning,
        search::{Mode, Request, Results, Searcher},
    },
    settings::Settings,
    tenancy::local,
};

const QUESTION: &str = "a cat at rest";

fn processor() -> Processor {
    Processor::new(NonZeroUsize::new(2).unwrap())
}

async fn archive(data: &Path) -> Archive {
    let archive = Archive::open(data, &ArchiveSettings::default()).await.unwrap();
    let mut import = archive.begin_import(&local(), "export", None).await.unwrap();
    for text in ["The kitten sleeps in the sun.", "Bread wants a hot oven.", "The train was late again."] {
        let mut conversation = Conversation::new(Provider::CLAUDE, text);
        conversation.messages.push(Message::new(Role::User, vec![Block::text(text)]));
        import.add(conversation).await.unwrap();
    }
    import.finish("{}").await.unwrap();
    archive
}

async fn meaning(data: &Path, settings: &Settings) -> Meaning {
    let catalog = catalog::Settings::default();
    athenaeum::open_meaning(data, settings, catalog, &processor()).await.unwrap().unwrap()
}

async fn search(archive: &Archive, meaning: &Meaning, settings: &Settings) -> Results {
    let reranker = athenaeum::open_reranker(settings, catalog::Settings::default(), &processor()).unwrap();
    let searcher = Searcher::new(Some(archive.clone()), None, Some(meaning.clone()));
    let request = Request { query: QUESTION.into(), mode: Mode::Semantic, ..Request::default() };
    let searcher = searcher.with_settings(athenaeum::search_settings(settings), reranker);
    searcher.search(&local(), &request).await.unwrap()
}

async fn fill(meaning: &Meaning, archive: &Archive) -> u64 {
    let cancel = CancellationToken::new();
    meaning.fill_conversations(&local(), archive, &[], |_| {}, &cancel).await.unwrap().made
}

#[tokio::test]
async fn the_setting_names_another_model_and_the_one_before_answers_until_it_is_done() {
    let (data, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = archive(data.path()).await;
    let usual = Settings::default();
    let first = meaning(data.path(), &usual).await;
    assert_eq!(fill(&first, &archive).await, 3);
    let found = search(&archive, &first, &usual).await;
    let best = |results: &Results| match &results.hits[0].found {
        athenaeum::retrieval::search::Found::Message(hit) => hit.conversation.external_id.clone(),
        athenaeum::retrieval::search::Found::Chunk(_) => unreachable!("there are no documents"),
    };
    assert_eq!(best(&found), "The kitten sleeps in the sun.");
    drop(first);

    // Random weights: it makes vectors, and no sense.
    synthetic::folder(synthetic::find("qwen3").unwrap(), Dtype::F32, models.path()).unwrap();
    let mut other = Settings::default();
    other.library.embedder = models.path().to_str().unwrap().to_owned();
    let second = meaning(data.path(), &other).await;
    assert_eq!(second.formers(&local()).await.unwrap(), [built_in::described().to_string()]);
    assert_eq!(best(&search(&archive, &second, &other).await), "The kitten sleeps in the sun.");
    assert_eq!(second.progress(&local(), None, Some(&archive)).await.unwrap().embedded, 0);
    assert_eq!(fill(&second, &archive).await, 3);
    assert!(second.formers(&local()).await.unwrap().is_empty());
    assert_eq!(search(&archive, &second, &other).await.hits.len(), 3);

    other.library.embedder = "no-such-model".to_owned();
    let refused =
        athenaeum::open_meaning(data.path(), &other, catalog::Settings::default(), &processor()).await;
    assert!(matches!(refused, Err(Error::NoEmbedder { name, .. }) if name == "no-such-model"));
}

#[tokio::test]
async fn the_setting_names_a_model_that_reads_the_best_hits() {
    let (data, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = archive(data.path()).await;
    let mut settings = Settings::default();
    let meaning = meaning(data.path(), &settings).await;
    fill(&meaning, &archive).await;
    assert!(search(&archive, &meaning, &settings).await.hits.iter().all(|hit| hit.why.rerank.is_none()));
    synthetic::reranker(models.path()).unwrap();
    settings.library.reranker = models.path().to_str().unwrap().to_owned();
    settings.library.rerank_top = 2;
    settings.library.rerank_ms = 60_000;
    let results = search(&archive, &meaning, &settings).await;
    let ranks: Vec<Option<u32>> =
        results.hits.iter().map(|hit| hit.why.rerank.map(|rank| rank.rank)).collect();
    assert_eq!(ranks, [Some(1), Some(2), None], "{:?}", results.notices);
    settings.library.reranker = "no-such-model".to_owned();
    let refused = athenaeum::open_reranker(&settings, catalog::Settings::default(), &processor());
    assert!(matches!(refused, Err(Error::NoReranker { .. })));
}

#[tokio::test]
async fn the_setting_names_a_model_that_compares_token_by_token() {
    use synthetic::late::{self, Layout};

    let (data, models) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = archive(data.path()).await;
    let mut settings = Settings::default();
    let meaning = meaning(data.path(), &settings).await;
    fill(&meaning, &archive).await;
    let texts = |results: &Results| {
        let hits = results.hits.iter().map(|hit| match &hit.found {
            athenaeum::retrieval::search::Found::Message(hit) => hit.conversation.external_id.clone(),
            athenaeum::retrieval::search::Found::Chunk(_) => unreachable!("there are no documents"),
        });
        hits.collect::<Vec<String>>()
    };
    let plain = texts(&search(&archive, &meaning, &settings).await);

    late::write(Layout::Stanford, models.path()).unwrap();
    settings.library.reranker = models.path().to_str().unwrap().to_owned();
    settings.library.rerank_ms = 60_000;
    let results = search(&archive, &meaning, &settings).await;
    let reranker = Reranker::load(&model::open(models.path()).unwrap(), Access::Read).unwrap();
    let documents: Vec<&str> = plain.iter().map(String::as_str).collect();
    let scores = reranker.scores(QUESTION, &documents, Truncate::End, &Pool::new(1)).unwrap();
    let mut expected: Vec<(f32, &str)> =
        scores.iter().zip(&documents).map(|(score, text)| (score.logit, *text)).collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let order: Vec<&str> = expected.iter().map(|(_, text)| *text).collect();
    assert_eq!(texts(&results), order, "{results:?}");
    assert_ne!(order, documents, "it has another opinion than the vectors");
    let told: Vec<f64> = results.hits.iter().map(|hit| hit.why.rerank.unwrap().score).collect();
    assert_eq!(told, expected.iter().map(|(score, _)| f64::from(*score)).collect::<Vec<_>>());
}
