//! The formulas of [`Op::cost`] in words, for those who want to see how a number came about.
//!
//! A test evaluates each of them and holds it against the cost itself, so that what is shown is what is counted.

use crate::op::Op;

/// How an operation's costs follow from its extent: products and sums of `m`, `n`, `k`, `pairs` and `shared`. Empty is
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    /// Matmul FLOPs.
    pub flops: &'static str,
    /// Weight elements read.
    pub weights_read: &'static str,
    /// Key/value cache elements read.
    pub cache_read: &'static str,
    /// Key/value cache elements written.
    pub cache_written: &'static str,
    /// Elements of state read, and as many written.
    pub state: &'static str,
}

impl Op {
    /// The formulas of what it costs in matmul FLOPs and in memory traffic. Routines of probes that read streams have
    /// none: they are defined by their arrays.
    pub const fn formula(self) -> Formula {
        let none = Formula { flops: "", weights_read: "", cache_read: "", cache_written: "", state: "" };
        match self {
            Op::Chain => Formula { flops: "2·n·k", ..none },
            Op::ChainAdd => Formula { flops: "(2·n + m)·k", ..none },
            Op::Matmul => Formula { flops: "2·m·n·k", weights_read: "n·k", ..none },
            Op::Attention => Formula { flops: "2·pairs·(k + shared)", cache_read: "n·k", ..none },
            Op::Gather => Formula { weights_read: "min(m, k)·n", ..none },
            Op::Append => Formula { cache_written: "m·n", ..none },
            Op::Fetch => Formula { cache_read: "m·n", ..none },
            Op::State => Formula { state: "m·n", ..none },
            Op::RmsNorm | Op::LayerNorm | Op::GatedNorm | Op::Conv => Formula { weights_read: "n·k", ..none },
            Op::Bias => Formula { weights_read: "n", ..none },
            Op::Scan => Formula { flops: "6·m·n·k", ..none },
            Op::SelectiveScan => Formula { flops: "9·m·n·k", ..none },
            Op::DeltaRule => Formula { flops: "8·m·n·k", ..none },
            _ => none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Cost, Shape};

    /// Sums of products of names, whole numbers, parentheses and `min(a, b)`.
    struct Parser<'a>(&'a str, Shape);

    impl Parser<'_> {
        fn eat(&mut self, token: &str) -> bool {
            let rest = self.0.trim_start().strip_prefix(token);
            self.0 = rest.unwrap_or(self.0);
            rest.is_some()
        }

        fn sum(&mut self) -> u128 {
            let mut sum = self.product();
            while self.eat("+") {
                sum += self.product();
            }
            sum
        }

        fn product(&mut self) -> u128 {
            let mut product = self.atom();
            while self.eat("·") {
                product *= self.atom();
            }
            product
        }

        fn atom(&mut self) -> u128 {
            if self.eat("min(") {
                let first = self.sum();
                assert!(self.eat(","), "{}", self.0);
                let least = first.min(self.sum());
                assert!(self.eat(")"), "{}", self.0);
                return least;
            }
            if self.eat("(") {
                let inside = self.sum();
                assert!(self.eat(")"), "{}", self.0);
                return inside;
            }
            let Shape { m, n, k, pairs, shared } = self.1;
            for (name, value) in [("m", m), ("n", n), ("k", k), ("pairs", pairs), ("shared", shared)] {
                if self.eat(name) {
                    return value.into();
                }
            }
            let text = self.0.trim_start();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let number = text[..digits].parse().unwrap_or_else(|_| panic!("{text}"));
            self.0 = &text[digits..];
            number
        }
    }

    fn value(formula: &str, shape: Shape) -> u128 {
        if formula.is_empty() {
            return 0;
        }
        let mut parser = Parser(formula, shape);
        let value = parser.sum();
        assert!(parser.0.trim().is_empty(), "left over: {}", parser.0);
        value
    }

    #[test]
    fn what_is_shown_is_what_is_counted() {
        let streams =
            [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad, Op::Chase, Op::Upload, Op::Download];
        for op in Op::ALL.into_iter().filter(|op| !streams.contains(op)) {
            for shape in
                [Shape { m: 3, n: 5, k: 7, pairs: 11, shared: 0 }, Shape { m: 9, n: 4, k: 2, pairs: 6, shared: 13 }]
            {
                let Cost { flops, weights_read, cache_read, cache_written, state_read, state_written, .. } =
                    op.cost(shape);
                let formula = op.formula();
                let shown = [
                    formula.flops,
                    formula.weights_read,
                    formula.cache_read,
                    formula.cache_written,
                    formula.state,
                    formula.state,
                ];
                let counted = [flops, weights_read, cache_read, cache_written, state_read, state_written];
                assert_eq!(shown.map(|formula| value(formula, shape)), counted, "{op}");
            }
        }
    }
}
