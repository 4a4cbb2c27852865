use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Instant};

use anyhow::Context;
use athenaeum_archive::{Archive, Filters, SearchRequest, Settings};
use athenaeum_core::Timestamp;
use athenaeum_tenancy::{Scope, local};
use serde::Deserialize;

use super::Place;
use crate::shell::{repository, say};

/// Timed passes over the mix, after one that warms the caches.
const PASSES: usize = 3;

/// A query that `benches/neighbours/fts5_rank.py` drew, with what SQLite's own ranking made of it.
#[derive(Deserialize)]
struct Query {
    class: String,
    text: String,
    filters: Named,
    /// Milliseconds of `ORDER BY rank LIMIT 20`.
    ms: Option<f64>,
    /// `(message id, score)`, best first.
    hits: Vec<(i64, f64)>,
}

#[derive(Deserialize, Default)]
struct Named {
    model: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
}

/// What a class of queries took.
#[derive(Default)]
struct Class {
    ours_ms: Vec<f64>,
    theirs_ms: Vec<f64>,
    /// Of ten best, how many are among (or score like) SQLite's ten best; one entry a query.
    agreement: Vec<f64>,
}

pub(super) fn run(place: &Place, per_class: usize, class: Option<&str>) -> anyhow::Result<()> {
    let database = place.archive()?;
    if !place.queries.exists() {
        draw(&database, &place.queries, per_class)?;
    }
    let mut queries: Vec<Query> = serde_json::from_str(&fs::read_to_string(&place.queries)?)?;
    queries.retain(|query| class.is_none_or(|class| query.class.starts_with(class)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let classes = runtime.block_on(measure(&place.data, &queries))?;
    print(classes);
    Ok(())
}

fn draw(database: &Path, out: &Path, per_class: usize) -> anyhow::Result<()> {
    let script = repository().join("benches/neighbours/fts5_rank.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(database).arg(out).args(["--per-class", &per_class.to_string()]);
    let status = command.status().context("the query mix is drawn by python3")?;
    anyhow::ensure!(status.success(), "{} failed", command.get_program().display());
    Ok(())
}

async fn measure(data: &Path, queries: &[Query]) -> anyhow::Result<BTreeMap<String, Class>> {
    let archive = Archive::open_read_only(data, &Settings::default()).await?;
    let scope = local();
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for pass in 0..=PASSES {
        for query in queries {
            let (ms, ids) = search(&archive, &scope, query).await?;
            if pass == 0 {
                continue;
            }
            let class = classes.entry(query.class.clone()).or_default();
            class.ours_ms.push(ms);
            if pass == 1 {
                class.theirs_ms.extend(query.ms);
                class.agreement.extend(agreement(&query.hits, &ids));
            }
        }
    }
    Ok(classes)
}

async fn search(archive: &Archive, scope: &Scope, query: &Query) -> anyhow::Result<(f64, Vec<i64>)> {
    let filters = Filters {
        models: query.filters.model.iter().cloned().collect(),
        after: query.filters.after.map(Timestamp::from_micros),
        before: query.filters.before.map(Timestamp::from_micros),
        include_hidden: true,
        ..Filters::default()
    };
    let request = SearchRequest { query: query.text.clone(), filters, limit: 20, ..SearchRequest::default() };
    let start = Instant::now();
    let results = archive.search(scope, &request).await?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    Ok((ms, results.hits.iter().filter_map(|hit| hit.message.map(|id| id.0)).collect()))
}

/// Compares ten with ten; a hit that SQLite scores like its tenth counts as one of the ten. `None` where SQLite gave no
/// answer to compare with.
fn agreement(theirs: &[(i64, f64)], ours: &[i64]) -> Option<f64> {
    let tenth = theirs.get(9).or(theirs.last())?.1;
    let good: Vec<i64> =
        theirs.iter().filter(|(_, score)| *score >= tenth - 1e-6).map(|(id, _)| *id).collect();
    let wanted = theirs.len().min(10);
    let found = ours.iter().take(wanted).filter(|id| good.contains(id)).count();
    Some(found as f64 / wanted as f64)
}

fn print(classes: BTreeMap<String, Class>) {
    say(
        "class                  ours p50    p99    max ms │ FTS5 rank p50      max ms │ ratio p50 │ of ten best",
    );
    let mut all = Vec::new();
    for (name, mut class) in classes {
        class.ours_ms.sort_by(f64::total_cmp);
        class.theirs_ms.sort_by(f64::total_cmp);
        all.extend_from_slice(&class.ours_ms);
        let (p50, p99, max) = (at(&class.ours_ms, 0.5), at(&class.ours_ms, 0.99), at(&class.ours_ms, 1.0));
        let (their_p50, their_max) = (at(&class.theirs_ms, 0.5), at(&class.theirs_ms, 1.0));
        let mean = class.agreement.iter().sum::<f64>() / class.agreement.len().max(1) as f64;
        let least = class.agreement.iter().copied().fold(1.0, f64::min);
        say(&format!(
            "{name:20} {p50:>10.2} {p99:>6.2} {max:>9.2} │ {their_p50:>13.2} {their_max:>11.2} │ {:>8.1}x │ {:.2} (least {:.1})",
            their_p50 / p50,
            mean * 10.0,
            least * 10.0
        ));
    }
    all.sort_by(f64::total_cmp);
    say(&format!(
        "the whole mix        {:>10.2} {:>6.2} {:>9.2}",
        at(&all, 0.5),
        at(&all, 0.99),
        at(&all, 1.0)
    ));
}

fn at(sorted: &[f64], quantile: f64) -> f64 {
    let index = ((sorted.len().saturating_sub(1)) as f64 * quantile).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_with_the_tenth_count() {
        let theirs: Vec<(i64, f64)> = (0..12).map(|id| (id, if id < 9 { 2.0 } else { 1.0 })).collect();
        assert_eq!(agreement(&theirs, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11]), Some(1.0));
        assert_eq!(agreement(&theirs, &[0, 1, 2, 3, 4, 5, 6, 7, 99, 98]), Some(0.8));
        assert_eq!(agreement(&[], &[1]), None);
    }
}
