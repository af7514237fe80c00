//! One model on two devices: which layers, or which weights, are better held by the second one, and what crosses between them.
//!
//! Layers follow one another, so their times add up, whichever device does them: t = Σ host layers + Σ device layers + crossings. A
//! crossing moves the hidden state of every token of the pass (f32) over the link, and starts once. Where the head is on the
//! device, logits come back in place of the hidden state.

use super::memory::Memory;
use super::{Evaluator, Figures, NamedProfile, Query, RoofKind, common_roof, exact};
use crate::error::{Error, Result};
use crate::model::{Class, Forward, Model, Pass, Phase, Step};
use crate::profile::{CeilingId, GpuClass, Profile, Unit};
use roofprobe_kernels::{Dtype, Op};
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::skip_serializing_none;

/// One model on two devices.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Split {
    /// The model's name.
    pub model: String,
    /// How weights are stored.
    pub weights: String,
    /// The profile of the device that begins and ends a pass.
    pub host: String,
    /// The profile of the other one.
    pub device: String,
    /// The roof that both go by.
    pub roof: RoofKind,
    /// Layers of the model.
    pub layers: u64,
    /// What crosses between them, and how fast; none where both use one memory.
    pub link: Option<Link>,
    /// Every number of layers on the device, none first, then the experts on the host, where the model has any.
    pub places: Vec<SplitPlace>,
    /// The place in `places` with the fastest decode step among those that fit, so far as that is known.
    pub best: Option<usize>,
}

/// The way between two devices.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Link {
    /// To the device, 10⁹ bytes per second.
    pub up_gb_per_s: f64,
    /// From the device.
    pub down_gb_per_s: f64,
    /// What it comes from: ceilings, or `--link`.
    pub source: String,
}

/// One way of sharing a model out.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SplitPlace {
    /// What the device has: `layers`, the model's last ones and, with all of them, its head; `all but experts`.
    pub on_device: &'static str,
    /// Layers on the device.
    pub device_layers: u64,
    /// Seconds of the prefill, crossings included.
    pub prefill_seconds: f64,
    /// Tokens of the prompt per second, all sequences together.
    pub prefill_tokens_per_s: f64,
    /// Seconds of a decode step, crossings included.
    pub decode_seconds: f64,
    /// Tokens per second, all sequences together.
    pub decode_tokens_per_s: f64,
    /// `decode_tokens_per_s` at the slow end of every measurement.
    pub decode_tokens_per_s_low: f64,
    /// At the fast end.
    pub decode_tokens_per_s_high: f64,
    /// How many times as fast a decode step is as on the host alone.
    pub decode_speedup: f64,
    /// Of `decode_seconds`, crossings.
    pub crossing_seconds: f64,
    /// Weights, cache and activations on the host, bytes.
    pub host_bytes: u64,
    /// On the device.
    pub device_bytes: u64,
    /// Whether both have enough memory; none where the profiles do not tell.
    pub fits: Option<bool>,
}

/// What belongs together: is on one device.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    /// Of the prefill, and of a decode step: fastest, value, slowest.
    seconds: [[[f64; 3]; 2]; 2],
    bytes: u128,
}

/// The pieces of a model: times on each device, bytes on any.
#[derive(Debug)]
struct Pieces {
    /// Embedding, and what else stands before the layers.
    front: Piece,
    /// The head and its norm.
    head: Piece,
    /// One layer of each kind, without experts.
    kinds: Vec<Piece>,
    /// The experts of one layer of each kind.
    experts: Vec<Piece>,
}

/// Where two devices stand in arrays.
const HOST: usize = 0;
const DEVICE: usize = 1;
const PREFILL: usize = 0;
const DECODE: usize = 1;

impl Split {
    /// Shares `model` out between `host` and `device`. Where the device's profile has no copies between them, `link` says how fast
    /// they are, 10⁹ bytes per second.
    ///
    /// # Errors
    /// Misuse: as [`Evaluator::new`]; when nothing says how fast copies are.
    pub fn of(
        model: &Model,
        query: &Query,
        host: NamedProfile,
        device: NamedProfile,
        link: Option<f64>,
    ) -> Result<Split> {
        let roof = query.roof.unwrap_or_else(|| common_roof(&[host, device]));
        let query = query.by(roof);
        let on_host = Evaluator::new(model, &query, host.1, host.0)?;
        let on_device = Evaluator::new(model, &query, device.1, device.0)?;
        let ways = Crossing::of(device, link)?;
        let mut plan = Plan { pieces: Pieces::of(&on_host, &on_device)?, ways, on_host, on_device };
        let layers = model.layer_count();
        let mut places: Vec<SplitPlace> = (0..=layers).map(|count| plan.layers(count)).collect::<Result<_>>()?;
        if plan.pieces.experts.iter().any(|piece| piece.bytes > 0) {
            places.push(plan.experts_on_host()?);
        }
        let alone = places[0].decode_seconds;
        places.iter_mut().for_each(|place| place.decode_speedup = alone / place.decode_seconds);
        let fitting = places.iter().enumerate().filter(|(_, place)| place.fits != Some(false));
        let best = fitting.min_by(|a, b| a.1.decode_seconds.total_cmp(&b.1.decode_seconds)).map(|(place, _)| place);
        Ok(Split {
            model: model.name().to_owned(),
            weights: plan.on_host.demand().types().format.clone(),
            host: host.0.to_owned(),
            device: device.0.to_owned(),
            roof,
            layers,
            link: plan.ways.link,
            places,
            best,
        })
    }
}

/// What a crossing costs.
#[derive(Debug)]
struct Crossing {
    link: Option<Link>,
    /// Starting one, seconds.
    start: f64,
}

impl Crossing {
    fn of((name, profile): NamedProfile, given: Option<f64>) -> Result<Crossing> {
        let value = |id: &CeilingId, unit| {
            profile.ceiling(id).filter(|ceiling| ceiling.status.has_value()).and_then(|ceiling| ceiling.figure(unit))
        };
        let start = value(&CeilingId::overhead(Op::Dispatch), Unit::Us).unwrap_or(0.0) * 1e-6;
        if let Some(rate) = given {
            let link = Link { up_gb_per_s: rate, down_gb_per_s: rate, source: "--link".to_owned() };
            return Ok(Crossing { link: Some(link), start });
        }
        if shares_memory(profile) {
            return Ok(Crossing { link: None, start });
        }
        let [up, down] = [Op::Upload, Op::Download].map(CeilingId::transfer);
        match (value(&up, Unit::GbPerS), value(&down, Unit::GbPerS)) {
            (Some(up_gb_per_s), Some(down_gb_per_s)) => {
                let source = format!("{up}, {down} of {name}");
                Ok(Crossing { link: Some(Link { up_gb_per_s, down_gb_per_s, source }), start })
            }
            _ => Err(Error::misuse(format!(
                "--split: {name} has no value of {up} and {down}; say with --link how many GB/s go between the devices \
                 (PCIe 3 x16 moves about 12, PCIe 4 x16 about 24)"
            ))),
        }
    }

    /// Seconds in which so many bytes go to the device (or from it).
    fn seconds(&self, bytes: f64, up: bool) -> f64 {
        let rate = self.link.as_ref().map(|link| if up { link.up_gb_per_s } else { link.down_gb_per_s });
        self.start + rate.map_or(0.0, |rate| bytes / (rate * 1e9))
    }
}

/// Whether a device uses the host's memory.
fn shares_memory(profile: &Profile) -> bool {
    let class = profile.device.gpu.as_ref().map(|gpu| gpu.class);
    matches!(class, Some(GpuClass::Integrated | GpuClass::Software))
}

struct Plan<'a> {
    pieces: Pieces,
    ways: Crossing,
    on_host: Evaluator<'a>,
    on_device: Evaluator<'a>,
}

impl Plan<'_> {
    /// The last `count` layers on the device; with all of them, the head too.
    fn layers(&mut self, count: u64) -> Result<SplitPlace> {
        let model = self.on_host.demand().model();
        let first = model.layer_count() - count;
        let (mut host, mut device) = (vec![self.pieces.front], Vec::new());
        for (kind, layer) in model.shape.layers.iter().enumerate() {
            let there = layer.places.iter().filter(|&&place| place >= first).count() as f64;
            let here = layer.count() as f64 - there;
            for piece in [self.pieces.kinds[kind], self.pieces.experts[kind]] {
                host.push(piece.times(here));
                device.push(piece.times(there));
            }
        }
        let all = first == 0;
        if all { &mut device } else { &mut host }.push(self.pieces.head);
        let hidden = model.shape.hidden;
        let back = if all { model.shape.vocabulary } else { hidden };
        let crossings = |phase: usize| match count {
            0 => 0.0,
            _ => {
                let rows = if all { self.rows_of_logits() } else { self.rows(phase) };
                self.crossing(self.rows(phase), hidden, true, phase) + self.crossing(rows, back, false, phase)
            }
        };
        self.place("layers", count, (&host, &device), [crossings(PREFILL), crossings(DECODE)])
    }

    /// Everything but the embedding and the experts on the device.
    fn experts_on_host(&mut self) -> Result<SplitPlace> {
        let model = self.on_host.demand().model();
        let (mut host, mut device) = (vec![self.pieces.front], vec![self.pieces.head]);
        let mut layers_of_experts = 0;
        for (kind, layer) in model.shape.layers.iter().enumerate() {
            let count = layer.count() as f64;
            host.push(self.pieces.experts[kind].times(count));
            device.push(self.pieces.kinds[kind].times(count));
            layers_of_experts += if self.pieces.experts[kind].bytes > 0 { layer.count() } else { 0 };
        }
        let hidden = model.shape.hidden;
        let crossings = |phase: usize| {
            let there_and_back = self.crossing(self.rows(phase), hidden, true, phase)
                + self.crossing(self.rows(phase), hidden, false, phase);
            let ends = self.crossing(self.rows(phase), hidden, true, phase)
                + self.crossing(self.rows_of_logits(), model.shape.vocabulary, false, phase);
            there_and_back * layers_of_experts as f64 + ends
        };
        self.place("all but experts", model.layer_count(), (&host, &device), [crossings(PREFILL), crossings(DECODE)])
    }

    /// Rows of the hidden state in a phase, all passes together.
    fn rows(&self, phase: usize) -> f64 {
        let workload = &self.on_host.query.workload;
        (if phase == PREFILL { workload.prompt * workload.batch } else { workload.batch }) as f64
    }

    fn rows_of_logits(&self) -> f64 {
        self.on_host.query.workload.batch as f64
    }

    /// Seconds of one crossing in every pass of a phase.
    fn crossing(&self, rows: f64, elements: u64, up: bool, phase: usize) -> f64 {
        let workload = &self.on_host.query.workload;
        let at_once = workload.micro_batch.map_or(u64::MAX, |tokens| (tokens / workload.batch).max(1));
        let passes = if phase == PREFILL { workload.prompt.div_ceil(at_once).max(1) } else { 1 } as f64;
        passes * self.ways.seconds(rows / passes * elements as f64 * Dtype::F32.block().bytes as f64, up)
    }

    fn place(
        &self,
        on_device: &'static str,
        device_layers: u64,
        (host, device): (&[Piece], &[Piece]),
        crossings: [f64; 2],
    ) -> Result<SplitPlace> {
        let seconds = |phase: usize, end: usize| {
            let of =
                |pieces: &[Piece], at: usize| pieces.iter().map(|piece| piece.seconds[phase][at][end]).sum::<f64>();
            of(host, HOST) + of(device, DEVICE) + crossings[phase]
        };
        let bytes = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes).sum::<u128>();
        let workload = &self.on_host.query.workload;
        let activations = u128::from(Memory::of(&self.on_host, workload)?.activations());
        let device_bytes = bytes(device) + if device_layers > 0 { activations } else { 0 };
        let (host_bytes, device_bytes) = (exact(bytes(host) + activations)?, exact(device_bytes)?);
        let (prefill, decode) = (seconds(PREFILL, 1), seconds(DECODE, 1));
        let rate = |seconds: f64| workload.batch as f64 / seconds;
        Ok(SplitPlace {
            on_device,
            device_layers,
            prefill_seconds: prefill,
            prefill_tokens_per_s: (workload.batch * workload.prompt) as f64 / prefill,
            decode_seconds: decode,
            decode_tokens_per_s: rate(decode),
            decode_tokens_per_s_low: rate(seconds(DECODE, 2)),
            decode_tokens_per_s_high: rate(seconds(DECODE, 0)),
            decode_speedup: 1.0,
            crossing_seconds: crossings[DECODE],
            host_bytes,
            device_bytes,
            fits: self.fits(host_bytes, device_bytes),
        })
    }

    fn fits(&self, host: u64, device: u64) -> Option<bool> {
        let has = [&self.on_host, &self.on_device].map(|on| on.profile.usable_memory_bytes());
        if shares_memory(self.on_device.profile) {
            return has[HOST].or(has[DEVICE]).map(|bytes| host.saturating_add(device) <= bytes);
        }
        let enough =
            |needed: u64, has: Option<u64>| if needed == 0 { Some(true) } else { has.map(|has| needed <= has) };
        match (enough(host, has[HOST]), enough(device, has[DEVICE])) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

impl Piece {
    fn times(self, factor: f64) -> Piece {
        let seconds = self.seconds.map(|phase| phase.map(|device| device.map(|end| end * factor)));
        // A whole number of layers.
        Piece { seconds, bytes: self.bytes * factor as u128 }
    }
}

impl Pieces {
    fn of(on_host: &Evaluator, on_device: &Evaluator) -> Result<Pieces> {
        let model = on_host.demand().model();
        let none = || vec![Piece::default(); model.shape.layers.len()];
        let mut pieces = Pieces { front: Piece::default(), head: Piece::default(), kinds: none(), experts: none() };
        for (at, evaluator) in [on_host, on_device].into_iter().enumerate() {
            for (phase, asked) in [Phase::Prefill, Phase::Decode].into_iter().enumerate() {
                pieces.add_times(evaluator, (phase, asked), at)?;
            }
        }
        pieces.add_bytes(on_host)?;
        // Sums over all layers of a kind become one layer's.
        for (kind, layer) in model.shape.layers.iter().enumerate() {
            for piece in [&mut pieces.kinds[kind], &mut pieces.experts[kind]] {
                let bytes = piece.bytes / u128::from(layer.count().max(1));
                *piece = Piece { bytes, ..piece.times(1.0 / layer.count().max(1) as f64) };
            }
        }
        Ok(pieces)
    }

    fn piece(&mut self, step: &Step) -> &mut Piece {
        match (step.kind, step.class) {
            (Some(kind), Class::Expert) => &mut self.experts[kind],
            (Some(kind), _) => &mut self.kinds[kind],
            (None, Class::Embed) => &mut self.front,
            (None, _) => &mut self.head,
        }
    }

    fn add_times(&mut self, evaluator: &Evaluator, (phase, asked): (usize, Phase), at: usize) -> Result<()> {
        let workload = evaluator.query.workload;
        let passes: Vec<(Pass, Forward)> = workload.forwards(evaluator.demand().model(), asked)?.collect();
        for (pass, forward) in passes {
            evaluator.add(pass, &forward, &mut Figures::default(), |step| {
                let ends = match step.under(evaluator.roof()) {
                    Some(found) => [found.fastest.0, found.seconds.0, found.slowest.0],
                    None => [step.peak.fastest.0, step.peak.seconds().0, step.peak.slowest.0],
                };
                let sum = &mut self.piece(&step.counted.step).seconds[phase][at];
                (0..3).for_each(|end| sum[end] += ends[end]);
            })?;
        }
        Ok(())
    }

    /// Weights, the cache at its longest, and what recurrent layers keep.
    fn add_bytes(&mut self, evaluator: &Evaluator) -> Result<()> {
        let (demand, workload) = (evaluator.demand(), &evaluator.query.workload);
        let model = demand.model();
        let latents = workload.runtime.latents(model, Pass::Decode);
        let longest = Forward { past: workload.longest().saturating_sub(1), latents, ..Forward::ONE_TOKEN };
        let mut wrong = None;
        demand.each_step(&longest, |step| {
            let cache = step.total().cache_read * u128::from(workload.batch);
            // A tied head is the embedding's matrix, and stands on the device beside it.
            let own = match step.stored {
                None if step.class == Class::LmHead => step.op.cost(step.shape).weights_read,
                _ => step.stored_elements(),
            };
            match step.bytes(own + cache) {
                Ok(bytes) => self.piece(step).bytes += bytes,
                Err(error) => wrong = Some(error),
            }
        })?;
        for (kind, layer) in model.shape.layers.iter().enumerate() {
            let state = u128::from(layer.count()) * u128::from(layer.mixer.kept());
            self.kinds[kind].bytes += state * u128::from(workload.batch) * u128::from(Dtype::F32.block().bytes);
        }
        wrong.map_or(Ok(()), Err)
    }
}
