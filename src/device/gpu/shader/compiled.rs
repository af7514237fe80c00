//! A specialised shader as the compiler sees it: what it takes of an adapter's limits. Browsers check that themselves.

use super::Program;
use naga::back::PipelineConstants;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

/// What a specialised shader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::device::gpu) struct Size {
    /// Invocations of a workgroup, in each dimension.
    pub(in crate::device::gpu) workgroup: [u32; 3],
    /// Bytes of workgroup memory.
    pub(in crate::device::gpu) workgroup_memory: u64,
    /// Storage buffers.
    pub(in crate::device::gpu) storage_buffers: u32,
}

impl Size {
    /// # Errors
    /// The limit that it exceeds.
    pub(in crate::device::gpu) fn within(&self, limits: &wgpu::Limits) -> Result<(), String> {
        let [x, y, z] = self.workgroup;
        let invocations = x.saturating_mul(y).saturating_mul(z);
        let checks = [
            ("invocations of a workgroup", u64::from(invocations), limits.max_compute_invocations_per_workgroup),
            ("invocations of a workgroup along x", u64::from(x), limits.max_compute_workgroup_size_x),
            ("invocations of a workgroup along y", u64::from(y), limits.max_compute_workgroup_size_y),
            ("invocations of a workgroup along z", u64::from(z), limits.max_compute_workgroup_size_z),
            ("bytes of workgroup memory", self.workgroup_memory, limits.max_compute_workgroup_storage_size),
            ("storage buffers", u64::from(self.storage_buffers), limits.max_storage_buffers_per_shader_stage),
        ];
        let over = checks.into_iter().find(|&(_, needed, limit)| needed > u64::from(limit));
        over.map_or(Ok(()), |(what, needed, limit)| {
            Err(format!("it needs {needed} {what}, and the adapter's limit is {limit}"))
        })
    }
}

/// A program as the compiler sees it, with its overrides in place.
pub(in crate::device::gpu) struct Compiled {
    pub(in crate::device::gpu) size: Size,
    #[cfg(test)]
    pub(in crate::device::gpu) module: naga::Module,
    #[cfg(test)]
    pub(in crate::device::gpu) info: naga::valid::ModuleInfo,
}

/// Reads, validates and specialises `program`, as wgpu will.
///
/// # Errors
/// What is wrong with it.
pub(in crate::device::gpu) fn compiled(program: &Program) -> Result<Compiled, String> {
    let source = program.source();
    let module = naga::front::wgsl::parse_str(&source).map_err(|e| e.emit_to_string(&source))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
    validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(&source))?;
    let constants: PipelineConstants = program.constants.iter().map(|&(key, v)| (key.to_owned(), v)).collect();
    let entry = Some((ShaderStage::Compute, program.entry));
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
        .map_err(|e| format!("{}: {}: {e}", program.shader.name, program.entry))?;
    let index = module.entry_points.iter().position(|entry| entry.name == program.entry);
    let index = index.ok_or_else(|| format!("{}: has no {}", program.shader.name, program.entry))?;
    let uses = info.get_entry_point(index);
    let used = || module.global_variables.iter().filter(|(handle, _)| !uses[*handle].is_empty());
    let bytes = |ty| module.types[ty].inner.try_size(module.to_ctx()).map_or(u64::MAX, u64::from);
    let shared = used().filter(|(_, global)| global.space == AddressSpace::WorkGroup);
    let storage = used().filter(|(_, global)| matches!(global.space, AddressSpace::Storage { .. }));
    let size = Size {
        workgroup: module.entry_points[index].workgroup_size,
        // Each variable begins at a multiple of 16.
        workgroup_memory: shared.map(|(_, global)| bytes(global.ty).next_multiple_of(16)).sum(),
        storage_buffers: storage.count() as u32,
    };
    Ok(Compiled {
        size,
        #[cfg(test)]
        info: info.into_owned(),
        #[cfg(test)]
        module: module.into_owned(),
    })
}
