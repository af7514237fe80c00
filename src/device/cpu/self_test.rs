//! The ISA self-test: an instruction set that may end the process of whoever uses it is tried in another process first.
//!
//! CPUID can promise what a hypervisor or an old system does not keep. So before a risky kernel is run here, this very
//! program is started once more, as `roofprobe isa-self-test ISA`, to run one round of each chain, to compare it with the
//! oracle and to print [`PASSED`]. Whatever else it does is the reason why the instruction set is not used.

use crate::device::child;
use roofprobe_kernels::Isa;
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, Tokens, Ways};
use roofprobe_kernels::reference::matmul as oracle;
use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the child prints when everything was right. A program that is not roofprobe prints something else.
pub const PASSED: &str = "the self-test has passed";

/// One round takes less than a millisecond and the oracle's a few more; a machine may be busy.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Whether `isa` may be used here: at once if it is harmless, after its trial if it is risky. The trial is made once.
///
/// # Errors
/// The reason why not.
pub(super) fn survived(isa: Isa) -> Result<(), String> {
    static TRIALS: Mutex<Option<HashMap<Isa, Result<(), String>>>> = Mutex::new(None);
    if !isa.risky() {
        return Ok(());
    }
    let mut trials = TRIALS.lock().unwrap_or_else(PoisonError::into_inner);
    let trial = || {
        let program = std::env::current_exe().map_err(|e| format!("{isa} could not be tried: {e}"))?;
        tried(Command::new(program).args(["isa-self-test", isa.name()]), TIME_MAX)
            .map_err(|end| format!("{isa}: {end}"))
    };
    trials.get_or_insert_default().entry(isa).or_insert_with(trial).clone()
}

/// Starts `command` and waits until it ends, or at most for `time_max`.
fn tried(command: &mut Command, time_max: Duration) -> Result<(), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("a process to try it could not be started: {e}"))?;
    let status = match child::wait(&mut child, time_max) {
        Ok(Some(status)) => status,
        Ok(None) => {
            give_up(&mut child);
            return Err(format!("a process that tried it did not end within {} s", time_max.as_secs_f64()));
        }
        Err(e) => {
            give_up(&mut child);
            return Err(format!("a process that tries it cannot be watched: {e}"));
        }
    };
    if !status.success() {
        return Err(format!("a process that tried it {}", child::described(status)));
    }
    let said = child.stdout.take().map(std::io::read_to_string).and_then(Result::ok).unwrap_or_default();
    if said.trim() == PASSED { Ok(()) } else { Err("a process that tried it did not report success".to_owned()) }
}

/// Ends the process. It may have ended just now; then there is nothing to do.
fn give_up(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// What the child does: one round of every chain of `isa`, verified, and one small product of every matmul.
///
/// # Errors
/// When there is no such kernel here, or one of them differs from the oracle.
pub(super) fn try_here(isa: Isa) -> Result<(), String> {
    let kernels: Vec<ChainKernel> = ChainKernel::all().filter(|kernel| kernel.isa() == isa).collect();
    if kernels.is_empty() {
        return Err(format!("this CPU has no {isa}, or there is no chain for it"));
    }
    for kernel in kernels {
        let mut state = kernel.prepare(1);
        state.run(1);
        if !state.verified(1) {
            return Err(format!("the {} chain on {isa} differs from the oracle", kernel.dtype()));
        }
    }
    match MatmulKernel::all().filter(|kernel| kernel.isa() == isa).find(|&kernel| !multiplies(kernel)) {
        Some(kernel) => Err(format!("the matmul of {} weights on {isa} differs from the oracle", kernel.weights())),
        None => Ok(()),
    }
}

/// Whether a product of 33 tokens with two strips of weights is what the oracle says.
fn multiplies(kernel: MatmulKernel) -> bool {
    let (rows, k, columns) = (33, 512, 2 * kernel.strip_rows());
    let (weights, arithmetic) = (kernel.weights(), kernel.arithmetic());
    let stored = oracle::weights(weights, columns, k, 1);
    let mut strips = vec![0; 2 * kernel.strip_bytes(k)];
    kernel.pack(&stored, k, &mut strips);
    let tokens = oracle::tokens(rows, k, 2);
    let mut bytes = vec![0; kernel.token_bytes(rows, k)];
    if kernel.quantises() {
        kernel.quantise(&tokens, k, &mut bytes);
    } else {
        kernel.place(&oracle::stored_tokens(arithmetic, &tokens, k), k, &mut bytes);
    }
    let Ok(output) = Output::new(Grid { rows, columns, tile_rows: rows, tile_columns: columns }) else { return false };
    let Some(mut tile) = output.tile(0, 0) else { return false };
    kernel.multiply(k, &strips, Tokens { bytes: &bytes, rows }, &mut tile, Ways::plain(1 << 20));
    tokens.chunks(k).enumerate().all(|(row, token)| {
        let token = oracle::rounded_token(weights, arithmetic, token);
        stored.chunks(stored.len() / columns).enumerate().all(|(column, of_row)| {
            let want = oracle::element(&oracle::rounded_weights(weights, arithmetic, of_row), &token);
            oracle::element_agrees(weights, arithmetic, tile.bits(row, column), want, k)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harmless_are_not_tried() {
        assert_eq!(survived(Isa::Portable), Ok(()));
        assert_eq!(try_here(Isa::Portable), Ok(()));
    }

    #[cfg(unix)]
    fn shell(script: &str, time_max: Duration) -> Result<(), String> {
        tried(Command::new("sh").args(["-c", script]), time_max)
    }

    #[test]
    #[cfg(unix)]
    fn a_process_that_dies_is_the_reason() {
        let long = Duration::from_secs(60);
        // Signal 4 is what an instruction that the CPU lacks raises.
        assert!(shell("kill -ILL $$", long).unwrap_err().contains("died with signal 4"));
        assert!(shell("kill -SEGV $$", long).unwrap_err().contains("died with signal 11"));
        assert!(shell("exit 3", long).unwrap_err().contains("failed"));
        assert!(shell("echo something else", long).unwrap_err().contains("did not report success"));
        assert_eq!(shell(&format!("echo {PASSED}"), long), Ok(()));
        assert!(tried(&mut Command::new("/nonexistent/program"), long).unwrap_err().contains("could not be started"));
    }

    #[test]
    #[cfg(unix)]
    fn a_process_that_hangs_is_not_waited_for() {
        assert!(shell("exec sleep 600", Duration::from_millis(20)).unwrap_err().contains("did not end"));
    }
}
