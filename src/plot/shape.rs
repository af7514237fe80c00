//! What a picture is made of: shapes in pixels, each with classes of the style sheet.

use super::geometry::Spot;
use crate::model::Phase;

/// Size of all text but titles, pixels.
pub(super) const TEXT: f64 = 12.0;

/// A picture in pixels, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Width of the page.
    pub width: f64,
    /// Height of the page.
    pub height: f64,
    /// What it shows, for those who do not see it.
    pub title: String,
    /// What is to be read from it.
    pub description: String,
    /// Models that have colours.
    pub models: usize,
    /// From back to front.
    pub shapes: Vec<Shape>,
}

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextAnchor {
    /// The beginning.
    Start,
    /// The middle.
    Middle,
    /// The end.
    End,
}

impl TextAnchor {
    /// How much of the text is before its place.
    pub(super) const fn share(self) -> f64 {
        match self {
            TextAnchor::Start => 0.0,
            TextAnchor::Middle => 0.5,
            TextAnchor::End => 1.0,
        }
    }
}

/// Something on the page. Classes are words of the style sheet.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A line through some spots, or an area between them.
    Path {
        /// The spots.
        spots: Vec<Spot>,
        /// Whether the last is joined to the first.
        closed: bool,
        /// How it looks.
        class: String,
    },
    /// The mark of a phase.
    Marker {
        /// Its centre.
        at: Spot,
        /// Whose shape it has.
        phase: Phase,
        /// How large it is.
        radius: f64,
        /// How it looks.
        class: String,
    },
    /// A line of text.
    Text {
        /// A place on its baseline.
        at: Spot,
        /// Which one.
        anchor: TextAnchor,
        /// The baseline's direction, radians, downwards positive.
        angle: f64,
        /// How it looks.
        class: String,
        /// The words.
        words: String,
    },
    /// Shapes that are one thing, with words that appear when somebody points at it.
    Group {
        /// The words; empty for what belongs to a thing that has them already.
        title: String,
        /// What it is switched off by on a page: the id of a ceiling or curve, or `model` and its number.
        switch: Option<String>,
        /// The shapes.
        shapes: Vec<Shape>,
    },
}

impl Shape {
    pub(super) fn path(spots: impl Into<Vec<Spot>>, class: impl Into<String>) -> Shape {
        Shape::Path { spots: spots.into(), closed: false, class: class.into() }
    }

    pub(super) fn area(spots: impl Into<Vec<Spot>>, class: impl Into<String>) -> Shape {
        Shape::Path { spots: spots.into(), closed: true, class: class.into() }
    }

    /// What can be pointed at and switched off.
    pub(super) fn item(title: impl Into<String>, switch: &str, shapes: Vec<Shape>) -> Shape {
        Shape::Group { title: title.into(), switch: Some(switch.to_owned()), shapes }
    }

    /// What goes with an item when that is switched off.
    pub(super) fn part(switch: &str, shape: Shape) -> Shape {
        Shape::item("", switch, vec![shape])
    }

    pub(super) fn text(at: Spot, anchor: TextAnchor, class: &str, words: impl Into<String>) -> Shape {
        Shape::Text { at, anchor, angle: 0.0, class: class.to_owned(), words: words.into() }
    }
}
