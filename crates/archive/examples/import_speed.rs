//! Measures an import in processor time: `cargo run --release --example import_speed -- --messages 200000`.
//!
//! Conversations are made up in memory in the shape of ChatGPT's exports: texts of about 700 bytes over a
//! vocabulary that falls off as words do (Zipf), sources with two to three times as much JSON. Parsing is not
//! part of it. `--words FILE` takes the vocabulary from a text; `--without raw` and `--without fts` leave a part
//! out, so that its cost is the difference. `--detail full` takes another form of the text index.

#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::{fs, path::PathBuf, process::Command, time::Instant};

use athenaeum_archive::{Archive, Settings};
use athenaeum_core::{Block, Conversation, Message, Provider, Role, Timestamp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let words = options.words()?;
    let pool = Source::new(words).conversations(POOL);
    fs::create_dir_all(&options.dir)?;
    let archive = Archive::open(&options.dir, &Settings::default()).await?;
    if let Some(table) = options.table() {
        archive.close().await;
        let replace = format!("DROP TABLE messages_fts; {table}");
        let done = Command::new("sqlite3").arg(options.dir.join("archive.db")).arg(replace).status()?;
        assert!(done.success(), "sqlite3 is needed to replace the text index");
    }
    drop(archive);
    let archive = Archive::open(&options.dir, &Settings::default()).await?;
    let scope = athenaeum_tenancy::local();

    let (mut text_bytes, mut raw_bytes, mut messages) = (0, 0, 0);
    let mut cloning = 0.0;
    let before = (processor_seconds(), Instant::now());
    let mut import = archive.begin_import(&scope, "made up", None).await?;
    for (round, conversation) in (0_u64..).zip(pool.iter().cycle()) {
        if messages >= options.messages {
            break;
        }
        let started = Instant::now();
        let mut conversation = conversation.clone();
        conversation.external_id = format!("{}-{round}", conversation.external_id);
        if options.without.iter().any(|part| part == "raw") {
            conversation.raw_json.clear();
        }
        cloning += started.elapsed().as_secs_f64();
        messages += conversation.messages.len();
        raw_bytes += conversation.raw_json.len();
        text_bytes += conversation.messages.iter().map(|message| message.blocks[0].text.len()).sum::<usize>();
        import.add(conversation).await?;
    }
    import.finish("{}").await?;
    let processor = processor_seconds() - before.0 - cloning;
    let wall = before.1.elapsed().as_secs_f64();
    archive.close().await;
    drop(archive);
    let database = fs::metadata(options.dir.join("archive.db"))?.len() as f64;
    let (count, text) = (messages as f64, text_bytes as f64);
    println!("messages            {messages}");
    println!("text                {:.1} MB, {:.0} bytes a message", text / 1e6, text / count);
    println!("source              {:.0} bytes a message", raw_bytes as f64 / count);
    println!("processor time      {processor:.2} s = {:.2} µs a message", processor * 1e6 / count);
    println!("messages/s of it    {:.0}", count / processor);
    println!("wall time           {wall:.2} s");
    println!("database            {:.1} MB = {:.2} of the text", database / 1e6, database / text);
    println!("beside it           {:.1} MB", size_of(&options.dir.join("search")) as f64 / 1e6);
    Ok(())
}

/// Conversations made; they are taken again and again under new ids.
const POOL: usize = 2_000;

struct Options {
    messages: usize,
    words: Option<PathBuf>,
    dir: PathBuf,
    without: Vec<String>,
    detail: Option<String>,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self {
            messages: 200_000,
            words: None,
            dir: PathBuf::from("target/import-speed"),
            without: Vec::new(),
            detail: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
            match name.as_str() {
                "--messages" => options.messages = value.parse().expect("a number"),
                "--words" => options.words = Some(value.into()),
                "--dir" => options.dir = value.into(),
                "--without" => options.without.push(value),
                "--detail" => options.detail = Some(value),
                other => panic!("unknown option {other}"),
            }
        }
        options
    }

    /// What to put in the place of the text index.
    fn table(&self) -> Option<String> {
        if self.without.iter().any(|part| part == "fts") {
            // Keeps nothing.
            let nothing = "CREATE VIEW messages_fts AS SELECT 0 AS rowid, '' AS content;
                CREATE TRIGGER ignored INSTEAD OF INSERT ON messages_fts BEGIN SELECT 0; END";
            return Some(nothing.to_owned());
        }
        let detail = self.detail.as_ref()?;
        Some(format!(
            "CREATE VIRTUAL TABLE messages_fts USING fts5 (content, conversation_id UNINDEXED, role UNINDEXED,
                content = 'messages', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2',
                detail = '{detail}');
             INSERT INTO messages_fts (messages_fts, rank) VALUES ('hashsize', 16777216);
             INSERT INTO messages_fts (messages_fts, rank) VALUES ('automerge', 0);
             INSERT INTO messages_fts (messages_fts, rank) VALUES ('crisismerge', 256);"
        ))
    }

    /// The distinct words of the file, the most frequent first; made-up words where there is no file or it has
    /// too few.
    fn words(&self) -> std::io::Result<Vec<String>> {
        let text = self.words.as_ref().map(fs::read_to_string).transpose()?.unwrap_or_default();
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *counts.entry(word).or_default() += 1;
        }
        let mut words: Vec<_> = counts.into_iter().collect();
        words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let mut words: Vec<String> = words.into_iter().map(|(word, _)| word.to_owned()).collect();
        let mut random = Random(7);
        while words.len() < VOCABULARY {
            let syllables = 1 + (words.len() > 200) as usize + random.below(3);
            let word = (0..syllables).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect();
            words.push(word);
        }
        Ok(words)
    }
}

const VOCABULARY: usize = 40_000;

const SYLLABLES: [&str; 48] = [
    "the", "in", "er", "an", "re", "on", "at", "en", "nd", "ti", "es", "or", "te", "of", "ed", "is", "it",
    "al", "ar", "st", "to", "nt", "ng", "se", "ha", "as", "ou", "io", "le", "ve", "co", "me", "de", "hi",
    "ri", "ro", "ic", "ne", "ea", "ra", "ce", "li", "ch", "ll", "be", "ma", "si", "om",
];

struct Source {
    words: Vec<String>,
    random: Random,
}

impl Source {
    fn new(words: Vec<String>) -> Self {
        Self { words, random: Random(42) }
    }

    fn conversations(&mut self, count: usize) -> Vec<Conversation> {
        (0..count).map(|i| self.conversation(i)).collect()
    }

    fn conversation(&mut self, i: usize) -> Conversation {
        let uuid = self.random.uuid();
        let mut conversation = Conversation::new(Provider::CHATGPT, uuid.clone());
        conversation.title = Some(self.text(30));
        conversation.model = Some("gpt-4o".into());
        let began = 1_690_000_000_000_000 + i as i64 * 25_000_000_000;
        conversation.created_at = Some(Timestamp::from_micros(began));
        let mut raw = format!(
            "{{\"title\":{:?},\"create_time\":{},\"mapping\":{{",
            conversation.title,
            began as f64 / 1e6
        );
        let count = 2 + self.random.below(20) as u32;
        let mut parent = self.random.uuid();
        let mut id = self.random.uuid();
        let mut turn = String::new();
        for position in 0..count {
            let is_question = position % 2 == 0;
            let length =
                if is_question { 40 + self.random.below(400) } else { 300 + self.random.below(1_800) };
            let text = self.text(length);
            let next = self.random.uuid();
            if is_question {
                turn = self.random.uuid();
            }
            let role = if is_question { Role::User } else { Role::Assistant };
            let time = began + i64::from(position) * 30_123_456;
            raw += &self.node([&id, &parent, &next, &turn], role, time, &text);
            let mut message = Message::new(role, vec![Block::text(text)]);
            message.external_id = Some(id.clone());
            message.parent = position.checked_sub(1);
            message.created_at = Some(Timestamp::from_micros(time));
            message.model = (!is_question).then(|| "gpt-4o".to_owned());
            conversation.messages.push(message);
            parent = std::mem::replace(&mut id, next);
        }
        raw += &format!("}},\"conversation_id\":\"{uuid}\",\"current_node\":\"{parent}\"}}");
        conversation.raw_json = raw;
        conversation
    }

    /// A node of the tree as the export writes it.
    fn node(&mut self, [id, parent, child, turn]: [&str; 4], role: Role, time: i64, text: &str) -> String {
        let seconds = time as f64 / 1e6;
        let request = self.random.uuid();
        format!(
            "\"{id}\":{{\"id\":\"{id}\",\"message\":{{\"id\":\"{id}\",\"author\":{{\"role\":\"{role}\",\"name\":null,\
             \"metadata\":{{}}}},\"create_time\":{seconds},\"update_time\":null,\"content\":{{\"content_type\":\"text\",\
             \"parts\":[{text:?}]}},\"status\":\"finished_successfully\",\"end_turn\":true,\"weight\":1.0,\"metadata\":\
             {{\"finish_details\":{{\"type\":\"stop\",\"stop_tokens\":[200002]}},\"is_complete\":true,\"citations\":[],\
             \"content_references\":[],\"message_type\":null,\"model_slug\":\"gpt-4o\",\"default_model_slug\":\"gpt-4o\",\
             \"parent_id\":\"{parent}\",\"request_id\":\"{request}\",\"timestamp_\":\"absolute\",\"turn_exchange_id\":\
             \"{turn}\",\"selected_sources\":[],\"serialization_metadata\":{{\"custom_symbol_offsets\":[]}},\
             \"message_source\":null,\"can_save\":true}},\"recipient\":\"all\",\"channel\":null}},\"parent\":\"{parent}\",\
             \"children\":[\"{child}\"]}},",
            role = role.as_str(),
        )
    }

    /// Sentences and paragraphs, at least `length` bytes.
    fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 20);
        while text.len() < length {
            text.push_str(&self.words[self.random.zipf(self.words.len())]);
            text.push_str(match self.random.below(40) {
                0..3 => ", ",
                3..6 => ". ",
                6 => ".\n\n",
                _ => " ",
            });
        }
        text
    }
}

/// SplitMix64: https://prng.di.unimi.it/splitmix64.c
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A rank whose logarithm is evenly spread: rank r comes with a probability of about 1/r.
    fn zipf(&mut self, count: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((count as f64).powf(unit) as usize).saturating_sub(1).min(count - 1)
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }
}

/// User and system time of all threads: fields 14 and 15 of `/proc/self/stat`, in hundredths of a second.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn size_of(dir: &std::path::Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
