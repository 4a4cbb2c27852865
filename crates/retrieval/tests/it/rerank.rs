//! The best hits, ordered anew by a model that reads them.

use std::{sync::Arc, time::Duration};

use athenaeum_archive::{Archive, Settings};
use athenaeum_core::{Block, Conversation, Message, Provider, Rerank, RerankError, Role, Scoring};
use athenaeum_retrieval::search::{
    self, Found, Mode, Request, Results, Searcher,
    fuse::{Fusion, Method, Weights},
};
use athenaeum_tenancy::local;

/// Likes texts the better, the more often they say "moon".
struct Moon {
    takes: Duration,
    fails: bool,
}

impl Rerank for Moon {
    fn name(&self) -> &str {
        "moon"
    }

    fn score<'a>(&'a self, question: &'a str, texts: &'a [String]) -> Scoring<'a> {
        assert_eq!(question, "tide");
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            match self.fails {
                true => Err(RerankError::Failed("it fell down".into())),
                false => Ok(texts.iter().map(|text| text.matches("moon").count() as f32).collect()),
            }
        })
    }
}

const FAST: Moon = Moon { takes: Duration::ZERO, fails: false };

async fn archive(dir: &std::path::Path) -> Archive {
    let archive = Archive::open(dir, &Settings::default()).await.unwrap();
    let mut import = archive.begin_import(&local(), "export", None).await.unwrap();
    for number in 0..12 {
        let mut conversation = Conversation::new(Provider::CLAUDE, number.to_string());
        // The more tides, the better by words; the moon is what the model looks for.
        let text = format!("{} {}", "tide ".repeat(12 - number), "moon ".repeat(number));
        conversation.messages.push(Message::new(Role::User, vec![Block::text(text)]));
        import.add(conversation).await.unwrap();
    }
    import.finish("{}").await.unwrap();
    archive
}

async fn found(
    archive: &Archive,
    model: Option<Moon>,
    top: usize,
    request: Request,
) -> (Vec<String>, Results) {
    let settings = search::Settings {
        rerank_top: top,
        rerank_time: Duration::from_millis(300),
        ..search::Settings::default()
    };
    let model = model.map(|model| Arc::new(model) as Arc<dyn Rerank>);
    let searcher = Searcher::new(Some(archive.clone()), None, None).with_settings(settings, model);
    let request = Request { query: "tide".into(), mode: Mode::Text, ..request };
    let results = searcher.search(&local(), &request).await.unwrap();
    let name = |found: &Found| match found {
        Found::Message(hit) => hit.conversation.external_id.clone(),
        Found::Chunk(_) => unreachable!("there are no documents"),
    };
    (results.hits.iter().map(|hit| name(&hit.found)).collect(), results)
}

#[tokio::test]
async fn the_best_are_ordered_anew_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path()).await;
    let (plain, _) = found(&archive, None, 4, Request::default()).await;
    let (names, results) = found(&archive, Some(FAST), 4, Request::default()).await;
    // The model's order among the first four, and the rest as it was.
    let mut first: Vec<u32> = plain[..4].iter().map(|name| name.parse().unwrap()).collect();
    first.sort_unstable_by(|a, b| b.cmp(a));
    let first: Vec<String> = first.iter().map(u32::to_string).collect();
    assert_eq!((&names[..4], &names[4..]), (&first[..], &plain[4..]));
    let why = results.hits[0].why;
    assert_eq!(why.rerank.unwrap().rank, 1);
    assert!(why.text.is_some() && results.hits[4].why.rerank.is_none());
    let scores: Vec<f64> = results.hits.iter().map(|hit| hit.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");

    // Pages are parts of one list.
    let mut paged = Vec::new();
    for offset in (0..12).step_by(3) {
        let request = Request { offset, limit: 3, ..Request::default() };
        let (names, results) = found(&archive, Some(FAST), 4, request).await;
        assert_eq!(results.more, offset + 3 < 12);
        paged.extend(names);
    }
    assert_eq!(paged, names);
    let left = Request { rerank: Some(false), ..Request::default() };
    assert_eq!(found(&archive, Some(FAST), 4, left).await.0, plain);
}

#[tokio::test]
async fn what_scores_less_than_is_wanted_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path()).await;
    let (names, all) = found(&archive, None, 4, Request::default()).await;
    let check = async |score_min: f64, limit: usize, kept: usize, more: bool| {
        let request = Request { score_min: Some(score_min), limit, ..Request::default() };
        let (left, results) = found(&archive, None, 4, request).await;
        assert_eq!((left.as_slice(), results.more), (&names[..kept], more), "{score_min}");
    };
    let third = all.hits[2].score;
    assert!(third < all.hits[1].score && third > all.hits[3].score, "{all:?}");
    check(f64::NEG_INFINITY, 20, 12, false).await;
    check(third, 20, 3, false).await;
    check(third, 2, 2, true).await;
    check(f64::INFINITY, 20, 0, false).await;
}

#[tokio::test]
async fn a_model_that_does_not_answer_changes_nothing_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path()).await;
    let (plain, _) = found(&archive, None, 4, Request::default()).await;
    let check = async |model: Option<Moon>, request: Request, said: &str| {
        let (names, results) = found(&archive, model, 4, request).await;
        assert_eq!(names, plain);
        assert!(results.hits.iter().all(|hit| hit.why.rerank.is_none()));
        let notices: Vec<String> = results.notices.into_iter().map(|notice| notice.0).collect();
        assert!(notices.iter().any(|notice| notice.contains(said)), "{said}: {notices:?}");
    };
    let slow = Moon { takes: Duration::from_secs(60), fails: false };
    check(Some(slow), Request::default(), "moon took more than 0.3 s").await;
    let failing = Moon { takes: Duration::ZERO, fails: true };
    check(Some(failing), Request::default(), "not ordered anew").await;
    let wanted = Request { rerank: Some(true), ..Request::default() };
    check(None, wanted, "no model to order hits anew").await;
}

#[test]
fn lists_are_fused_as_it_is_set() {
    let (text, meaning) = ([('a', 9.0), ('b', 2.0), ('c', 1.0)], [('c', 0.9), ('b', 0.5)]);
    let check = |method: Method, weights: (f64, f64), expected: &str| {
        let fusion = Fusion { method, weights: Weights { text: weights.0, meaning: weights.1 } };
        let fused: String = fusion.fuse(&text, &meaning, 3).into_iter().map(|fused| fused.key).collect();
        assert_eq!(fused, expected, "{fusion:?}");
    };
    check(Method::Ranks, (1.0, 1.0), "cba");
    check(Method::Ranks, (1.0, 0.0), "abc");
    check(Method::Ranks, (0.0, 1.0), "cba");
    check(Method::Deviations, (1.0, 0.1), "abc");
    check(Method::Deviations, (0.1, 1.0), "cab");
}
