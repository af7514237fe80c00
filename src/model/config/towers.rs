//! Vision towers: only how many parameters they have, where their structure is one of the usual ones.
//!
//! Structures are those of the classes of these names in Hugging Face transformers; defaults are theirs.

use serde_json::{Map, Value};

/// A vision transformer's sizes.
struct Tower<'a> {
    map: &'a Map<String, Value>,
    hidden: u64,
    layers: u64,
    width: u64,
    /// Elements of one patch, all channels.
    patch: u64,
}

/// Parameters of a vision tower, what it hands its results through included where that is a part of it; none where the
/// structure is not known, or a number in it is no number. A tower without a word for it is that of its `wrapper`.
pub(super) fn parameters(map: &Map<String, Value>, wrapper: &str) -> Option<u64> {
    match map.get("model_type").map_or(Some(wrapper), Value::as_str)? {
        "siglip_vision_model" => siglip(&Tower::of(map, [768, 12, 3072], 16)?),
        "clip_vision_model" => clip(&Tower::of(map, [768, 12, 3072], 32)?),
        "pixtral" => pixtral(&Tower::of(map, [1024, 24, 4096], 16)?),
        "internvl_vision" => internvl(&Tower::of(map, [1024, 24, 4096], 14)?, "attention_bias", false),
        "intern_vit_6b" => internvl(&Tower::of(map, [3200, 48, 12800], 14)?, "qkv_bias", true),
        "qwen2_vl" | "qwen2_vl_vision" => qwen2(map),
        "qwen2_5_vl" | "qwen2_5_vl_vision" => qwen2_5(map),
        "qwen3_vl" | "qwen3_vl_moe" | "qwen3_vl_vision" | "qwen3_vl_moe_vision" => qwen3(map),
        _ => None,
    }
}

fn siglip(tower: &Tower) -> Option<u64> {
    // Its head would be one more part; wrappers leave it out, and say so.
    if tower.map.get("vision_use_head") != Some(&Value::Bool(false)) {
        return None;
    }
    let Tower { hidden, layers, .. } = *tower;
    Some(tower.embedding(true, tower.patches(224)?) + layers * tower.layer(4, 2, 4 + 1) + 2 * hidden)
}

fn clip(tower: &Tower) -> Option<u64> {
    let Tower { hidden, layers, .. } = *tower;
    // A class token, its position, and norms before and behind.
    Some(tower.embedding(false, tower.patches(224)? + 2) + layers * tower.layer(4, 2, 4 + 1) + 4 * hidden)
}

fn pixtral(tower: &Tower) -> Option<u64> {
    let Tower { hidden, layers, width, .. } = *tower;
    Some(tower.embedding(false, 1) + layers * (4 * hidden * hidden + 3 * hidden * width + 2 * hidden))
}

fn internvl(tower: &Tower, key: &str, absent: bool) -> Option<u64> {
    let on = |key, absent| tower.map.get(key).map_or(Some(absent), Value::as_bool);
    let usual = !on("use_qk_norm", false)?
        && !on("qk_normalization", false)?
        && tower.map.get("norm_type").is_none_or(|norm| norm == "layer_norm");
    let biases = if on(key, absent)? { 4 } else { 1 };
    // Two rows that scale what each half adds.
    let layer = tower.layer(biases, 2, 4 + 1 + 2);
    usual.then(|| Some(tower.embedding(true, tower.patches(448)? + 2) + tower.layers * layer))?
}

fn qwen2(map: &Map<String, Value>) -> Option<u64> {
    let [hidden, layers] = [number(map, "embed_dim", 1280)?, number(map, "depth", 32)?];
    let tower = Tower {
        map,
        hidden,
        layers,
        width: number(map, "mlp_ratio", 4)?.checked_mul(hidden)?,
        patch: frames(map, 14)?,
    };
    let out = number(map, "hidden_size", 3584)?;
    Some(tower.embedding(false, 0) + layers * tower.layer(4, 2, 4 + 1) + 2 * hidden + tower.merger(out)?)
}

fn qwen2_5(map: &Map<String, Value>) -> Option<u64> {
    let hidden = number(map, "hidden_size", 3584)?;
    let [layers, width] = [number(map, "depth", 32)?, number(map, "intermediate_size", 3420)?];
    let tower = Tower { map, hidden, layers, width, patch: frames(map, 14)? };
    let layer = 4 * hidden * hidden + 4 * hidden + 3 * hidden * width + 2 * width + hidden + 2 * hidden;
    Some(tower.embedding(false, 0) + layers * layer + hidden + tower.merger(number(map, "out_hidden_size", 3584)?)?)
}

fn qwen3(map: &Map<String, Value>) -> Option<u64> {
    let hidden = number(map, "hidden_size", 1152)?;
    let [layers, width] = [number(map, "depth", 27)?, number(map, "intermediate_size", 4304)?];
    let tower = Tower { map, hidden, layers, width, patch: frames(map, 16)? };
    let positions = number(map, "num_position_embeddings", 2304)?;
    let merger = tower.merger(number(map, "out_hidden_size", 3584)?)?;
    let taps =
        map.get("deepstack_visual_indexes").map_or(Some(3), |list| list.as_array().map(|list| list.len() as u64))?;
    let merged = number(map, "spatial_merge_size", 2)?.pow(2) * hidden;
    let layers = layers * tower.layer(4, 2, 4 + 1);
    Some(tower.embedding(true, positions) + layers + 2 * hidden + merger + taps * (2 * merged + merger))
}

impl Tower<'_> {
    fn of(map: &Map<String, Value>, [hidden, layers, width]: [u64; 3], patch: u64) -> Option<Tower<'_>> {
        let patch = side(map, "patch_size", patch)?;
        Some(Tower {
            map,
            hidden: number(map, "hidden_size", hidden)?,
            layers: number(map, "num_hidden_layers", layers)?,
            width: number(map, "intermediate_size", width)?,
            patch: number(map, "num_channels", 3)? * patch * patch,
        })
    }

    /// Patches of an image.
    fn patches(&self, absent: u64) -> Option<u64> {
        let [image, patch] = [side(self.map, "image_size", absent)?, side(self.map, "patch_size", 14)?];
        Some((image / patch).pow(2))
    }

    /// A projection of patches, and rows for positions and other tokens.
    fn embedding(&self, bias: bool, rows: u64) -> u64 {
        self.hidden * (self.patch + u64::from(bias) + rows)
    }

    /// Attention with so many rows of biases, a feed-forward of so many matrices, and so many rows of norms and others, the bias
    /// of the feed-forward's output included.
    fn layer(&self, biases: u64, matrices: u64, rows: u64) -> u64 {
        let Tower { hidden, width, .. } = *self;
        4 * hidden * hidden + matrices * hidden * width + width + (biases + rows) * hidden
    }

    /// Two matrices behind the tower, through which patches become one row of the language model.
    fn merger(&self, out: u64) -> Option<u64> {
        let merged = number(self.map, "spatial_merge_size", 2)?.pow(2) * self.hidden;
        Some(merged * merged + merged + merged * out + out)
    }
}

/// Elements of a patch of two frames.
fn frames(map: &Map<String, Value>, patch: u64) -> Option<u64> {
    let channels = number(map, "in_channels", number(map, "in_chans", 3)?)?;
    let [patch, frames] = [number(map, "patch_size", patch)?, number(map, "temporal_patch_size", 2)?];
    Some(channels * frames * patch * patch)
}

/// A size that may be stated as two equal sides.
fn side(map: &Map<String, Value>, key: &str, absent: u64) -> Option<u64> {
    match map.get(key) {
        Some(Value::Array(sides)) => match sides.as_slice() {
            [first, second] if first == second => size(first),
            _ => None,
        },
        _ => number(map, key, absent),
    }
}

fn number(map: &Map<String, Value>, key: &str, absent: u64) -> Option<u64> {
    map.get(key).map_or(Some(absent), size)
}

/// A size, no larger than any tower's, so that no product overflows.
fn size(value: &Value) -> Option<u64> {
    value.as_u64().filter(|size| (1..1 << 16).contains(size))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use serde_json::json;

    /// Numbers of transformers 5.24, counted on these configurations without weights.
    #[test]
    fn towers_have_the_parameters_of_their_classes() {
        for (config, count) in [
            (
                json!({"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
                "num_hidden_layers": 27, "image_size": 896, "patch_size": 14, "vision_use_head": false}),
                416_866_032,
            ),
            (
                json!({"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
                "num_hidden_layers": 24, "image_size": 336, "patch_size": 14}),
                303_507_456,
            ),
            (json!({"model_type": "pixtral"}), 403_489_792),
            (json!({"model_type": "internvl_vision", "image_size": [448, 448], "patch_size": [14, 14]}), 303_938_560),
            (json!({"model_type": "qwen2_vl"}), 675_759_104),
            (json!({"model_type": "qwen2_5_vl_vision"}), 3_083_025_152),
            (json!({"model_type": "qwen3_vl", "out_hidden_size": 4096}), 576_388_336),
            (
                json!({"model_type": "qwen3_vl", "hidden_size": 1024, "intermediate_size": 4096, "depth": 24,
                "out_hidden_size": 2048, "deepstack_visual_indexes": [5, 11, 17]}),
                406_957_056,
            ),
        ] {
            assert_eq!(parameters(config.as_object().unwrap(), ""), Some(count), "{config}");
        }
        for unknown in [
            json!({}),
            json!({"model_type": "vit"}),
            json!({"model_type": "siglip_vision_model"}),
            json!({"model_type": "pixtral", "hidden_size": 1u64 << 40}),
            json!({"model_type": "clip_vision_model", "image_size": [1, 2]}),
        ] {
            assert_eq!(parameters(unknown.as_object().unwrap(), "llava"), None, "{unknown}");
        }
    }
}
