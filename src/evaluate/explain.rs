//! How the numbers of one operation came about: its formulas with their values, line by line.

use crate::model::Step;
use roofprobe_kernels::Shape;

/// A formula of [`Op::formula`](roofprobe_kernels::Op::formula) with the values of `shape` in place of the names.
fn substituted(formula: &str, shape: Shape) -> String {
    let Shape { m, n, k, pairs, shared } = shape;
    let values = [("m", m), ("n", n), ("k", k), ("pairs", pairs), ("shared", shared)];
    let mut out = String::new();
    let mut word = String::new();
    for letter in formula.chars().chain([' ']) {
        if letter.is_ascii_alphabetic() {
            word.push(letter);
            continue;
        }
        match values.iter().find(|(name, _)| *name == word) {
            Some((_, value)) => out.push_str(&value.to_string()),
            None => out.push_str(&word),
        }
        word.clear();
        out.push(letter);
    }
    out.trim_end().to_owned()
}

/// The work of a step: FLOPs and elements, each as formula, values and result.
pub(super) fn work(step: &Step) -> Vec<String> {
    let formula = step.op.formula();
    let times = match step.repeat {
        1 => String::new(),
        repeat => format!(" × {repeat}"),
    };
    let reads = match step.reads.expected {
        reads if reads == 1.0 => String::new(),
        reads if reads.fract() == 0.0 => format!(" × {reads} reads"),
        reads => format!(" × {reads:.2} expected reads"),
    };
    let total = step.total();
    let mut lines = Vec::new();
    let mut line = |what: &str, formula: &str, times: &str, result: u128, unit: &str| {
        if result > 0 {
            let values = substituted(formula, step.shape);
            lines.push(format!("{what} = ({formula}){times} = ({values}){times} = {result} {unit}"));
        }
    };
    line("F", formula.flops, &times, total.flops, "FLOP");
    let stored = format!("elements of {}", step.operand);
    line("weights", formula.weights_read, &reads, total.weights_read, &stored);
    line("cache read", formula.cache_read, &times, total.cache_read, &stored);
    line("cache written", formula.cache_written, &times, total.cache_written, &stored);
    line("state read and written", formula.state, &times, total.state_read, &stored);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_values() {
        let shape = Shape { m: 3, n: 5, k: 7, pairs: 11, shared: 2 };
        assert_eq!(substituted("2·m·n·k", shape), "2·3·5·7");
        assert_eq!(substituted("min(m, k)·n", shape), "min(3, 7)·5");
        assert_eq!(substituted("2·pairs·(k + shared)", shape), "2·11·(7 + 2)");
    }
}
