//! Feed-forwards: dense ones and mixtures of experts, layer by layer.

use super::super::family::{
    Attends, DenseLayers, Family, MixerRule, MixtureRule, MlpBias, PerLayer, RecurrentRule, SharedRule,
};
use super::super::keys::{Given, Keys, quoted};
use super::super::layer::{Dense, FeedForward, Mixture, Shared};
use super::super::limits;
use super::common::{Shape, activation, drop_predictors, lists_every_layer, width};
use super::compressed;
use super::gemma;
use super::recurrent::{self, Role};
use super::varied;
use crate::error::{Error, Result};
use serde_json::Value;

/// The feed-forward of each layer.
pub(super) fn feed_forwards(keys: &Keys, family: Family, shape: &Shape) -> Result<Vec<Option<FeedForward>>> {
    let facts = family.facts();
    let all = |one: Option<FeedForward>| vec![one; usize::try_from(shape.layers).unwrap_or_default()];
    let attends = match facts.mixer {
        MixerRule::Recurrent(RecurrentRule { attends, .. }) => Some(attends),
        _ => None,
    };
    if matches!(attends, Some(Attends::Never | Attends::Zamba(_))) {
        return Ok(all(None));
    }
    let stated = match facts.per_layer {
        // Each block states its own, or all of them share this one.
        PerLayer::Blocks => keys.given("intermediate_size", limits::WIDTH)?.value().unwrap_or(0),
        _ => width(keys, family, shape.hidden)?,
    };
    let width = match attends {
        Some(Attends::Lfm2) if facts.mixture.is_none() => recurrent::lfm2_width(keys, stated)?,
        _ => stated,
    };
    let dense = dense(keys, family, width)?;
    if let Some(each) = gemma::feed_forwards(keys, family, shape, dense)? {
        return Ok(each);
    }
    if let Some(each) = varied::searched_feed_forwards(keys, family, shape, dense)? {
        return Ok(each);
    }
    let Some(rule) = facts.mixture else {
        return Ok(all(Some(FeedForward::Dense(dense))));
    };
    let routed = routed(keys, &rule, shape.layers)?;
    let mixture = mixture(keys, &rule, dense)?.map(FeedForward::Mixture);
    let width = match rule.shared {
        // Its experts are what every token visits, if there are no others.
        SharedRule::Plain(key, absent) if mixture.is_none() => {
            keys.given(key, limits::WIDTH)?.or_absent(Some(absent)).unwrap_or(dense.width)
        }
        _ => dense.width,
    };
    let dense = FeedForward::Dense(Dense { width, ..dense });
    if let Some(attends @ Attends::Nemotron) = attends {
        let one = |role| match role {
            Role::Feeds => Some(dense.clone()),
            Role::Routes => mixture.clone(),
            _ => None,
        };
        return Ok(recurrent::roles(keys, attends, shape.layers)?.into_iter().map(one).collect());
    }
    let one = |routed: bool| mixture.clone().filter(|_| routed).unwrap_or_else(|| dense.clone());
    let mut each: Vec<Option<FeedForward>> = routed.into_iter().map(|routed| Some(one(routed))).collect();
    compressed::hash(keys, family, &mut each)?;
    Ok(each)
}

/// A dense feed-forward of `width`.
pub(super) fn dense(keys: &Keys, family: Family, width: u64) -> Result<Dense> {
    let facts = family.facts();
    let (activation, bias) = (activation(keys, family)?, bias(keys, family)?);
    Ok(Dense { width, gated: facts.gated, activation, bias, norm: facts.inner_norms.then_some(facts.norm) })
}

fn bias(keys: &Keys, family: Family) -> Result<bool> {
    match family.facts().mlp_bias {
        MlpBias::Switch(key, absent) => keys.flag(key, absent),
        fixed => {
            let always = matches!(fixed, MlpBias::Always);
            if keys.flag("mlp_bias", always)? != always {
                return Err(Error::misuse(format!(
                    "mlp_bias: {} contradicts {family}, which {} one; remove the key",
                    !always,
                    if always { "always has" } else { "never has" }
                )));
            }
            Ok(always)
        }
    }
}

/// How many experts there are, and which key says so; none where there are none.
fn experts(keys: &Keys, rule: &MixtureRule) -> Result<Option<(&'static str, u64)>> {
    if let Some(switch) = rule.switch
        && !keys.flag(switch, false)?
    {
        return Ok(None);
    }
    let (names, default) = rule.experts;
    // Some say by a number that there are none; one of a Jamba is none, too.
    let none: &[u64] = match (rule.dense, rule.shared) {
        (DenseLayers::Jamba, _) => &[0, 1],
        (DenseLayers::Interleaved, _) | (_, SharedRule::Plain(..)) => &[0],
        _ => &[],
    };
    if names.iter().any(|name| keys.get(name).and_then(Value::as_u64).is_some_and(|count| none.contains(&count))) {
        return Ok(None);
    }
    Ok(match keys.any(names, limits::EXPERTS)? {
        (key, Given::Value(experts)) => Some((key, experts)),
        (key, Given::Absent) => Some((key, default)),
        (_, Given::Null) => None,
    })
}

/// The experts; none where the key is `null`.
fn mixture(keys: &Keys, rule: &MixtureRule, dense: Dense) -> Result<Option<Mixture>> {
    let Some((experts_key, experts)) = experts(keys, rule)? else {
        unused(keys, rule);
        return Ok(None);
    };
    let (names, default) = rule.used;
    let (key, used) = keys.any(names, limits::EXPERTS)?;
    let used = used.or_absent(default).ok_or_else(|| {
        Error::misuse(format!("{key}: is missing or null; how many experts a token visits is unknown"))
    })?;
    if used > experts {
        return Err(Error::misuse(format!("{key}: {used} is more than {experts_key} {experts}; correct one of them")));
    }
    let width = match rule.width {
        None => dense.width,
        Some((key, default)) => {
            let absent = Some(default).filter(|default| *default > 0);
            keys.given(key, limits::WIDTH)?.or_absent(absent).unwrap_or(dense.width)
        }
    };
    let expert = match rule.rows {
        true => Dense { width: 1, gated: false, bias: false, ..dense },
        false => Dense { width, bias: rule.expert_bias || dense.bias, ..dense },
    };
    let shared = shared(keys, rule, dense, width)?;
    let latent = match rule.latent {
        None => None,
        Some(_) if dense.bias => {
            return Err(Error::misuse("mlp_bias: true is not supported beside experts; is it right?"));
        }
        Some(key) => keys.given(key, limits::HIDDEN)?.value(),
    };
    let corrects =
        (rule.correction && keys.flag("use_expert_bias", true)?) || keys.word("topk_method")? == Some("noaux_tc");
    let corrects = keys.flag("moe_router_enable_expert_bias", corrects)?;
    let (used, scores) = idle(keys, rule, used, experts)?;
    Ok(Some(Mixture {
        experts,
        used,
        scores,
        expert,
        router_bias: rule.router_bias,
        correction: corrects,
        shared,
        latent,
        normed_apart: false,
        output_bias: rule.output_bias,
    }))
}

/// Experts that a token visits, and scores of the router, where some experts may compute nothing: it chooses among all alike.
fn idle(keys: &Keys, rule: &MixtureRule, used: u64, experts: u64) -> Result<(u64, u64)> {
    // Each half of the scores finds one of two keys.
    let Some((key, absent)) = rule.idle else {
        return Ok((used, if rule.rows { 2 * experts.isqrt() } else { experts }));
    };
    let idle = keys.count_from_zero(key)?.or_absent(Some(absent)).unwrap_or(0);
    let scores = idle.saturating_add(experts);
    let visits = used * experts;
    if idle > limits::EXPERTS || !visits.is_multiple_of(scores) {
        return Err(Error::misuse(format!(
            "{key}: of {scores} choices {experts} compute, so that {used} for a token are no whole number on average, which is not \
             supported"
        )));
    }
    let visited = visits / scores;
    if idle > 0 {
        keys.remark(format!(
            "{key}: a token chooses {used} of {scores} experts, {idle} of which compute nothing; counted are {visited}, as many as \
             compute on average where all are chosen alike"
        ));
    }
    Ok((visited, scores))
}

/// What every token visits beside experts of `width`.
fn shared(keys: &Keys, rule: &MixtureRule, dense: Dense, width: u64) -> Result<Option<Shared>> {
    Ok(match rule.shared {
        SharedRule::None => None,
        SharedRule::Count(names, default) => {
            // 0 is lawful: none.
            let mut stated = Given::Absent;
            for key in names {
                let given = keys.count_from_zero(key)?;
                stated = if stated == Given::Absent { given } else { stated };
            }
            let stated = stated.or_absent(Some(default)).unwrap_or(0);
            let key = names.first().copied().unwrap_or_default();
            let width = stated.checked_mul(width).filter(|&width| width <= limits::WIDTH);
            let width = width.ok_or_else(|| Error::misuse(format!("{key}: {stated} is beyond any model's")))?;
            (width > 0).then_some(Shared { dense: Dense { width, ..dense }, gate: false })
        }
        SharedRule::Gated(key, default) => {
            let width = keys.given(key, limits::WIDTH)?.or_absent(Some(default));
            width.map(|width| Shared { dense: Dense { width, ..dense }, gate: true })
        }
        SharedRule::Plain(key, default) => {
            let width = keys.count_from_zero(key)?.or_absent(Some(default)).filter(|width| *width > 0);
            width.map(|width| Shared { dense: Dense { width, ..dense }, gate: false })
        }
        SharedRule::One => Some(Shared { dense: Dense { width, ..dense }, gate: false }),
        SharedRule::Beside => Some(Shared { dense, gate: false }),
    })
}

/// Without experts, their other keys have no meaning.
fn unused(keys: &Keys, rule: &MixtureRule) {
    let (shared, named): (&[&str], _) = match rule.shared {
        SharedRule::None | SharedRule::One | SharedRule::Beside => (&[], None),
        SharedRule::Count(names, _) => (names, None),
        SharedRule::Gated(key, _) | SharedRule::Plain(key, _) => (&[], Some(key)),
    };
    let width = rule.width.map(|(key, _)| key);
    for key in rule.used.0.iter().chain(rule.experts.0).chain(shared).copied().chain(width).chain(named) {
        keys.get(key);
    }
}

/// Which layers have experts.
fn routed(keys: &Keys, rule: &MixtureRule, layers: u64) -> Result<Vec<bool>> {
    match rule.dense {
        DenseLayers::None => Ok(vec![true; usize::try_from(layers).unwrap_or_default()]),
        DenseLayers::First(default) => {
            if let Some(mut kinds) = keys.words("mlp_layer_types")? {
                drop_predictors(keys, &mut kinds, layers)?;
                return sparse(&kinds, layers);
            }
            if let Some(listed) = listed(keys, layers)? {
                return Ok(listed);
            }
            let first = keys.count_from_zero("first_k_dense_replace")?.or_absent(Some(default)).unwrap_or(0);
            let every = period(keys, "moe_layer_freq")?;
            Ok((0..layers).map(|layer| layer >= first && layer % every == 0).collect())
        }
        DenseLayers::Outside(default) => {
            let start = keys.count_from_zero("moe_layer_start_index")?.or_absent(Some(default)).unwrap_or(0);
            let end = keys.count_from_zero("moe_layer_end_index")?.value().unwrap_or(u64::MAX);
            let every = period(keys, "moe_layer_interval")?;
            Ok((0..layers).map(|layer| (start..=end).contains(&layer) && (layer + 1) % every == 0).collect())
        }
        DenseLayers::Listed => {
            let dense = keys.indices("mlp_only_layers")?.unwrap_or_default();
            let every = period(keys, "decoder_sparse_step")?;
            Ok((0..layers).map(|layer| !dense.contains(&layer) && (layer + 1) % every == 0).collect())
        }
        DenseLayers::FirstOf(key, absent) => {
            let first = keys.count_from_zero(key)?.or_absent(Some(absent)).unwrap_or(0);
            Ok((0..layers).map(|layer| layer >= first).collect())
        }
        DenseLayers::Interleaved => {
            let every = keys.count_from_zero("interleave_moe_layer_step")?.or_absent(Some(1)).unwrap_or(0);
            Ok(match keys.indices("moe_layers")? {
                Some(listed) => (0..layers).map(|layer| listed.contains(&layer)).collect(),
                None => (0..layers).map(|layer| every > 0 && (layer + 1) % every == 0).collect(),
            })
        }
        DenseLayers::Odd => Ok((0..layers).map(|layer| layer % 2 == 0).collect()),
        DenseLayers::Jamba => recurrent::periodic(keys, ["expert_layer_period", "expert_layer_offset"], [2, 1], layers),
    }
}

/// Layers with experts where a list names them: a number for each layer in `moe_layer_freq`, or those of `moe_layers_enum`.
fn listed(keys: &Keys, layers: u64) -> Result<Option<Vec<bool>>> {
    let named: Option<Vec<u64>> = match keys.get("moe_layers_enum") {
        Some(Value::String(all)) if !all.is_empty() => {
            let numbers: Option<_> = all.split(',').map(|one| one.trim().parse().ok()).collect();
            Some(numbers.ok_or_else(|| {
                Error::misuse(format!("moe_layers_enum: must be numbers separated by commas, is {}", quoted(all)))
            })?)
        }
        Some(Value::Array(_)) => keys.indices("moe_layers_enum")?,
        _ => None,
    };
    // They come with `first_k_dense_replace`, which says no more.
    if let Some(named) = named {
        keys.get("first_k_dense_replace");
        return Ok(Some((0..layers).map(|layer| named.contains(&layer)).collect()));
    }
    let Some(Value::Array(_)) = keys.get("moe_layer_freq") else { return Ok(None) };
    keys.get("first_k_dense_replace");
    let mut kinds = keys.indices("moe_layer_freq")?.unwrap_or_default();
    drop_predictors(keys, &mut kinds, layers)?;
    lists_every_layer("moe_layer_freq", kinds.len(), layers)?;
    Ok(Some(kinds.into_iter().map(|kind| kind != 0).collect()))
}

/// `mlp_layer_types`, one word per layer.
fn sparse(kinds: &[&str], layers: u64) -> Result<Vec<bool>> {
    lists_every_layer("mlp_layer_types", kinds.len(), layers)?;
    match kinds.iter().find(|kind| !["dense", "sparse"].contains(*kind)) {
        None => Ok(kinds.iter().map(|kind| *kind == "sparse").collect()),
        Some(kind) => {
            Err(Error::misuse(format!("mlp_layer_types: {} is not supported (dense and sparse are)", quoted(kind))))
        }
    }
}

fn period(keys: &Keys, key: &'static str) -> Result<u64> {
    Ok(keys.given(key, limits::LAYERS)?.value().unwrap_or(1))
}
