//! A roofline as a picture: ceilings, models and the room between them, on logarithmic axes, as SVG.
//!
//! In three steps: [`Chart`] holds what is shown, in FLOP/byte and GFLOP/s; [`Drawing`] holds where each line and label
//! goes, in pixels; [`svg`] writes that down, with a style sheet for light and dark. Pure: the same input gives the same
//! bytes. Text stays text, and nothing outside the file is referred to.

mod chart;
mod cluster;
mod draw;
mod frame;
mod geometry;
mod label;
mod legend;
mod panel;
mod scale;
mod shape;
mod svg;
mod text;
mod theme;

pub use chart::{Chart, Line, Panel, PhaseKey, PhasePoint, Subject, Trust};
pub use geometry::{Quad, Spot};
pub use scale::{Scale, Tick};
pub use shape::{Drawing, Shape, TextAnchor};
pub use svg::{is_ours, svg};
pub use theme::Theme;
