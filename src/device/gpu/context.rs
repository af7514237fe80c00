//! One opened GPU: pipelines, submissions, and how long they took; `buffers.rs` has its memory.
//!
//! Every call that can fail is made within error scopes, so that a driver's or wgpu's objection becomes a [`Refusal`] of one
//! job. A lost device, and work that does not end in time, are [`Trouble::Fatal`]: the process that holds it has to go.

use super::hooks::Hooks;
use super::raw;
use super::shader::{self, Access, Program};
use crate::device::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wgpu::util::DeviceExt;

/// Why something did not come to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// This job cannot be done; the device stays usable.
    Refused(Refusal),
    /// The device is not usable any more.
    Fatal(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Refused(refusal)
    }
}

pub(super) type Outcome<T> = Result<T, Trouble>;

/// A submission that takes longer is given up: drivers reset a GPU after two to ten seconds.
const WATCHDOG: Duration = Duration::from_secs(20);
/// Two timestamps of 8 bytes.
const STAMPS_BYTES: u64 = 16;

/// A compute pipeline with the layout of its bindings.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// A part of a buffer that is bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) buffer: &'a wgpu::Buffer,
    pub(super) offset: u64,
    /// All the rest without.
    pub(super) size: Option<u64>,
}

impl<'a> Part<'a> {
    /// The whole buffer.
    pub(super) fn whole(buffer: &'a wgpu::Buffer) -> Part<'a> {
        Part { buffer, offset: 0, size: None }
    }
}

/// Parameters of a program, one set per slot, and the buffers it works on.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    group: wgpu::BindGroup,
    stride: u32,
}

impl Bound {
    /// Binds the parameters of `slot` in a pass whose pipeline is set.
    pub(super) fn set(&self, pass: &mut wgpu::ComputePass, slot: u32) {
        pass.set_bind_group(0, &self.group, &[slot * self.stride]);
    }
}

/// How long one submission took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// From submission to the notice of its end, s.
    pub(super) wall: f64,
    /// Between the timestamps around the pass, s; `None` without timestamps, or where they are not monotone.
    pub(super) stamps: Option<f64>,
}

struct Stamps {
    set: wgpu::QuerySet,
    resolve: wgpu::Buffer,
    read: wgpu::Buffer,
    period_s: f64,
}

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
    stamps: Option<Stamps>,
    lost: Arc<Mutex<Option<String>>>,
    pipelines: HashMap<String, Pipeline>,
    /// Shader modules without run-time checks.
    unchecked: bool,
}

/// The features that are used where an adapter has them.
pub(super) fn wanted_features() -> wgpu::Features {
    use wgpu::Features;
    Features::SHADER_F16 | Features::SUBGROUP | Features::TIMESTAMP_QUERY | Features::EXPERIMENTAL_COOPERATIVE_MATRIX
}

impl Context {
    /// Opens `adapter` with all of its limits.
    ///
    /// # Errors
    /// What the driver says.
    pub(super) fn open(adapter: &wgpu::Adapter, hooks: Hooks) -> Result<Context, String> {
        let features = adapter.features() & wanted_features() & !hooks.without_features();
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
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| e.to_string())?;
        let lost = Arc::new(Mutex::new(None));
        let (noticed, objected) = (lost.clone(), lost.clone());
        device.set_device_lost_callback(move |reason, message| note(&noticed, format!("{reason:?} {message}")));
        // Nothing should come here, since all calls are made within scopes. If it does, the device is not to be trusted.
        device.on_uncaptured_error(Arc::new(move |error| note(&objected, error.to_string())));
        let stamps = features.contains(wgpu::Features::TIMESTAMP_QUERY).then(|| stamps(&device, &queue)).flatten();
        let matrices = if experimental { adapter.cooperative_matrix_properties() } else { Vec::new() };
        let unchecked = !hooks.checked;
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
            stamps,
            lost,
            pipelines,
            unchecked,
        })
    }

    /// Whether shaders may use subgroup operations.
    #[cfg(test)]
    pub(super) fn has_subgroups(&self) -> bool {
        self.features.contains(wgpu::Features::SUBGROUP)
    }

    /// Nanoseconds of one timestamp tick, where there are timestamps.
    pub(super) fn timestamp_period_ns(&self) -> Option<f64> {
        self.stamps.as_ref().map(|stamps| stamps.period_s * 1e9)
    }

    /// The largest part of a buffer that can be bound, in whole vectors of 16 bytes.
    pub(super) fn binding_bytes(&self) -> u64 {
        let most = self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size);
        // Offsets of bindings are aligned too.
        let grain = u64::from(self.limits.min_storage_buffer_offset_alignment).max(256);
        most / grain * grain
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// The pipeline of `program`, built once.
    ///
    /// # Errors
    /// Refused when the adapter lacks what it needs, its limits do not allow it, or the driver rejects it.
    pub(super) fn pipeline(&mut self, program: &Program) -> Outcome<Pipeline> {
        let key = program.key();
        if let Some(known) = self.pipelines.get(&key) {
            return Ok(known.clone());
        }
        let source = program.source();
        let size = shader::specialised(program).map_err(|e| refused(&e))?;
        size.within(&self.limits).map_err(Refusal::Unsupported)?;
        let descriptor = || wgpu::ShaderModuleDescriptor {
            label: Some(program.entry),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        };
        let module = self.scoped(|| match self.unchecked {
            true => raw::unchecked_module(&self.device, descriptor()),
            false => self.device.create_shader_module(descriptor()),
        })?;
        let entries: Vec<wgpu::BindGroupLayoutEntry> =
            std::iter::once(uniform()).chain(program.bindings.iter().zip(1..).map(storage)).collect();
        let built = self.scoped(|| {
            let layout = self
                .device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
            let whole = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(program.entry),
                layout: Some(&whole),
                module: &module,
                entry_point: Some(program.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &program.constants,
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            Pipeline { pipeline, layout }
        })?;
        self.pipelines.insert(key, built.clone());
        Ok(built)
    }

    /// Binds `slots` sets of parameters and the parts of buffers, in the order of the program's bindings.
    pub(super) fn bind<P: bytemuck::Pod>(&self, pipeline: &Pipeline, slots: &[P], parts: &[Part]) -> Outcome<Bound> {
        let align = self.limits.min_uniform_buffer_offset_alignment.max(16) as usize;
        let stride = size_of::<P>().next_multiple_of(align);
        let mut bytes = vec![0; stride * slots.len()];
        for (slot, place) in slots.iter().zip(bytes.chunks_exact_mut(stride)) {
            place[..size_of::<P>()].copy_from_slice(bytemuck::bytes_of(slot));
        }
        let group = self.scoped(|| {
            let params = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents: &bytes,
                usage: wgpu::BufferUsages::UNIFORM,
            });
            let size = wgpu::BufferSize::new(size_of::<P>() as u64);
            let uniform = wgpu::BufferBinding { buffer: &params, offset: 0, size };
            let storage = parts.iter().map(|part| wgpu::BufferBinding {
                buffer: part.buffer,
                offset: part.offset,
                size: part.size.and_then(wgpu::BufferSize::new),
            });
            let entries: Vec<wgpu::BindGroupEntry> = std::iter::once(uniform)
                .chain(storage)
                .zip(0..)
                .map(|(part, binding)| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(part) })
                .collect();
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.layout,
                entries: &entries,
            })
        })?;
        Ok(Bound { group, stride: stride as u32 })
    }

    /// Submits one compute pass without timestamps, and waits for its end.
    pub(super) fn pass(&self, encode: impl FnOnce(&mut wgpu::ComputePass)) -> Outcome<()> {
        let commands = self.scoped(|| {
            let mut encoder = self.encoder();
            encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            encoder.finish()
        })?;
        self.submit(commands).map(|_| ())
    }

    /// Times one submission of one compute pass.
    pub(super) fn time(&self, encode: impl FnOnce(&mut wgpu::ComputePass)) -> Outcome<Times> {
        let commands = self.scoped(|| {
            let mut encoder = self.encoder();
            let timestamp_writes = self.stamps.as_ref().map(|stamps| wgpu::ComputePassTimestampWrites {
                query_set: &stamps.set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            encode(&mut pass);
            drop(pass);
            if let Some(stamps) = &self.stamps {
                encoder.resolve_query_set(&stamps.set, 0..2, &stamps.resolve, 0);
                encoder.copy_buffer_to_buffer(&stamps.resolve, 0, &stamps.read, 0, STAMPS_BYTES);
            }
            encoder.finish()
        })?;
        let wall = self.submit(commands)?;
        let stamps = match &self.stamps {
            Some(stamps) => self.mapped(&stamps.read, STAMPS_BYTES, |view| {
                let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| view[at + i]));
                let ticks = word(8).checked_sub(word(0)).filter(|&ticks| ticks > 0)?;
                Some(ticks as f64 * stamps.period_s)
            })?,
            None => None,
        };
        Ok(Times { wall, stamps })
    }

    /// Submits, and waits for the end. Returns the seconds it took.
    pub(super) fn submit(&self, commands: wgpu::CommandBuffer) -> Outcome<f64> {
        let begun = Instant::now();
        let index = self.scoped(|| self.queue.submit([commands]))?;
        self.finish(index)?;
        Ok(begun.elapsed().as_secs_f64())
    }

    pub(super) fn finish(&self, index: wgpu::SubmissionIndex) -> Outcome<()> {
        self.wait(Some(index))
    }

    pub(super) fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Outcome<()> {
        let timeout = self.hooks.watchdog.unwrap_or(WATCHDOG);
        let poll = wgpu::PollType::Wait { submission_index, timeout: Some(timeout) };
        match self.device.poll(poll) {
            Ok(_) => self.check_lost(),
            Err(wgpu::PollError::Timeout) => {
                let seconds = timeout.as_secs_f64();
                Err(Trouble::Fatal(format!("the GPU did not finish a submission within {seconds} s")))
            }
            Err(e) => self.notice_loss().and(Err(Trouble::Fatal(format!("the device cannot be waited for: {e}")))),
        }
    }

    /// Makes the device unusable, as a driver's reset would: for tests of what follows.
    pub(super) fn lose(&self) {
        self.device.destroy();
    }

    fn check_lost(&self) -> Outcome<()> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lost.map_or(Ok(()), |reason| Err(Trouble::Fatal(format!("the device was lost ({reason})"))))
    }

    /// The same after something failed: what is done with a lost device fails in many ways before the loss itself is told,
    /// and none of them says anything about the job.
    fn notice_loss(&self) -> Outcome<()> {
        // Whatever this returns, the loss would have been told by then.
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.check_lost()
    }

    /// Runs `call` within error scopes.
    pub(super) fn scoped<T>(&self, call: impl FnOnce() -> T) -> Outcome<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        self.check_lost()?;
        let [memory, internal, validation] =
            [OutOfMemory, Internal, Validation].map(|filter| self.device.push_error_scope(filter));
        let value = call();
        let errors = [validation.pop(), internal.pop(), memory.pop()];
        if let Some(error) = errors.into_iter().find_map(pollster::block_on) {
            self.notice_loss()?;
            return Err(match error {
                wgpu::Error::OutOfMemory { .. } => out_of_memory(&error),
                _ => refused(&error.to_string()),
            });
        }
        Ok(value)
    }
}

/// The refusal of what does not fit.
pub(super) fn out_of_memory(what: &impl std::fmt::Display) -> Trouble {
    Refusal::OutOfMemory(format!("out of GPU memory: {what}")).into()
}

/// Something that wgpu or the driver does not accept: the device cannot do it.
fn refused(reason: &str) -> Trouble {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    Refusal::Unsupported(format!("the driver does not accept it: {line}")).into()
}

fn note(place: &Mutex<Option<String>>, reason: String) {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    place.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(line);
}

/// What timestamps need; `None` where the driver cannot make it. The wall clock does without.
fn stamps(device: &wgpu::Device, queue: &wgpu::Queue) -> Option<Stamps> {
    use wgpu::BufferUsages as Usage;
    use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
    let scopes = [OutOfMemory, Internal, Validation].map(|filter| device.push_error_scope(filter));
    let buffer = |usage| {
        let descriptor = wgpu::BufferDescriptor { label: None, size: STAMPS_BYTES, usage, mapped_at_creation: false };
        device.create_buffer(&descriptor)
    };
    let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 };
    let stamps = Stamps {
        set: device.create_query_set(&descriptor),
        resolve: buffer(Usage::QUERY_RESOLVE | Usage::COPY_SRC),
        read: buffer(Usage::MAP_READ | Usage::COPY_DST),
        period_s: f64::from(queue.get_timestamp_period()) * 1e-9,
    };
    let [memory, internal, validation] = scopes;
    // All of them are left, whichever of them caught something.
    let errors = [validation.pop(), internal.pop(), memory.pop()].map(pollster::block_on);
    errors.iter().all(Option::is_none).then_some(stamps)
}

fn uniform() -> wgpu::BindGroupLayoutEntry {
    let ty = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: true,
        min_binding_size: None,
    };
    wgpu::BindGroupLayoutEntry { binding: 0, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}

fn storage((access, binding): (&Access, u32)) -> wgpu::BindGroupLayoutEntry {
    let ty = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
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
            assert!(stamps(&device, &queue).is_none(), "{}", described.name);
            let context = Context::open(&adapter, Hooks::default()).unwrap();
            let has = context.features.contains(wgpu::Features::TIMESTAMP_QUERY);
            assert_eq!(context.stamps.is_some(), has, "{}", described.name);
        }
    }
}
