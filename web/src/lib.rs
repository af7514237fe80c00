//! What the page's JavaScript asks of roofprobe: text in, text out. Everything is computed in the browser.

mod answers;
#[cfg(target_arch = "wasm32")]
mod measure;
#[cfg(target_arch = "wasm32")]
mod page;
#[cfg(target_arch = "wasm32")]
mod record;
mod shipped;

use answers::Request;
use roofprobe::error::Error;
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

type Answer = Result<String, JsError>;

/// A message for the page.
fn said(error: Error) -> JsError {
    JsError::new(&error.to_string())
}

/// The style sheet of reports, with the colours of their pictures.
#[wasm_bindgen]
pub fn style() -> String {
    roofprobe::report::html::style()
}

/// The style sheet of the page around reports, in the same colours.
#[wasm_bindgen]
pub fn page_style() -> String {
    format!("{}{}", style(), include_str!("../page/page.css"))
}

/// The version of the program.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The names of the models that can be predicted, smallest first, one a line.
#[wasm_bindgen]
pub fn models() -> String {
    roofprobe::model::names().collect::<Vec<_>>().join("\n")
}

/// The names of the profiles that the page brings along, one a line.
#[wasm_bindgen]
pub fn shipped() -> String {
    shipped::PROFILES.map(|(name, _)| name).join("\n")
}

/// The TOML of the profile of that name; nothing for a name that is none of [`shipped`].
#[wasm_bindgen]
pub fn shipped_toml(name: &str) -> Option<String> {
    shipped::PROFILES.iter().find(|(known, _)| *known == name).map(|(_, toml)| (*toml).to_owned())
}

/// The device that a profile is of.
///
/// # Errors
/// What is wrong with the profile.
#[wasm_bindgen]
pub fn device(toml: &str) -> Answer {
    roofprobe::profile::parse(toml).map(|profile| profile.device.name).map_err(said)
}

/// A profile as JSON, as `roofprobe show --format json` writes it.
///
/// # Errors
/// What is wrong with the profile.
#[wasm_bindgen]
pub fn profile_json(toml: &str) -> Answer {
    answers::profile_json(toml).map_err(said)
}

/// The body of a report, for a frame that has the style sheet and the script of reports.
///
/// # Errors
/// Which profile or model cannot be read.
#[wasm_bindgen]
pub fn report(request: &str) -> Answer {
    Request::read(request).and_then(|request| request.report(false)).map_err(said)
}

/// A report as one HTML file, as `roofprobe report` writes it.
///
/// # Errors
/// Which profile or model cannot be read.
#[wasm_bindgen]
pub fn report_file(request: &str) -> Answer {
    Request::read(request).and_then(|request| request.report(true)).map_err(said)
}

/// The predictions as JSON, as `roofprobe evaluate --format json` writes them.
///
/// # Errors
/// Which profile or model cannot be read, or evaluated.
#[wasm_bindgen]
pub fn evaluation_json(request: &str) -> Answer {
    Request::read(request).and_then(|request| request.evaluation_json()).map_err(said)
}

/// Keeps what [`measure`] is to do, as JSON.
///
/// # Errors
/// Where page and program do not fit together.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen]
pub fn order(order: &str) -> Result<(), JsError> {
    measure::order(order).map_err(said)
}

/// Measures what was ordered. It waits by being suspended, so it must be called as a promising export, in a worker.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen]
pub fn measure() {
    // What cannot be known ends here, with its reason.
    std::panic::set_hook(Box::new(|panic| page::tell("failed", &panic.to_string())));
    measure::measure();
}
