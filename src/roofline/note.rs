//! What has to be said about a result, by its kind: reports order notes, leave out details, and fold what has one cause.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_with::SerializeDisplay;
use std::borrow::Cow;
use std::fmt;

/// What a note is about, what changes the meaning of an answer most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// The device is a software adapter, no GPU.
    SoftwareAdapter,
    /// The model does not fit in the device's memory.
    DoesNotFit,
    /// More tokens are asked for than the model was made for.
    BeyondContext,
    /// Nobody said how weights are stored: they are taken as f16.
    DefaultWeights,
    /// The context was given without the prompt that leads to it.
    ContextAlone,
    /// Ceilings that failed a check of the measurement.
    Suspect,
    /// Ceilings whose values come from a source, not from a measurement.
    Quoted,
    /// Memory had several modes while it was measured.
    Modes,
    /// What the speed of an engine rests on.
    Engine,
    /// What the reader of the model's file remarks.
    Model,
    /// One ceiling or kernel stands in for another.
    StandIn,
    /// There is no kernel, or no launch, of this kind in the profile.
    NotMeasured,
    /// A measurement is used beyond where it was taken.
    Extrapolated,
    /// Ceilings that have no interval.
    NoInterval,
    /// Ceilings that are not used.
    LeftOut,
    /// How many different experts a pass reads.
    Experts,
    /// The weights fit in a cache.
    FitsCache,
    /// A point lies above the roof that it is held against.
    AboveRoof,
    /// It is unknown how much memory the device has.
    MemoryUnknown,
}

impl NoteKind {
    /// Whether the answer means something else to whoever does not know this; all other notes are details.
    pub const fn matters(self) -> bool {
        self as u8 <= NoteKind::Model as u8
    }
}

/// Something that has to be said; in records its text.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDisplay)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// The ceilings that it is true of, where its text is a cause that several can share.
    pub ceilings: Vec<String>,
    /// The sentence, or the cause.
    pub text: String,
}

/// As records have it: its text.
impl JsonSchema for Note {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Note".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Note {
    /// A sentence of its own.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Note {
        Note { kind, ceilings: Vec::new(), text: text.into() }
    }

    /// A cause that is true of the ceiling `id`.
    pub(super) fn of(kind: NoteKind, id: &str, cause: impl Into<String>) -> Note {
        Note { kind, ceilings: vec![id.to_owned()], text: cause.into() }
    }

    /// Adds `note` to `notes`: ceilings that share its cause to one note, and nothing twice.
    pub fn add(notes: &mut Vec<Note>, note: &Note) {
        let same = |other: &&mut Note| {
            (other.kind, &other.text) == (note.kind, &note.text)
                && other.ceilings.is_empty() == note.ceilings.is_empty()
        };
        let Some(other) = notes.iter_mut().find(same) else { return notes.push(note.clone()) };
        for id in &note.ceilings {
            if !other.ceilings.contains(id) {
                other.ceilings.push(id.clone());
            }
        }
    }

    /// All of `notes`, as [`Note::add`] leaves them.
    pub fn folded<'n>(notes: impl IntoIterator<Item = &'n Note>) -> Vec<Note> {
        let mut all = Vec::new();
        notes.into_iter().for_each(|note| Note::add(&mut all, note));
        all
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ids, text) = (self.ceilings.join(", "), &self.text);
        let (is, has, enters) =
            if self.ceilings.len() == 1 { ("is", "has", "it enters") } else { ("are", "have", "they enter") };
        match self.kind {
            _ if self.ceilings.is_empty() => f.write_str(text),
            NoteKind::Suspect => write!(f, "{ids} {is} suspect ({text}), and used all the same"),
            NoteKind::NoInterval => write!(f, "{ids} {has} no interval in the profile; {enters} intervals as points"),
            _ => write!(f, "{ids} {is} {text}"),
        }
    }
}
