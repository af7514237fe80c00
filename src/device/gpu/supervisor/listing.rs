//! Lists the adapters of every backend.

use super::process::{OPENING_MAX, Process, Stop, WorkerError};
use crate::device::gpu::adapter::{self, Adapter};
use crate::device::gpu::hooks::Hooks;
use crate::device::gpu::protocol::{Answer, Request};
use crate::error::{Error, Result};
use std::thread::ScopedJoinHandle;

/// The adapters that were found.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterList {
    /// Each GPU once.
    pub adapters: Vec<Adapter>,
    /// Which backends could not be asked, and why: GPUs that only they support are missing.
    pub notes: Vec<String>,
}

/// Every adapter there is. Each backend is asked in a process of its own, because its driver may crash. Gives up when `stop`
/// returns true.
///
/// # Errors
/// Failure when nothing was found and a backend failed, or when interrupted; misuse when the hooks are wrong.
pub fn adapters(stop: fn() -> bool) -> Result<AdapterList> {
    let hooks = Hooks::of_environment().map_err(Error::misuse)?;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = adapter::backends()
            .into_iter()
            .map(|backend| (backend, std::thread::Builder::new().spawn_scoped(scope, move || list(backend, stop))))
            .collect();
        let panicked = |_| Err(WorkerError::Crashed("the search for it panicked".to_owned()));
        let answer = |asking: std::io::Result<ScopedJoinHandle<_>>| match asking {
            Ok(asking) => asking.join().unwrap_or_else(panicked),
            Err(e) => Err(WorkerError::Crashed(format!("no thread can be started for it: {e}"))),
        };
        asked.into_iter().map(|(backend, asking)| (backend, answer(asking))).collect()
    });
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for (backend, answer) in answers {
        match answer {
            Ok(adapters) => found.extend(adapters.into_iter().map(|adapter| (adapter, ()))),
            Err(WorkerError::Interrupted) => return Err(Error::failure(WorkerError::Interrupted.to_string())),
            Err(error) => notes.push(format!("GPUs cannot be listed through {backend}: {error}")),
        }
    }
    let mut adapters: Vec<Adapter> = adapter::each_once(found).into_iter().map(|(adapter, ())| adapter).collect();
    if hooks.adapters_twice {
        adapters = adapters.into_iter().flat_map(|adapter| [adapter.clone(), adapter]).collect();
        adapters.iter_mut().enumerate().for_each(|(index, adapter)| adapter.index = index);
    }
    if adapters.is_empty() && !notes.is_empty() {
        return Err(Error::failure(notes.join("; ")));
    }
    Ok(AdapterList { adapters, notes })
}

fn list(backend: &str, stop: Stop) -> std::result::Result<Vec<Adapter>, WorkerError> {
    let request = Request::List { backend: backend.to_owned() };
    match Process::start_worker().map_err(WorkerError::Crashed)?.ask(&request, OPENING_MAX, stop)? {
        Answer::Adapters(adapters) => Ok(adapters),
        Answer::Failed(reason) => Err(WorkerError::Crashed(reason)),
        other => Err(WorkerError::unexpected(&other)),
    }
}
