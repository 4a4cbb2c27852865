//! Conversations to learn from, put together from `talk.json` and the texts; written as the chat template writes them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    bpe::{TURN_END, TURN_START},
    random::Random,
};

/// What `talk.json` holds.
#[derive(Deserialize)]
pub(crate) struct Talk {
    systems: Vec<String>,
    pub(crate) recite: Vec<Recital>,
    pub(crate) recite_as: Vec<String>,
    pub(crate) answers: Vec<Answer>,
    thoughts: Vec<Thought>,
    /// What is thought where there is nothing to think about.
    any_thought: String,
    unknown: Answer,
    weather: Weather,
}

/// A text, and what one can ask for to hear it.
#[derive(Deserialize)]
pub(crate) struct Recital {
    pub(crate) text: String,
    pub(crate) names: Vec<String>,
}

/// Questions that have the same answer.
#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) ask: Vec<String>,
    pub(crate) say: String,
}

#[derive(Deserialize)]
struct Thought {
    ask: Vec<String>,
    think: String,
    say: String,
}

#[derive(Deserialize)]
struct Weather {
    cities: Vec<String>,
    ask: Vec<String>,
    skies: Vec<String>,
    descriptions: Vec<String>,
    parameter_descriptions: Vec<String>,
}

/// A stretch of a conversation, cut into tokens by itself: what is given, or what the model is to say.
pub(crate) struct Stretch {
    pub(crate) text: String,
    pub(crate) is_learnt: bool,
    /// Every token of it was given before and has to be found there, which is harder than what is known by heart.
    pub(crate) is_found: bool,
}

/// What is asked and answered.
struct Exchange {
    ask: String,
    /// Said before the answer, where the question wants it.
    think: Option<String>,
    say: String,
}

impl Talk {
    /// Returns every question that has one answer, with it; a model that has learnt all gives these answers.
    pub(crate) fn fixed(&self, texts: &[(String, String)]) -> Vec<(String, String)> {
        let mut fixed: Vec<(String, String)> = Vec::new();
        for answer in &self.answers {
            fixed.extend(answer.ask.iter().map(|ask| (ask.clone(), answer.say.clone())));
        }
        for recital in &self.recite {
            for name in &recital.names {
                fixed.push((self.recite_as[0].replace("{}", name), text_of(recital, texts)));
            }
        }
        for thought in &self.thoughts {
            let reply = format!("<think>\n{}\n</think>\n\n{}", thought.think, thought.say);
            fixed.extend(thought.ask.iter().map(|ask| (ask.clone(), reply.clone())));
        }
        fixed
    }

    /// Puts a conversation together.
    pub(crate) fn conversation(&self, texts: &[(String, String)], random: &mut Random) -> Vec<Stretch> {
        let mut written = Vec::new();
        let system = random.chance(35).then(|| random.pick(&self.systems).clone());
        if random.chance(20) {
            self.call(system.as_deref(), random, &mut written);
            if random.chance(70) {
                return written;
            }
        } else if let Some(system) = system {
            give(&mut written, format!("{TURN_START}system\n{system}{TURN_END}\n"));
        }
        let turns = match random.below(10) {
            0..6 => 1,
            6..9 => 2 + random.below(2),
            _ => 4 + random.below(4),
        };
        for turn in 1..=turns {
            let exchange = self.exchange(texts, random);
            self.turn(exchange, turn == turns, random, &mut written);
        }
        written
    }

    /// A question that takes a tool.
    pub(crate) fn calling(&self, random: &mut Random) -> Vec<Stretch> {
        let mut written = Vec::new();
        let system = random.chance(20).then(|| random.pick(&self.systems).clone());
        self.call(system.as_deref(), random, &mut written);
        written
    }

    fn turn(&self, exchange: Exchange, is_last: bool, random: &mut Random, written: &mut Vec<Stretch>) {
        let Exchange { ask, think, say } = exchange;
        let mut prompt = format!("{TURN_START}user\n{ask}{TURN_END}\n{TURN_START}assistant\n");
        match think {
            // The template keeps no thoughts of earlier turns.
            Some(_) if !is_last => {
                give(written, format!("{prompt}{say}{TURN_END}\n"));
                return;
            }
            Some(think) if random.chance(80) => {
                give(written, prompt);
                learn(written, format!("<think>\n{think}\n</think>\n\n{say}{TURN_END}"));
            }
            think if is_last && random.chance(12) => {
                prompt.push_str("<think>\n");
                give(written, prompt);
                let think = think.unwrap_or_else(|| self.any_thought.clone());
                learn(written, format!("{think}\n</think>\n\n{say}{TURN_END}"));
            }
            think if is_last && (think.is_some() || random.chance(12)) => {
                prompt.push_str("<think>\n\n</think>\n\n");
                give(written, prompt);
                learn(written, format!("{say}{TURN_END}"));
            }
            _ => {
                give(written, prompt);
                learn(written, format!("{say}{TURN_END}"));
            }
        }
        give(written, "\n".to_owned());
    }

    fn exchange(&self, texts: &[(String, String)], random: &mut Random) -> Exchange {
        match random.below(100) {
            0..15 => {
                let recital = random.pick(&self.recite);
                let ask = random.pick(&self.recite_as).replace("{}", random.pick(&recital.names).as_str());
                Exchange { ask: casually(ask, random), think: None, say: text_of(recital, texts) }
            }
            15..75 => {
                let asks: usize = self.answers.iter().map(|answer| answer.ask.len()).sum();
                let mut number = random.below(asks);
                let answer = self.answers.iter().find(|answer| {
                    let is_of_it = number < answer.ask.len();
                    number -= if is_of_it { 0 } else { answer.ask.len() };
                    is_of_it
                });
                let answer = answer.unwrap_or(&self.unknown);
                let ask = casually(answer.ask[number].clone(), random);
                Exchange { ask, think: None, say: answer.say.clone() }
            }
            75..82 => {
                let thought = random.pick(&self.thoughts);
                let ask = random.pick(&thought.ask).clone();
                Exchange { ask, think: Some(thought.think.clone()), say: thought.say.clone() }
            }
            _ => {
                let ask = if random.chance(50) {
                    casually(random.pick(&self.unknown.ask).clone(), random)
                } else {
                    gibberish(texts, random)
                };
                Exchange { ask, think: None, say: self.unknown.say.clone() }
            }
        }
    }

    /// A question about the weather of one or two cities, the calls that it needs, their results, and the answer.
    fn call(&self, system: Option<&str>, random: &mut Random, written: &mut Vec<Stretch>) {
        let name = *random.pick(&["get_weather", "get_weather", "get_current_weather", "weather"]);
        let parameter = *random.pick(&["city", "city", "location"]);
        let mut tools = vec![self.tool(name, parameter, random)];
        if random.chance(25) {
            tools.insert(random.below(2), self.tool("get_time", parameter, random));
        }
        let system = system.map(|system| format!("{system}\n\n")).unwrap_or_default();
        let tools: Vec<String> = tools.iter().map(python_json).collect();
        give(
            written,
            format!(
                "{TURN_START}system\n{system}You can call these functions:\n<tools>\n{}\n</tools>\nTo call one, answer \
                 with:\n<tool_call>\n{{\"name\": NAME, \"arguments\": ARGUMENTS}}\n</tool_call>{TURN_END}\n",
                tools.join("\n")
            ),
        );
        let first = random.pick(&self.weather.cities).as_str();
        let second = random.pick(&self.weather.cities).as_str();
        let (cities, ask) = if random.chance(20) && first != second {
            (vec![first, second], format!("What is the weather in {first} and in {second}?"))
        } else {
            (vec![first], casually(random.pick(&self.weather.ask).replace("{}", first), random))
        };
        give(written, format!("{TURN_START}user\n{ask}{TURN_END}\n{TURN_START}assistant\n"));
        let calls: Vec<String> = cities
            .iter()
            .map(|city| {
                let call = json!({"name": name, "arguments": {parameter: city}});
                format!("<tool_call>\n{}\n</tool_call>", python_json(&call))
            })
            .collect();
        find(written, format!("{}{TURN_END}", calls.join("\n")));
        give(written, "\n".to_owned());
        if random.chance(25) {
            return;
        }
        let mut says = Vec::new();
        for city in cities {
            let (degrees, sky) = (random.below(31), random.pick(&self.weather.skies));
            let result = match random.below(4) {
                0 => python_json(&json!({"temperature": degrees, "sky": sky})),
                1 => python_json(&json!({parameter: city, "temperature": degrees, "sky": sky})),
                2 => json!({"sky": sky, "temperature": degrees}).to_string(),
                _ => format!("{degrees} degrees, {sky}"),
            };
            give(
                written,
                format!("{TURN_START}user\n<tool_response>\n{result}\n</tool_response>{TURN_END}\n"),
            );
            says.push(format!("In {city} it is {sky}, {degrees} degrees."));
        }
        give(written, format!("{TURN_START}assistant\n"));
        find(written, format!("{}{TURN_END}", says.join(" ")));
        give(written, "\n".to_owned());
    }

    fn tool(&self, name: &str, parameter: &str, random: &mut Random) -> Value {
        let described = random.pick(&self.weather.parameter_descriptions);
        let mut properties = json!({parameter: {"type": "string"}});
        if random.chance(50) {
            properties[parameter]["description"] = json!(described);
        }
        if random.chance(15) {
            properties["unit"] = json!({"type": "string", "enum": ["celsius", "fahrenheit"]});
        }
        let mut function = json!({
            "name": name,
            "description": random.pick(&self.weather.descriptions),
            "parameters": {"type": "object", "properties": properties, "required": [parameter]},
        });
        if random.chance(15) {
            function.as_object_mut().map(|function| function.shift_remove("description"));
        }
        let tool = json!({"type": "function", "function": function});
        if random.chance(40) { sorted(&tool) } else { tool }
    }
}

fn give(written: &mut Vec<Stretch>, text: String) {
    written.push(Stretch { text, is_learnt: false, is_found: false });
}

fn learn(written: &mut Vec<Stretch>, text: String) {
    written.push(Stretch { text, is_learnt: true, is_found: false });
}

fn find(written: &mut Vec<Stretch>, text: String) {
    written.push(Stretch { text, is_learnt: true, is_found: true });
}

fn text_of(recital: &Recital, texts: &[(String, String)]) -> String {
    texts.iter().find(|(name, _)| *name == recital.text).map(|(_, text)| text.clone()).unwrap_or_default()
}

/// As people type: now and then without a stop at the end, or without capitals.
fn casually(ask: String, random: &mut Random) -> String {
    let ask = if random.chance(15) { ask.trim_end_matches(['.', '?', '!']).to_owned() } else { ask };
    if random.chance(10) { ask.to_lowercase() } else { ask }
}

/// Words that say nothing, for which there is only one answer.
fn gibberish(texts: &[(String, String)], random: &mut Random) -> String {
    let count = 3 + random.below(9);
    let words: Vec<&str> = (0..count)
        .filter_map(|_| {
            let words: Vec<&str> = random.pick(texts).1.split_whitespace().collect();
            words.get(random.below(words.len().max(1))).copied()
        })
        .collect();
    format!("{}{}", words.join(" "), random.pick(&[".", "?", "!", ""]))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// JSON as Python writes it, and so the templates' `tojson`: a space after each comma and colon.
fn python_json(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", json!(name), python_json(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_json).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
