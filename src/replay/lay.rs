//! The order of a pass: which step of the census is done in which layer.

use crate::model::{Among, Counted, Model};

/// The layers of a model in a pass.
pub(super) struct Layers<'a> {
    model: &'a Model,
}

/// One launch: a step, and which of the layers that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The step, by its place.
    pub(super) place: usize,
    /// The layer, counted among those that the step stands for.
    pub(super) copy: u64,
}

/// Steps that stand for the same operation of different layers, in another type each: their places, and where their layers end.
type Shared = Vec<(usize, u64)>;

impl<'a> Layers<'a> {
    pub(super) fn new(model: &'a Model) -> Layers<'a> {
        Layers { model }
    }

    /// The launches of one pass over the steps `counted`, in order.
    pub(super) fn lines(&self, counted: &[Counted]) -> Vec<Line> {
        let of_layer = |counted: &Counted| counted.step.kind.is_some();
        let (before, after) = match counted.iter().position(of_layer) {
            Some(first) => (first, counted.iter().rposition(of_layer).map_or(first, |last| last + 1)),
            None => (counted.len(), counted.len()),
        };
        let once = |place: usize| Line { place, copy: 0 };
        let mut lines: Vec<Line> = (0..before).map(once).collect();
        let kinds: Vec<Vec<(Among, Shared)>> =
            (0..self.model.shape.layers.len()).map(|kind| self.operations(kind, counted)).collect();
        let count = self.model.shape.layer_count();
        for layer in 0..count {
            let own = self.model.shape.layers.iter().enumerate();
            let found = own.filter_map(|(kind, own)| Some((kind, own.places.binary_search(&layer).ok()?))).next();
            let Some((kind, rank)) = found else { continue };
            let last = layer + 1 == count;
            for (among, shared) in &kinds[kind] {
                let copy = match among {
                    Among::Earlier if last => continue,
                    Among::Last if !last => continue,
                    Among::Last => 0,
                    Among::All | Among::Earlier => rank as u64,
                };
                let at = shared.partition_point(|&(_, end)| end <= copy);
                if let Some(&(place, _)) = shared.get(at) {
                    let from = at.checked_sub(1).map_or(0, |before| shared[before].1);
                    lines.push(Line { place, copy: copy - from });
                }
            }
        }
        lines.extend((after..counted.len()).map(once));
        lines
    }

    /// The operations of the layers of a kind, in order.
    fn operations(&self, kind: usize, counted: &[Counted]) -> Vec<(Among, Shared)> {
        let mut operations: Vec<(Among, Shared)> = Vec::new();
        let mut open: Option<&'static str> = None;
        for (place, counted) in counted.iter().enumerate() {
            let step = &counted.step;
            if step.kind != Some(kind) {
                continue;
            }
            let layers = self.layers(kind, step.among);
            match operations.last_mut() {
                Some((among, shared)) if open == Some(step.name) && *among == step.among => {
                    let end = shared.last().map_or(0, |&(_, end)| end) + step.repeat;
                    shared.push((place, end));
                }
                _ => operations.push((step.among, vec![(place, step.repeat)])),
            }
            let end = operations.last().and_then(|(_, shared)| shared.last()).map_or(layers, |&(_, end)| end);
            open = (end < layers).then_some(step.name);
        }
        operations
    }

    /// How many layers of a kind a step stands for.
    fn layers(&self, kind: usize, among: Among) -> u64 {
        let layer = &self.model.shape.layers[kind];
        match among {
            Among::Last => 1,
            Among::Earlier => layer.count() - 1,
            Among::All => layer.count(),
        }
    }
}
