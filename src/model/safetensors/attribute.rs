//! Which of a file's modules hold which of a model's tensors: by their names, else by their extents.

use super::dtype::ElementType;
use super::files::Headers;
use super::index::Index;
use super::modules::{Extents, Module, Modules, without_ones};
use crate::error::{Error, Result};
use crate::model::config::{Strictness, parse_config_as};
use crate::model::keys::quoted;
use crate::model::language_model::Model;
use crate::model::layout::{Tensor, TensorLayout, tensors};
use crate::model::steps::{ByClass, Class, Forward};
use crate::model::storage::StoredCheckpoint;
use crate::model::tensor_type::{Packed, TensorType};
use crate::model::tensor_types::{TensorTypes, traits};
use crate::model::weights::checkpoint::path;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Keys that state how a checkpoint is quantised.
const QUANTISED: [&str; 3] = ["quantization_config", "quantization", "compression_config"];
/// What is left out of the count, in words.
const BUFFERS: &str = "buffers";
const SCALES: &str = "scales of activations";
const PREDICTORS: &str = "multi-token prediction";
const COPY: &str = "a copy of the embedding";

/// The model of the `config.json` whose text is `config`, each tensor stored as `headers` have it. How it is quantised need not
/// be understood: the headers have the bytes.
///
/// # Errors
/// Misuse as [`parse_config_as`], and naming the tensor: one that is missing, that is of no part of this model, or that has
/// other extents than the configuration gives it.
pub fn model(config: &str, name: &str, strictness: Strictness, headers: &Headers) -> Result<Model> {
    let mut model = match parse_config_as(config, name, strictness) {
        Ok(model) => model,
        Err(error) => without_quantisation(config, name, strictness).ok_or(error)?,
    };
    let stored = stored(&model, headers)?;
    let (all, counted) = (stored.tensor_bytes, stored.by_class.total());
    let left_out: Vec<String> = stored.left_out.iter().map(|(what, bytes)| format!("{what} {bytes}")).collect();
    let mut remark = format!("weights are stored as the headers of its files have them: {counted} bytes");
    if !left_out.is_empty() {
        remark += &format!(" of {all}; left out: {}", left_out.join(", "));
    }
    model.source.remarks.push(remark);
    if let Some(stated) = headers.total_size.filter(|stated| *stated != all) {
        model
            .source
            .remarks
            .push(format!("the index states {stated} bytes, and the headers have {all}, which are counted"));
    }
    model.storage.safetensors = Some(stored);
    Ok(model)
}

/// As [`model`], where no file is at hand but the index: its names are held against the configuration, and its bytes set beside
/// those that the configuration makes.
///
/// # Errors
/// Misuse as [`parse_config_as`], and for a tensor of a layer that the model does not have.
pub fn model_of_index(config: &str, name: &str, strictness: Strictness, index: &Index) -> Result<Model> {
    let mut model = parse_config_as(config, name, strictness)?;
    let tensors = index.places.keys().map(|name| super::Tensor::named(name)).collect::<Vec<_>>();
    for (block, modules) in Modules::of(&tensors).blocks {
        if block.is_some_and(|block| block >= model.layer_count()) {
            LeftOut::default().block(&model, block, &modules)?;
        }
    }
    if let Some(stated) = index.total_size {
        let counted = match (model.storage.published_dtype, &model.storage.checkpoint) {
            (Some(published), None) => u128::from(model.parameters()?) * u128::from(published.block().bytes),
            _ => u128::from(TensorTypes::of(&model, None)?.bytes),
        };
        let found = u128::from(stated);
        let against = match found.cmp(&counted) {
            Ordering::Equal => "as the configuration makes it".to_owned(),
            Ordering::Greater => format!("{} more than the configuration makes", found - counted),
            Ordering::Less => format!("{} fewer than the configuration makes", counted - found),
        };
        model
            .source
            .remarks
            .push(format!("its index states {stated} bytes of tensors, {against}; its files are not here"));
    }
    Ok(model)
}

/// The model without what its configuration says of quantisation, where that alone was not understood.
fn without_quantisation(config: &str, name: &str, strictness: Strictness) -> Option<Model> {
    let mut value: Value = serde_json::from_str(config).ok()?;
    let mut found = false;
    let text = value.get("text_config").is_some_and(Value::is_object);
    let outer = value.as_object_mut()?;
    for key in QUANTISED {
        found |= outer.shift_remove(key).is_some();
    }
    if let Some(Value::Object(inner)) = outer.get_mut("text_config").filter(|_| text) {
        for key in QUANTISED {
            found |= inner.shift_remove(key).is_some();
        }
    }
    if !found {
        return None;
    }
    parse_config_as(&value.to_string(), name, strictness).ok()
}

fn stored(model: &Model, headers: &Headers) -> Result<StoredCheckpoint> {
    let Modules { blocks, others } = Modules::of(&headers.tensors);
    let mut left_out = LeftOut(others);
    let expected = tensors(&model.shape, model.family(), TensorLayout::UNFUSED)?;
    let by_rule = match &model.storage.checkpoint {
        Some(own) => own.types(traits(model), &expected)?.into_iter().map(Some).collect(),
        None => vec![None; expected.len()],
    };
    let classes = classes(model)?;
    let mut wanted: BTreeMap<Option<u64>, Vec<(&Tensor, Option<TensorType>)>> = BTreeMap::new();
    for (tensor, rule) in expected.iter().zip(by_rule) {
        wanted.entry(tensor.block).or_default().push((tensor, rule));
    }
    let (mut types, mut by_class) = (BTreeMap::new(), ByClass::default());
    for (block, modules) in blocks {
        let wanted = wanted.remove(&block).unwrap_or_default();
        if wanted.is_empty() {
            left_out.block(model, block, &modules)?;
            continue;
        }
        let block = Claims::of(&modules, &wanted)?;
        for ((tensor, _), (kind, bytes)) in wanted.iter().zip(block.types(&modules, &wanted)?) {
            let reader = tensor.readers.first().and_then(|(_, step)| classes.get(step));
            by_class.add(reader.copied().unwrap_or(Class::Norm), u128::from(bytes));
            types.insert(tensor.full().into_boxed_str(), kind);
        }
        for module in block.unclaimed(&modules) {
            left_out.module(model, module)?;
        }
    }
    if let Some((tensor, _)) = wanted.values().flatten().next() {
        return Err(missing(tensor));
    }
    Ok(StoredCheckpoint { tensor_bytes: headers.bytes()?, by_class, left_out: left_out.0.into_iter().collect(), types })
}

/// What each step belongs to, by its name.
fn classes(model: &Model) -> Result<BTreeMap<&'static str, Class>> {
    Ok(model.forward(&Forward::ONE_TOKEN)?.iter().map(|step| (step.name, step.class)).collect())
}

/// Bytes that are in the files and of no counted part, by what they are.
#[derive(Default)]
struct LeftOut(BTreeMap<String, u64>);

impl LeftOut {
    fn add(&mut self, what: &str, bytes: u64) {
        let sum = self.0.entry(what.to_owned()).or_default();
        *sum = sum.saturating_add(bytes);
    }

    /// A block that the model does not have: a layer for multi-token prediction, where it has such.
    fn block(&mut self, model: &Model, block: Option<u64>, modules: &[Module]) -> Result<()> {
        let layers = model.layer_count();
        let end = layers.saturating_add(model.shape.predictors.as_ref().map_or(0, |predictors| predictors.count));
        let Some(first) = modules.first() else { return Ok(()) };
        if block.is_none_or(|block| !(layers..end).contains(&block)) {
            let name = quoted(&first.name);
            return Err(Error::misuse(format!(
                "tensor {name}: is of no layer, num_hidden_layers is {layers}; config.json is of another model"
            )));
        }
        modules.iter().for_each(|module| self.add(PREDICTORS, module.bytes));
        Ok(())
    }

    /// A module that holds none of the model's tensors.
    fn module(&mut self, model: &Model, module: &Module) -> Result<()> {
        let head = model.shape.tied && module.path.iter().any(|word| matches!(&**word, "lm_head" | "embed_out"));
        let what = match module {
            module if module.is_buffer() => BUFFERS,
            module if module.is_scales() => SCALES,
            _ if head => COPY,
            module => {
                return Err(Error::misuse(format!(
                    "tensor {}: is no tensor of {} as config.json has it, so what it costs is unknown",
                    quoted(&module.name),
                    model.family()
                )));
            }
        };
        self.add(what, module.bytes);
        Ok(())
    }
}

/// A tensor of the model that the file has not.
fn missing(tensor: &Tensor) -> Error {
    let words: Vec<String> = path(tensor).into_iter().filter_map(|names| names.into_iter().next()).collect();
    Error::misuse(format!(
        "tensor {} ({}): is missing; the files are no complete model, or config.json is of another one",
        words.join("."),
        tensor.full()
    ))
}

/// Which module each tensor of a block is in.
struct Claims(Vec<usize>);

impl Claims {
    fn of(modules: &[Module], wanted: &[(&Tensor, Option<TensorType>)]) -> Result<Claims> {
        let named = |tensor: &Tensor| modules.iter().position(|module| is_named(tensor, module));
        let mut found: Vec<Option<usize>> = wanted.iter().map(|(tensor, _)| named(tensor)).collect();
        for (place, (tensor, _)) in wanted.iter().enumerate() {
            if found[place].is_none() {
                let free = |at: &usize| !found.contains(&Some(*at)) && fits(&modules[*at], &[tensor]);
                found[place] = (0..modules.len()).find(free);
            }
        }
        let claims = found.iter().zip(wanted).map(|(found, (tensor, _))| found.ok_or_else(|| missing(tensor)));
        let claims = Claims(claims.collect::<Result<_>>()?);
        for (at, module) in modules.iter().enumerate() {
            let owned: Vec<&Tensor> = claims.owned(at).map(|place| wanted[place].0).collect();
            if !owned.is_empty() && !fits(module, &owned) {
                return Err(mismatch(module, &owned));
            }
        }
        Ok(claims)
    }

    /// The tensors that a module holds: several where they are stored as one.
    fn owned(&self, module: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len()).filter(move |place| self.0[*place] == module)
    }

    fn unclaimed<'m>(&self, modules: &'m [Module]) -> impl Iterator<Item = &'m Module> {
        modules.iter().enumerate().filter(|(at, _)| !self.0.contains(at)).map(|(_, module)| module)
    }

    /// The type and the bytes of each tensor: what it has by the layout of its checkpoint where the file has that, else as many
    /// bytes as the file has. A module's bytes are shared by elements, and the last tensor takes the rest.
    fn types(&self, modules: &[Module], wanted: &[(&Tensor, Option<TensorType>)]) -> Result<Vec<(TensorType, u64)>> {
        let mut types = vec![(TensorType::F32, 0); wanted.len()];
        for (at, module) in modules.iter().enumerate() {
            let owned: Vec<usize> = self.owned(at).collect();
            let all: u128 = owned.iter().map(|place| u128::from(wanted[*place].0.elements())).sum();
            let mut left = module.bytes;
            for (order, &place) in owned.iter().enumerate() {
                let (tensor, rule) = wanted[place];
                let share = u128::from(module.bytes) * u128::from(tensor.elements()) / all.max(1);
                let bytes = if order + 1 == owned.len() { left } else { u64::try_from(share).unwrap_or(left) };
                left -= bytes;
                let of_rule =
                    rule.filter(|rule| owned.len() == 1 && bytes_by(*rule, tensor) == Some(u128::from(bytes)));
                let plain = module.plain().and_then(plain_type);
                let packed = TensorType::Packed(Packed { bytes, elements: tensor.elements() });
                types[place] = (plain.or(of_rule).unwrap_or(packed), bytes);
            }
        }
        Ok(types)
    }
}

/// Bytes of a tensor in that type.
fn bytes_by(kind: TensorType, tensor: &Tensor) -> Option<u128> {
    let each = kind.matrix_bytes(tensor.rows / tensor.stack, tensor.row)?;
    each.checked_mul(u128::from(tensor.stack))
}

fn plain_type(kind: ElementType) -> Option<TensorType> {
    match kind {
        ElementType::F32 => Some(TensorType::F32),
        ElementType::F16 => Some(TensorType::F16),
        ElementType::Bf16 => Some(TensorType::Bf16),
        ElementType::F64 => Some(TensorType::F64),
        kind => kind.is_fp8().then_some(TensorType::Fp8),
    }
}

/// Further places of a tensor's module, by the stem of its name: where several tensors are stored as one, and where modules of a
/// few families stand otherwise.
const OTHER_PLACES: [(&str, &str); 14] = [
    ("attn_q", "self_attn attn attention self_attention / qkv_proj c_attn query_key_value Wqkv"),
    ("attn_k", "self_attn attn attention self_attention / qkv_proj c_attn query_key_value Wqkv"),
    ("attn_v", "self_attn attn attention self_attention / qkv_proj c_attn query_key_value Wqkv"),
    ("ffn_gate", "mlp feed_forward / gate_up_proj"),
    ("ffn_gate", "shared_mlp / input_linear"),
    ("ffn_up", "shared_mlp / input_linear"),
    ("ffn_down", "shared_mlp / output_linear"),
    ("ffn_gate_exps", "block_sparse_moe / input_linear"),
    ("ffn_up_exps", "block_sparse_moe / input_linear"),
    ("ffn_down_exps", "block_sparse_moe / output_linear"),
    ("ffn_gate_inp", "block_sparse_moe / router / layer"),
    ("ffn_gate_shexp", "shared_mlp / input_linear"),
    ("ffn_up_shexp", "shared_mlp / input_linear"),
    ("ffn_down_shexp", "shared_mlp / output_linear"),
];

/// Whether a module goes by a name of this tensor, or of one that holds it.
fn is_named(tensor: &Tensor, module: &Module) -> bool {
    let mut own = path(tensor);
    if tensor.block.is_some() {
        own.drain(..2);
    }
    let bias = tensor.name.ends_with(".bias");
    let fits = |names: &[Vec<String>]| {
        let end = module.path.len() - usize::from(bias && module.path.last().is_some_and(|word| &**word == "bias"));
        (bias == (end < module.path.len()))
            && names.len() == end
            && names.iter().zip(&module.path).all(|(names, word)| names.iter().any(|name| **name == **word))
    };
    let stem = tensor.name.split('.').next().unwrap_or_default();
    let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let others = OTHER_PLACES.iter().filter(|(name, _)| *name == stem);
    fits(&own) || others.map(|(_, place)| place.split(" / ").map(words).collect::<Vec<_>>()).any(|names| fits(&names))
}

/// Whether a module has the extents of these tensors, one below another.
fn fits(module: &Module, tensors: &[&Tensor]) -> bool {
    let Some(first) = tensors.first() else { return false };
    if tensors
        .iter()
        .any(|tensor| (tensor.row, tensor.stack, tensor.dimensions) != (first.row, first.stack, first.dimensions))
        && first.dimensions > 1
    {
        return false;
    }
    let rows = tensors.iter().map(|tensor| tensor.rows / tensor.stack).sum::<u64>();
    let experts = module.experts.len() as u64;
    if experts > 0 && (experts != first.stack || module.experts.last() != Some(&(experts - 1))) {
        return false;
    }
    match module.extents() {
        Extents::Whole(found) if first.dimensions == 1 => {
            let elements: u64 = tensors.iter().map(|tensor| tensor.elements()).sum();
            found.iter().try_fold(1_u64, |all, extent| all.checked_mul(*extent)) == Some(elements)
        }
        Extents::Whole(mut found) => {
            let stack = if experts > 0 { 1 } else { first.stack };
            let mut wanted = without_ones(&[stack, rows, first.row]);
            // Some store a matrix the other way round.
            found.sort_unstable();
            wanted.sort_unstable();
            found == wanted
        }
        // Rows alone do not show which matrix it is: only its name does.
        Extents::Packed { rows: found, row } => {
            first.dimensions > 1
                && is_named(first, module)
                && found.is_none_or(|found| found == rows)
                && row.is_none_or(|row| row == first.row)
        }
    }
}

fn mismatch(module: &Module, tensors: &[&Tensor]) -> Error {
    let name = quoted(&module.name);
    let Some(first) = tensors.first() else { return Error::misuse(name) };
    let of = |dims: &[u64]| dims.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
    let found = match module.extents() {
        Extents::Whole(dims) => of(&dims),
        Extents::Packed { rows, row } => {
            let word = |extent: Option<u64>| extent.map_or("?".to_owned(), |extent| extent.to_string());
            format!("{} × {}", word(rows), word(row))
        }
    };
    let wanted = match first.dimensions {
        1 => tensors.iter().map(|tensor| tensor.elements()).sum::<u64>().to_string(),
        _ => of(&without_ones(&[tensors.iter().map(|tensor| tensor.rows / tensor.stack).sum(), first.row])),
    };
    let stack = if first.stack > 1 { format!("{} of ", first.stack) } else { String::new() };
    let experts = if module.experts.is_empty() { String::new() } else { format!("{} of ", module.experts.len()) };
    Error::misuse(format!(
        "tensor {name}: is {experts}{found}, where by config.json it would be {stack}{wanted}; they are not of one model"
    ))
}
