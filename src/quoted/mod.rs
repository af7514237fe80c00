//! Ceilings that other tools measured, as a quoted profile: from clpeak, STREAM, likwid-bench, BabelStream and nvbandwidth.
//!
//! Each tool's file finds figures with the ids of their ceilings; [`profile_of`] puts those of one device together. Bytes are counted as
//! the tool does, which is as STREAM does: what an algorithm asks for, without what a cache fetches before it is overwritten.
//!
//! Pure: texts in, a profile out.

mod babelstream;
mod clpeak;
mod likwid;
mod nvbandwidth;
mod stream;

use crate::error::{Error, Result, obeyed, shown};
use crate::profile::{
    Ceiling, CeilingId, DeviceInfo, DeviceKind, Flag, MemoryLevel, Profile, Provenance, SCHEMA, Status, Summary, Unit,
};
use crate::units::four_digits;
use roofprobe_kernels::Op;

/// What is said beside the files, where they do not tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The device's name; of a file of several devices, which one.
    pub device: Option<String>,
    /// CPU or GPU.
    pub kind: Option<DeviceKind>,
    /// When it was measured.
    pub date: Option<String>,
}

/// What a tool measured of one device.
#[derive(Clone, Debug, Default, PartialEq)]
struct Found {
    tool: &'static str,
    version: Option<String>,
    date: Option<String>,
    device: Option<String>,
    kind: Option<DeviceKind>,
    architecture: Option<String>,
    logical_cpus: Option<u32>,
    memory_bytes: Option<u64>,
    figures: Vec<Figure>,
}

/// One figure, in the unit of its ceiling.
#[derive(Clone, Debug, PartialEq)]
struct Figure {
    id: CeilingId,
    value: f64,
    /// What the tool calls it.
    what: String,
    /// A doubt.
    flag: Option<String>,
}

impl Figure {
    fn new(id: CeilingId, value: f64, what: impl Into<String>) -> Figure {
        Figure { id, value, what: what.into(), flag: None }
    }
}

/// A tool's format: its name, whether a file is in it, and what it says.
type Format = (&'static str, fn(&str) -> bool, fn(&str, &Asked) -> Result<Found>);

const FORMATS: [Format; 5] = [
    ("clpeak 3", clpeak::is, clpeak::read),
    ("nvbandwidth", nvbandwidth::is, nvbandwidth::read),
    ("BabelStream", babelstream::is, babelstream::read),
    ("STREAM", stream::is, stream::read),
    ("likwid-bench", likwid::is, likwid::read),
];

/// Values beyond these are in another unit than they should be: GB/s, GFLOP/s, ns, µs.
const POSSIBLE: [(Unit, f64, f64); 4] =
    [(Unit::GbPerS, 0.01, 1e6), (Unit::GflopPerS, 0.01, 1e8), (Unit::Ns, 0.05, 1e6), (Unit::Us, 0.01, 1e6)];

/// The quoted profile of one device out of `files`, each with its name and its text; what the files hold decides which tool wrote them.
/// Of two values for one ceiling the better one is kept.
///
/// # Errors
/// Misuse, naming the file, for what no known tool wrote, what has no ceiling, an impossible value, a device that is not told, or
/// files of several devices.
pub fn profile_of(files: &[(&str, &str)], asked: &Asked) -> Result<Profile> {
    let mut all: Vec<(String, Found)> = Vec::new();
    for (name, text) in files {
        let found = read(text, asked).and_then(checked).map_err(|e| e.within(name))?;
        all.push((base_name(name), found));
    }
    let device = device(&all, asked)?;
    let mut ceilings: Vec<Ceiling> = Vec::new();
    for (file, found) in &all {
        for figure in &found.figures {
            add(&mut ceilings, ceiling(figure, found, file));
        }
    }
    lower_bound(&mut ceilings, device.kind);
    let one = |get: fn(&Found) -> Option<&String>| {
        let mut told: Vec<&str> = all.iter().filter_map(|(_, found)| get(found)).map(String::as_str).collect();
        told.dedup();
        (!told.is_empty()).then(|| told.join(", "))
    };
    let mut tools: Vec<&str> = all.iter().map(|(_, found)| found.tool).collect();
    tools.dedup();
    let mut profile = Profile {
        schema: SCHEMA,
        device,
        environment: None,
        summary: Summary::default(),
        ceiling: ceilings,
        curve: Vec::new(),
        provenance: Provenance {
            tool: tools.join(", "),
            version: one(|found| found.version.as_ref()).unwrap_or_else(|| NOT_TOLD.to_owned()),
            commit: None,
            compiler: None,
            date: one(|found| found.date.as_ref())
                .or_else(|| asked.date.clone())
                .unwrap_or_else(|| NOT_TOLD.to_owned()),
            effort: None,
            tune: None,
            complete: true,
            only: Vec::new(),
            simulated: None,
            host: None,
            gpu: None,
        },
    };
    profile.summarise();
    profile.validate()?;
    Ok(profile)
}

/// What stands where a source says nothing.
const NOT_TOLD: &str = "not told";

fn read(text: &str, asked: &Asked) -> Result<Found> {
    match FORMATS.iter().find(|(_, is, _)| is(text)) {
        Some((.., read)) => read(text, asked),
        None => {
            let known: Vec<&str> = FORMATS.iter().map(|(name, ..)| *name).collect();
            Err(Error::misuse(format!(
                "nothing that is known: {}; runs of language models go to `roofprobe evaluate MODEL --measured FILE`",
                known.join(", ")
            )))
        }
    }
}

/// That there is something, and that all of it can be.
fn checked(found: Found) -> Result<Found> {
    if found.figures.is_empty() {
        return Err(Error::misuse(format!("{} measured nothing here that is a ceiling of a profile", found.tool)));
    }
    for figure in &found.figures {
        let unit = figure.id.unit();
        let possible = POSSIBLE.iter().find(|(of, ..)| *of == unit);
        if possible.is_none_or(|(_, least, most)| !(*least..=*most).contains(&figure.value)) {
            return Err(Error::misuse(format!(
                "{}: {} {} for {} cannot be: another unit, or a broken file",
                shown(&figure.what),
                figure.value,
                unit.symbol(),
                figure.id
            )));
        }
    }
    for name in [&found.device, &found.version, &found.date].into_iter().flatten() {
        if name.chars().any(obeyed) {
            return Err(Error::misuse(format!("\"{}\" has control characters", shown(name))));
        }
    }
    Ok(found)
}

/// The last part of a path, whichever way it is written.
fn base_name(path: &str) -> String {
    shown(path.rsplit(['/', '\\']).next().unwrap_or(path))
}

/// The device that all files are of.
fn device(all: &[(String, Found)], asked: &Asked) -> Result<DeviceInfo> {
    let mut names: Vec<&String> = all.iter().filter_map(|(_, found)| found.device.as_ref()).collect();
    names.dedup();
    let name = match (&asked.device, names.as_slice()) {
        (Some(asked), _) => asked,
        (None, [one]) => one,
        (None, []) => return Err(Error::misuse("the files do not tell of which device they are; add --device NAME")),
        (None, several) => {
            let several: Vec<String> = several.iter().map(|name| format!("\"{}\"", shown(name))).collect();
            return Err(Error::misuse(format!("the files are of several devices: {}", several.join(", "))));
        }
    };
    let mut kinds: Vec<DeviceKind> = all.iter().filter_map(|(_, found)| found.kind).collect();
    kinds.dedup();
    let kind = match (kinds.as_slice(), asked.kind) {
        ([told], asked) if asked.is_none_or(|asked| asked == *told) => *told,
        ([], Some(asked)) => asked,
        ([], None) => {
            return Err(Error::misuse(
                "the files do not tell whether that is a CPU or a GPU; add --kind cpu or --kind gpu",
            ));
        }
        _ => return Err(Error::misuse("the files are of a CPU and of a GPU; put them into profiles of their own")),
    };
    let first = |get: fn(&Found) -> Option<String>| all.iter().find_map(|(_, found)| get(found));
    let architecture = first(|found| found.architecture.clone());
    let is_cpu = kind == DeviceKind::Cpu;
    Ok(DeviceInfo {
        name: name.clone(),
        kind,
        vendor: NOT_TOLD.to_owned(),
        model: name.clone(),
        microarchitecture: None,
        board: None,
        soc: None,
        architecture: if is_cpu { architecture.unwrap_or_else(|| NOT_TOLD.to_owned()) } else { "gpu".to_owned() },
        isas: Vec::new(),
        isas_unused: Vec::new(),
        sve_bits: None,
        sme_bits: None,
        logical_cpus: all.iter().find_map(|(_, found)| found.logical_cpus).filter(|_| is_cpu),
        cores: None,
        memory_bytes: all.iter().find_map(|(_, found)| found.memory_bytes).filter(|_| is_cpu),
        caches: Vec::new(),
        core_classes: Vec::new(),
        gpu: None,
    })
}

fn ceiling(figure: &Figure, found: &Found, file: &str) -> Ceiling {
    let told = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!(" {text}"));
    let date = found.date.as_ref().map_or_else(String::new, |date| format!(", {date}"));
    let source = format!("{}{}{date}, {file}: {}", found.tool, told(&found.version), shown(&figure.what));
    let mut ceiling = Ceiling::with_value(figure.id.clone(), Status::Quoted, four_digits(figure.value));
    ceiling.source = Some(source);
    ceiling.flags = figure.flag.iter().map(|flag| Flag::from(flag.clone())).collect();
    ceiling
}

/// Adds a ceiling, or puts it in the place of a worse one.
fn add(ceilings: &mut Vec<Ceiling>, ceiling: Ceiling) {
    let Some(there) = ceilings.iter_mut().find(|there| there.id == ceiling.id) else {
        ceilings.push(ceiling);
        return;
    };
    let (Some((new, unit)), Some((old, _))) = (ceiling.value(), there.value()) else { return };
    let better = if matches!(unit, Unit::Ns | Unit::Us) { new < old } else { new > old };
    if better {
        *there = ceiling;
    }
}

/// Where nobody read memory alone, the best of the other streams is what it gives at least. A remark says so.
fn lower_bound(ceilings: &mut Vec<Ceiling>, kind: DeviceKind) {
    let level: MemoryLevel = kind.main_memory();
    let read = CeilingId::memory(level, Op::Read);
    if ceilings.iter().any(|ceiling| ceiling.id == read) {
        return;
    }
    let of_level = ceilings.iter().filter(|ceiling| ceiling.id.level() == Some(level));
    let best = of_level.max_by(|a, b| a.gb_per_s.unwrap_or(0.0).total_cmp(&b.gb_per_s.unwrap_or(0.0)));
    let Some(best) = best else { return };
    let flag = format!("a lower bound: nothing read memory alone, and {} is the best of the rest", best.id);
    let bound = Ceiling { id: read, flags: vec![Flag::from(flag)], ..best.clone() };
    ceilings.insert(0, bound);
}

/// The number behind a label at the begin of a line: `MByte/s:    38120.5`.
fn labelled<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(label)).map(str::trim)
}

/// A number of a file, or an error that names it.
fn number(what: &str, text: &str) -> Result<f64> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| Error::misuse(format!("{what}: \"{}\" must be a number above 0", shown(text))))
}

/// Holds a rate in units of 10⁶ bytes per second against the bytes and the time that stand beside it.
///
/// # Errors
/// Misuse, with the arithmetic, where they are further apart than `allowed`: MiB, or a broken file.
fn agree(what: &str, told_mb: f64, bytes: f64, seconds: f64, allowed: f64) -> Result<()> {
    let counted = bytes / seconds * 1e-6;
    if (told_mb / counted - 1.0).abs() <= allowed {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "{what}: {told_mb} MB/s, and {bytes} bytes in {seconds} s are {counted:.1} MB/s: another unit"
    )))
}
