//! Models cut and repeated to another number of layers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Demand, Forward, Mixer, TensorType, Totals, find, zoo};

#[test]
fn the_same_depth_is_the_same_model() {
    for model in zoo().unwrap() {
        assert_eq!(model.with_layers(model.layer_count()).unwrap(), model);
    }
}

#[test]
fn alike_layers_make_parameters_a_straight_line() {
    let model = find("llama-3.2-1b").unwrap();
    let of = |layers| model.with_layers(layers).unwrap().parameters().unwrap();
    let each = of(2) - of(1);
    for layers in [1, 15, 16, 17, 64, 4096] {
        assert_eq!(of(layers), of(1) + (layers - 1) * each, "{layers}");
    }
    assert_eq!(of(16), model.parameters().unwrap());
}

#[test]
fn patterns_go_on() {
    let model = find("lfm2-1.2b").unwrap();
    let attends = |layers: u64| {
        let deep = model.with_layers(layers).unwrap();
        assert_eq!(deep.layer_count(), layers);
        let mut kinds: Vec<(u64, bool)> = Vec::new();
        for layer in &deep.shape.layers {
            assert!(layer.places.is_sorted());
            kinds.extend(layer.places.iter().map(|&place| (place, matches!(layer.mixer, Mixer::GroupedQuery(_)))));
        }
        kinds.sort_unstable();
        assert!(kinds.iter().zip(0..).all(|(kind, place)| kind.0 == place));
        kinds.into_iter().map(|(_, attends)| attends).collect::<Vec<_>>()
    };
    let old = attends(16);
    assert!(old.contains(&true) && old.contains(&false));
    for layers in [1, 5, 33, 40] {
        let expected: Vec<bool> = old.iter().copied().cycle().take(layers as usize).collect();
        assert_eq!(attends(layers), expected, "{layers}");
    }
}

#[test]
fn what_applied_to_the_old_depth_is_gone() {
    let model = find("llama-3.2-1b").unwrap();
    let (cut, repeated) = (model.with_layers(4).unwrap(), model.with_layers(20).unwrap());
    assert_eq!((cut.name(), cut.source.published), ("llama-3.2-1b", None));
    assert!(cut.source.remarks.last().unwrap().contains("16 layers are cut to 4"));
    assert!(repeated.source.remarks.last().unwrap().contains("repeated to 20"));
    // q4_k_m favours the first and last eighth, and every third layer between: of 4 layers the last and the second,
    // as none is in the first eighth of four.
    let demand = Demand::new(&cut, Some("q4_k_m".parse().unwrap()), TensorType::F16).unwrap();
    let mut steps = Vec::new();
    demand.steps_into(&Forward::ONE_TOKEN, &mut steps).unwrap();
    let down: Vec<_> = steps.iter().filter(|step| step.name == "ffn_down").map(|s| (s.operand, s.repeat)).collect();
    assert_eq!(down, [(TensorType::Q4K, 2), (TensorType::Q6K, 2)]);
    assert!(Totals::of(&steps).unwrap().flops.total() > 0);
}

#[test]
fn depths_of_no_model_are_refused() {
    let model = find("llama-3.2-1b").unwrap();
    for layers in [0, 4097, u64::MAX] {
        assert!(model.with_layers(layers).unwrap_err().to_string().starts_with("depth: "), "{layers}");
    }
}
