//! The time that an engine takes for one operation.

use super::{Basis, EngineTable, Part};
use crate::roofline::{AchievedBound, Bound, By, Kernel, Task};
use crate::units::Seconds;

/// Two-sided 95 % of a normal distribution, in standard deviations.
const Z95: f64 = 1.96;

impl EngineTable {
    /// The time of a task in this engine, from the time that measured kernels take for it; where none was measured, from its
    /// bound under the peak roofs and the time of its activations at the bandwidth of memory.
    pub fn bound<'a>(
        &self,
        part: &Part,
        task: &Task,
        peak: &Bound<'a>,
        achieved: Option<&AchievedBound<'a>>,
    ) -> AchievedBound<'a> {
        let kernel = achieved.copied().unwrap_or_else(|| of_peak(peak));
        let own = self.attention_time(task, &kernel).unwrap_or(kernel.seconds);
        let kernels = (own.0 - kernel.overhead.0).max(0.0);
        let spread = |end: Seconds| if kernel.seconds.0 > 0.0 { libm::log(end / kernel.seconds).abs() } else { 0.0 };
        let (value, [low, high], basis) = match self.efficiency(part) {
            Some(found) => (found.value, found.ci95, found.basis),
            None => (1.0, [1.0; 2], Basis::Default),
        };
        // What was fitted on this device has the kernels' own error in it.
        let own = |end: Seconds| if basis == Basis::Fitted { 0.0 } else { spread(end) };
        let factor = |end: Seconds, of_value: f64| {
            libm::exp((own(end).powi(2) + libm::log(of_value).powi(2) + (Z95 * self.residual).powi(2)).sqrt())
        };
        let started = |us: f64| us * 1e-6 * task.launches;
        let own_time = kernels / value;
        AchievedBound {
            seconds: Seconds(own_time + started(self.op.us)),
            fastest: Seconds(own_time / factor(kernel.fastest, high / value) + started(self.op.ci95[0])),
            slowest: Seconds(own_time * factor(kernel.slowest, value / low) + started(self.op.ci95[1])),
            overhead: Seconds(started(self.op.us)),
            ..kernel
        }
    }

    /// The kernel time of a decode step's attention in an engine that does each query head by itself, starting it included; none of
    /// anything else.
    pub fn attention_time(&self, task: &Task, kernel: &AchievedBound) -> Option<Seconds> {
        let Kernel::Attention { group, head_dim, uses, .. } = task.kernel else { return None };
        // Half of key and value together: of a latent that is both, of less than both.
        let head_dim = if uses > 1.0 { head_dim * uses / 2.0 } else { head_dim };
        let (cost, by_flops) = (self.attention?, kernel.by_flops?);
        let others = kernel.overhead + kernel.activations;
        Some(Seconds((by_flops.0 - others.0) * cost.factor(group, head_dim)) + others)
    }

    /// What `passes` passes cost beside their operations: the lower end, the value, the upper end.
    pub fn passes(&self, passes: u64) -> [Seconds; 3] {
        let [low, high] = self.pass.ci95;
        [low, self.pass.us, high].map(|us| Seconds(us * 1e-6 * passes as f64))
    }
}

fn of_peak<'a>(peak: &Bound<'a>) -> AchievedBound<'a> {
    let [least, moved, most] = peak.activations;
    AchievedBound {
        seconds: peak.seconds() + Seconds(moved),
        fastest: peak.fastest + Seconds(least),
        slowest: peak.slowest + Seconds(most),
        overhead: Seconds(0.0),
        activations: Seconds(moved),
        slower: 1.0,
        by_flops: None,
        resource: peak.resource,
        by: peak.ceiling.map(|id| By { from: id, up_to: None, counted: peak.resource }),
    }
}
