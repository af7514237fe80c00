//! One opened GPU: submissions, and how long they took. `buffers.rs` has its memory.
//!
//! Every call that can fail is made within error scopes, so that an error of the driver or of wgpu becomes a [`Refusal`]
//! of one job. A lost device, and work that does not end in time, are [`GpuError::Fatal`]: the process that holds it has to end.

use super::hooks::Hooks;
use super::pipeline::Pipeline;
use super::raw;
use super::scopes;
#[cfg(not(target_arch = "wasm32"))]
use super::shader;
use super::shader::Program;
use super::timestamps::{self, ClockReadings, Timestamps};
use super::waiting;
use crate::device::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;

/// Why a job has no result.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum GpuError {
    /// This job cannot be done; the device stays usable.
    Refused(Refusal),
    /// The device is not usable any more.
    Fatal(String),
}

impl From<Refusal> for GpuError {
    fn from(refusal: Refusal) -> GpuError {
        GpuError::Refused(refusal)
    }
}

pub(super) type GpuResult<T> = Result<T, GpuError>;

/// A submission that takes longer is given up: drivers reset a GPU after two to ten seconds.
pub(super) const WATCHDOG: Duration = Duration::from_secs(20);

/// A buffer that only orders dispatches.
const ORDER_BYTES: u64 = 256;

/// One opened GPU.
pub(super) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) features: wgpu::Features,
    pub(super) limits: wgpu::Limits,
    /// The shapes of cooperative matrices that the adapter lists.
    pub(super) matrices: Vec<wgpu::CooperativeMatrixProperties>,
    /// The fewest and the most invocations that a subgroup has.
    pub(super) subgroup_min: u32,
    pub(super) subgroup_max: u32,
    pub(super) hooks: Hooks,
    /// While a sequence is run: a buffer that every dispatch is bound to as if it wrote there, so that each waits for the one
    /// before it, as in an engine, where each reads what the one before it wrote.
    pub(super) order: Option<wgpu::Buffer>,
    timestamps: Option<Timestamps>,
    lost: Arc<Mutex<Option<String>>>,
    /// Those built so far, by [`Program::key`].
    pipelines: HashMap<String, Pipeline>,
}

/// The features that are used where an adapter has them.
fn used_features() -> wgpu::Features {
    use wgpu::Features;
    Features::SHADER_F16 | Features::SUBGROUP | Features::TIMESTAMP_QUERY | Features::EXPERIMENTAL_COOPERATIVE_MATRIX
}

impl Context {
    /// Opens `adapter` with all of its limits.
    ///
    /// # Errors
    /// The driver's message.
    pub(super) fn open(adapter: &wgpu::Adapter, hooks: Hooks) -> Result<Context, String> {
        let features = adapter.features() & used_features() & !hooks.without_features();
        let mut limits = adapter.limits();
        if let Some(bytes) = hooks.binding_bytes {
            limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.min(bytes);
        }
        let experimental = features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
        let descriptor = wgpu::DeviceDescriptor {
            label: None,
            required_features: features,
            required_limits: limits.clone(),
            experimental_features: if experimental {
                raw::experimental_features()
            } else {
                wgpu::ExperimentalFeatures::disabled()
            },
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = waiting::block_on(adapter.request_device(&descriptor)).map_err(|e| e.to_string())?;
        let lost = Arc::new(Mutex::new(None));
        let (noticed, objected) = (lost.clone(), lost.clone());
        device.set_device_lost_callback(move |reason, message| note(&noticed, format!("{reason:?} {message}")));
        // All calls are made within error scopes, so nothing should arrive here. If something does, the device is not trusted.
        device.on_uncaptured_error(Arc::new(move |error| note(&objected, error.to_string())));
        let has_timestamps = features.contains(wgpu::Features::TIMESTAMP_QUERY);
        let timestamps = has_timestamps.then(|| Timestamps::new(&device, &queue, 1)).flatten();
        let matrices = if experimental { adapter.cooperative_matrix_properties() } else { Vec::new() };
        let info = adapter.get_info();
        let (subgroup_min, subgroup_max) = (info.subgroup_min_size, info.subgroup_max_size);
        let pipelines = HashMap::new();
        Ok(Context {
            device,
            queue,
            features,
            limits,
            matrices,
            subgroup_min,
            subgroup_max,
            hooks,
            order: None,
            timestamps,
            lost,
            pipelines,
        })
    }

    /// Nanoseconds of one timestamp tick, where there are timestamps.
    pub(super) fn timestamp_period_ns(&self) -> Option<f64> {
        self.timestamps.as_ref().map(|timestamps| timestamps.period_s * 1e9)
    }

    /// The largest part of a buffer that can be bound, in whole vectors of 16 bytes.
    pub(super) fn binding_bytes(&self) -> u64 {
        let most = self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size);
        // Offsets of bindings are aligned too.
        let grain = u64::from(self.limits.min_storage_buffer_offset_alignment).max(256);
        most / grain * grain
    }

    /// The pipeline of `program`, built once.
    ///
    /// # Errors
    /// Refused when the adapter lacks what it needs, its limits do not allow it, or the driver rejects it.
    pub(super) fn pipeline(&mut self, program: &Program) -> GpuResult<Pipeline> {
        let key = program.key();
        if let Some(built) = self.pipelines.get(&key) {
            return Ok(built.clone());
        }
        let source = program.source();
        self.check_size(program)?;
        let descriptor = || wgpu::ShaderModuleDescriptor {
            label: Some(program.entry),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        };
        let module = self.scoped(|| match self.hooks.checked {
            false => raw::unchecked_module(&self.device, descriptor()),
            true => self.device.create_shader_module(descriptor()),
        })?;
        let built = self.scoped(|| Pipeline::new(&self.device, &module, program, self.order.is_some()))?;
        self.pipelines.insert(key, built.clone());
        Ok(built)
    }

    /// Has every dispatch made from now on wait for the one before it, or not. Pipelines of the other kind are given up.
    pub(super) fn keep_order(&mut self, keep: bool) -> GpuResult<()> {
        if keep != self.order.is_some() {
            self.pipelines.clear();
            self.order = if keep { Some(self.buffer(ORDER_BYTES)?) } else { None };
        }
        Ok(())
    }

    /// A clock for so many compute passes of one submission; `None` without timestamps.
    pub(super) fn clock(&self, passes: u32) -> Option<Timestamps> {
        self.timestamps.as_ref()?;
        Timestamps::new(&self.device, &self.queue, passes)
    }

    /// Times `count` compute passes of one submission by `clock`: from the end of each to the end of the next, s.
    pub(super) fn time_each(
        &self,
        clock: &Timestamps,
        count: u32,
        mut encode: impl FnMut(u32, &mut wgpu::ComputePass),
    ) -> GpuResult<(f64, Option<Vec<f64>>)> {
        let wall = self.submit(|encoder| {
            for index in 0..count {
                let timestamp_writes = Some(clock.writes(index));
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                encode(index, &mut encoder.begin_compute_pass(&descriptor));
            }
            clock.resolve(encoder, count);
        })?;
        let bytes = u64::from(count) * timestamps::BYTES;
        let each = self.mapped(&clock.read, bytes, |view| clock.each(view))?;
        Ok((wall, each))
    }

    /// Whether a program keeps within the limits: wgpu does not look.
    #[cfg(not(target_arch = "wasm32"))]
    fn check_size(&self, program: &Program) -> GpuResult<()> {
        let size = shader::compiled(program).map_err(|e| refused(&e))?.size;
        Ok(size.within(&self.limits).map_err(Refusal::Unsupported)?)
    }

    /// Submits one compute pass without timestamps, and waits for its end.
    pub(super) fn pass(&self, encode: impl FnOnce(&mut wgpu::ComputePass)) -> GpuResult<()> {
        self.submit(|encoder| encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default())))
            .map(drop)
    }

    /// Times one submission of one compute pass.
    pub(super) fn time(&self, encode: impl FnOnce(&mut wgpu::ComputePass)) -> GpuResult<ClockReadings> {
        let wall = self.submit(|encoder| {
            let timestamp_writes = self.timestamps.as_ref().map(|timestamps| timestamps.writes(0));
            encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }));
            self.timestamps.iter().for_each(|timestamps| timestamps.resolve(encoder, 1));
        })?;
        let timestamps = match &self.timestamps {
            Some(timestamps) => self.mapped(&timestamps.read, timestamps::BYTES, |view| timestamps.seconds(view))?,
            None => None,
        };
        Ok(ClockReadings { wall, timestamps })
    }

    /// Submits what `encode` encodes, and waits for the end. Returns the seconds from one to the other.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn submit(&self, encode: impl FnOnce(&mut wgpu::CommandEncoder)) -> GpuResult<f64> {
        let commands = self.scoped(|| {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encode(&mut encoder);
            encoder.finish()
        })?;
        let begun = Instant::now();
        let index = self.scoped(|| self.queue.submit([commands]))?;
        self.wait(Some(index))?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Waits for the end of a submission, or of all; gives up after the watchdog's time.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> GpuResult<()> {
        let timeout = self.hooks.watchdog.unwrap_or(WATCHDOG);
        let poll = wgpu::PollType::Wait { submission_index, timeout: Some(timeout) };
        match self.device.poll(poll) {
            Ok(_) => self.check_lost(),
            Err(wgpu::PollError::Timeout) => {
                let seconds = timeout.as_secs_f64();
                Err(GpuError::Fatal(format!("the GPU did not finish a submission within {seconds} s")))
            }
            Err(e) => self.notice_loss().and(Err(GpuError::Fatal(format!("the device cannot be waited for: {e}")))),
        }
    }

    /// Lets what is ready be noticed, such as the mapping of a buffer that no submission uses. Waits for nothing.
    pub(super) fn settle(&self) -> GpuResult<()> {
        self.notice_loss()
    }

    /// Makes the device unusable, as a driver's reset would: for tests of what follows.
    pub(super) fn lose(&self) {
        self.device.destroy();
    }

    pub(super) fn check_lost(&self) -> GpuResult<()> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lost.map_or(Ok(()), |reason| Err(GpuError::Fatal(format!("the device was lost ({reason})"))))
    }

    /// The same after a failed call. On a lost device calls fail in many ways before the loss itself is reported, and none of
    /// these failures is the job's.
    fn notice_loss(&self) -> GpuResult<()> {
        // Whatever this returns, a loss has been reported by then.
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.check_lost()
    }

    /// Runs `call` within error scopes.
    pub(super) fn scoped<T>(&self, call: impl FnOnce() -> T) -> GpuResult<T> {
        self.check_lost()?;
        let (value, error) = scopes::scoped(&self.device, call);
        let Some(error) = error else { return Ok(value) };
        self.notice_loss()?;
        Err(match error {
            wgpu::Error::OutOfMemory { .. } => out_of_memory(&error),
            _ => refused(&error.to_string()),
        })
    }
}

/// The refusal of what does not fit.
pub(super) fn out_of_memory(what: &impl std::fmt::Display) -> GpuError {
    Refusal::OutOfMemory(format!("out of GPU memory: {what}")).into()
}

/// The refusal of something that wgpu or the driver does not accept: the device cannot do it.
fn refused(reason: &str) -> GpuError {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    Refusal::Unsupported(format!("the driver does not accept it: {line}")).into()
}

fn note(place: &Mutex<Option<String>>, reason: String) {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    place.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_makes_no_timestamps_stays_usable() {
        for (described, adapter) in crate::device::gpu::adapter::all() {
            // Without the feature no query set can be made, and an error that no scope catches panics.
            let (device, queue) =
                pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
            assert!(Timestamps::new(&device, &queue, 1).is_none(), "{}", described.name);
            let context = Context::open(&adapter, Hooks::default()).unwrap();
            let has = context.features.contains(wgpu::Features::TIMESTAMP_QUERY);
            assert_eq!(context.timestamps.is_some(), has, "{}", described.name);
        }
    }
}
