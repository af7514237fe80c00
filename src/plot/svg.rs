//! SVG: the only place that knows its syntax. Every text passes through [`escaped`] or is one of ours.

use super::geometry::Spot;
use super::shape::{Drawing, Shape, TextAnchor};
use super::text;
use super::theme::{Theme, style_sheet};
use crate::model::Phase;
use std::fmt::Write;

/// A picture with this line may be written over.
const MARK: &str = "<!-- drawn by roofprobe plot -->";

/// The picture as an SVG file.
pub fn svg(drawing: &Drawing, theme: Theme) -> String {
    let (width, height) = (number(drawing.width), number(drawing.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"roofline\" role=\"img\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n{MARK}\n<title>{}</title>\n<desc>{}</desc>\n\
         <style>\n{}</style>\n",
        escaped(&drawing.title),
        escaped(&drawing.description),
        style_sheet(theme, drawing.models),
    );
    for shape in &drawing.shapes {
        write(shape, Place::File, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// The picture as a part of a page that has [`page_style`](super::page_style). What can be pointed at can be walked through with
/// keys, and what can be switched off says by what (`data-k`); screen readers pass over the rest.
pub fn embedded(drawing: &Drawing) -> String {
    let (width, height) = (number(drawing.width), number(drawing.height));
    let mut out = format!(
        "<svg class=\"roofline\" role=\"group\" aria-label=\"{}\" viewBox=\"0 0 {width} {height}\">\n",
        escaped(&text::short(&format!("{}. {}", drawing.title, drawing.description))),
    );
    for shape in &drawing.shapes {
        write(shape, Place::Page, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// Where a picture stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a file of its own.
    File,
    /// In a page.
    Page,
}

/// Whether a file with this text is a picture of ours.
pub fn is_ours(text: &str) -> bool {
    text.starts_with("<svg ") && text.lines().nth(1) == Some(MARK)
}

fn write(shape: &Shape, place: Place, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match shape {
        Shape::Path { spots, closed, class } => {
            let end = if *closed { "Z" } else { "" };
            writeln!(out, "<path class=\"{class}\" d=\"{}{end}\"/>", path(spots))
        }
        Shape::Marker { at, phase, radius, class } => {
            let (x, y, outline) = (number(at.x), number(at.y), outline(*phase, *radius));
            writeln!(out, "<path class=\"{class}\" transform=\"translate({x} {y})\" d=\"{outline}\"/>")
        }
        Shape::Text { at, anchor, angle, class, words } => {
            let (x, y) = (number(at.x), number(at.y));
            let anchor = match anchor {
                TextAnchor::Start => "",
                TextAnchor::Middle => " text-anchor=\"middle\"",
                TextAnchor::End => " text-anchor=\"end\"",
            };
            let turn = match number(angle.to_degrees()).as_str() {
                "0" => String::new(),
                degrees => format!(" transform=\"rotate({degrees} {x} {y})\""),
            };
            let hidden = if place == Place::Page { " aria-hidden=\"true\"" } else { "" };
            writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}{turn}{hidden}>{}</text>", escaped(words))
        }
        // What has no words of its own is a group for the switches of a page alone.
        Shape::Group { title, shapes, .. } if title.is_empty() && place == Place::File => {
            return shapes.iter().for_each(|shape| write(shape, place, out));
        }
        Shape::Group { title, switch, shapes } => {
            group(title, switch.as_deref(), place, out);
            shapes.iter().for_each(|shape| write(shape, place, out));
            writeln!(out, "</g>")
        }
    };
}

/// The head of a group: on a page with the word that it is switched off by, and a place for the keyboard.
fn group(title: &str, switch: Option<&str>, place: Place, out: &mut String) {
    let switch = switch.filter(|_| place == Place::Page).map(escaped);
    let of_page = match (&switch, title) {
        (Some(switch), "") => format!(" data-k=\"{switch}\""),
        (Some(switch), _) => format!(" data-k=\"{switch}\" role=\"img\" tabindex=\"-1\""),
        (None, _) => String::new(),
    };
    let _ = match title {
        "" => writeln!(out, "<g{of_page}>"),
        words => writeln!(out, "<g{of_page}><title>{}</title>", escaped(words)),
    };
}

fn path(spots: &[Spot]) -> String {
    let step =
        |(i, spot): (usize, &Spot)| format!("{}{} {}", if i == 0 { "M" } else { "L" }, number(spot.x), number(spot.y));
    spots.iter().enumerate().map(step).collect()
}

/// The shape of a phase around the origin: a triangle, a circle, a diamond, of like areas.
fn outline(phase: Phase, radius: f64) -> String {
    let corners = |corners: &[(f64, f64)]| {
        let spots: Vec<Spot> = corners.iter().map(|(x, y)| Spot { x: x * radius, y: y * radius }).collect();
        format!("{}Z", path(&spots))
    };
    match phase {
        Phase::Prefill => corners(&[(0.0, -1.3), (1.15, 0.8), (-1.15, 0.8)]),
        Phase::Decode => {
            let r = number(radius);
            format!("M-{r} 0A{r} {r} 0 1 1 {r} 0A{r} {r} 0 1 1 -{r} 0Z")
        }
        Phase::Generation => corners(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
    }
}

/// A coordinate: hundredths of a pixel are finer than any eye, and coarser than what platforms compute differently.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as XML carries it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        let written: Vec<String> = [1.0, 0.126, -0.001, -3.5, 100.0].into_iter().map(number).collect();
        assert_eq!(written, ["1", "0.13", "0", "-3.5", "100"]);
    }

    #[test]
    fn only_our_own_pictures_are_ours() {
        let drawing = Drawing {
            width: 1.0,
            height: 1.0,
            title: "</title>".to_owned(),
            description: String::new(),
            models: 0,
            shapes: Vec::new(),
        };
        let text = svg(&drawing, Theme::Light);
        assert!(is_ours(&text) && text.contains("&lt;/title&gt;"));
        assert!(!is_ours("<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>") && !is_ours(MARK) && !is_ours(""));
    }
}
