//! Which experts the tokens of a mixture visit, where they are drawn.

use super::Refusal;
use roofprobe_kernels::reference::Random;

/// How many tokens visit which experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::device) struct Routing {
    /// Tokens.
    pub(in crate::device) tokens: usize,
    /// Experts.
    pub(in crate::device) experts: usize,
    /// Of which each token visits so many.
    pub(in crate::device) used: usize,
    /// Tokens of one expert that are multiplied at a time.
    pub(in crate::device) rows: usize,
}

/// Some tokens of one expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::device) struct Visit {
    /// The expert, by its number.
    pub(in crate::device) expert: usize,
    /// Its tokens.
    pub(in crate::device) rows: usize,
}

impl Routing {
    /// Tokens, experts, and of these those that each token visits, `rows` tokens of one expert at a time.
    ///
    /// # Errors
    /// Skipped when there are fewer experts than a token visits.
    pub(in crate::device) fn new([tokens, experts, used]: [usize; 3], rows: usize) -> Result<Routing, Refusal> {
        if used > experts {
            return Err(Refusal::Skipped(format!("{used} of {experts} experts cannot be visited")));
        }
        Ok(Routing { tokens, experts, used, rows: rows.max(1) })
    }

    /// Visits at most, for a device that makes room for all of them: experts whose last ones are not full, and full ones.
    #[cfg(feature = "cli")]
    pub(in crate::device) fn visits_max(&self) -> usize {
        let visits = self.tokens * self.used;
        self.experts.min(visits) + visits / self.rows
    }

    /// Experts drawn anew for each token, all with equal chances. The same seed gives the same ones.
    pub(in crate::device) fn draw(&self, seed: u64) -> Vec<Visit> {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..self.experts).collect();
        let mut counts = vec![0; self.experts];
        for _ in 0..self.tokens {
            for place in 0..self.used {
                let other = place + random.bits() as usize % (self.experts - place);
                order.swap(place, other);
                counts[order[place]] += 1;
            }
        }
        let visits = counts.iter().enumerate().flat_map(|(expert, &count)| {
            (0..count).step_by(self.rows).map(move |from| Visit { expert, rows: self.rows.min(count - from) })
        });
        visits.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_visits_its_experts_and_the_same_seed_the_same_ones() {
        for (tokens, experts, used, rows) in
            [(1, 8, 2, 1), (1, 60, 4, 1), (64, 8, 2, 16), (5, 4, 4, 2), (512, 64, 8, 32)]
        {
            let routing = Routing { tokens, experts, used, rows };
            let drawn = routing.draw(3);
            assert_eq!(drawn, routing.draw(3));
            assert_eq!(drawn.iter().map(|visit| visit.rows).sum::<usize>(), tokens * used);
            assert!(drawn.len() <= routing.visits_max() && drawn.iter().all(|visit| (1..=rows).contains(&visit.rows)));
            if tokens == 1 {
                assert!(drawn.windows(2).all(|pair| pair[0].expert < pair[1].expert), "{drawn:?}");
            }
        }
        // Over many tokens all are drawn alike often.
        let routing = Routing { tokens: 10_000, experts: 10, used: 2, rows: 10_000 };
        assert!(routing.draw(1).iter().all(|visit| (1800..2200).contains(&visit.rows)));
        assert_ne!(
            Routing { tokens: 1, experts: 64, used: 8, rows: 1 }.draw(1),
            Routing { tokens: 1, experts: 64, used: 8, rows: 1 }.draw(2)
        );
    }
}
