//! Two roofs over the same work.
//!
//! **Peak**: the least time that a load can take under a profile's ceilings, and the resource that binds.
//! `t = max(F/π, Q/β)` for one operation (Williams, Waterman, Patterson 2009), `Σ t` for operations one after another.
//! [`Span`] gives beside it the optimistic `max(ΣF/π, ΣQ/β)`, as if all operations overlapped; with two resources the
//! sum is at most twice that. Deliberately absent: launch overheads, cache reuse, efficiency below the ceilings.
//!
//! **Achieved** ([`Achieved`]): the time that the profile's own kernels would take, by the matmul and attention rates
//! measured at this number of tokens and this size of heads, and what starting each operation costs.
//!
//! Whatever a profile has to be searched for is found once ([`Roofs::of`], [`Achieved::of`]); a bound is arithmetic on
//! what was found, and allocates nothing.

mod achieved;
mod achieved_notes;
mod arithmetic;
mod attention;
mod bound;
mod extents;
mod ladder;
mod latents;
mod note;
mod roof;
mod roofs;
mod span;
mod task;

pub use achieved::{Achieved, AchievedBound, AchievedSpan, By};
pub use arithmetic::Arithmetic;
pub use bound::{Bound, Load, Resource, Ridge};
pub use note::{Note, NoteKind};
pub use roof::Roof;
pub use roofs::Roofs;
pub use span::Span;
pub use task::{Kernel, Task};
