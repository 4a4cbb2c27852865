//! Runs a page's content and says where each letter stands (ISO 32000-2, 8.4 and 9.4).

use std::{collections::HashMap, rc::Rc};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream};

use super::{
    font::Font,
    matrix::Matrix,
    objects::{bytes, dictionary, get, name, numbers, resolve, text_of},
    tokens::{Operand, Token, Tokens},
};

/// Drawings inside of drawings are entered so deep.
const FORMS_DEEP: u32 = 16;
/// Drawings of one page; maps have some thousands.
const FORMS_MAX: u32 = 50_000;
/// Saved states beyond this many are not kept.
const SAVED_MAX: usize = 512;
/// Operators of one page; the longest page of a real document has some millions.
const OPERATORS_MAX: u64 = 20_000_000;
/// Letters of one page; more are a pattern, not text.
const LETTERS_MAX: usize = 2_000_000;
/// Pictures of one page that are kept in mind.
const PICTURES_MAX: usize = 1_000;
/// Operands before one operator.
const OPERANDS_MAX: usize = 512;

/// A letter on the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Glyph {
    pub(super) text: String,
    /// Where its baseline begins, in points from the page's lower left.
    pub(super) x: f64,
    pub(super) y: f64,
    /// From there to where it ends.
    pub(super) dx: f64,
    pub(super) dy: f64,
    /// Height of the letters in points.
    pub(super) size: f64,
    /// Quarter turns of the line against the page, counted as angles are.
    pub(super) turns: u8,
    pub(super) vertical: bool,
}

/// Fonts that were read already; documents use the same ones on every page.
#[derive(Default)]
pub(super) struct Fonts {
    known: HashMap<ObjectId, Rc<Font>>,
}

/// The letters of a page, in the order in which they are drawn.
pub(super) struct Machine<'d> {
    document: &'d Document,
    fonts: &'d mut Fonts,
    pub(super) glyphs: Vec<Glyph>,
    /// Pictures that were drawn, to tell a scanned page from an empty one.
    pub(super) pictures: Vec<ObjectId>,
    hidden_layers: &'d [ObjectId],
    operators: u64,
    /// Drawings that were entered, and those that are being drawn.
    forms: u32,
    open: Vec<ObjectId>,
    state: State,
    saved: Vec<State>,
    line: Matrix,
    text: Matrix,
    marks: Vec<Mark>,
}

#[derive(Clone)]
struct State {
    matrix: Matrix,
    font: Rc<Font>,
    size: f64,
    letter_space: f64,
    word_space: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

/// What a marked stretch of content does to its letters.
#[derive(Clone, PartialEq)]
enum Mark {
    Nothing,
    Hidden,
    /// They stand for this text; from which glyph on.
    Instead(String, usize),
}

impl<'d> Machine<'d> {
    pub(super) fn new(
        document: &'d Document,
        fonts: &'d mut Fonts,
        hidden_layers: &'d [ObjectId],
        page: Matrix,
    ) -> Self {
        let state = State {
            matrix: page,
            font: Rc::new(Font::missing()),
            size: 0.0,
            letter_space: 0.0,
            word_space: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        Self {
            document,
            fonts,
            glyphs: Vec::new(),
            pictures: Vec::new(),
            hidden_layers,
            operators: 0,
            forms: 0,
            open: Vec::new(),
            state,
            saved: Vec::new(),
            line: Matrix::ONE,
            text: Matrix::ONE,
            marks: Vec::new(),
        }
    }

    /// Runs a stream of operators.
    pub(super) fn run(&mut self, content: &[u8], resources: &Dictionary, deep: u32) {
        let saved_before = self.saved.len();
        let marks_before = self.marks.len();
        let mut operands: Vec<Operand> = Vec::new();
        let mut tokens = Tokens::new(content);
        while let Some(token) = tokens.next() {
            match token {
                Token::Operand(operand) if operands.len() < OPERANDS_MAX => operands.push(operand),
                Token::Operand(_) => {}
                Token::Operator(b"ID") => {
                    tokens.pass_image();
                    operands.clear();
                }
                Token::Operator(operator) => {
                    self.operators += 1;
                    if self.operators > OPERATORS_MAX || self.glyphs.len() > LETTERS_MAX {
                        break;
                    }
                    match operator {
                        b"Q" if self.saved.len() <= saved_before => {}
                        b"Do" => self.draw(&operands, resources, deep),
                        _ => self.operate(operator, &operands, resources),
                    }
                    operands.clear();
                }
            }
        }
        self.saved.truncate(saved_before);
        while self.marks.len() > marks_before {
            self.end_mark();
        }
    }

    /// Draws the appearance of an annotation, such as what was filled into a form.
    pub(super) fn appearance(&mut self, stream: &Stream, rect: [f64; 4]) {
        let bbox = numbers::<4>(self.document, &stream.dict, b"BBox").unwrap_or([0.0, 0.0, 1.0, 1.0]);
        let matrix = Matrix::of(numbers::<6>(self.document, &stream.dict, b"Matrix"));
        let corners = [(0, 1), (2, 1), (0, 3), (2, 3)].map(|(x, y)| matrix.apply(bbox[x], bbox[y]));
        let least = |at: fn(&(f64, f64)) -> f64| corners.iter().map(at).fold(f64::INFINITY, f64::min);
        let most = |at: fn(&(f64, f64)) -> f64| corners.iter().map(at).fold(f64::NEG_INFINITY, f64::max);
        let (left, bottom, width, height) =
            (least(|c| c.0), least(|c| c.1), most(|c| c.0) - least(|c| c.0), most(|c| c.1) - least(|c| c.1));
        let scale = |to: f64, from: f64| if from > 0.0 { to / from } else { 1.0 };
        let (sx, sy) = (scale((rect[2] - rect[0]).abs(), width), scale((rect[3] - rect[1]).abs(), height));
        let fit =
            Matrix([sx, 0.0, 0.0, sy, rect[0].min(rect[2]) - left * sx, rect[1].min(rect[3]) - bottom * sy]);
        let before = self.state.clone();
        self.state.matrix = matrix.then(&fit).then(&before.matrix);
        let empty = Dictionary::new();
        let resources = dictionary(self.document, &stream.dict, b"Resources").unwrap_or(&empty);
        self.run(&bytes(self.document, stream), resources, 1);
        self.state = before;
    }

    /// Adds text that stands in a rectangle and says nothing of its letters.
    pub(super) fn written(&mut self, text: &str, rect: [f64; 4]) {
        let (left, width) = (rect[0].min(rect[2]), (rect[2] - rect[0]).abs());
        let top = rect[1].max(rect[3]);
        for (number, line) in text.lines().enumerate().take(1_000) {
            let (x, y) = self.state.matrix.apply(left, top - 12.0 * (number + 1) as f64);
            let (dx, dy) = self.state.matrix.direction(width, 0.0);
            let line = line.trim().to_owned();
            if !line.is_empty() && x.is_finite() && y.is_finite() && dx.is_finite() && dy.is_finite() {
                self.glyphs.push(Glyph { text: line, x, y, dx, dy, size: 10.0, turns: 0, vertical: false });
            }
        }
    }

    fn draw(&mut self, operands: &[Operand], resources: &Dictionary, deep: u32) {
        let Some(wanted) = operands.last().and_then(Operand::name) else { return };
        let Some(entry) =
            dictionary(self.document, resources, b"XObject").and_then(|objects| objects.get(wanted).ok())
        else {
            return;
        };
        let Some(Object::Stream(stream)) = resolve(self.document, entry) else { return };
        if self.is_hidden(&stream.dict) {
            return;
        }
        match name(self.document, &stream.dict, b"Subtype") {
            Some(b"Image") if self.pictures.len() < PICTURES_MAX => {
                self.pictures.extend(entry.as_reference());
            }
            Some(b"Form") if deep < FORMS_DEEP && self.forms < FORMS_MAX => {
                let id = entry.as_reference().unwrap_or_default();
                if self.open.contains(&id) {
                    return;
                }
                self.forms += 1;
                self.open.push(id);
                let before = self.state.clone();
                let (line, text) = (self.line, self.text);
                self.state.matrix =
                    Matrix::of(numbers::<6>(self.document, &stream.dict, b"Matrix")).then(&before.matrix);
                let own = dictionary(self.document, &stream.dict, b"Resources");
                self.run(&bytes(self.document, stream), own.unwrap_or(resources), deep + 1);
                self.open.pop();
                self.state = before;
                (self.line, self.text) = (line, text);
            }
            _ => {}
        }
    }

    fn operate(&mut self, operator: &[u8], operands: &[Operand], resources: &Dictionary) {
        let number = |place: usize| operands.get(place).and_then(Operand::number).unwrap_or(0.0);
        let last = || operands.last().and_then(Operand::number).unwrap_or(0.0);
        match operator {
            b"q" if self.saved.len() < SAVED_MAX => self.saved.push(self.state.clone()),
            b"Q" => {
                if let Some(state) = self.saved.pop() {
                    self.state = state;
                }
            }
            b"cm" => {
                let matrix = Matrix([number(0), number(1), number(2), number(3), number(4), number(5)]);
                self.state.matrix = matrix.then(&self.state.matrix);
            }
            b"BT" => (self.line, self.text) = (Matrix::ONE, Matrix::ONE),
            b"Tf" => {
                self.state.size = last();
                if let Some(name) = operands.first().and_then(Operand::name) {
                    self.font(name, resources);
                }
            }
            b"gs" => self.settings(operands, resources),
            b"Tc" => self.state.letter_space = last(),
            b"Tw" => self.state.word_space = last(),
            b"Tz" => self.state.stretch = last() / 100.0,
            b"TL" => self.state.leading = last(),
            b"Ts" => self.state.rise = last(),
            b"Tm" => {
                self.line = Matrix([number(0), number(1), number(2), number(3), number(4), number(5)]);
                self.text = self.line;
            }
            b"Td" => self.next_line(number(0), number(1)),
            b"TD" => {
                self.state.leading = -number(1);
                self.next_line(number(0), number(1));
            }
            b"T*" => self.next_line(0.0, -self.state.leading),
            b"Tj" => self.show(operands),
            b"'" => {
                self.next_line(0.0, -self.state.leading);
                self.show(operands);
            }
            b"\"" => {
                (self.state.word_space, self.state.letter_space) = (number(0), number(1));
                self.next_line(0.0, -self.state.leading);
                self.show(operands);
            }
            b"TJ" => self.show(operands.last().map(Operand::array).unwrap_or_default()),
            b"BMC" => self.marks.push(Mark::Nothing),
            b"BDC" => self.begin_mark(operands, resources),
            b"EMC" => self.end_mark(),
            _ => {}
        }
        self.marks.truncate(SAVED_MAX);
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line = Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(&self.line);
        self.text = self.line;
    }

    fn font(&mut self, name: &[u8], resources: &Dictionary) {
        let Some(entry) =
            dictionary(self.document, resources, b"Font").and_then(|fonts| fonts.get(name).ok())
        else {
            self.state.font = Rc::new(Font::missing());
            return;
        };
        self.font_of(entry);
    }

    fn font_of(&mut self, entry: &Object) {
        let id = entry.as_reference().ok();
        if let Some(font) = id.and_then(|id| self.fonts.known.get(&id)) {
            self.state.font = font.clone();
            return;
        }
        let Some(Object::Dictionary(font)) = resolve(self.document, entry) else { return };
        let font = Rc::new(Font::read(self.document, font));
        if let Some(id) = id {
            self.fonts.known.insert(id, font.clone());
        }
        self.state.font = font;
    }

    /// A font may stand in the graphics state's settings, too.
    fn settings(&mut self, operands: &[Operand], resources: &Dictionary) {
        let Some(wanted) = operands.first().and_then(Operand::name) else { return };
        let settings = dictionary(self.document, resources, b"ExtGState")
            .and_then(|all| dictionary(self.document, all, wanted));
        let Some(Object::Array(font)) = settings.and_then(|settings| get(self.document, settings, b"Font"))
        else {
            return;
        };
        if let [font, size] = font.as_slice() {
            self.state.size = super::objects::number(self.document, size).unwrap_or(self.state.size);
            self.font_of(font);
        }
    }

    fn show(&mut self, items: &[Operand]) {
        let font = self.state.font.clone();
        for item in items {
            match item {
                Operand::Text(string) => font.letters(string, &mut |letter| self.letter(&font, letter)),
                Operand::Number(back) => {
                    let shift = -back / 1000.0 * self.state.size;
                    self.advance(&font, if font.vertical { shift } else { shift * self.state.stretch });
                }
                _ => {}
            }
        }
    }

    fn letter(&mut self, font: &Font, letter: super::font::Letter) {
        let state = &self.state;
        let space = state.letter_space + if letter.is_space { state.word_space } else { 0.0 };
        let own = letter.advance * state.size;
        let scale = Matrix([state.size * state.stretch, 0.0, 0.0, state.size, 0.0, state.rise]);
        let matrix = scale.then(&self.text).then(&state.matrix);
        if !letter.text.is_empty() && !self.marks.contains(&Mark::Hidden) && self.glyphs.len() <= LETTERS_MAX
        {
            let along = self.text.then(&state.matrix);
            let (x, y) = matrix.apply(0.0, 0.0);
            // Letters of vertical lines stand beneath each other, as wide as they are high.
            let (dx, dy) = match font.vertical {
                false => along.direction(own * state.stretch, 0.0),
                true => along.direction(0.0, -state.size),
            };
            let [a, b, c, d, ..] = matrix.0;
            let size = c.hypot(d) * font.size;
            if x.is_finite() && y.is_finite() && size.is_finite() && dx.is_finite() && dy.is_finite() {
                let turns = turns(a, b, c, d);
                self.glyphs.push(Glyph {
                    text: letter.text,
                    x,
                    y,
                    dx,
                    dy,
                    size,
                    turns,
                    vertical: font.vertical,
                });
            }
        }
        let shift = match font.vertical {
            false => (own + space) * self.state.stretch,
            true => -(self.state.size - space),
        };
        self.advance(font, shift);
    }

    fn advance(&mut self, font: &Font, by: f64) {
        let shift = if font.vertical { [1.0, 0.0, 0.0, 1.0, 0.0, by] } else { [1.0, 0.0, 0.0, 1.0, by, 0.0] };
        self.text = Matrix(shift).then(&self.text);
    }

    fn begin_mark(&mut self, operands: &[Operand], resources: &Dictionary) {
        let properties = operands.get(1);
        let mark = match properties {
            Some(Operand::Dictionary(_)) => {
                let text = properties
                    .and_then(|all| all.entry(b"ActualText"))
                    .and_then(Operand::text)
                    .and_then(text_of);
                text.map_or(Mark::Nothing, |text| Mark::Instead(text, self.glyphs.len()))
            }
            Some(Operand::Name(name)) => {
                let all = dictionary(self.document, resources, b"Properties");
                let entry = all.and_then(|all| all.get(name).ok());
                let layer = operands.first().and_then(Operand::name) == Some(b"OC");
                let hidden = layer && entry.is_some_and(|entry| self.is_layer_hidden(entry, 0));
                let text = entry.and_then(|entry| resolve(self.document, entry)?.as_dict().ok());
                match text
                    .and_then(|properties| super::objects::text(self.document, properties, b"ActualText"))
                {
                    _ if hidden => Mark::Hidden,
                    Some(text) => Mark::Instead(text, self.glyphs.len()),
                    None => Mark::Nothing,
                }
            }
            _ => Mark::Nothing,
        };
        self.marks.push(mark);
    }

    /// Replaces the letters of a stretch that says what it stands for.
    fn end_mark(&mut self) {
        let Some(Mark::Instead(text, from)) = self.marks.pop() else { return };
        if from >= self.glyphs.len() {
            return;
        }
        let last = self.glyphs[self.glyphs.len() - 1].clone();
        let first = &mut self.glyphs[from];
        if first.turns == last.turns
            && (first.y - last.y).abs() + (first.x - last.x).abs() < 200.0 * first.size.max(1.0)
        {
            (first.dx, first.dy) = (last.x + last.dx - first.x, last.y + last.dy - first.y);
        }
        first.text = text;
        self.glyphs.truncate(from + 1);
    }

    fn is_hidden(&self, dictionary: &Dictionary) -> bool {
        dictionary.get(b"OC").is_ok_and(|layer| self.is_layer_hidden(layer, 0))
    }

    fn is_layer_hidden(&self, layer: &Object, deep: u32) -> bool {
        if self.hidden_layers.is_empty() || deep > 8 {
            return false;
        }
        if layer.as_reference().is_ok_and(|id| self.hidden_layers.contains(&id)) {
            return true;
        }
        let Some(Object::Dictionary(group)) = resolve(self.document, layer) else { return false };
        match group.get(b"OCGs") {
            Ok(Object::Array(layers)) => {
                !layers.is_empty() && layers.iter().all(|layer| self.is_layer_hidden(layer, deep + 1))
            }
            Ok(layer) => self.is_layer_hidden(layer, deep + 1),
            Err(_) => false,
        }
    }
}

/// The nearest quarter turn.
fn turns(a: f64, b: f64, c: f64, d: f64) -> u8 {
    if (a * d).abs() >= (b * c).abs() {
        u8::from(!(a > 0.0 || (a == 0.0 && d > 0.0))) * 2
    } else if b > 0.0 {
        1
    } else {
        3
    }
}
