//! A profile as other tools read it: planners, simulators, monitors and gates of other projects, one file for each of them.
//!
//! Each file of this folder names the fields of its tool with their units, where that was read, and what is easily got wrong. What a
//! profile does not know is left out and said; so is a suspect value, unless it is asked for. Nothing is invented: a field that a reader
//! demands and no profile has is filled in by whoever knows it ([`Asked::with`]).
//!
//! Pure: a profile in, a text and remarks out.

mod aiconfigurator;
mod bencher;
mod blis;
mod distilp;
mod genz;
mod github;
mod llm_analysis;
mod llm_viewer;
mod llmfit;
mod openmetrics;
mod plain;
mod yaml;

use crate::error::{Error, Result, shown};
use crate::profile::{Ceiling, CeilingId, DeviceKind, Means, Profile, Status};
use crate::units::four_digits;
use roofprobe_kernels::{Dtype, Op};
use serde_json::{Map, Value, json};

/// A format: its name, who reads it, and how a profile becomes it.
#[derive(Clone, Copy)]
pub struct Format {
    /// The word of `--to`.
    pub name: &'static str,
    /// Who reads it.
    pub about: &'static str,
    write: fn(&mut Subject) -> Result<Draft>,
}

/// Every format.
pub const FORMATS: [Format; 15] = [
    Format { name: "aiconfigurator", about: "System YAML of NVIDIA's aiconfigurator", write: aiconfigurator::write },
    Format { name: "distilp", about: "Device profile of distilp and dnet, JSON", write: distilp::write },
    Format { name: "llm-viewer", about: "Hardware entry of LLM-Viewer, JSON", write: llm_viewer::write },
    Format { name: "genz", about: "System entry of GenZ, JSON", write: genz::write },
    Format { name: "llm-analysis", about: "GPU configuration of llm-analysis, JSON", write: llm_analysis::write },
    Format { name: "blis", about: "Hardware entry of the BLIS inference simulator, JSON", write: blis::write },
    Format { name: "llmfit", about: "Hardware profile of llmfit, JSON", write: llmfit::write },
    Format {
        name: "llmfit-dra",
        about: "Device attributes of llmfit's Kubernetes driver, JSON",
        write: llmfit::write_dra,
    },
    Format {
        name: "openmetrics",
        about: "OpenMetrics text, for Prometheus and node_exporter",
        write: openmetrics::write,
    },
    Format { name: "bencher", about: "Bencher Metric Format, JSON", write: bencher::write },
    Format {
        name: "github-action-benchmark",
        about: "Rates for github-action-benchmark, customBiggerIsBetter",
        write: github::write,
    },
    Format {
        name: "github-action-benchmark-times",
        about: "Times for github-action-benchmark, customSmallerIsBetter",
        write: github::write_times,
    },
    Format { name: "csv", about: "Every ceiling with its interval and status, CSV", write: plain::write_csv },
    Format { name: "json", about: "The same with the device, JSON", write: plain::write_json },
    Format { name: "yaml", about: "The same with the device, YAML", write: plain::write_yaml },
];

/// What is said beside the profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// What the device is called there; as a rule its name.
    pub name: Option<String>,
    /// Fields of JSON and YAML that a profile does not know, by path (`node.intra_node_bw`), as JSON.
    pub with: Vec<(String, Value)>,
    /// Whether suspect values are wanted, too.
    pub suspects: bool,
}

/// A profile in another format.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The text.
    pub text: String,
    /// What was left out, and what has to be known of the rest.
    pub remarks: Vec<String>,
}

/// What a format makes of a profile.
enum Draft {
    /// Keys and values, to be written as JSON.
    Json(Value),
    /// The same, to be written as YAML.
    Yaml(Value),
    /// A text of its own kind.
    Text(String),
}

/// Writes `profile` in the format of that name.
///
/// # Errors
/// Misuse for an unknown format, for a profile with nothing that the format holds, and for a field given beside that the format cannot have.
pub fn export(profile: &Profile, to: &str, asked: &Asked) -> Result<Exported> {
    let format = FORMATS.iter().find(|format| format.name == to);
    let names = || FORMATS.map(|format| format.name).join(", ");
    let format =
        format.ok_or_else(|| Error::misuse(format!("\"{}\" is no format; there are: {}", shown(to), names())))?;
    let mut subject = Subject { profile, asked, remarks: Vec::new() };
    if profile.is_quoted() {
        subject.remark("the values are quoted, not measured by roofprobe");
    }
    if !profile.provenance.complete {
        subject.remark("the measurement is incomplete");
    }
    let text = match (format.write)(&mut subject)? {
        Draft::Json(value) => {
            let value = subject.filled(value)?;
            serde_json::to_string_pretty(&value)
                .map_err(|e| Error::failure(format!("cannot be written as JSON: {e}")))?
                + "\n"
        }
        Draft::Yaml(value) => yaml::text(&subject.filled(value)?),
        Draft::Text(_) if !asked.with.is_empty() => {
            return Err(Error::misuse(format!("--with: {to} has no fields that could be filled in")));
        }
        Draft::Text(text) => text,
    };
    Ok(Exported { text, remarks: subject.remarks })
}

/// The profile that is written, and what has to be said of it.
struct Subject<'p> {
    profile: &'p Profile,
    asked: &'p Asked,
    remarks: Vec<String>,
}

impl Subject<'_> {
    /// What the device is called there.
    fn name(&self) -> String {
        self.asked.name.clone().unwrap_or_else(|| self.profile.device.name.clone())
    }

    /// The same in small letters, digits and hyphens: without a point, which stands between the keys of a path.
    fn slug(&self) -> String {
        let mut slug = String::new();
        for character in self.name().chars().flat_map(char::to_lowercase) {
            if character.is_ascii_alphanumeric() || character == '_' {
                slug.push(character);
            } else if !slug.ends_with('-') && !slug.is_empty() {
                slug.push('-');
            }
        }
        let slug: String = slug.trim_end_matches('-').chars().take(SLUG_MAX).collect();
        if slug.is_empty() { "device".to_owned() } else { slug }
    }

    fn remark(&mut self, remark: impl Into<String>) {
        let remark = remark.into();
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Says that a field is left out.
    fn left_out(&mut self, key: &str, why: &str) {
        if !self.asked.with.iter().any(|(path, _)| path == key) {
            self.remark(format!("{key} is left out: {why}"));
        }
    }

    /// Says that a field is left out that the reader demands.
    fn demanded(&mut self, key: &str, why: &str) {
        self.left_out(key, &format!("{why}; the reader demands it, so fill it in with --with {key}=VALUE"));
    }

    /// Whether a ceiling's value may be written; a suspect one is said in either case.
    fn wanted(&mut self, ceiling: &Ceiling) -> bool {
        if ceiling.status != Status::Suspect {
            return ceiling.status.has_value();
        }
        let reason = ceiling.reason.as_deref().map(shown).unwrap_or_default();
        let what = if self.asked.suspects { "exported all the same" } else { "left out; --suspects exports it" };
        self.remark(format!("{} is suspect ({reason}): {what}", ceiling.id));
        self.asked.suspects
    }

    /// The ceilings whose values may be written.
    fn ceilings(&mut self) -> Vec<Ceiling> {
        let all: Vec<&Ceiling> = self.profile.ceiling.iter().filter(|ceiling| ceiling.value().is_some()).collect();
        all.into_iter().filter(|ceiling| self.wanted(ceiling)).cloned().collect()
    }

    /// The value of a ceiling in its own unit.
    fn value(&mut self, id: &CeilingId) -> Option<f64> {
        let ceiling = self.profile.ceiling(id)?;
        if self.wanted(ceiling) { ceiling.value().map(|(value, _)| value) } else { None }
    }

    /// The read of the device's memory, GB/s.
    fn read(&mut self) -> Option<f64> {
        self.value(&CeilingId::memory(self.profile.device.kind.main_memory(), Op::Read))
    }

    /// Products of many tokens with weights of that type, GFLOP/s; where nobody measured those, the peak of the arithmetic.
    fn products(&mut self, weights: Dtype) -> Option<f64> {
        let of_products = CeilingId::matmul(weights, MANY_TOKENS);
        let found = self.value(&of_products);
        let peak = CeilingId::compute(weights, Means::Best);
        found.or_else(|| {
            let value = self.value(&peak)?;
            self.remark(format!("{peak} stands for {of_products}: no product reaches it"));
            Some(value)
        })
    }

    /// The latency of work that is sent to a GPU, s.
    fn dispatch(&mut self) -> Option<f64> {
        self.value(&CeilingId::overhead(Op::Dispatch)).map(|us| four_digits(us * 1e-6))
    }

    fn is_gpu(&self) -> bool {
        self.profile.device.kind == DeviceKind::Gpu
    }

    /// What the device's memory holds, bytes: what is installed.
    fn memory_bytes(&mut self, key: &str) -> Option<u64> {
        let bytes = self.profile.device.memory_bytes;
        if bytes.is_none() {
            self.left_out(key, "the profile does not say how much memory there is");
        }
        bytes
    }

    /// `value` with the fields that were given beside.
    fn filled(&self, mut value: Value) -> Result<Value> {
        for (path, given) in &self.asked.with {
            let place = path.split('.').try_fold(&mut value, |place, key| {
                // An entry under the device's name is what a path begins in.
                place.as_object_mut().map(|object| object.entry(key.to_owned()).or_insert_with(|| json!({})))
            });
            *place.ok_or_else(|| Error::misuse(format!("--with {}: there is no such place", shown(path))))? =
                given.clone();
        }
        Ok(value)
    }
}

/// Tokens of a prompt's products.
const MANY_TOKENS: u64 = 512;
/// Longer names are none.
const SLUG_MAX: usize = 63;

/// Fields that are there.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Map<String, Value> {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// Units of 10⁹ as whole units: GB/s as B/s, GFLOP/s as FLOP/s.
fn whole(giga: f64) -> Value {
    json!((giga * 1e9).round() as u64)
}

/// GFLOP/s as TFLOP/s, or GB/s as TB/s.
fn tera(giga: f64) -> Value {
    json!(four_digits(giga / 1000.0))
}

/// Bytes as GiB, two digits behind the point.
fn gib(bytes: u64) -> Value {
    json!((bytes as f64 / (1u64 << 30) as f64 * 100.0).round() / 100.0)
}
