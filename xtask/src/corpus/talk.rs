//! What is said: conversations before any format.

use super::{Words, random::Random};

/// A conversation to be written in some format.
pub(super) struct Talk {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) title: Option<String>,
    pub(super) model: &'static str,
    /// Seconds since 1970.
    pub(super) began: f64,
    pub(super) turns: Vec<Turn>,
}

/// A message of a [`Talk`].
pub(super) struct Turn {
    pub(super) id: String,
    /// Index of the turn before it; `None` for the first.
    pub(super) parent: Option<usize>,
    pub(super) speaker: Speaker,
    pub(super) text: String,
    pub(super) time: f64,
    pub(super) attachment: Option<String>,
    /// A regenerated answer that was left behind.
    pub(super) off_branch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    User,
    Assistant,
    /// The assistant calls a tool; the text is its input.
    Call,
    /// The tool answers.
    Tool,
}

/// An endless run of conversations.
pub(super) struct Talks<'a> {
    words: &'a Words,
    random: Random,
    number: u64,
}

impl<'a> Talks<'a> {
    pub(super) fn new(words: &'a Words, seed: u64) -> Self {
        Self { words, random: Random::new(seed), number: 0 }
    }

    /// Newest first, as the providers write them: half an hour apart on average.
    pub(super) fn next_talk(&mut self) -> Talk {
        let began = 1_760_000_000.0 - self.number as f64 * 900.0 - self.random.unit() * 800.0;
        self.number += 1;
        let exchanges = (self.random.log_normal(3.5, 0.9) as u64).clamp(1, 400);
        let mut talk = Talk {
            number: self.number,
            id: self.random.uuid(),
            title: (!self.random.chance(0.03)).then(|| self.title()),
            model: self.random.pick::<&str>(&[
                "gpt-4o",
                "gpt-4",
                "gpt-5",
                "o3",
                "gpt-4o-mini",
                "gpt-3.5-turbo",
            ]),
            began,
            turns: Vec::new(),
        };
        let mut time = began;
        let mut last = None;
        for _ in 0..exchanges {
            last = Some(self.exchange(&mut talk, last, &mut time));
        }
        talk
    }

    /// A question, perhaps a tool's help, and an answer, perhaps a regenerated one; returns the answer's index.
    fn exchange(&mut self, talk: &mut Talk, last: Option<usize>, time: &mut f64) -> usize {
        let median = if self.random.chance(0.15) { 120.0 } else { 22.0 };
        let question = self.prose(median, 0.8);
        let asked = self.push(talk, last, Speaker::User, question, time);
        if self.random.chance(0.04) {
            talk.turns[asked].attachment = Some(format!("{}.pdf", self.words.draw(&mut self.random)));
        }
        let mut parent = asked;
        if self.random.chance(0.06) {
            let call = format!("{{\"query\":\"{}\"}}", self.plain(6));
            parent = self.push(talk, Some(parent), Speaker::Call, call, time);
            let found = self.prose(80.0, 0.5);
            parent = self.push(talk, Some(parent), Speaker::Tool, found, time);
        }
        if self.random.chance(0.04) {
            let rejected = self.answer();
            let index = self.push(talk, Some(parent), Speaker::Assistant, rejected, time);
            talk.turns[index].off_branch = true;
        }
        let answer = self.answer();
        self.push(talk, Some(parent), Speaker::Assistant, answer, time)
    }

    fn push(
        &mut self,
        talk: &mut Talk,
        parent: Option<usize>,
        speaker: Speaker,
        text: String,
        time: &mut f64,
    ) -> usize {
        *time += 3.0 + self.random.unit() * 90.0;
        let id = self.random.uuid();
        talk.turns.push(Turn { id, parent, speaker, text, time: *time, attachment: None, off_branch: false });
        talk.turns.len() - 1
    }

    fn title(&mut self) -> String {
        let words = 2 + self.random.below(5);
        capitalised(&self.plain(words))
    }

    fn answer(&mut self) -> String {
        let mut text = self.prose(135.0, 0.75);
        if self.random.chance(0.2) {
            text.push_str("\n\n```python\n");
            for _ in 0..2 + self.random.below(8) {
                let (name, value) = (self.plain(1), self.random.below(10_000));
                text.push_str(&format!(
                    "{name}_{} = {}({value})\n",
                    self.words.draw(&mut self.random),
                    self.plain(1)
                ));
            }
            text.push_str("```\n");
        }
        if self.random.chance(0.25) {
            text.push_str("\n\n");
            for _ in 0..2 + self.random.below(5) {
                text.push_str(&format!("- **{}**: {}\n", self.plain(1), self.plain(9)));
            }
        }
        text
    }

    /// Sentences, about `median` words in all; one text in twenty is in another language.
    fn prose(&mut self, median: f64, spread: f64) -> String {
        let mut left = self.random.log_normal(median, spread) as i64 + 1;
        if self.random.chance(0.05) {
            let (words, gap) = *self.random.pick(&FOREIGN);
            let words: Vec<&str> = words.split_whitespace().collect();
            let said: Vec<&str> = (0..left).map(|_| *self.random.pick(&words)).collect();
            return said.join(gap);
        }
        let mut text = String::with_capacity(left as usize * 7);
        while left > 0 {
            let length = (4 + self.random.below(18) as i64).min(left);
            let sentence = capitalised(&self.plain(length as u64));
            text.push_str(&sentence);
            text.push_str(if self.random.chance(0.12) { ".\n\n" } else { ". " });
            left -= length;
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn plain(&mut self, count: u64) -> String {
        let mut text = String::new();
        for index in 0..count {
            if index > 0 {
                text.push_str(if self.random.chance(0.05) { ", " } else { " " });
            }
            text.push_str(self.words.draw(&mut self.random));
        }
        text
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Everyday words of other languages, with what stands between two of them.
const FOREIGN: [(&str, &str); 10] = [
    (
        "der die das und ist nicht ein Brot Straße schön Mädchen Frage Antwort heute morgen größer über Gemüse weiß",
        " ",
    ),
    (
        "le la les et est une où déjà français fenêtre garçon réponse question aujourd'hui être très œuvre maïs",
        " ",
    ),
    (
        "el la los niño mañana respuesta pregunta corazón también árbol lengua señor hoy está agua canción",
        " ",
    ),
    ("и в не на что это книга вопрос ответ сегодня хлеб вода язык дом окно город работа время человек", " "),
    ("και το να είναι ερώτηση απάντηση σήμερα νερό ψωμί βιβλίο γλώσσα σπίτι παράθυρο πόλη χρόνος", " "),
    ("في من على كتاب سؤال جواب اليوم ماء خبز لغة بيت نافذة مدينة وقت إنسان", " "),
    ("और में है यह किताब सवाल जवाब आज पानी रोटी भाषा घर खिड़की शहर समय", " "),
    ("我 们 的 是 在 有 书 问 题 答 案 今 天 水 面 包 语 言 家 窗 城 市 时 间 图 馆 学 习", ""),
    ("私 は の を に 本 質問 答え 今日 水 パン 言葉 家 窓 街 時間 図書館 学ぶ です ます", ""),
    ("หนังสือ คำถาม คำตอบ วันนี้ น้ำ ขนมปัง ภาษา บ้าน หน้าต่าง เมือง เวลา ห้องสมุด เรียน", ""),
];
