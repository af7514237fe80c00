//! A roofline as a picture: ceilings, models and the room between them, on logarithmic axes, as SVG.
//!
//! In three steps that know little of each other: [`Chart`] says what is shown, in FLOP/byte and GFLOP/s;
//! [`Drawing`] says where each line and label goes, in pixels; [`svg`] writes that down, with a style sheet for light
//! and dark. Pure: the same input gives the same bytes. Text stays text, and nothing outside the file is referred to.

mod axis;
mod chart;
mod cluster;
mod draw;
mod geometry;
mod label;
mod legend;
mod panel;
mod svg;
mod text;
mod theme;

pub use axis::{Axis, Tick};
pub use chart::{Chart, Line, Panel, PhaseKey, Point, Subject, Trust};
pub use draw::{Drawing, Shape, TextAnchor};
pub use geometry::{Quad, Spot};
pub use svg::{is_ours, svg};
pub use theme::Theme;
