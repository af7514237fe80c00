//! One machine of a fleet: of its profile only what thousands are compared by.

use crate::error::{Error, Result, shown};
use crate::profile::{CeilingId, Grade, Status};
use serde::Deserialize;

/// A machine and its ceilings.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is called: as a rule the name of its file.
    pub name: String,
    /// What it has in common with machines like it: its device and the threads that it was measured with.
    pub group: String,
    /// The grade of the circumstances.
    pub grade: Option<Grade>,
    /// Every ceiling that was measured, as a speed: more is better.
    pub speeds: Vec<Speed>,
    /// How many ceilings are suspect, and so take part in nothing.
    pub suspects: usize,
}

/// What a machine reaches of one ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// The ceiling.
    pub id: CeilingId,
    /// Its value in its own unit.
    pub value: f64,
}

#[derive(Deserialize)]
struct Slim {
    schema: u32,
    device: Device,
    environment: Option<Environment>,
    #[serde(default)]
    ceiling: Vec<Ceiling>,
}

#[derive(Deserialize)]
struct Device {
    name: String,
}

#[derive(Deserialize)]
struct Environment {
    grade: Option<Grade>,
    threads: u32,
}

#[derive(Deserialize)]
struct Ceiling {
    id: CeilingId,
    status: Status,
    gb_per_s: Option<f64>,
    gflop_per_s: Option<f64>,
    ns: Option<f64>,
    us: Option<f64>,
}

/// Whether a key is one of those that machines are compared by: a tenth of a profile, each on one line as this tool writes it.
fn is_kept(key: &str) -> bool {
    matches!(key, "schema" | "name" | "grade" | "threads" | "id" | "status" | "gb_per_s" | "gflop_per_s" | "ns" | "us")
}

impl Node {
    /// Reads a profile's text.
    ///
    /// # Errors
    /// Misuse for what is no profile of this version.
    pub fn read(name: &str, text: &str) -> Result<Node> {
        let slim: Slim = toml::from_str(&without_evidence(text))
            .map_err(|e| Error::misuse(format!("not a profile: {}", shown(e.message()))))?;
        crate::profile::named("device.name", &slim.device.name)?;
        if slim.schema != crate::profile::SCHEMA {
            return Err(Error::misuse(format!("schema: this is profile schema {}", slim.schema)));
        }
        let threads = slim.environment.as_ref().map(|environment| environment.threads);
        let threads = threads.map_or_else(String::new, |threads| format!(", {threads} threads"));
        let suspects = slim.ceiling.iter().filter(|one| one.status == Status::Suspect).count();
        let measured = slim.ceiling.into_iter().filter(|one| one.status == Status::Measured);
        let speed = |one: Ceiling| {
            let value = match one.id.unit().key() {
                "gb_per_s" => one.gb_per_s,
                "gflop_per_s" => one.gflop_per_s,
                "ns" => one.ns,
                _ => one.us,
            };
            value.filter(|value| value.is_finite() && *value > 0.0).map(|value| Speed { id: one.id, value })
        };
        Ok(Node {
            name: name.to_owned(),
            group: format!("{}{threads}", slim.device.name),
            grade: slim.environment.and_then(|environment| environment.grade),
            speeds: measured.filter_map(speed).collect(),
            suspects,
        })
    }
}

/// The lines of the text that machines are compared by, where each of its lines is whole, as this tool writes them; else the text as it is.
fn without_evidence(text: &str) -> std::borrow::Cow<'_, str> {
    // Strings of several lines hold anything.
    if text.contains("\"\"\"") || text.contains("'''") {
        return text.into();
    }
    let (mut kept, mut in_curve) = (String::with_capacity(text.len() / 4), false);
    for line in text.split_inclusive('\n') {
        let words = line.trim_ascii_end();
        let is_kept = match words.as_bytes().first() {
            None | Some(b'#') => false,
            Some(b'[') => {
                in_curve = words == "[[curve]]";
                !in_curve
            }
            Some(_) => match key_of_whole(words) {
                Some(key) => !in_curve && is_kept(key),
                None => return text.into(),
            },
        };
        if is_kept {
            kept.push_str(line);
        }
    }
    kept.into()
}

/// The key of a line of TOML, where all of its value stands on the line.
fn key_of_whole(line: &str) -> Option<&str> {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (key, rest) = line.split_at(line.bytes().take_while(|byte| is_bare(byte)).count());
    let value = rest.strip_prefix(" = ")?;
    let last = value.bytes().next_back()?;
    let is_whole = match value.as_bytes()[0] {
        b'[' => last == b']',
        b'{' => last == b'}',
        _ => true,
    };
    (is_whole && !key.is_empty()).then_some(key)
}
