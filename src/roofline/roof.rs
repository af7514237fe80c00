//! One ceiling as a roof.

use super::Note;

/// A ceiling in use: its rate with its interval, and what has to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Roof<'a, Rate> {
    /// The id of the ceiling, which may stand in for the one wanted.
    pub id: &'a str,
    /// The rate.
    pub rate: Rate,
    /// The lower end of its 95 % interval; the rate itself where the profile gives none.
    pub low: Rate,
    /// The upper end.
    pub high: Rate,
    /// Notes: what it stands in for and why, a doubt, a missing interval.
    pub notes: Vec<Note>,
}
