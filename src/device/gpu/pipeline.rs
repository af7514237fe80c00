//! Compute pipelines, and the buffers that are bound to them.

use super::shader::{Access, Program};
use wgpu::BufferBindingType;
use wgpu::util::DeviceExt;

/// A compute pipeline with the layout of its bindings.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// The pipeline of `program`, whose source is `module`. An `ordered` one has one more binding, which its shader does not use.
    pub(super) fn new(
        device: &wgpu::Device,
        module: &wgpu::ShaderModule,
        program: &Program,
        ordered: bool,
    ) -> Pipeline {
        let storage = |access| BufferBindingType::Storage { read_only: access == Access::Read };
        let buffers = std::iter::once(BufferBindingType::Uniform).chain(program.bindings.iter().copied().map(storage));
        let buffers = buffers.chain(ordered.then(|| storage(Access::Write)));
        let entries: Vec<_> = (0..).zip(buffers).map(|(binding, ty)| entry(binding, ty)).collect();
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let whole = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(program.entry),
            layout: Some(&whole),
            module,
            entry_point: Some(program.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &program.constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    }

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
    /// Binds one set of parameters for each of `slots`, placed at multiples of `align` bytes, and `buffers` in the order of the
    /// program's bindings.
    pub(super) fn new<P: bytemuck::Pod>(
        device: &wgpu::Device,
        pipeline: &Pipeline,
        slots: &[P],
        align: usize,
        buffers: &[BufferSlice],
    ) -> Bindings {
        let stride = size_of::<P>().next_multiple_of(align);
        let mut bytes = vec![0; stride * slots.len()];
        for (slot, place) in slots.iter().zip(bytes.chunks_exact_mut(stride)) {
            place[..size_of::<P>()].copy_from_slice(bytemuck::bytes_of(slot));
        }
        let params = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &bytes,
            usage: wgpu::BufferUsages::UNIFORM,
        });
        // Some backends bind uniforms in multiples of 16 bytes only.
        let size = Some(size_of::<P>().next_multiple_of(16) as u64);
        let params = BufferSlice { buffer: &params, offset: 0, size };
        let slices = std::iter::once(&params).chain(buffers).zip(0..);
        let entry = |(&BufferSlice { buffer, offset, size }, binding)| {
            let size = size.and_then(wgpu::BufferSize::new);
            let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
            wgpu::BindGroupEntry { binding, resource }
        };
        let entries: Vec<_> = slices.map(entry).collect();
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &pipeline.layout, entries: &entries };
        Bindings { group: device.create_bind_group(&descriptor), stride: stride as u32 }
    }

    /// Binds the parameters of `slot` in a pass whose pipeline is set.
    pub(super) fn set(&self, pass: &mut wgpu::ComputePass, slot: u32) {
        pass.set_bind_group(0, &self.group, &[slot * self.stride]);
    }
}

/// A buffer that compute shaders find at `binding`.
fn entry(binding: u32, ty: BufferBindingType) -> wgpu::BindGroupLayoutEntry {
    let has_dynamic_offset = ty == BufferBindingType::Uniform;
    let ty = wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None };
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}
