//! Which stretches of a grammar can be lexemes.
//!
//! A lexer takes the longest lexeme it can. With lexemes A and B that may begin at the same place, this loses a
//! reading where a text of A is the beginning of one of B, and the character by which B goes on may as well follow A.
//! No such pair, no loss: then each character tells whether a lexeme goes on or the next one begins. So the largest
//! stretches without recursion are taken first, all pairs are tried, and whatever goes on where it must not is taken
//! apart, down to single characters, which go on nowhere.

use std::collections::{HashSet, VecDeque};

use super::{Characters, Expression, Grammar};

/// The most characters and sets of characters that lexemes are made of, counted ones as often as they count.
const PLACES_MAX: usize = 2_000;
/// The most steps of looking for conflicts, which bounds the time: ranges of characters that are compared, mostly.
const STEPS_MAX: usize = 20_000_000;

/// The most parts of expressions, and ways from one place to the next, in all: rules that use others twice each would
/// double with each, and a row of parts that can be left out has a way from each to all after it.
const PARTS_MAX: usize = 1_000_000;

pub(super) fn to_lark(grammar: &Grammar) -> Result<String, String> {
    let mut layout = Layout::new(grammar)?;
    let mut steps_left = STEPS_MAX;
    while let Some(too_long) = layout.conflict(&mut steps_left)? {
        layout.take_apart(grammar, too_long)?;
    }
    Ok(layout.lark())
}

/// The grammar with lexemes in it.
#[derive(Debug)]
enum Node {
    Lexeme(usize),
    Rule(usize),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

struct Lexeme {
    expression: Expression,
    places: Places,
}

struct Layout {
    rules: Vec<Node>,
    root: usize,
    lexemes: Vec<Option<Lexeme>>,
    /// Pairs that were found sound; they stay so, as following characters do not become more.
    sound: HashSet<(usize, usize)>,
    parts_left: usize,
}

impl Layout {
    fn new(grammar: &Grammar) -> Result<Self, String> {
        let regular = regular(grammar);
        let mut layout = Self {
            rules: Vec::new(),
            root: grammar.root,
            lexemes: Vec::new(),
            sound: HashSet::new(),
            parts_left: PARTS_MAX,
        };
        for (number, rule) in grammar.rules.iter().enumerate() {
            // A rule that is regular lies within the lexemes of those that use it.
            let node = if regular[number] && number != grammar.root {
                Node::Sequence(Vec::new())
            } else {
                layout.node(grammar, &regular, rule)?
            };
            layout.rules.push(node);
        }
        Ok(layout)
    }

    fn node(&mut self, grammar: &Grammar, regular: &[bool], expression: &Expression) -> Result<Node, String> {
        if is_regular(expression, regular) {
            return self.lexeme(grammar, expression);
        }
        Ok(match expression {
            Expression::One(_) => Node::Sequence(Vec::new()),
            Expression::Rule(number) => Node::Rule(*number),
            Expression::Choice(ways) => {
                let ways = ways.iter().map(|way| self.node(grammar, regular, way));
                Node::Choice(ways.collect::<Result<_, _>>()?)
            }
            Expression::Repeat(inner, least, most) => {
                Node::Repeat(Box::new(self.node(grammar, regular, inner)?), *least, *most)
            }
            Expression::Sequence(parts) => {
                let mut nodes = Vec::new();
                for run in parts.chunk_by(|a, b| is_regular(a, regular) && is_regular(b, regular)) {
                    nodes.push(match run {
                        [one] => self.node(grammar, regular, one)?,
                        many => self.lexeme(grammar, &Expression::Sequence(many.to_vec()))?,
                    });
                }
                Node::Sequence(nodes)
            }
        })
    }

    fn lexeme(&mut self, grammar: &Grammar, expression: &Expression) -> Result<Node, String> {
        let places = Places::of(grammar, expression, &mut self.parts_left);
        if self.parts_left == 0 {
            return Err("it is too complex".to_owned());
        }
        match places {
            Some(places) if places.sets.is_empty() => Ok(Node::Sequence(Vec::new())),
            Some(places) => {
                self.lexemes.push(Some(Lexeme { expression: inlined(grammar, expression), places }));
                Ok(Node::Lexeme(self.lexemes.len() - 1))
            }
            None => self.apart(grammar, expression),
        }
    }

    /// The parts of an expression as lexemes of their own.
    fn apart(&mut self, grammar: &Grammar, expression: &Expression) -> Result<Node, String> {
        let mut all = |list: &[Expression]| -> Result<Vec<Node>, String> {
            list.iter().map(|part| self.lexeme(grammar, part)).collect()
        };
        Ok(match expression {
            Expression::Sequence(parts) => Node::Sequence(all(parts)?),
            Expression::Choice(ways) => Node::Choice(all(ways)?),
            Expression::One(_) => self.lexeme(grammar, expression)?,
            Expression::Rule(number) => self.lexeme(grammar, &grammar.rules[*number])?,
            Expression::Repeat(inner, least, most) => {
                Node::Repeat(Box::new(self.lexeme(grammar, inner)?), *least, *most)
            }
        })
    }

    fn take_apart(&mut self, grammar: &Grammar, lexeme: usize) -> Result<(), String> {
        let Some(Lexeme { expression, .. }) = self.lexemes.get_mut(lexeme).and_then(Option::take) else {
            return Err("its parts cannot be told from each other".to_owned());
        };
        let mut made = Some(self.apart(grammar, &expression)?);
        for rule in &mut self.rules {
            replace(rule, lexeme, &mut made);
        }
        Ok(())
    }

    /// A lexeme that goes on where another one's end may be followed by the same.
    fn conflict(&mut self, steps_left: &mut usize) -> Result<Option<usize>, String> {
        const COMPLEX: &str = "it is too complex";
        let follow = self.follow(steps_left).ok_or(COMPLEX)?;
        for (a, follow) in follow.iter().enumerate() {
            spend(steps_left, self.lexemes.len()).ok_or(COMPLEX)?;
            for b in 0..self.lexemes.len() {
                let (Some(one), Some(other)) = (&self.lexemes[a], &self.lexemes[b]) else { continue };
                if self.sound.contains(&(a, b)) {
                    continue;
                }
                if goes_on(&one.places, &other.places, follow, steps_left).ok_or(COMPLEX)? {
                    return Ok(Some(b));
                }
                self.sound.insert((a, b));
            }
        }
        Ok(None)
    }

    /// What may follow each lexeme; [`None`] where finding out takes too long.
    fn follow(&self, steps_left: &mut usize) -> Option<Vec<Characters>> {
        let round = 2 * (self.rules.len() + self.lexemes.len());
        let mut seen = Edges {
            lexemes: &self.lexemes,
            first: vec![Characters::default(); self.rules.len()],
            nullable: vec![false; self.rules.len()],
            after_rule: vec![Characters::default(); self.rules.len()],
            after_lexeme: vec![Characters::default(); self.lexemes.len()],
            changed: true,
        };
        while std::mem::take(&mut seen.changed) {
            spend(steps_left, round)?;
            for (number, rule) in self.rules.iter().enumerate() {
                let (first, nullable) = seen.first(rule);
                seen.changed |= seen.first[number].join(&first) | (nullable && !seen.nullable[number]);
                seen.nullable[number] |= nullable;
            }
        }
        seen.changed = true;
        while std::mem::take(&mut seen.changed) {
            spend(steps_left, round)?;
            for (number, rule) in self.rules.iter().enumerate() {
                let after = seen.after_rule[number].clone();
                seen.follow(rule, &after);
            }
        }
        Some(seen.after_lexeme)
    }

    fn lark(&self) -> String {
        let mut lark = format!("start: r{}\n", self.root);
        for (number, rule) in self.rules.iter().enumerate() {
            lark += &format!("r{number}: ");
            write_node(&mut lark, rule, &self.lexemes);
            lark.push('\n');
        }
        for (number, lexeme) in self.lexemes.iter().enumerate() {
            let Some(lexeme) = lexeme else { continue };
            lark += &format!("L{number}: /");
            write_regex(&mut lark, &lexeme.expression);
            // A lexeme is never empty; where it may be, its use is optional.
            lark += if lexeme.places.nullable { "/ & /(?s:.)+/\n" } else { "/\n" };
        }
        lark
    }
}

/// First sets and follow sets, as they grow.
struct Edges<'l> {
    lexemes: &'l [Option<Lexeme>],
    first: Vec<Characters>,
    nullable: Vec<bool>,
    after_rule: Vec<Characters>,
    after_lexeme: Vec<Characters>,
    changed: bool,
}

impl Edges<'_> {
    fn first(&self, node: &Node) -> (Characters, bool) {
        match node {
            Node::Lexeme(number) => self.lexemes[*number]
                .as_ref()
                .map_or((Characters::default(), true), |l| (l.places.first_set.clone(), l.places.nullable)),
            Node::Rule(number) => (self.first[*number].clone(), self.nullable[*number]),
            Node::Sequence(parts) => {
                let mut all = Characters::default();
                for part in parts {
                    let (first, nullable) = self.first(part);
                    all.join(&first);
                    if !nullable {
                        return (all, false);
                    }
                }
                (all, true)
            }
            Node::Choice(ways) => {
                let (mut all, mut any) = (Characters::default(), false);
                for way in ways {
                    let (first, nullable) = self.first(way);
                    all.join(&first);
                    any |= nullable;
                }
                (all, any)
            }
            Node::Repeat(inner, least, _) => {
                let (first, nullable) = self.first(inner);
                (first, nullable || *least == 0)
            }
        }
    }

    fn follow(&mut self, node: &Node, after: &Characters) {
        match node {
            Node::Lexeme(number) => self.changed |= self.after_lexeme[*number].join(after),
            Node::Rule(number) => self.changed |= self.after_rule[*number].join(after),
            Node::Choice(ways) => ways.iter().for_each(|way| self.follow(way, after)),
            Node::Sequence(parts) => {
                let mut after = after.clone();
                for part in parts.iter().rev() {
                    self.follow(part, &after);
                    let (first, nullable) = self.first(part);
                    if nullable {
                        after.join(&first);
                    } else {
                        after = first;
                    }
                }
            }
            Node::Repeat(inner, _, _) => {
                let mut after = after.clone();
                after.join(&self.first(inner).0);
                self.follow(inner, &after);
            }
        }
    }
}

/// An expression as an automaton without empty steps (Glushkov 1961): a place for each set of characters in it.
struct Places {
    sets: Vec<Characters>,
    next: Vec<Vec<usize>>,
    first: Vec<usize>,
    last: Vec<bool>,
    first_set: Characters,
    nullable: bool,
}

impl Places {
    /// [`None`] where there are too many.
    fn of(grammar: &Grammar, expression: &Expression, left: &mut usize) -> Option<Self> {
        let mut places = Self {
            sets: Vec::new(),
            next: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
            first_set: Characters::default(),
            nullable: false,
        };
        let ends = places.add(grammar, expression, left)?;
        for next in &mut places.next {
            next.sort_unstable();
            next.dedup();
        }
        places.last = vec![false; places.sets.len()];
        ends.last.iter().for_each(|&place| places.last[place] = true);
        for &place in &ends.first {
            places.first_set.join(&places.sets[place]);
        }
        (places.first, places.nullable) = (ends.first, ends.nullable);
        Some(places)
    }

    fn add(&mut self, grammar: &Grammar, expression: &Expression, left: &mut usize) -> Option<Ends> {
        spend(left, 1)?;
        match expression {
            Expression::One(set) => {
                if self.sets.len() == PLACES_MAX {
                    return None;
                }
                self.sets.push(set.clone());
                self.next.push(Vec::new());
                let place = vec![self.sets.len() - 1];
                Some(Ends { first: place.clone(), last: place, nullable: false })
            }
            Expression::Rule(number) => self.add(grammar, &grammar.rules[*number], left),
            Expression::Choice(ways) => {
                let mut all = Ends { first: Vec::new(), last: Vec::new(), nullable: false };
                for way in ways {
                    let ends = self.add(grammar, way, left)?;
                    all.first.extend(ends.first);
                    all.last.extend(ends.last);
                    all.nullable |= ends.nullable;
                }
                Some(all)
            }
            Expression::Sequence(parts) => {
                let mut all = Ends::empty();
                for part in parts {
                    let ends = self.add(grammar, part, left)?;
                    all = self.joined(all, ends, left)?;
                }
                Some(all)
            }
            Expression::Repeat(inner, least, most) => {
                // `x{1,3}` as `x(x(x)?)?`: a way from each to the next one, where `xx?x?` has one to all after it.
                let mut all = Ends::empty();
                let mut before = Vec::new();
                let times = most.unwrap_or((*least).max(1));
                for time in 1..=times {
                    let ends = self.add(grammar, inner, left)?;
                    if ends.first.is_empty() {
                        break;
                    }
                    self.link(&before, &ends.first, left)?;
                    if most.is_none() && time == times {
                        self.link(&ends.last, &ends.first, left)?;
                    }
                    if time >= *least || ends.nullable {
                        all.last.extend(&ends.last);
                    }
                    all.nullable = *least == 0 || ends.nullable;
                    if time == 1 {
                        all.first = ends.first;
                    }
                    before = ends.last;
                }
                Some(all)
            }
        }
    }

    fn joined(&mut self, before: Ends, after: Ends, left: &mut usize) -> Option<Ends> {
        self.link(&before.last, &after.first, left)?;
        let mut first = before.first;
        if before.nullable {
            first.extend(&after.first);
        }
        let mut last = after.last;
        if after.nullable {
            last.extend(&before.last);
        }
        spend(left, first.len() + last.len())?;
        Some(Ends { first, last, nullable: before.nullable && after.nullable })
    }

    fn link(&mut self, from: &[usize], to: &[usize], left: &mut usize) -> Option<()> {
        spend(left, from.len().saturating_mul(to.len()))?;
        from.iter().for_each(|&place| self.next[place].extend(to));
        Some(())
    }
}

struct Ends {
    first: Vec<usize>,
    last: Vec<usize>,
    nullable: bool,
}

impl Ends {
    fn empty() -> Self {
        Self { first: Vec::new(), last: Vec::new(), nullable: true }
    }
}

/// Whether a text of `one` is the beginning of one of `other`, which goes on with what may follow `one`; [`None`] where
/// finding out takes too long.
fn goes_on(one: &Places, other: &Places, follow: &Characters, left: &mut usize) -> Option<bool> {
    if !meet(&one.first_set, &other.first_set, left)? {
        return Some(false);
    }
    let mut going = Vec::with_capacity(other.sets.len());
    for set in &other.sets {
        going.push(meet(set, follow, left)?);
    }
    let mut todo = VecDeque::new();
    let mut seen = HashSet::new();
    let mut ways = vec![(&one.first, &other.first)];
    while let Some((from_one, from_other)) = ways.pop() {
        for &a in from_one {
            for &b in from_other {
                if meet(&one.sets[a], &other.sets[b], left)? && seen.insert((a, b)) {
                    todo.push_back((a, b));
                }
            }
        }
        let Some((a, b)) = todo.pop_front() else { break };
        spend(left, other.next[b].len())?;
        if one.last[a] && other.next[b].iter().any(|&next| going[next]) {
            return Some(true);
        }
        ways.push((&one.next[a], &other.next[b]));
    }
    Some(false)
}

fn meet(one: &Characters, other: &Characters, left: &mut usize) -> Option<bool> {
    spend(left, 1 + one.0.len() + other.0.len())?;
    Some(one.meets(other))
}

/// Takes `cost` from what is left, all of it where that is not enough.
fn spend(left: &mut usize, cost: usize) -> Option<()> {
    let rest = left.checked_sub(cost);
    *left = rest.unwrap_or(0);
    rest.map(|_| ())
}

/// Which rules lead to no recursion.
fn regular(grammar: &Grammar) -> Vec<bool> {
    let mut regular = vec![false; grammar.rules.len()];
    // From rules without any to those that use only such: what is never reached leads in circles.
    loop {
        let found: Vec<usize> = (0..regular.len())
            .filter(|&number| !regular[number] && is_regular(&grammar.rules[number], &regular))
            .collect();
        if found.is_empty() {
            return regular;
        }
        found.into_iter().for_each(|number| regular[number] = true);
    }
}

fn is_regular(expression: &Expression, regular: &[bool]) -> bool {
    match expression {
        Expression::One(_) => true,
        Expression::Rule(number) => regular[*number],
        Expression::Sequence(parts) => parts.iter().all(|part| is_regular(part, regular)),
        Expression::Choice(ways) => ways.iter().all(|way| is_regular(way, regular)),
        Expression::Repeat(inner, _, _) => is_regular(inner, regular),
    }
}

/// With the rules written out; [`PLACES_MAX`] has bounded what comes of it.
fn inlined(grammar: &Grammar, expression: &Expression) -> Expression {
    let all = |list: &[Expression]| list.iter().map(|part| inlined(grammar, part)).collect();
    match expression {
        Expression::One(set) => Expression::One(set.clone()),
        Expression::Rule(number) => inlined(grammar, &grammar.rules[*number]),
        Expression::Sequence(parts) => Expression::Sequence(all(parts)),
        Expression::Choice(ways) => Expression::Choice(all(ways)),
        Expression::Repeat(inner, least, most) => {
            Expression::Repeat(Box::new(inlined(grammar, inner)), *least, *most)
        }
    }
}

fn replace(node: &mut Node, lexeme: usize, made: &mut Option<Node>) {
    match node {
        Node::Lexeme(number) if *number == lexeme => {
            if let Some(made) = made.take() {
                *node = made;
            }
        }
        Node::Lexeme(_) | Node::Rule(_) => {}
        Node::Sequence(list) | Node::Choice(list) => {
            list.iter_mut().for_each(|node| replace(node, lexeme, made));
        }
        Node::Repeat(inner, _, _) => replace(inner, lexeme, made),
    }
}

fn write_node(lark: &mut String, node: &Node, lexemes: &[Option<Lexeme>]) {
    match node {
        Node::Lexeme(number) => {
            let optional = lexemes[*number].as_ref().is_some_and(|lexeme| lexeme.places.nullable);
            *lark += &format!("L{number}{}", if optional { "?" } else { "" });
        }
        Node::Rule(number) => *lark += &format!("r{number}"),
        Node::Sequence(parts) if parts.is_empty() => lark.push_str("\"\""),
        Node::Sequence(parts) => separated(lark, parts, " ", lexemes),
        Node::Choice(ways) => separated(lark, ways, " | ", lexemes),
        Node::Repeat(inner, least, most) => {
            lark.push('(');
            write_node(lark, inner, lexemes);
            lark.push(')');
            lark.push_str(&counted(*least, *most));
        }
    }
}

fn separated(lark: &mut String, nodes: &[Node], by: &str, lexemes: &[Option<Lexeme>]) {
    lark.push('(');
    for (index, node) in nodes.iter().enumerate() {
        lark.push_str(if index > 0 { by } else { "" });
        write_node(lark, node, lexemes);
    }
    lark.push(')');
}

fn write_regex(regex: &mut String, expression: &Expression) {
    match expression {
        Expression::One(set) => {
            regex.push('[');
            for &(from, to) in &set.0 {
                *regex += &format!(r"\x{{{:X}}}-\x{{{:X}}}", u32::from(from), u32::from(to));
            }
            regex.push(']');
        }
        Expression::Rule(_) => {}
        Expression::Sequence(parts) => parts.iter().for_each(|part| write_regex(regex, part)),
        Expression::Choice(ways) => {
            regex.push_str("(?:");
            for (index, way) in ways.iter().enumerate() {
                regex.push_str(if index > 0 { "|" } else { "" });
                write_regex(regex, way);
            }
            regex.push(')');
        }
        Expression::Repeat(inner, least, most) => {
            regex.push_str("(?:");
            write_regex(regex, inner);
            regex.push(')');
            regex.push_str(&counted(*least, *most));
        }
    }
}

fn counted(least: u32, most: Option<u32>) -> String {
    match (least, most) {
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (least, most) => format!("{{{least},{}}}", most.map_or(String::new(), |most| most.to_string())),
    }
}
