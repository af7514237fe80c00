//! The page's side of a measurement: functions that its worker has for the program.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Suspends WebAssembly until [`resume`], or for so many milliseconds. The worker makes it one of the functions that can.
    #[wasm_bindgen(js_name = roofprobeSuspend)]
    pub(crate) fn suspend(milliseconds: f64);

    /// Ends a suspension, or the next one at once.
    #[wasm_bindgen(js_name = roofprobeResume)]
    pub(crate) fn resume();

    /// Whether somebody wants the measurement to end.
    #[wasm_bindgen(js_name = roofprobeStopped)]
    pub(crate) fn stopped() -> bool;

    /// Whether the page is hidden now.
    #[wasm_bindgen(js_name = roofprobeHidden)]
    pub(crate) fn hidden() -> bool;

    /// How often the page has been hidden so far.
    #[wasm_bindgen(js_name = roofprobeHides)]
    pub(crate) fn hides() -> u32;

    /// Hands the page a message: a kind, and a text or JSON.
    #[wasm_bindgen(js_name = roofprobeTell)]
    pub(crate) fn tell(kind: &str, text: &str);
}
