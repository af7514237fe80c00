//! PNG: the SVG, drawn by resvg with a font of our own, so that a picture looks the same everywhere. `font/LICENCE` is the font's.

use super::shape::Drawing;
use super::svg::svg;
use super::theme::Theme;
use crate::error::{Error, Result};
use resvg::{tiny_skia, usvg};

/// DejaVu Sans, of Latin letters, Greek ones, and the signs that numbers need.
const FONTS: [&[u8]; 2] =
    [include_bytes!("font/DejaVuSans-subset.ttf"), include_bytes!("font/DejaVuSans-Bold-subset.ttf")];
/// Pixels of the picture for each pixel of the drawing, so that it is sharp on any screen.
const SCALE: f32 = 2.0;
/// A text in the file that says who drew it: such a file may be written over.
const MARK: [&str; 2] = ["Software", "roofprobe plot"];
/// The mark stands in front, behind the size.
const HEAD: usize = 256;

/// The picture as a PNG file; without a theme of its own it is light.
///
/// # Errors
/// Failure when it is too large to be drawn.
pub fn png(drawing: &Drawing, theme: Theme) -> Result<Vec<u8>> {
    let theme = if theme == Theme::Dark { Theme::Dark } else { Theme::Light };
    let mut options = usvg::Options { font_family: "DejaVu Sans".to_owned(), ..usvg::Options::default() };
    for font in FONTS {
        options.fontdb_mut().load_font_data(font.to_vec());
    }
    options.fontdb_mut().set_sans_serif_family("DejaVu Sans");
    let tree = usvg::Tree::from_str(&svg(drawing, theme), &options).map_err(|e| failed(&e))?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| failed(&"it has no size"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| failed(&"it is too large"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    // The page lies under everything, so nothing is transparent.
    let colours: Vec<u8> = pixels.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.width(), size.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_text_chunk(MARK[0].to_owned(), MARK[1].to_owned()).map_err(|e| failed(&e))?;
    let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
    writer.write_image_data(&colours).map_err(|e| failed(&e))?;
    writer.finish().map_err(|e| failed(&e))?;
    Ok(bytes)
}

/// Whether a file with these bytes is a picture of ours.
pub fn is_our_png(bytes: &[u8]) -> bool {
    let mark = MARK.join("\0");
    let head = &bytes[..bytes.len().min(HEAD)];
    head.starts_with(b"\x89PNG") && head.windows(mark.len()).any(|window| window == mark.as_bytes())
}

fn failed(why: &dyn std::fmt::Display) -> Error {
    Error::failure(format!("the picture cannot be drawn as PNG: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Spot;
    use super::super::shape::{Shape, TextAnchor};
    use super::*;

    #[test]
    fn text_is_drawn_and_the_file_is_ours() {
        let drawn = |words: &str| {
            let page = Shape::area(super::super::Quad::upright(0.0, 0.0, 60.0, 30.0).0, "page");
            let text = Shape::text(Spot { x: 4.0, y: 20.0 }, TextAnchor::Start, "ink", words);
            let drawing = Drawing {
                width: 60.0,
                height: 30.0,
                title: String::new(),
                description: String::new(),
                models: 0,
                shapes: vec![page, text],
            };
            png(&drawing, Theme::Auto).unwrap()
        };
        let [some, none] = ["64.0 GB/s", ""].map(drawn);
        assert!(is_our_png(&some) && some.len() > none.len() + 100, "{} {}", some.len(), none.len());
        assert!(!is_our_png(b"\x89PNG\r\n") && !is_our_png(b"") && !is_our_png(MARK.join("\0").as_bytes()));
    }
}
