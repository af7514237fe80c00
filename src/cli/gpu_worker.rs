//! `roofprobe gpu-worker`: what roofprobe starts itself as, to touch drivers in a process that may die of it.

use crate::device::gpu;
use crate::error::Result;
use clap::Args;
use std::io::BufRead;
use std::sync::mpsc;

/// Answer requests about GPUs, line by line, until standard input ends.
#[derive(Debug, Args)]
pub(super) struct GpuWorker {}

impl GpuWorker {
    pub(super) fn run(&self) -> Result<()> {
        // A terminal interrupts the whole group; when to stop is the parent's business, and a lost pass would look like a
        // fault. Without a handler it is the process that ends, which the parent survives.
        let _ = ctrlc::set_handler(|| ());
        let (sender, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
            // Nobody listens any more: the process ends, in the midst of a driver's call if need be.
            std::process::exit(0);
        });
        gpu::serve(requests.into_iter(), std::io::stdout())?;
        // Closing a device that hangs would wait for it.
        std::process::exit(0);
    }
}
