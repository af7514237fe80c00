//! Pipelines of an opened GPU, and the buffers that are bound to them.

use super::context::{Context, GpuResult, refused};
use super::raw;
use super::shader::{self, Access, Program};
use crate::device::Refusal;
use wgpu::util::DeviceExt;

/// A compute pipeline with the layout of its bindings.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// Makes it the pipeline of what `pass` dispatches next.
    pub(super) fn set(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
    }
}

/// A part of a buffer that is bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferSlice<'a> {
    pub(super) buffer: &'a wgpu::Buffer,
    pub(super) offset: u64,
    /// Without it, all that follows the offset.
    pub(super) size: Option<u64>,
}

impl<'a> BufferSlice<'a> {
    /// The whole buffer.
    pub(super) fn whole(buffer: &'a wgpu::Buffer) -> BufferSlice<'a> {
        BufferSlice { buffer, offset: 0, size: None }
    }
}

/// Parameters of a program, one set per slot, and the buffers it works on.
#[derive(Clone, Debug)]
pub(super) struct Bindings {
    group: wgpu::BindGroup,
    stride: u32,
}

impl Bindings {
    /// Binds the parameters of `slot` in a pass whose pipeline is set.
    pub(super) fn set(&self, pass: &mut wgpu::ComputePass, slot: u32) {
        pass.set_bind_group(0, &self.group, &[slot * self.stride]);
    }
}

impl Context {
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
        let size = shader::specialised(program).map_err(|e| refused(&e))?;
        size.within(&self.limits).map_err(Refusal::Unsupported)?;
        let descriptor = || wgpu::ShaderModuleDescriptor {
            label: Some(program.entry),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        };
        let module = self.scoped(|| match self.hooks.checked {
            false => raw::unchecked_module(&self.device, descriptor()),
            true => self.device.create_shader_module(descriptor()),
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

    /// Binds one set of parameters for each of `slots`, and the buffers in the order of the program's bindings.
    pub(super) fn bind<P: bytemuck::Pod>(
        &self,
        pipeline: &Pipeline,
        slots: &[P],
        parts: &[BufferSlice],
    ) -> GpuResult<Bindings> {
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
        Ok(Bindings { group, stride: stride as u32 })
    }
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
