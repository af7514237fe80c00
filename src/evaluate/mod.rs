//! Predicted performance of a model on a device: architecture × workload × profile, joined.
//!
//! Every operation of the workload is put under the profile's ceilings ([`roofline`](crate::roofline)); their times add
//! up, one operation after another. Two roofs answer side by side: the peak, which no kernel exceeds, and the achieved
//! one, what kernels were measured to do. Traffic is what memory must deliver once: weights once per pass, visible keys and
//! values once per pass and sequence; activations are taken to stay in caches, and are reported apart.
//!
//! A [`Query`] says what is asked; an [`Evaluator`] answers it for one model on one profile; [`evaluate`] writes all of the
//! answer down. Pure: the same input gives the same record. The record's field names are a contract with other tools.

mod advice;
mod counts;
mod draft;
mod energy;
mod evaluator;
mod explain;
mod figures;
mod formats;
mod memory;
mod notes;
mod parts;
mod phase;
mod query;
mod record;
mod result;
mod split;
mod stored;
mod threads;

pub use crate::roofline::{Note, NoteKind};
pub use advice::{Advice, CacheSpeed, FormatSpeed, Free, MicroBatchSpeed, TOLERANCE};
pub use counts::ClassCounts;
pub(crate) use counts::exact;
pub use draft::{DraftLength, DraftQuery, Speculation, StepSpeed, speculate};
pub use energy::Energy;
pub use evaluator::Evaluator;
pub use figures::{Extent, Figures};
pub use parts::PartTime;
pub use query::{NamedProfile, Query, RoofKind, common_roof};
pub use record::{EngineFacts, Evaluation, OpResult, PhaseResult, ProfileFacts, Speed};
pub use result::{evaluate, evaluate_engine};
pub use split::{Link, Split, SplitPlace};
pub use stored::StoredFiles;
pub use threads::{ThreadAdvice, Threads};
