//! Colours, once for light and once for dark, as a style sheet. Rules name classes, never variables: not every program
//! that shows SVG knows those.

use std::fmt::Write;

/// Which background the picture is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Whatever the reader prefers, as far as the program that shows it knows; else light.
    #[default]
    Auto,
    /// Dark on white.
    Light,
    /// Light on black.
    Dark,
}

/// As many models can be told apart by colour.
pub const MODELS_MAX: usize = 8;

struct Palette {
    page: &'static str,
    ink: &'static str,
    muted: &'static str,
    line: &'static str,
    frame: &'static str,
    grid: &'static str,
    alarm: &'static str,
    models: [&'static str; MODELS_MAX],
}

const LIGHT: Palette = Palette {
    page: "#ffffff",
    ink: "#1f2328",
    muted: "#59636e",
    line: "#7d8792",
    frame: "#c3cad1",
    grid: "#eceef1",
    alarm: "#b3261e",
    models: ["#0b62a8", "#b5480a", "#18794a", "#8a3fa0", "#b0255f", "#6a6500", "#00727f", "#6b4a3a"],
};

const DARK: Palette = Palette {
    page: "#0d1117",
    ink: "#e6edf3",
    muted: "#9ba3ad",
    line: "#7f8994",
    frame: "#3d444d",
    grid: "#1c222a",
    alarm: "#ff8a80",
    models: ["#6cb2f2", "#f0955a", "#5cc98f", "#c995e0", "#f07fae", "#c8c45a", "#52c7d6", "#d0b097"],
};

/// The style sheet. Every rule is of this picture alone, also where a page has it within its own text.
pub(super) fn style_sheet(theme: Theme, models: usize) -> String {
    let mut css = SHAPES.to_owned();
    match theme {
        Theme::Light => css.push_str(&colours(&LIGHT, models)),
        Theme::Dark => css.push_str(&colours(&DARK, models)),
        Theme::Auto => {
            css.push_str(&colours(&LIGHT, models));
            let _ = write!(css, "@media (prefers-color-scheme: dark) {{\n{}}}\n", colours(&DARK, models));
        }
    }
    css
}

/// The same rules as variables, so that a page around the pictures can have their colours.
const VARIABLES: Palette = Palette {
    page: "var(--page)",
    ink: "var(--ink)",
    muted: "var(--muted)",
    line: "var(--line)",
    frame: "var(--frame)",
    grid: "var(--grid)",
    alarm: "var(--alarm)",
    models: [
        "var(--model0)",
        "var(--model1)",
        "var(--model2)",
        "var(--model3)",
        "var(--model4)",
        "var(--model5)",
        "var(--model6)",
        "var(--model7)",
    ],
};

/// The style sheet of all [`embedded`](super::embedded) pictures of a page. The colours are variables of the page: light, and dark on
/// screens whose reader prefers that; paper is always light.
pub fn page_style() -> String {
    format!(
        ":root {{\n{}}}\n@media screen and (prefers-color-scheme: dark) {{\n:root {{\n{}}}\n}}\n{SHAPES}{}",
        variables(&LIGHT),
        variables(&DARK),
        colours(&VARIABLES, MODELS_MAX)
    )
}

fn variables(palette: &Palette) -> String {
    let Palette { page, ink, muted, line, frame, grid, alarm, models } = palette;
    let named = [
        ("page", page),
        ("ink", ink),
        ("muted", muted),
        ("line", line),
        ("frame", frame),
        ("grid", grid),
        ("alarm", alarm),
    ];
    let named = named.map(|(name, colour)| format!("--{name}: {colour};\n")).concat();
    let models: String = models.iter().enumerate().map(|(i, colour)| format!("--model{i}: {colour};\n")).collect();
    named + &models
}

/// What light and dark have in common.
const SHAPES: &str = ".roofline text { font-family: sans-serif; font-size: 12px; }
.roofline .title { font-size: 15px; font-weight: bold; }
.roofline .grid, .roofline .frame, .roofline .tick, .roofline .leader, .roofline .line, .roofline .roof { fill: none; }
.roofline .line { stroke-width: 1.2; }
.roofline .roof { stroke-width: 2.2; stroke-linejoin: round; }
.roofline .suspect { stroke-dasharray: 7 4; }
.roofline .quoted { stroke-dasharray: 1.5 3; }
.roofline .band { fill-opacity: 0.22; }
.roofline .region { fill-opacity: 0.09; }
.roofline .reach { stroke-width: 7; stroke-opacity: 0.28; fill: none; }
.roofline .run { stroke-width: 2; fill: none; }
.roofline .series { stroke-width: 1.8; stroke-linejoin: round; fill: none; }
.roofline .spread { fill-opacity: 0.2; }
.roofline .marker { stroke-width: 1.2; }
.roofline .hollow { stroke-width: 1.8; }
.roofline .halo { stroke-width: 3; stroke-linejoin: round; paint-order: stroke; }
";

fn colours(palette: &Palette, models: usize) -> String {
    let Palette { page, ink, muted, line, frame, grid, alarm, .. } = palette;
    let mut css = format!(
        ".roofline .page {{ fill: {page}; }}
.roofline .halo {{ stroke: {page}; }}
.roofline .title, .roofline .ink {{ fill: {ink}; }}
.roofline .muted {{ fill: {muted}; }}
.roofline .alarm {{ fill: {alarm}; }}
.roofline .grid {{ stroke: {grid}; }}
.roofline .frame, .roofline .tick {{ stroke: {frame}; }}
.roofline .line, .roofline .leader {{ stroke: {line}; }}
.roofline .roof {{ stroke: {ink}; }}
.roofline .band {{ fill: {line}; }}
"
    );
    let key = std::iter::once(("key".to_owned(), *muted));
    let named = palette.models.iter().take(models).enumerate().map(|(i, colour)| (format!("model{i}"), *colour));
    for (name, colour) in key.chain(named) {
        let _ = write!(
            css,
            ".roofline .{name} {{ fill: {colour}; }}
.roofline .reach.{name}, .roofline .run.{name}, .roofline .series.{name} {{ stroke: {colour}; fill: none; }}
.roofline .marker.{name} {{ stroke: {page}; }}
.roofline .hollow.{name} {{ fill: {page}; stroke: {colour}; }}
"
        );
    }
    css
}
