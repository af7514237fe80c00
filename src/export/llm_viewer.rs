//! An entry of LLM-Viewer's table: hahnyuan/LLM-Viewer, `hardwares/hardware_params.py` (commit 472f71f): `bandwidth` in B/s, `FP16` and `INT8` in
//! FLOP/s, dense, and `onchip_buffer` in bytes. Commits until 0e7845 spell `bandwith`, so both are written.

use super::{Draft, Subject, object, whole};
use crate::error::Result;
use roofprobe_kernels::Dtype;
use serde_json::{Map, Value};

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let read = of.read().map(whole);
    let [f16, i8_] = [Dtype::F16, Dtype::I8].map(|dtype| of.products(dtype).map(whole));
    for (key, known) in [("bandwidth", &read), ("FP16", &f16)] {
        if known.is_none() {
            of.demanded(&format!("{}.{key}", of.slug()), "it was not measured");
        }
    }
    if i8_.is_none() {
        of.left_out("INT8", "it was not measured, and weights of 8 bits or less need it");
    }
    of.demanded(
        &format!("{}.onchip_buffer", of.slug()),
        "a profile does not know how much a kernel may keep on the chip",
    );
    let fields = object([("bandwidth", read.clone()), ("bandwith", read), ("FP16", f16), ("INT8", i8_)]);
    Ok(Draft::Json(Value::Object(Map::from_iter([(of.slug(), Value::Object(fields))]))))
}
