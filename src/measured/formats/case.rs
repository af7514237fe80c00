//! One case of a file: what the file tells of it, and what the options say where it tells nothing.

use crate::error::{Error, Result, obeyed, shown};
use crate::measured::{Given, Measured, Passes};
use crate::model::{Runtime, TensorType, Weights};

/// What the rates of a case have in common.
#[derive(Clone, Debug)]
pub(super) struct Case<'g> {
    pub(super) given: &'g Given,
    pub(super) base: Measured,
}

impl<'g> Case<'g> {
    /// A case of `engine` at `place`. Its cache is f16 where no option says otherwise, and a note says so.
    pub(super) fn of(given: &'g Given, engine: &str, runtime: Runtime, place: &str) -> Case<'g> {
        let mut notes = Vec::new();
        if given.kv.is_none() {
            notes.push(format!("{engine} does not tell how the cache is stored; f16 is counted (--kv)"));
        }
        let base = Measured {
            record: place.to_owned(),
            label: None,
            device: None,
            ran_on: None,
            backend: None,
            threads: given.threads,
            engine: engine.to_owned(),
            runtime,
            model: String::new(),
            parameters: None,
            tensor_bytes: None,
            weights_named: String::new(),
            weights: given.weights,
            kv: given.kv.unwrap_or(TensorType::F16),
            passes: Passes { batch: 1, past: 0, prompt: 0, decode: 0, chunks: None },
            tokens_per_s: 0.0,
            tokens_per_s_range: None,
            notes,
        };
        Case { given, base }
    }

    /// The model that was run, by what the file calls it.
    ///
    /// # Errors
    /// Misuse where the file names none and not exactly one is asked about.
    pub(super) fn model(mut self, told: Option<&str>) -> Result<Case<'g>> {
        let told = told.map(|name| self.clean("model", name)).transpose()?;
        let short = told.and_then(|name| name.rsplit('/').next());
        let is = |name: &str| [told, short].into_iter().flatten().any(|told| told.eq_ignore_ascii_case(name));
        let asked = &self.given.models;
        let named = asked.iter().find(|model| is(&model.name) || model.name.rsplit('/').next().is_some_and(is));
        self.base.model = match (named, asked.as_slice(), told) {
            (Some(model), ..) => model.name.clone(),
            (None, [only], Some(told)) => {
                self.base.notes.push(format!("the run is of \"{told}\", and is taken for one of {}", only.name));
                only.name.clone()
            }
            (None, [only], None) => only.name.clone(),
            (None, _, Some(told)) => told.to_owned(),
            (None, _, None) => {
                return Err(self.wrong("the file does not tell which model was run; name that model alone"));
            }
        };
        Ok(self)
    }

    /// How weights are stored, in the file's words; a word that is no format here leaves it to the option.
    pub(super) fn weights(mut self, told: Option<&str>) -> Result<Case<'g>> {
        let Some(word) = told.map(|word| self.clean("weights", word)).transpose()? else { return Ok(self) };
        let known: Option<Weights> = format_of(word);
        self.base.weights = known.or(self.given.weights);
        self.base.weights_named = word.to_owned();
        Ok(self)
    }

    /// On what it ran: the device's name, and the backend's.
    pub(super) fn on(mut self, device: Option<&str>, backend: Option<&str>) -> Result<Case<'g>> {
        let clean = |key, name: Option<&str>| -> Result<Option<String>> {
            let name = name.map(str::trim).filter(|name| !name.is_empty());
            name.map(|name| self.clean(key, name).map(str::to_owned)).transpose()
        };
        let (device, backend) = (clean("device", device)?, clean("backend", backend)?);
        self.base.ran_on = device.or(self.base.ran_on);
        self.base.backend = backend.or(self.base.backend);
        Ok(self)
    }

    /// Threads that ran, where the file tells.
    pub(super) fn threads(mut self, told: Option<u64>) -> Case<'g> {
        self.base.threads = told.or(self.base.threads);
        self
    }

    /// What the file calls the case.
    pub(super) fn label(mut self, label: impl Into<String>) -> Case<'g> {
        self.base.label = Some(label.into());
        self
    }

    /// Something that has to be said.
    pub(super) fn note(mut self, note: impl Into<String>) -> Case<'g> {
        self.base.notes.push(note.into());
        self
    }

    /// Tokens in the cache before the prompt: told by nobody but the option, and else said to be none.
    pub(super) fn cached(&mut self) -> u64 {
        self.given.cached.unwrap_or_else(|| {
            let engine = &self.base.engine;
            self.base.notes.push(format!(
                "{engine} does not tell whether a part of the prompt lay in its cache; none is counted (--cached)"
            ));
            0
        })
    }

    /// A count that the file may tell, and the option `name` says where it does not.
    pub(super) fn need(&self, what: &str, told: Option<u64>, given: Option<u64>, name: &str) -> Result<u64> {
        told.or(given)
            .ok_or_else(|| self.wrong(format!("the file does not tell {what}; add --{name} N, as it was in the run")))
    }

    /// A rate of this case.
    pub(super) fn timed(&self, passes: Passes, tokens_per_s: f64) -> Measured {
        Measured { passes, tokens_per_s, ..self.base.clone() }
    }

    /// An error at its place.
    pub(super) fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{}: {what}", self.base.record))
    }

    /// A name that can be shown as it is.
    fn clean<'n>(&self, key: &str, name: &'n str) -> Result<&'n str> {
        match name.chars().any(obeyed) || name.len() > 500 {
            true => Err(self.wrong(format!("{key}: \"{}\" is no name: control characters, or too long", shown(name)))),
            false => Ok(name),
        }
    }
}

/// A file's word for a format, where it is one of ours in other spelling.
fn format_of(word: &str) -> Option<Weights> {
    let lower = word.to_ascii_lowercase();
    let usual = match lower.as_str() {
        "fp16" | "float16" | "half" => "f16",
        "bfloat16" => "bf16",
        "fp32" | "float32" => "f32",
        other => other,
    };
    usual.parse().ok()
}

/// Tokens per second of `passes` that took `seconds`.
pub(super) fn rate(passes: &Passes, seconds: f64) -> f64 {
    passes.tokens() as f64 / seconds
}

/// Holds a rate that a file tells against the tokens and the time that it tells as well: a wrong unit, or another count, shows there.
///
/// # Errors
/// Misuse, with the arithmetic, where they are further apart than rounding allows.
pub(super) fn agree(case: &Case<'_>, what: &str, told: f64, tokens: u64, seconds: f64) -> Result<()> {
    let counted = tokens as f64 / seconds;
    // Times are printed with three decimals.
    let allowed = 0.02 + 0.0006 / seconds;
    if (told / counted - 1.0).abs() <= allowed {
        return Ok(());
    }
    Err(case.wrong(format!(
        "{what} is {told} tokens/s, and {tokens} tokens in {seconds} s are {counted:.2}: another unit, or another count"
    )))
}
