//! The profile's own file, to be read, copied and saved.

use super::said::{said, slug};
use super::{Content, Device};
use maud::{Markup, PreEscaped, html};
use std::path::Path;

pub(super) fn section(content: &Content) -> Markup {
    html! {
        p class="lead" { "What was measured, with every sample, as TOML: roofprobe and other programs read it." }
        @for device in &content.devices { (file(device)) }
    }
}

fn file(device: &Device) -> Markup {
    let name = Path::new(device.name).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let bare = name.strip_suffix(".toml").unwrap_or(&name);
    let save = format!("{}.toml", slug(bare));
    html! {
        div class="profile" {
            p { button type="button" class="save" data-name=(save) hidden { "Save " (said(&save)) } }
            details class="toml" {
                summary { (said(device.name)) ", " (device.toml.len().div_ceil(1000)) " kB" }
                pre tabindex="0" { (PreEscaped(exact(device.toml))) }
            }
        }
    }
}

/// A text that a browser gives back character by character: line feeds, and a first one, are not changed.
fn exact(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;");
    // The first line feed behind the tag is left out.
    format!("\n{text}")
}

#[cfg(test)]
mod tests {
    use super::exact;

    #[test]
    fn markup_in_a_profile_is_text() {
        assert_eq!(exact("\na = '</pre>&amp;'\r\n"), "\n\na = '&lt;/pre&gt;&amp;amp;'&#13;\n");
    }
}
