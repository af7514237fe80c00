//! `roofprobe gpu-worker`: the process that touches drivers, which may crash it. roofprobe starts it itself.

use crate::device::gpu;
use crate::error::{Error, Result};
use clap::Args;
use std::io::BufRead;
use std::sync::mpsc;

/// Answer requests about GPUs, line by line, until standard input ends.
#[derive(Debug, Args)]
pub(super) struct GpuWorker {}

impl GpuWorker {
    pub(super) fn run(&self) -> Result<()> {
        // A terminal interrupts parent and worker alike. The parent decides when to stop; a worker that ended first would look
        // like a crash. Without the handler it does end, and the parent survives that.
        let _ = ctrlc::set_handler(|| ());
        let (sender, requests) = mpsc::channel();
        let listen = move || {
            for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
            // The parent is gone: the process ends, even within a driver's call.
            std::process::exit(0);
        };
        let started = std::thread::Builder::new().spawn(listen);
        started.map_err(|e| Error::failure(format!("no thread can be started: {e}")))?;
        gpu::serve(requests.into_iter(), std::io::stdout())?;
        // Closing a device that hangs would wait for it.
        std::process::exit(0);
    }
}
