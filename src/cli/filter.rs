//! What is to be measured of all that could be.

use crate::error::{Error, Result};
use crate::probe::{self, CurveQuestion, LongQuestion, Question};
use crate::profile::{CeilingId, Effort, Machine, Profile};
use crate::store;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::HashSet;

/// One set of several globs.
///
/// # Errors
/// Misuse for something that is no glob.
pub(super) fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|e| Error::misuse(format!("--only {pattern}: not a glob: {}", e.kind())))?);
    }
    set.build().map_err(|e| Error::misuse(format!("--only: {e}")))
}

/// What is to be measured of all that could be.
pub(super) struct QuestionFilter {
    /// Empty where everything is measured.
    only: GlobSet,
    /// A simulation asks what its profile was asked.
    recorded: Option<HashSet<CeilingId>>,
}

impl QuestionFilter {
    /// # Errors
    /// Misuse for something that is no glob, or matches nothing.
    pub(super) fn new(
        patterns: &[String],
        machine: &Machine,
        effort: Effort,
        simulated: Option<&store::Named>,
    ) -> Result<QuestionFilter> {
        let ids: Vec<CeilingId> = (probe::survey(machine, effort).into_iter().map(|q| q.id))
            .chain(probe::plan(machine, &[], effort).into_iter().map(|q| q.id))
            .chain(probe::sustained(machine, &[], effort).into_iter().map(|long| long.question.id))
            .collect();
        for pattern in patterns {
            let glob = globs(std::slice::from_ref(pattern))?;
            if !ids.iter().any(|id| glob.is_match(id.as_str())) {
                let all = ids.iter().map(CeilingId::as_str).collect::<Vec<_>>().join(", ");
                return Err(Error::misuse(format!("--only {pattern}: matches no ceiling or curve; there are: {all}")));
            }
        }
        let of = |profile: &Profile| {
            let (ceilings, curves) = (profile.ceiling.iter(), profile.curve.iter());
            ceilings.map(|c| c.id.clone()).chain(curves.map(|c| c.id.clone())).collect()
        };
        Ok(QuestionFilter { only: globs(patterns)?, recorded: simulated.map(|named| of(&named.profile)) })
    }

    fn id(&self, id: &CeilingId) -> bool {
        let recorded = self.recorded.as_ref().is_none_or(|ids| ids.contains(id));
        recorded && (self.only.is_empty() || self.only.is_match(id.as_str()))
    }

    pub(super) fn ceilings(&self, mut questions: Vec<Question>) -> Vec<Question> {
        questions.retain(|q| self.id(&q.id));
        questions
    }

    pub(super) fn long(&self, mut questions: Vec<LongQuestion>) -> Vec<LongQuestion> {
        questions.retain(|long| self.id(&long.question.id));
        questions
    }

    pub(super) fn curves(&self, mut questions: Vec<CurveQuestion>) -> Vec<CurveQuestion> {
        questions.retain(|q| self.id(&q.id));
        questions
    }
}
