//! What the measuring process and its worker say to each other: one line each, JSON behind a mark, since drivers print what
//! they please.

use super::adapter::Adapter;
use crate::device::{Pass, Refusal};
use crate::job::Job;
use crate::profile::{CeilingId, GpuInfo, GpuProvenance, Variant};
use crate::units::{Bytes, Flops, Seconds};
use crate::work::Work;
use roofprobe_kernels::{Dtype, Op};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How a line of the worker begins.
const MARK: &str = "roofprobe-gpu-worker ";

/// What the worker is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Which adapters a backend has: [`Answer::Adapters`].
    List { backend: String },
    /// To open one of them: [`Answer::Opened`] or [`Answer::Failed`].
    Open { adapter: Adapter },
    /// To time a job on it: [`Answer::Timed`], a refusal, or [`Answer::Fatal`].
    Time(Task),
    /// To give up all memory: [`Answer::Done`].
    Renew,
}

/// A job with routine and type by name, and how it is to be timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Task {
    ceiling: CeilingId,
    op: String,
    dtype: String,
    variant: Variant,
    pub(super) repetitions: u64,
    /// No submission is planned longer than this share of the usual.
    pub(super) limit: f64,
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Every adapter of the backend.
    Adapters(Vec<Adapter>),
    /// What was opened.
    Opened(Box<Opened>),
    /// How long it took.
    Timed(Timed),
    /// The refusals of a job.
    Unsupported(String),
    Rejected(String),
    Skipped(String),
    /// The device is not usable any more, nor is the process.
    Fatal(String),
    /// The request could not be done.
    Failed(String),
    Done,
}

/// An opened GPU in the words of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) gpu: GpuInfo,
    pub(super) provenance: GpuProvenance,
}

/// A [`Pass`] as far as a GPU has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed {
    seconds: f64,
    repetitions: u64,
    flops: f64,
    bytes: f64,
    disturbed: bool,
    note: Option<String>,
}

impl Task {
    /// `repetitions` of `job`.
    pub(super) fn new(job: &Job, repetitions: u64, limit: f64) -> Task {
        Task {
            ceiling: job.ceiling.clone(),
            op: job.op.name().to_owned(),
            dtype: job.dtype.name().to_owned(),
            variant: job.variant.clone(),
            repetitions,
            limit,
        }
    }

    /// The job.
    ///
    /// # Errors
    /// The name that is unknown.
    pub(super) fn job(&self) -> Result<Job, String> {
        let op: Op = self.op.parse().map_err(|_| format!("\"{}\" is no routine", self.op))?;
        let dtype: Dtype = self.dtype.parse().map_err(|_| format!("\"{}\" is no data type", self.dtype))?;
        Ok(Job { ceiling: self.ceiling.clone(), op, dtype, variant: self.variant.clone() })
    }
}

impl From<Pass> for Timed {
    fn from(pass: Pass) -> Timed {
        Timed {
            seconds: pass.seconds.0,
            repetitions: pass.repetitions,
            flops: pass.work.flops.0,
            bytes: pass.work.bytes.0,
            disturbed: pass.disturbed,
            note: pass.note,
        }
    }
}

impl From<Timed> for Pass {
    fn from(timed: Timed) -> Pass {
        Pass {
            seconds: Seconds(timed.seconds),
            repetitions: timed.repetitions,
            work: Work { flops: Flops(timed.flops), bytes: Bytes(timed.bytes) },
            clock_hz: None,
            huge_share: None,
            disturbed: timed.disturbed,
            note: timed.note,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        match refusal {
            Refusal::Unsupported(reason) => Answer::Unsupported(reason),
            Refusal::Rejected(reason) => Answer::Rejected(reason),
            Refusal::Skipped(reason) | Refusal::OutOfMemory(reason) => Answer::Skipped(reason),
            // Only a record can be exhausted.
            Refusal::Exhausted => Answer::Failed("the worker has nothing to replay".to_owned()),
        }
    }
}

/// The line that says it. It begins on a line of its own, whatever a driver left unfinished.
///
/// # Errors
/// What cannot be written as JSON.
pub(super) fn line(message: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(message).map(|json| format!("\n{MARK}{json}\n")).map_err(|e| e.to_string())
}

/// What a line says; `None` for one that somebody else printed.
///
/// # Errors
/// When it has the mark and is not understood.
pub(super) fn read<T: DeserializeOwned>(line: &str) -> Option<Result<T, String>> {
    let json = line.trim_end().strip_prefix(MARK)?;
    Some(serde_json::from_str(json).map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Layout, MemoryLevel};

    fn through<T: Serialize + DeserializeOwned>(message: &T) -> T {
        let line = line(message).unwrap();
        let [before, line, after]: [&str; 3] = line.split('\n').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((before, after), ("", ""));
        read(line).unwrap().unwrap()
    }

    #[test]
    fn jobs_and_passes_arrive_as_they_were_sent() {
        let variant = Variant { layout: Some(Layout::Blocked), footprint_bytes: Some(1 << 40), ..Variant::default() };
        let job = Job {
            ceiling: CeilingId::memory(MemoryLevel::Vram, Op::Read),
            op: Op::ChainAdd,
            dtype: Dtype::Q4K,
            variant,
        };
        let request = Request::Time(Task::new(&job, u64::MAX, 0.25));
        let Request::Time(task) = through(&request) else { panic!("another request") };
        assert_eq!((task.job(), task.repetitions, task.limit), (Ok(job), u64::MAX, 0.25));
        let timed = Timed {
            seconds: 0.012,
            repetitions: 7,
            flops: 0.0,
            bytes: 1e12,
            disturbed: true,
            note: Some("a \"note\"\n".into()),
        };
        let Answer::Timed(back) = through(&Answer::Timed(timed.clone())) else { panic!("another answer") };
        assert_eq!(Timed::from(Pass::from(back)), timed);
        for plain in [Request::List { backend: "gl".to_owned() }, Request::Renew] {
            assert_eq!(through(&plain), plain);
        }
    }

    #[test]
    fn unknown_names_and_foreign_lines_are_told_apart() {
        assert_eq!(read::<Request>("a driver's chatter"), None);
        assert!(read::<Request>(&format!("{MARK}{{")).unwrap().is_err());
        let task = Task { op: "dance".to_owned(), ..Task::new(&job(), 1, 1.0) };
        assert!(task.job().unwrap_err().contains("dance"));
        let task = Task { dtype: "f7".to_owned(), ..Task::new(&job(), 1, 1.0) };
        assert!(task.job().unwrap_err().contains("f7"));
    }

    fn job() -> Job {
        Job { ceiling: CeilingId::overhead(Op::Submit), op: Op::Read, dtype: Dtype::F32, variant: Variant::default() }
    }
}
