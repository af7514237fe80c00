//! What is to be measured of all that could be.

use crate::error::{Error, Result};
use crate::probe::{self, CurveQuestion, Scope};
use crate::profile::{CeilingId, Family, Machine, Profile};
use crate::store;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::HashSet;

/// One set of several globs. `listed` are the names that the message lists for one that matches none of `names`; `what`
/// they are of.
///
/// # Errors
/// Misuse for something that is no glob, or matches nothing.
pub(super) fn globs(patterns: &[String], names: &[&str], what: &str, listed: &[&str]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let misuse = |why: String| Error::misuse(format!("--only {pattern}: {why}"));
        let glob = Glob::new(pattern).map_err(|e| misuse(format!("not a glob: {}", e.kind())))?;
        let matcher = glob.compile_matcher();
        if !names.iter().any(|name| matcher.is_match(name)) {
            return Err(misuse(format!("matches no {what}; there are: {}", listed.join(", "))));
        }
        set.add(glob);
    }
    set.build().map_err(|e| Error::misuse(format!("--only: {e}")))
}

/// What is to be measured of all that could be.
pub(super) struct QuestionFilter {
    /// Empty where everything is measured.
    only: GlobSet,
    /// A simulation asks what its profile was asked.
    recorded: Option<HashSet<CeilingId>>,
    /// Whether anything is asked for whose arrays must be large enough.
    sized: bool,
}

impl QuestionFilter {
    /// # Errors
    /// Misuse for something that is no glob, or matches nothing.
    pub(super) fn new(
        patterns: &[String],
        machine: &Machine,
        scope: Scope,
        simulated: Option<&store::Named>,
    ) -> Result<QuestionFilter> {
        let ids: Vec<CeilingId> = (probe::survey(machine, &[], scope.effort).into_iter().map(|q| q.id))
            .chain(probe::plan(machine, &[], scope).into_iter().map(|q| q.id))
            .chain(probe::sustained(machine, &[], scope).into_iter().map(|long| long.question.id))
            .collect();
        let names: Vec<&str> = ids.iter().map(CeilingId::as_str).collect();
        let of = |profile: &Profile| {
            let (ceilings, curves) = (profile.ceiling.iter(), profile.curve.iter());
            ceilings.map(|c| c.id.clone()).chain(curves.map(|c| c.id.clone())).collect()
        };
        let only = globs(patterns, &names, "ceiling or curve", &names)?;
        let has_arrays = |id: &CeilingId| !matches!(id.family(), Family::Compute | Family::Overhead);
        Ok(QuestionFilter {
            sized: ids.iter().any(|id| has_arrays(id) && (only.is_empty() || only.is_match(id.as_str()))),
            only,
            recorded: simulated.map(|named| of(&named.profile)),
        })
    }

    fn id(&self, id: &CeilingId) -> bool {
        let recorded = self.recorded.as_ref().is_none_or(|ids| ids.contains(id));
        recorded && (self.only.is_empty() || self.only.is_match(id.as_str()))
    }

    /// Those of `curves` that are to be measured: those that are asked for, and those that say how large the arrays of others must
    /// be, unless nothing but arithmetic and overheads is asked for.
    pub(super) fn chosen_curves(&self, mut curves: Vec<CurveQuestion>) -> Vec<CurveQuestion> {
        curves.retain(|curve| match &self.recorded {
            Some(_) => self.id(&curve.id),
            None => self.id(&curve.id) || self.sized && curve.gives_sizes(),
        });
        curves
    }

    /// Those of `questions` that are to be measured; `id` gives the id of one.
    pub(super) fn chosen<Q>(&self, mut questions: Vec<Q>, id: impl Fn(&Q) -> &CeilingId) -> Vec<Q> {
        questions.retain(|question| self.id(id(question)));
        questions
    }
}
