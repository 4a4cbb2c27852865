//! Everything about a document that filters and facets look at, except its time and conversation.
//!
//! Documents repeat the same few combinations of provider, model, role, user and flags, so a segment keeps each
//! combination once and a document only its number. A filter is then decided once a combination, and a test of a
//! document is one look-up.

use athenaeum_core::Role;
use rustc_hash::FxHashMap;

use super::{
    codec::{Bytes, put_text, put_varint},
    document::{Document, Flags, Kind},
};

/// One combination. Names are indexes into the table's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) role: Option<Role>,
    pub(super) flags: Flags,
    pub(super) provider: u32,
    pub(super) model: Option<u32>,
    pub(super) user: Option<u32>,
}

/// The combinations of a segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes {
    pub(super) shapes: Vec<Shape>,
    /// Names of providers, models and users, each once.
    pub(super) names: Vec<Box<str>>,
}

/// Collects combinations.
#[derive(Debug, Default)]
pub(super) struct ShapesBuilder {
    table: Shapes,
    shape_ids: FxHashMap<Shape, u32>,
    name_ids: FxHashMap<Box<str>, u32>,
    last: Option<(Shape, u32)>,
}

impl ShapesBuilder {
    /// Returns the number of the document's combination.
    pub(super) fn of(&mut self, document: &Document<'_>) -> u32 {
        // Neighbours mostly differ in the role alone, so names are compared before they are hashed.
        let last = self.last.map(|(shape, _)| shape);
        let shape = Shape {
            kind: document.kind,
            role: document.role,
            flags: document.flags,
            provider: self.name(document.provider, last.map(|last| last.provider)),
            model: document.model.map(|model| self.name(model, last.and_then(|last| last.model))),
            user: document.user.map(|user| self.name(user, last.and_then(|last| last.user))),
        };
        self.number(shape)
    }

    /// Returns the number of a combination of another table.
    pub(super) fn adopt(&mut self, other: &Shapes, shape: Shape) -> u32 {
        let mut name = |id| self.name(other.name(id), None);
        let (provider, model, user) =
            (name(shape.provider), shape.model.map(&mut name), shape.user.map(&mut name));
        self.number(Shape { provider, model, user, ..shape })
    }

    fn number(&mut self, shape: Shape) -> u32 {
        if let Some((last, id)) = self.last
            && last == shape
        {
            return id;
        }
        let next = self.table.shapes.len() as u32;
        let id = *self.shape_ids.entry(shape).or_insert(next);
        if id == next {
            self.table.shapes.push(shape);
        }
        self.last = Some((shape, id));
        id
    }

    fn name(&mut self, name: &str, guess: Option<u32>) -> u32 {
        if let Some(guess) = guess
            && self.table.name(guess) == name
        {
            return guess;
        }
        if let Some(&id) = self.name_ids.get(name) {
            return id;
        }
        let id = self.table.names.len() as u32;
        self.table.names.push(name.into());
        self.name_ids.insert(name.into(), id);
        id
    }

    pub(super) fn finish(self) -> Shapes {
        self.table
    }
}

impl Shapes {
    /// Returns a name; an unknown number gives the empty name.
    pub(super) fn name(&self, id: u32) -> &str {
        self.names.get(id as usize).map_or("", |name| name)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.names.len() as u64);
        for name in &self.names {
            put_text(out, name);
        }
        put_varint(out, self.shapes.len() as u64);
        for shape in &self.shapes {
            out.push(u8::from(shape.kind == Kind::Title));
            out.push(shape.role.map_or(0, |role| role as u8 + 1));
            out.push(shape.flags.bits());
            put_varint(out, u64::from(shape.provider));
            put_varint(out, shape.model.map_or(0, |model| u64::from(model) + 1));
            put_varint(out, shape.user.map_or(0, |user| u64::from(user) + 1));
        }
    }

    pub(super) fn decode(bytes: &mut Bytes<'_>) -> Option<Self> {
        let mut table = Self::default();
        for _ in 0..bytes.varint()? {
            table.names.push(bytes.text()?.into());
        }
        for _ in 0..bytes.varint()? {
            let &[kind, role, flags] = bytes.take(3)? else { return None };
            let role = match role {
                0 => None,
                role => Some(*Role::ALL.get(usize::from(role) - 1)?),
            };
            let kind = if kind == 0 { Kind::Message } else { Kind::Title };
            let (provider, model, user) = (bytes.varint32()?, bytes.varint32()?, bytes.varint32()?);
            let (model, user) = (model.checked_sub(1), user.checked_sub(1));
            table.shapes.push(Shape { kind, role, flags: Flags::from_bits(flags), provider, model, user });
        }
        Some(table)
    }
}
