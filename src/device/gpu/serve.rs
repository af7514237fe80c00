//! The worker's side of the protocol: reads requests, does them, answers.

use super::adapter::{self, Adapter};
use super::context::{Context, GpuError, GpuResult};
use super::hooks::Hooks;
use super::protocol::{self, Answer, Opened, Request, Task};
use super::worker::Worker;
use crate::error::{Error, Result};
use crate::profile::{GpuClass, GpuInfo, GpuLimits, GpuProvenance};
use crate::units::four_digits;
use std::io::Write;

/// Answers `requests`, line by line, until there are no more or the device is lost. It runs in a process of its own, because a
/// driver may crash it; after a return that process should exit at once, since closing a driver that hangs would wait for it.
///
/// # Errors
/// Failure when a request is not understood or an answer cannot be written.
pub fn serve(requests: impl Iterator<Item = String>, mut answers: impl Write) -> Result<()> {
    let mut service = Service { hooks: Hooks::of_environment(), worker: None };
    for line in requests {
        let Some(request) = protocol::read(&line) else { continue };
        let answer = service.answer(request.map_err(Error::failure)?);
        let line = protocol::line(&answer).map_err(Error::failure)?;
        let written = answers.write_all(line.as_bytes()).and_then(|()| answers.flush());
        written.map_err(|e| Error::failure(format!("an answer cannot be written: {e}")))?;
        if matches!(answer, Answer::Fatal(_)) {
            // Dropping the device would wait for what hangs.
            std::mem::forget(service.worker);
            break;
        }
    }
    Ok(())
}

struct Service {
    hooks: std::result::Result<Hooks, String>,
    worker: Option<Worker>,
}

impl Service {
    fn answer(&mut self, request: Request) -> Answer {
        let hooks = match &self.hooks {
            Ok(hooks) => hooks.clone(),
            Err(reason) => return Answer::Failed(reason.clone()),
        };
        match request {
            Request::List { backend } => {
                Answer::Adapters(list(&backend, &hooks).into_iter().map(|(adapter, _)| adapter).collect())
            }
            Request::Open { adapter } => match open(&adapter, &hooks) {
                Ok((worker, opened)) => {
                    self.worker = Some(worker);
                    Answer::Opened(Box::new(opened))
                }
                Err(reason) => Answer::Failed(reason),
            },
            Request::Time(task) => self.time(&task),
            Request::Sequence(sequence) => self.of_worker(|worker| worker.take(*sequence).map(|()| Answer::Done)),
            Request::MakeNext => self.of_worker(|worker| worker.make_next().map(Answer::Made)),
            Request::Spoil => self.of_worker(|worker| worker.spoil().map(|()| Answer::Done)),
            Request::Run(run) => self.of_worker(|worker| worker.run(run).map(Answer::Ran)),
            Request::Verify => self.of_worker(|worker| worker.verified().map(Answer::Verified)),
            Request::Renew => {
                self.worker.iter_mut().for_each(Worker::renew);
                Answer::Done
            }
        }
    }

    /// What the worker does, or why not.
    fn of_worker(&mut self, act: impl FnOnce(&mut Worker) -> GpuResult<Answer>) -> Answer {
        let Some(worker) = &mut self.worker else { return Answer::Failed("no adapter is open".to_owned()) };
        match act(worker) {
            Ok(answer) => answer,
            Err(GpuError::Refused(refusal)) => Answer::Refused(refusal),
            Err(GpuError::Fatal(reason)) => Answer::Fatal(reason),
        }
    }

    fn time(&mut self, task: &Task) -> Answer {
        match task.job() {
            Ok(job) => self.of_worker(|worker| worker.time(&job, task.repetitions, task.limit).map(Answer::Timed)),
            Err(reason) => Answer::Failed(reason),
        }
    }
}

pub(super) fn list(backend: &str, hooks: &Hooks) -> Vec<(Adapter, wgpu::Adapter)> {
    if hooks.die_at == Some(0) || hooks.die_of.as_deref() == Some(backend) {
        std::process::abort();
    }
    let mut adapters = if hooks.no_adapters { Vec::new() } else { adapter::of(backend) };
    if hooks.as_hardware {
        adapters.iter_mut().for_each(|(adapter, _)| adapter.class = GpuClass::Other);
    }
    adapters
}

pub(super) fn open(asked: &Adapter, hooks: &Hooks) -> std::result::Result<(Worker, Opened), String> {
    let listed = list(&asked.backend, hooks);
    let found = listed.iter().find(|(adapter, _)| adapter.place == asked.place && adapter.is(asked));
    let found = found.or_else(|| listed.iter().find(|(adapter, _)| adapter.is(asked)));
    let (described, adapter) = found.ok_or_else(|| format!("{} is not there any more", asked.name))?;
    let worker = Worker::open(adapter, hooks.clone())?;
    let context = worker.context();
    let opened = Opened { gpu: info(described, adapter, context)?, provenance: provenance(described, context, hooks) };
    Ok((worker, opened))
}

fn info(described: &Adapter, adapter: &wgpu::Adapter, context: &Context) -> std::result::Result<GpuInfo, String> {
    use wgpu::Features;
    let limits = limits(&context.limits);
    if limits.workgroup_invocations == 0 || limits.storage_buffers == 0 || limits.binding_bytes == 0 {
        return Err(format!("{} has no compute shaders through {}", described.name, described.backend));
    }
    let sizes = adapter.get_info();
    let subgroups = context.features.contains(Features::SUBGROUP) && sizes.subgroup_min_size > 0;
    let features = [
        ("f16", context.features.contains(Features::SHADER_F16)),
        ("subgroups", context.features.contains(Features::SUBGROUP)),
        ("timestamps", context.features.contains(Features::TIMESTAMP_QUERY)),
        ("cooperative-matrix", !context.matrices.is_empty()),
    ];
    Ok(GpuInfo {
        class: described.class,
        pci_id: described.pci_id.clone(),
        pci_bus: described.pci_bus.clone(),
        subgroup_min: subgroups.then_some(sizes.subgroup_min_size),
        subgroup_max: subgroups.then_some(sizes.subgroup_max_size),
        features: features.iter().filter(|(_, there)| *there).map(|(word, _)| (*word).to_owned()).collect(),
        cooperative_matrices: context.matrices.iter().map(matrix).collect(),
        limits,
    })
}

/// `8x8x8 f16 f32`: rows, columns and the extent between; the type of the factors, that of the sums.
fn matrix(shape: &wgpu::CooperativeMatrixProperties) -> String {
    let [factors, sums] = [shape.ab_type, shape.cr_type].map(|scalar| format!("{scalar:?}").to_lowercase());
    let saturating = if shape.saturating_accumulation { " saturating" } else { "" };
    format!("{}x{}x{} {factors} {sums}{saturating}", shape.m_size, shape.n_size, shape.k_size)
}

fn limits(limits: &wgpu::Limits) -> GpuLimits {
    // Where there is no limit the driver reports 2⁶⁴ − 1, which a profile cannot hold.
    let bytes = |bytes: u64| bytes.min(i64::MAX as u64);
    GpuLimits {
        binding_bytes: bytes(limits.max_storage_buffer_binding_size),
        buffer_bytes: bytes(limits.max_buffer_size),
        workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        workgroup_size: [
            limits.max_compute_workgroup_size_x,
            limits.max_compute_workgroup_size_y,
            limits.max_compute_workgroup_size_z,
        ],
        workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
        workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
    }
}

fn provenance(described: &Adapter, context: &Context, hooks: &Hooks) -> GpuProvenance {
    let period = context.timestamp_period_ns();
    GpuProvenance {
        backend: described.backend.clone(),
        driver: described.driver.clone(),
        driver_info: described.driver_info.clone(),
        shader_checks: (if hooks.checked { "on" } else { "off" }).to_owned(),
        timestamp_period_ns: period.filter(|&ns| ns > 0.0).map(four_digits),
        timer: (if period.is_some() { "timestamps" } else { "wall clock by difference" }).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lines_are_skipped_and_a_broken_request_ends_the_service() {
        let answers_to = |lines: &[&str]| {
            let mut answers = Vec::new();
            let done = serve(lines.iter().map(|line| (*line).to_owned()), &mut answers);
            (done.is_ok(), String::from_utf8(answers).unwrap())
        };
        assert_eq!(answers_to(&["", "chatter"]), (true, String::new()));
        let renew = protocol::line(&Request::Renew).unwrap();
        assert_eq!(answers_to(&[renew.trim()]), (true, protocol::line(&Answer::Done).unwrap()));
        assert!(!answers_to(&[&renew.trim()[..renew.trim().len() - 1]]).0);
    }
}
