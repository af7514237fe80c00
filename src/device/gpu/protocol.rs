//! The messages between the measuring process and its worker. Each is one line of JSON behind a mark, because drivers print
//! lines of their own.

use super::adapter::Adapter;
use super::replay::{Ran, Run};
use crate::device::{Refusal, Timing};
use crate::job::{Job, Sequence};
use crate::profile::{CeilingId, GpuInfo, GpuProvenance, Variant, VariantKeys};
use roofprobe_kernels::{Dtype, Op};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The beginning of each line that is a message.
const MARK: &str = "roofprobe-gpu-worker ";

/// What the measuring process asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// List the adapters of a backend: [`Answer::Adapters`].
    List { backend: String },
    /// Open one of them: [`Answer::Opened`] or [`Answer::Failed`].
    Open { adapter: Adapter },
    /// Time a job on it: [`Answer::Timed`], a refusal, or [`Answer::Fatal`].
    Time(Box<Task>),
    /// Give up all memory: [`Answer::Done`].
    Renew,
    /// Take this sequence in the place of all else: [`Answer::Done`].
    Sequence(Box<Sequence>),
    /// Make its next operation ready: [`Answer::Made`] or a refusal.
    MakeNext,
    /// Overwrite the results of its operations: [`Answer::Done`].
    Spoil,
    /// Run a part of a pass over it: [`Answer::Ran`].
    Run(Run),
    /// Hold the results of its last pass against the oracle: [`Answer::Verified`].
    Verify,
}

/// A job, with its routine and type by name, and how to time it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Task {
    ceiling: CeilingId,
    op: String,
    dtype: String,
    /// The family of the variant, and its keys.
    family: String,
    variant: VariantKeys,
    pub(super) repetitions: u64,
    /// The length of one submission, as a share of the usual: 0 to 1.
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
    /// How long the job took.
    Timed(Timing),
    /// What is done otherwise than the sequence says.
    Made(Option<String>),
    /// How long a part of a pass took.
    Ran(Ran),
    /// Whether results agree with the oracle.
    Verified(bool),
    /// Why the job is refused.
    Refused(Refusal),
    /// Neither the device nor the process is usable any more.
    Fatal(String),
    /// The request failed.
    Failed(String),
    /// The request is done.
    Done,
}

/// An opened GPU, as the profile describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) gpu: GpuInfo,
    pub(super) provenance: GpuProvenance,
}

impl Task {
    /// `repetitions` of `job`.
    pub(super) fn new(job: &Job, repetitions: u64, limit: f64) -> Task {
        Task {
            ceiling: job.ceiling.clone(),
            op: job.op.name().to_owned(),
            dtype: job.dtype.name().to_owned(),
            family: job.variant.family().to_owned(),
            variant: job.variant.keys(),
            repetitions,
            limit,
        }
    }

    /// The job.
    ///
    /// # Errors
    /// Which name is unknown.
    pub(super) fn job(&self) -> Result<Job, String> {
        let op: Op = self.op.parse().map_err(|_| format!("\"{}\" is no routine", self.op))?;
        let dtype: Dtype = self.dtype.parse().map_err(|_| format!("\"{}\" is no data type", self.dtype))?;
        let variant = Variant::of_family(&self.family, &self.variant);
        let variant = variant.ok_or_else(|| format!("{} is no variant of \"{}\"", self.variant, self.family))?;
        Ok(Job { ceiling: self.ceiling.clone(), op, dtype, variant })
    }
}

/// The line for a message. It starts with a line break, because a driver may have left a line unfinished.
///
/// # Errors
/// Why it cannot be written as JSON.
pub(super) fn line(message: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(message).map(|json| format!("\n{MARK}{json}\n")).map_err(|e| e.to_string())
}

/// The message of a line; `None` for a line that a driver printed.
///
/// # Errors
/// When the line has the mark and is not understood.
pub(super) fn read<T: DeserializeOwned>(line: &str) -> Option<Result<T, String>> {
    let json = line.trim_end().strip_prefix(MARK)?;
    Some(serde_json::from_str(json).map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{AccessLayout, GpuStream, Launch, MemoryLevel};
    use crate::units::{Bytes, Flops, Seconds};
    use crate::work::Work;

    fn through<T: Serialize + DeserializeOwned>(message: &T) -> T {
        let line = line(message).unwrap();
        let [before, line, after]: [&str; 3] = line.split('\n').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((before, after), ("", ""));
        read(line).unwrap().unwrap()
    }

    #[test]
    fn jobs_and_passes_arrive_as_they_were_sent() {
        let variant =
            GpuStream { footprint_bytes: 1 << 40, workgroup_size: 8, workgroups: 16, layout: AccessLayout::Blocked }
                .into();
        let job = Job {
            ceiling: CeilingId::memory(MemoryLevel::Vram, Op::Read),
            op: Op::ChainAdd,
            dtype: Dtype::Q4K,
            variant,
        };
        let request = Request::Time(Box::new(Task::new(&job, u64::MAX, 0.25)));
        let Request::Time(task) = through(&request) else { panic!("another request") };
        assert_eq!((task.job(), task.repetitions, task.limit), (Ok(job), u64::MAX, 0.25));
        let timed = Answer::Timed(Timing {
            seconds: Seconds(0.012),
            repetitions: 7,
            work: Work { flops: Flops(0.0), bytes: Bytes(1e12) },
            disturbed: true,
            note: Some("a \"note\"\n".into()),
            ..Timing::default()
        });
        assert_eq!(through(&timed), timed);
        let refused = Answer::Refused(Refusal::OutOfMemory("too large".to_owned()));
        assert_eq!(through(&refused), refused);
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
        Job { ceiling: CeilingId::overhead(Op::Submit), op: Op::Read, dtype: Dtype::F32, variant: Launch {}.into() }
    }
}
