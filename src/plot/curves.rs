//! Curves of profiles: how rates and latencies change along working sets, threads, tokens and other quantities.

use super::chart;
use super::scale::{Scale, Tick};
use super::text;
use crate::error::{Error, Result};
use crate::profile::{CeilingId, Curve, CurveAxis, Family, IdKind, Profile, Status, Unit};

/// Curves of some devices: a row for each quantity, a panel for each device in it.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveChart {
    /// How many devices there are.
    pub devices: usize,
    /// Row by row.
    pub panels: Vec<CurvePanel>,
}

/// The curves of one device along one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePanel {
    /// What is shown: `Bandwidth over the working set`.
    pub title: String,
    /// The device.
    pub device: String,
    /// The device, grade, date, profile; may be empty.
    pub facts: String,
    /// The quantity along them.
    pub across: Across,
    /// What that axis is called.
    pub across_title: &'static str,
    /// The values.
    pub upwards: Scale,
    /// What that axis is called, with its unit.
    pub upwards_title: String,
    /// The unit of the values.
    pub unit: &'static str,
    /// The curves; none where this device has none.
    pub series: Vec<Series>,
    /// Whether it is along a quantity that most people ask for.
    pub main: bool,
}

/// The axis along the curves.
#[derive(Clone, Debug, PartialEq)]
pub enum Across {
    /// Logarithmic, of bytes.
    Bytes(Scale),
    /// Logarithmic, of counts; ticks where something was measured.
    Counts(Scale, Vec<u64>),
    /// Places side by side, at equal distances: few of them, or none that a logarithm has.
    Places(Vec<u64>, bool),
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The id that it has, or that its points have in common.
    pub id: String,
    /// What it is called in the picture.
    pub name: String,
    /// Its points, in order.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// Its place along the curve.
    pub place: u64,
    /// GB/s, GFLOP/s or ns.
    pub value: f64,
    /// The 95 % interval, the value included.
    pub interval: Option<[f64; 2]>,
    /// Whether a gate did not believe it.
    pub suspect: bool,
}

/// Curves of a panel that a picture has room for: more than any device has.
const SERIES_MAX: usize = 24;

/// What curves have in common that stand in one row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Quantity {
    axis: CurveAxis,
    unit: Unit,
    family: Family,
    /// Of products, where they are not along tokens: one token asks for memory, many for arithmetic, and the rates are far apart.
    tokens: Option<u64>,
}

impl CurveChart {
    /// The curves of these profiles, each with what it is called.
    ///
    /// # Errors
    /// Misuse when none of them has any.
    pub fn of(profiles: &[(&str, &Profile)]) -> Result<CurveChart> {
        let all: Vec<Vec<(Quantity, Series)>> = profiles.iter().map(|(_, profile)| series(profile)).collect();
        let mut quantities: Vec<Quantity> = Vec::new();
        for (quantity, _) in all.iter().flatten() {
            if !quantities.contains(quantity) {
                quantities.push(*quantity);
            }
        }
        if quantities.is_empty() {
            let names: Vec<&str> = profiles.iter().map(|(name, _)| *name).collect();
            return Err(Error::misuse(format!("{}: there are no curves in it", names.join(", "))));
        }
        quantities.sort_by_key(|quantity| quantity.order());
        let mut panels = Vec::new();
        for quantity in quantities {
            let of = |device: &[(Quantity, Series)]| -> Vec<Series> {
                let own = device.iter().filter(|(one, _)| *one == quantity);
                own.take(SERIES_MAX).map(|(_, series)| series.clone()).collect()
            };
            let row: Vec<Vec<Series>> = all.iter().map(|device| of(device)).collect();
            let (across, upwards) = axes(quantity.axis, &row);
            panels.extend(row.into_iter().zip(profiles).map(|(series, (name, profile))| CurvePanel {
                title: quantity.title(),
                device: text::short(&profile.device.name),
                facts: format!("{} · {}", text::short(&profile.device.name), chart::facts(name, profile)),
                across: across.clone(),
                across_title: quantity.across(),
                upwards,
                upwards_title: quantity.upwards(),
                unit: quantity.unit.symbol(),
                series,
                main: quantity.is_main(),
            }));
        }
        Ok(CurveChart { devices: profiles.len(), panels })
    }

    /// Each panel that shows something as a chart of its own; the device is named where there are several.
    pub fn apart(&self) -> impl Iterator<Item = CurveChart> {
        let shown = self.panels.iter().filter(|panel| !panel.series.is_empty());
        shown.map(|panel| {
            let facts = if self.devices > 1 { panel.device.clone() } else { String::new() };
            CurveChart { devices: 1, panels: vec![CurvePanel { facts, ..panel.clone() }] }
        })
    }
}

impl Across {
    /// Where `place` goes: 0 at the beginning, 1 at the end.
    pub fn share(&self, place: u64) -> f64 {
        match self {
            Across::Bytes(scale) | Across::Counts(scale, _) => scale.share(place as f64),
            Across::Places(places, _) => {
                let at = places.binary_search(&place).unwrap_or(0);
                (at as f64 + 0.5) / places.len() as f64
            }
        }
    }

    /// A place in words.
    pub fn words(&self, place: u64) -> String {
        match self {
            Across::Bytes(_) | Across::Places(_, true) => text::bytes(place),
            Across::Counts(..) | Across::Places(_, false) => place.to_string(),
        }
    }

    /// Ticks with labels, as many as `length` pixels hold.
    pub fn ticks(&self, length: f64) -> Vec<Tick> {
        match self {
            Across::Bytes(scale) => {
                // Every so many doublings.
                let doublings = scale.decades() * std::f64::consts::LOG2_10;
                let every = (56.0 * doublings / length).ceil().max(1.0) as u32;
                let exponents = (0..63).filter(|exponent| exponent % every == 0).map(|exponent| 1_u64 << exponent);
                let inside = exponents.filter(|bytes| (0.0..=1.0).contains(&scale.share(*bytes as f64)));
                inside.map(|bytes| Tick { value: bytes as f64, label: Some(text::bytes(bytes)) }).collect()
            }
            Across::Counts(_, places) | Across::Places(places, _) => {
                // From the end, which says most, as far as there is room.
                let mut ticks: Vec<Tick> = Vec::new();
                let mut free = f64::INFINITY;
                for &place in places.iter().rev() {
                    let (at, words) = (self.share(place) * length, self.words(place));
                    let room = text::width(&words, super::shape::TEXT) + 6.0;
                    let fits = at + room / 2.0 <= free;
                    free = if fits { at - room / 2.0 } else { free };
                    ticks.push(Tick { value: place as f64, label: fits.then_some(words) });
                }
                ticks
            }
        }
    }
}

impl Quantity {
    /// Of a curve; none of one without values.
    fn of(curve: &Curve) -> Option<Quantity> {
        let ((_, unit), (axis, _)) = curve.values().zip(curve.axis())?;
        let tokens = match curve.id.kind() {
            IdKind::MatmulCurve { tokens, .. } => Some(*tokens),
            _ => None,
        };
        Some(Quantity { axis, unit, family: curve.id.family(), tokens })
    }

    /// What people ask for first stands first.
    fn order(self) -> (usize, Option<u64>) {
        let of_axis = match self.axis {
            CurveAxis::FootprintBytes => 0,
            CurveAxis::Tokens => 1,
            CurveAxis::Threads => 2,
            CurveAxis::Context => 3,
            CurveAxis::N => 4,
            CurveAxis::WindowBytes => 5,
            CurveAxis::Streams => 6,
            CurveAxis::PrefetchBytes => 7,
            CurveAxis::StrideBytes => 8,
        };
        (3 * of_axis + self.unit as usize, self.tokens)
    }

    /// Working sets, tokens and threads.
    const fn is_main(self) -> bool {
        matches!(self.axis, CurveAxis::FootprintBytes | CurveAxis::Tokens | CurveAxis::Threads)
    }

    fn title(self) -> String {
        let what = match (self.family, self.unit) {
            (Family::Matmul, _) => "Matrix products",
            (Family::Attention, _) => "Attention",
            (Family::Compute, _) => "Arithmetic",
            (_, Unit::Ns) => "Latency",
            _ => "Bandwidth",
        };
        let along = match self.axis {
            CurveAxis::FootprintBytes => "the working set",
            CurveAxis::WindowBytes => "windows",
            CurveAxis::Threads => "threads",
            CurveAxis::Streams => "streams",
            CurveAxis::PrefetchBytes => "prefetch distance",
            CurveAxis::Tokens => "tokens",
            CurveAxis::Context => "the context",
            CurveAxis::N => "output features",
            CurveAxis::StrideBytes => "distances",
        };
        match self.tokens {
            Some(1) => format!("{what} of 1 token over {along}"),
            Some(tokens) => format!("{what} of {tokens} tokens over {along}"),
            None => format!("{what} over {along}"),
        }
    }

    const fn across(self) -> &'static str {
        match self.axis {
            CurveAxis::FootprintBytes => "Working set",
            CurveAxis::WindowBytes => "Window",
            CurveAxis::Threads => "Threads",
            CurveAxis::Streams => "Streams",
            CurveAxis::PrefetchBytes => "Ahead",
            CurveAxis::Tokens => "Tokens",
            CurveAxis::Context => "Cached tokens",
            CurveAxis::N => "Output features",
            CurveAxis::StrideBytes => "Distance",
        }
    }

    fn upwards(self) -> String {
        let what = if self.unit == Unit::Ns { "Time of a load" } else { "Rate" };
        format!("{what}, {}", self.unit.symbol())
    }
}

/// All curves of a profile, and its matrix products, which are a curve over their tokens.
fn series(profile: &Profile) -> Vec<(Quantity, Series)> {
    let mut all: Vec<(Quantity, Series)> =
        profile.curve.iter().filter_map(|curve| Some((Quantity::of(curve)?, measured(curve)))).collect();
    let quantity = Quantity { axis: CurveAxis::Tokens, unit: Unit::GflopPerS, family: Family::Matmul, tokens: None };
    all.extend(matmuls(profile).into_iter().map(|series| (quantity, series)));
    all
}

fn measured(curve: &Curve) -> Series {
    let values = curve.values().map_or(&[][..], |(values, _)| values);
    let places = curve.axis().map_or(&[][..], |(_, places)| places);
    let ends = |at: usize, value: f64| {
        let (low, high) = (*curve.low.get(at)?, *curve.high.get(at)?);
        Some([low.min(value), high.max(value)])
    };
    let points = places.iter().zip(values).enumerate();
    let points = points.map(|(at, (&place, &value))| CurvePoint {
        place,
        value,
        interval: ends(at, value),
        suspect: curve.status == Status::Suspect,
    });
    Series { id: text::short(curve.id.as_str()), name: text::short(&name(&curve.id)), points: points.collect() }
}

/// The short name of a curve among those of its row.
fn name(id: &CeilingId) -> String {
    match id.kind() {
        IdKind::MemoryCurve { access, along } if along == "footprint" => format!("{access}, larger"),
        IdKind::MemoryCurve { access, .. } => access.to_string(),
        IdKind::Latency { .. } => "load".to_owned(),
        IdKind::Compute { dtype, .. } => dtype.to_string(),
        IdKind::Matmul { weights, .. } => weights.to_string(),
        IdKind::MatmulCurve { weights, .. } => weights.to_string(),
        IdKind::Attention { cache, .. } => cache.to_string(),
        _ => id.as_str().to_owned(),
    }
}

/// Products of each format that was measured with several numbers of tokens.
fn matmuls(profile: &Profile) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for ceiling in &profile.ceiling {
        let (IdKind::Matmul { weights, tokens }, Some(value)) = (ceiling.id.kind(), ceiling.gflop_per_s) else {
            continue;
        };
        let point = CurvePoint {
            place: *tokens,
            value,
            interval: ceiling.ci95.map(|[low, high]| [low.min(value), high.max(value)]),
            suspect: ceiling.status == Status::Suspect,
        };
        let id = text::short(&format!("{}.{weights}", Family::Matmul));
        let full = all.len() >= SERIES_MAX;
        match all.iter_mut().find(|series| series.id == id) {
            Some(series) => series.points.push(point),
            None if full => {}
            None => all.push(Series { id, name: text::short(&weights.to_string()), points: vec![point] }),
        }
    }
    all.iter_mut().for_each(|series| series.points.sort_by_key(|point| point.place));
    all.retain(|series| series.points.len() > 1);
    all
}

/// Axes for all devices of a row.
fn axes(axis: CurveAxis, row: &[Vec<Series>]) -> (Across, Scale) {
    let points = || row.iter().flatten().flat_map(|series| &series.points);
    let upwards = points().flat_map(|point| point.interval.unwrap_or([point.value; 2]));
    let upwards = Scale::around(upwards, [1.1, 1.1]);
    let mut places: Vec<u64> = points().map(|point| point.place).collect();
    places.sort_unstable();
    places.dedup();
    let scale = || {
        let ends = [places.first(), places.last()].map(|end| end.copied().unwrap_or(1).max(1) as f64);
        Scale { low: ends[0] / 1.25, high: ends[1] * 1.25 }
    };
    let across = match axis {
        CurveAxis::FootprintBytes | CurveAxis::WindowBytes | CurveAxis::StrideBytes => Across::Bytes(scale()),
        CurveAxis::Tokens | CurveAxis::Context | CurveAxis::N => Across::Counts(scale(), places),
        CurveAxis::PrefetchBytes => Across::Places(places, true),
        CurveAxis::Threads | CurveAxis::Streams => Across::Places(places, false),
    };
    (across, upwards)
}
