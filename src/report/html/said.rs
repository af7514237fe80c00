//! What was not written here: names, reasons, notes of profiles, models and engines.

use crate::plot;
use maud::{Markup, Render, html};

/// More than any sentence needs.
const LONGEST: usize = 1200;

/// A text that was not written here: what a reader would obey is replaced, and what is too long is cut. The template escapes it.
pub(super) struct Said(String);

/// `text`, tamed.
pub(super) fn said(text: &str) -> Said {
    // A number keeps its unit.
    let clean = plot::clean(text).replace(" %", "\u{a0}%");
    Said(match clean.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    })
}

impl Render for Said {
    fn render_to(&self, out: &mut String) {
        self.0.as_str().render_to(out);
    }
}

impl Said {
    /// The same, to be broken behind its points where a column is narrow, as ids have them.
    pub(super) fn breakable(&self) -> Markup {
        html! { @for (at, part) in self.0.split('.').enumerate() { @if at > 0 { "." wbr; } (part) } }
    }
}

/// A name as a part of a file name or an id: letters, digits, points and hyphens.
pub(super) fn slug(name: &str) -> String {
    const LONGEST: usize = 80;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let slug: String = name.chars().take(LONGEST).map(plain).collect();
    slug.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        let written = said("</script>\u{202e}\u{7}\"'&").render().into_string();
        assert_eq!(written, "&lt;/script&gt;\u{fffd}\u{fffd}&quot;'&amp;");
        assert_eq!(said(&"x".repeat(20_000)).0.chars().count(), LONGEST + 1);
        let broken = said("memory.l1 <b>").breakable().into_string();
        assert_eq!(broken, "memory.<wbr>l1 &lt;b&gt;");
        assert_eq!(slug("../a b\"<c>.toml"), "-a-b--c-.toml");
    }
}
