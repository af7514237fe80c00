//! Shaders: their sources, how each is specialised, and what a specialised one takes of an adapter's limits.
//!
//! Every file in `shaders/` is valid WGSL alone, with its defaults. It is specialised by overrides, and, where WGSL has no
//! override for it (types, lengths of arrays in registers), by replacing one whole line by another. Loops over what is held in
//! registers are written out ([`super::unroll`]). What several files need stands once, in `shaders/parts/`.

use super::unroll::unrolled;
use naga::back::PipelineConstants;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

/// How a shader uses a storage buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// One file of WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shader {
    /// The file's name in `shaders/`.
    pub(super) name: &'static str,
    /// Its text, and that of the parts that it uses.
    pub(super) text: &'static str,
    /// Its `struct Params`: name and type of each member.
    pub(super) params: &'static [(&'static str, &'static str)],
}

macro_rules! shader {
    ($name:literal, $params:ty) => {
        crate::device::gpu::shader::Shader {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name)),
            params: <$params>::FIELDS,
        }
    };
    ($name:literal, $params:ty, $($part:literal),+) => {
        crate::device::gpu::shader::shader!($name, $params, enable "", $($part),+)
    };
    // What has to be enabled comes before all else.
    ($name:literal, $params:ty, enable $enable:literal, $($part:literal),+) => {
        crate::device::gpu::shader::Shader {
            text: concat!(
                $enable,
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name)),
                $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/parts/", $part))),+
            ),
            ..crate::device::gpu::shader::shader!($name, $params)
        }
    };
}
pub(super) use shader;

/// A shader, specialised: what a pipeline is built from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Program {
    /// The file.
    pub(super) shader: Shader,
    /// Whole lines of it, and what stands in their place.
    pub(super) lines: Vec<(&'static str, String)>,
    /// The entry point.
    pub(super) entry: &'static str,
    /// Overrides.
    pub(super) constants: Vec<(&'static str, f64)>,
    /// The storage buffers, from binding 1 on. Binding 0 is the uniform `Params`.
    pub(super) bindings: &'static [Access],
}

impl Program {
    /// The text with its lines replaced, and its loops written out.
    ///
    /// # Panics
    /// In debug builds, when there is no such line: a mistake in this package, which the tests of all variants find.
    pub(super) fn source(&self) -> String {
        let mut text = String::with_capacity(self.shader.text.len() + 64);
        let mut replaced = 0;
        for line in self.shader.text.lines() {
            let other = self.lines.iter().find(|(there, _)| *there == line);
            replaced += usize::from(other.is_some());
            text.push_str(other.map_or(line, |(_, other)| other));
            text.push('\n');
        }
        debug_assert_eq!(replaced, self.lines.len(), "{}: lines to replace are not there once each", self.shader.name);
        unrolled(&text)
    }

    /// A name that no other program has.
    pub(super) fn key(&self) -> String {
        format!("{}:{}:{:?}:{:?}", self.shader.name, self.entry, self.lines, self.constants)
    }
}

/// The line that `line` makes for each of `chains` chains.
pub(super) fn each_chain(chains: u32, line: &dyn Fn(u32) -> String) -> String {
    (0..chains).map(line).collect::<Vec<_>>().join("\n")
}

/// What a specialised shader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Invocations of a workgroup, in each dimension.
    pub(super) workgroup: [u32; 3],
    /// Bytes of workgroup memory.
    pub(super) workgroup_memory: u64,
    /// Storage buffers.
    pub(super) storage_buffers: u32,
}

impl Size {
    /// # Errors
    /// The limit that it exceeds.
    pub(super) fn within(&self, limits: &wgpu::Limits) -> Result<(), String> {
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
pub(super) struct Compiled {
    pub(super) size: Size,
    #[cfg(test)]
    pub(super) module: naga::Module,
    #[cfg(test)]
    pub(super) info: naga::valid::ModuleInfo,
}

/// Reads, validates and specialises `program`, as wgpu will.
///
/// # Errors
/// What is wrong with it.
pub(super) fn compiled(program: &Program) -> Result<Compiled, String> {
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
