//! Public collections of judged questions, turned into BEIR's layout: Cranfield and CISI.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use serde_json::json;

use crate::shell::{repository, say};

/// Turn the collections Cranfield and CISI into BEIR's layout, for `cargo xtask embedder --measure` and others.
#[derive(clap::Args)]
pub(crate) struct Collections {
    /// The folder with `cranfield/cran.all.1400.xml`, `cran.qry.xml`, `cranqrel.trec.txt` and `cisi/CISI.ALL`, `CISI.QRY`,
    /// `CISI.REL`.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where to write `cranfield/` and `cisi/`.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Collection {
    /// Id, title, text.
    documents: Vec<[String; 3]>,
    /// Id, text.
    queries: Vec<[String; 2]>,
    /// Query, document, judgment.
    judgments: Vec<(String, String, i32)>,
}

impl Collections {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let data = self.data.unwrap_or_else(|| repository().join("../shared/data/retrieval"));
        let out = self.out.unwrap_or_else(|| repository().join("target/collections"));
        let (cranfield, cisi) = (data.join("cranfield"), data.join("cisi"));
        cranfield_of(
            &text(&cranfield.join("cran.all.1400.xml"))?,
            &text(&cranfield.join("cran.qry.xml"))?,
            &text(&cranfield.join("cranqrel.trec.txt"))?,
        )
        .write(&out.join("cranfield"))?;
        cisi_of(
            &text(&cisi.join("CISI.ALL"))?,
            &text(&cisi.join("CISI.QRY"))?,
            &text(&cisi.join("CISI.REL"))?,
        )
        .write(&out.join("cisi"))
    }
}

/// Reads a file of ASCII with some Latin-1 in it.
fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().iter().map(|byte| char::from(*byte)).collect()))
}

/// Judgments number the questions by their place in the file, from 1, whatever number stands beside them there.
fn cranfield_of(documents: &str, queries: &str, judgments: &str) -> Collection {
    let document = |document: &str| {
        let text = between(document, "<text>", "</text>").next().unwrap_or_default();
        let id = between(document, "<docno>", "</docno>").next().unwrap_or_default();
        // The title stands in the text as well.
        [id.trim().to_owned(), String::new(), text.trim().to_owned()]
    };
    let query = |(index, query): (usize, &str)| [(index + 1).to_string(), query.trim().to_owned()];
    Collection {
        documents: between(documents, "<doc>", "</doc>").map(document).collect(),
        queries: between(queries, "<title>", "</title>").enumerate().map(query).collect(),
        judgments: judged(judgments, 2, |columns| columns.get(3)?.parse().ok()),
    }
}

fn cisi_of(documents: &str, queries: &str, judgments: &str) -> Collection {
    let documents = records(documents);
    let queries = records(queries).into_iter().map(|[id, _, text]| [id, text]).collect();
    Collection { documents, queries, judgments: judged(judgments, 1, |_| Some(1)) }
}

fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inner, _)| inner)
}

/// Rows of columns: the question's number, and behind it in the column `document` the document's.
fn judged(
    text: &str,
    document: usize,
    judgment: impl Fn(&[&str]) -> Option<i32>,
) -> Vec<(String, String, i32)> {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        Some(((*columns.first()?).to_owned(), (*columns.get(document)?).to_owned(), judgment(&columns)?))
    };
    text.lines().filter_map(row).collect()
}

/// Records that begin with `.I` and a number; `.T` begins the title, `.W` the text, other letters what is left out.
fn records(text: &str) -> Vec<[String; 3]> {
    let mut records: Vec<[String; 3]> = Vec::new();
    let mut part = None;
    for line in text.lines() {
        let mark = line.strip_prefix('.').filter(|mark| mark.trim_end().len() == 1 || mark.starts_with("I "));
        match (mark.and_then(|mark| mark.chars().next()), records.last_mut()) {
            (Some('I'), _) => {
                records.push([line[2..].trim().to_owned(), String::new(), String::new()]);
                part = None;
            }
            (Some(mark), _) => {
                part = ['T', 'W'].iter().position(|known| *known == mark).map(|index| index + 1);
            }
            (None, Some(record)) => {
                if let Some(part) = part {
                    let separator = if record[part].is_empty() { "" } else { "\n" };
                    record[part] = format!("{}{separator}{}", record[part], line.trim_end());
                }
            }
            (None, None) => {}
        }
    }
    records
}

impl Collection {
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        ensure!(!self.documents.is_empty() && !self.queries.is_empty(), "nothing for {}", folder.display());
        fs::create_dir_all(folder.join("qrels"))?;
        let lines = |lines: Vec<String>| lines.join("\n") + "\n";
        let document =
            |[id, title, text]: &[String; 3]| json!({ "_id": id, "title": title, "text": text }).to_string();
        fs::write(folder.join("corpus.jsonl"), lines(self.documents.iter().map(document).collect()))?;
        let query = |[id, text]: &[String; 2]| json!({ "_id": id, "text": text }).to_string();
        fs::write(folder.join("queries.jsonl"), lines(self.queries.iter().map(query).collect()))?;
        let judgment =
            |(query, document, score): &(String, String, i32)| format!("{query}\t{document}\t{score}");
        let heading = "query-id\tcorpus-id\tscore".to_owned();
        let rows = std::iter::once(heading).chain(self.judgments.iter().map(judgment)).collect();
        fs::write(folder.join("qrels/test.tsv"), lines(rows))?;
        let (documents, queries, judgments) =
            (self.documents.len(), self.queries.len(), self.judgments.len());
        say(&format!(
            "{}: {documents} documents, {queries} questions, {judgments} judgments",
            folder.display()
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cranfields_questions_are_numbered_by_their_place() {
        let documents = "<doc>\n<docno>7</docno>\n<title>Wings</title>\n<text>wings .\nlift</text>\n</doc>";
        let queries = "<top><num> 1</num>\n<title>\nwhat lifts\n</title></top><top><num> 4</num><title>why</title></top>";
        let collection = cranfield_of(documents, queries, "1 0 7 1\n2 0 7 -1\n\n");
        assert_eq!(collection.documents, [["7", "", "wings .\nlift"].map(str::to_owned)]);
        assert_eq!(
            collection.queries,
            [["1", "what lifts"], ["2", "why"]].map(|query| query.map(str::to_owned))
        );
        assert_eq!(collection.judgments, [("1".into(), "7".into(), 1), ("2".into(), "7".into(), -1)]);
    }

    #[test]
    fn cisis_records_come_apart() {
        let documents =
            ".I 1\n.T\nA title\n.A\nSomebody\n.W\nA text.\nIn two lines.\n.X\n1\t5\t1\n.I 2\n.W\nAnother.\n";
        let collection = cisi_of(documents, ".I 1\n.W\nWhat?\n", "     1     28 0\t0.000000\n");
        let expected = [["1", "A title", "A text.\nIn two lines."], ["2", "", "Another."]];
        assert_eq!(collection.documents, expected.map(|document| document.map(str::to_owned)));
        assert_eq!(collection.queries, [["1", "What?"].map(str::to_owned)]);
        assert_eq!(collection.judgments, [("1".into(), "28".into(), 1)]);
    }
}
