//! A roofline as a picture: ceilings, models and the room between them, on logarithmic axes, as SVG.
//!
//! In three steps: [`Chart`] (or [`CurveChart`]) holds what is shown, in FLOP/byte and GFLOP/s; [`Drawing`] holds where each line and label
//! goes, in pixels; [`svg`] writes that down, with a style sheet for light and dark. Pure: the same input gives the same
//! bytes. Text stays text, and nothing outside the file is referred to.

mod chart;
mod cluster;
mod curve_panel;
mod curves;
mod draw;
mod frame;
mod geometry;
mod label;
mod legend;
mod panel;
#[cfg(feature = "png")]
mod png;
mod runs;
mod scale;
mod shape;
mod svg;
mod terminal;
mod text;
mod theme;

pub use chart::{Chart, Line, Panel, PhaseKey, PhasePoint, RunPoint, Subject, Trust};
pub use curves::{Across, CurveChart, CurvePanel, CurvePoint, Series};
pub use draw::Page;
pub use geometry::{Quad, Spot};
#[cfg(feature = "png")]
pub use png::{is_our_png, png};
pub use scale::{Scale, Tick};
pub use shape::{Drawing, Shape, TextAnchor};
pub use svg::{embedded, is_ours, svg};
pub use terminal::{Screen, curves_text, roofline_text};
pub use text::{clean, short};
pub use theme::{MODELS_MAX, Theme, page_style};
