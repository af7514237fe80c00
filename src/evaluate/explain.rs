//! How the numbers of one operation came about: its formulas with their values, line by line.

use super::Evaluator;
use super::figures::TimedStep;
use crate::model::{Pass, Step};
use crate::roofline::{Bound, Kernel, Resource};
use roofprobe_kernels::Shape;

/// Everything that led to the time of one operation, under every roof that there is.
pub(super) fn lines(timed: &TimedStep, evaluator: &Evaluator) -> Vec<String> {
    let step = &timed.counted.step;
    let mut lines = vec![extent(timed)];
    lines.extend(work(step));
    let (read, written) = (timed.counted.read_bytes(), timed.counted.written_bytes());
    if read + written > 0 {
        lines.push(format!("Q = {read} B read + {written} B written"));
    }
    lines.extend(peak(timed, evaluator));
    lines.extend(achieved(timed));
    lines
}

fn extent(timed: &TimedStep) -> String {
    let step = &timed.counted.step;
    let Shape { m, n, k, pairs, shared } = step.shape;
    let attention = if pairs > 0 { format!(", pairs {pairs}, shared {shared}") } else { String::new() };
    let pass = match timed.pass {
        Pass::Prefill => "prefill",
        Pass::Decode => "decode",
    };
    format!("{} ({pass}): {}, m {m}, n {n}, k {k}{attention}, {} times", step.name, step.op, step.repeat)
}

/// `max(F/π, Q/β)` with its values.
fn peak(timed: &TimedStep, evaluator: &Evaluator) -> Option<String> {
    let Bound { compute, resource, ceiling, .. } = timed.peak;
    ceiling?;
    let roofs = &evaluator.roofs;
    let load = timed.task.load;
    let mut sides = Vec::new();
    if load.flops.0 > 0.0 {
        let roof = roofs.compute(timed.task.arithmetic()).ok()?;
        let (flops, rate) = (load.flops.0, roof.rate.0);
        sides.push(format!("F/π = {flops:.4e} / {rate:.4e} FLOP/s ({}) = {}", roof.id, time(compute.0)));
    }
    for (bytes, roof) in [(load.read, &roofs.read), (load.written, &roofs.write)] {
        if bytes.0 > 0.0 {
            let seconds = (bytes / roof.rate).0;
            sides.push(format!("Q/β = {:.4e} / {:.4e} B/s ({}) = {}", bytes.0, roof.rate.0, roof.id, time(seconds)));
        }
    }
    let side = match resource {
        Resource::Memory => "Q/β",
        Resource::Compute => "F/π",
    };
    let doubt = if timed.peak.undecided() { ", undecided: the intervals overlap" } else { "" };
    let seconds = time(timed.peak.seconds().0);
    Some(format!("peak: {}; the longer is {side}: {seconds}{doubt}", sides.join(", ")))
}

/// Amount over measured rate, and starting.
fn achieved(timed: &TimedStep) -> Option<String> {
    let bound = timed.achieved?;
    if bound.seconds.0 == 0.0 {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(by) = bound.by {
        let alone = bound.seconds.0 - bound.overhead.0 - bound.activations.0;
        let load = timed.task.load;
        let (amount, unit) = match by.counted {
            Resource::Compute => (load.flops.0, "FLOP"),
            Resource::Memory => (load.read.0 + load.written.0, "B"),
        };
        let tokens = match timed.task.kernel {
            Kernel::Matmul { tokens: 1.0, .. } => " at 1 token".to_owned(),
            Kernel::Matmul { tokens, .. } if tokens.fract() == 0.0 => format!(" at {tokens} tokens"),
            Kernel::Matmul { tokens, .. } => format!(" at {tokens:.2} tokens per expert"),
            Kernel::Attention { context, .. } => format!(" over {context:.0} tokens"),
            Kernel::Other(_) => String::new(),
        };
        let rate = amount / alone * bound.slower;
        let smaller = if (bound.slower - 1.0).abs() < 5e-4 {
            String::new()
        } else {
            format!(" × {:.3} for a matrix of this size", bound.slower)
        };
        parts.push(format!("{amount:.4e} {unit} / {rate:.4e} {unit}/s ({by}{tokens}){smaller} = {}", time(alone)));
    }
    if bound.activations.0 > 0.0 {
        parts.push(format!("activations {}", time(bound.activations.0)));
    }
    if bound.overhead.0 > 0.0 {
        let each = bound.overhead.0 / timed.task.launches;
        parts.push(format!("started {} times × {} = {}", timed.task.launches, time(each), time(bound.overhead.0)));
    }
    Some(format!("achieved: {}: {}", parts.join(" + "), time(bound.seconds.0)))
}

fn time(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.4} s")
    } else if seconds >= 1e-3 {
        format!("{:.4} ms", seconds * 1e3)
    } else {
        format!("{:.4} µs", seconds * 1e6)
    }
}

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
fn work(step: &Step) -> Vec<String> {
    let formula = step.op.formula();
    let times = match step.repeat {
        1 => String::new(),
        repeat => format!(" × {repeat}"),
    };
    let reads = match step.reads.expected {
        1.0 => String::new(),
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
