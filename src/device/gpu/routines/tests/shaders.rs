//! Shaders without any adapter: valid alone, valid in every variant that the probes can ask for, translated for every system,
//! and their parameters those of the Rust structs.

use crate::device::Refusal;
use crate::device::gpu::params::params;
use crate::device::gpu::routines::{entry_of, overhead, rows, stream, workgroup};
use crate::device::gpu::shader::{Access, Program, Shader, compiled};
use crate::probe::gpu::tests::machine;
use crate::probe::{plan, survey};
use crate::profile::{Effort, GpuClass};
use naga::ShaderStage::Compute;
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Scalar, ScalarKind, TypeInner};
use roofprobe_kernels::Op;
use std::collections::BTreeMap;

fn parsed(shader: &Shader) -> naga::Module {
    naga::front::wgsl::parse_str(shader.text)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(shader.text)))
}

/// Every shader that a program comes from.
fn all_shaders() -> BTreeMap<&'static str, Shader> {
    all_programs().into_values().map(|program| (program.shader.name, program.shader)).collect()
}

#[test]
fn every_file_is_used_and_valid_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    // Parts of files are used where they stand.
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut files: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, all_shaders().into_keys().collect::<Vec<_>>());
    for shader in all_shaders().values() {
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
        validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
        validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
        validator.validate(&parsed(shader)).unwrap_or_else(|e| panic!("{}: {e:?}", shader.name));
    }
}

#[test]
fn entry_points_are_named_as_routines() {
    for shader in all_shaders().values() {
        for entry in parsed(shader).entry_points {
            let first = entry.name.split('_').next().unwrap();
            assert!(
                ["stream", "rows"].contains(&first) || first.parse::<Op>().is_ok(),
                "{}: {}",
                shader.name,
                entry.name
            );
        }
    }
}

/// Name, type and offset of each member of a shader's `Params`.
fn members(shader: &Shader) -> Vec<(String, String, u32)> {
    let module = parsed(shader);
    let uniform = module.global_variables.iter().find(|(_, global)| global.space == AddressSpace::Uniform).unwrap().1;
    let TypeInner::Struct { members, .. } = &module.types[uniform.ty].inner else {
        panic!("{}: its uniform is no struct", shader.name)
    };
    let name = |scalar: Scalar| match scalar {
        Scalar { kind: ScalarKind::Uint, width: 4 } => "u32",
        Scalar { kind: ScalarKind::Sint, width: 4 } => "i32",
        Scalar { kind: ScalarKind::Float, width: 4 } => "f32",
        other => panic!("{}: {other:?} has no twin", shader.name),
    };
    let member = |member: &naga::StructMember| {
        let TypeInner::Scalar(scalar) = module.types[member.ty].inner else {
            panic!("{}: {member:?} is no scalar", shader.name)
        };
        (member.name.clone().unwrap(), name(scalar).to_owned(), member.offset)
    };
    members.iter().map(member).collect()
}

/// What the Rust struct has: words one after another, as `repr(C)` lays them out.
fn twin(shader: &Shader) -> Vec<(String, String, u32)> {
    let fields = shader.params.iter().zip(0..);
    fields.map(|(&(name, kind), index)| (name.to_owned(), kind.to_owned(), index * 4)).collect()
}

#[test]
fn parameters_are_those_of_the_rust_structs() {
    for shader in all_shaders().values() {
        assert_eq!(members(shader), twin(shader), "{}", shader.name);
    }
}

params! {
    /// Other parameters than those of `empty.wgsl`.
    Other {
        /// A float, where the shader has an integer.
        step: f32,
    }
}

#[test]
fn other_parameters_would_be_found_out() {
    let other = Shader { params: Other::FIELDS, ..overhead::EMPTY };
    assert_ne!(members(&other), twin(&other));
    assert_eq!(Other { step: 1.0 }.step, 1.0);
}

/// Every program of every job that any class of GPU can be asked.
fn all_programs() -> BTreeMap<String, Program> {
    let mut all = BTreeMap::new();
    for class in [GpuClass::Discrete, GpuClass::Integrated, GpuClass::Software] {
        for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
            let machine = machine(class);
            let jobs = plan(&machine, &[], effort).into_iter().flat_map(|question| question.candidates);
            for job in jobs.chain(survey(&machine, &[], effort).into_iter().flat_map(|curve| curve.points)) {
                match entry_of(&job).and_then(|entry| (entry.programs)(&job)) {
                    Ok(programs) => all.extend(programs.into_iter().map(|program| (program.key(), program))),
                    Err(Refusal::Unsupported(reason) | Refusal::Skipped(reason)) => panic!("{job}: {reason}"),
                    Err(other) => panic!("{job}: {other:?}"),
                }
            }
        }
    }
    let of_rows = [64, 256].into_iter().flat_map(rows::programs);
    all.extend(of_rows.map(|program| (program.key(), program)));
    all
}

#[test]
fn every_variant_that_can_be_asked_for_is_valid_and_within_the_limits() {
    let all = all_programs();
    assert!(all.len() > 20, "{}", all.len());
    for (key, program) in all {
        for (line, _) in &program.lines {
            let there = program.shader.text.lines().filter(|known| known == line).count();
            assert_eq!(there, 1, "{key}: {line:?} stands there {there} times");
        }
        let size = compiled(&program).unwrap_or_else(|e| panic!("{key}: {e}")).size;
        assert!(size.workgroup.iter().product::<u32>() <= 1024 && size.workgroup_memory <= 32 << 10, "{key}: {size:?}");
        assert!(
            size.storage_buffers as usize <= program.bindings.len() && program.bindings.len() <= 8,
            "{key}: {size:?}"
        );
        bindings_agree(&key, &program);
    }
}

/// The bindings of a program are those of its file, read-only where it says so.
fn bindings_agree(key: &str, program: &Program) {
    let module = naga::front::wgsl::parse_str(&program.source()).unwrap();
    let mut seen: Vec<(u32, Access)> = Vec::new();
    for (_, global) in module.global_variables.iter() {
        if let (AddressSpace::Storage { access }, Some(binding)) = (global.space, &global.binding) {
            let writes = access.contains(naga::StorageAccess::STORE);
            seen.push((binding.binding, if writes { Access::Write } else { Access::Read }));
        }
    }
    seen.sort_by_key(|(binding, _)| *binding);
    // A buffer may be seen as words by one entry point and as vectors by another.
    seen.dedup();
    let declared: Vec<(u32, Access)> = (1..).zip(program.bindings.iter().copied()).collect();
    assert_eq!(seen, declared, "{key}");
}

/// Files for compilers of other systems, which are asked where they are installed.
struct Checked {
    folder: tempfile::TempDir,
    files: BTreeMap<&'static str, Vec<std::path::PathBuf>>,
}

impl Checked {
    fn new() -> Checked {
        Checked { folder: tempfile::tempdir().unwrap(), files: BTreeMap::new() }
    }

    fn add(&mut self, kind: &'static str, bytes: &[u8]) {
        let files = self.files.entry(kind).or_default();
        let path = self.folder.path().join(format!("{}.{kind}", files.len()));
        std::fs::write(&path, bytes).unwrap();
        files.push(path);
    }

    /// Every file of a kind accepted by `command`; nothing is said where there is none.
    fn accepted(&self, kind: &str, command: &str, arguments: &[&str]) {
        for path in self.files.get(kind).into_iter().flatten() {
            let Ok(done) = std::process::Command::new(command).args(arguments).arg(path).output() else {
                eprintln!("not checked: there is no {command}");
                return;
            };
            let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            assert!(done.status.success(), "{command}: {}: {said}", path.display());
        }
    }
}

#[test]
fn every_variant_is_translated_for_every_system() {
    let mut checked = Checked::new();
    for (key, program) in all_programs() {
        let compiled = compiled(&program).unwrap();
        let (module, info) = (&compiled.module, &compiled.info);
        let entry = program.entry.to_owned();
        let vulkan = spv::Options { lang_version: (1, 6), ..spv::Options::default() };
        let pipeline = spv::PipelineOptions { shader_stage: Compute, entry_point: entry.clone() };
        let words =
            spv::write_vec(module, info, &vulkan, Some(&pipeline)).unwrap_or_else(|e| panic!("{key}: SPIR-V: {e}"));
        assert!(!words.is_empty());
        // Validators of distributions are older than cooperative matrices.
        if !program.source().contains("wgpu_cooperative_matrix") {
            checked.add("spv", bytemuck::cast_slice(&words));
        }
        let metal = msl::Options { lang_version: (3, 0), fake_missing_bindings: true, ..msl::Options::default() };
        let pipeline = msl::PipelineOptions { entry_point: Some((Compute, entry.clone())), ..Default::default() };
        let text = msl::write_string(module, info, &metal, &pipeline);
        let (text, _) = text.unwrap_or_else(|e| panic!("{key}: Metal: {e}"));
        assert!(text.contains("kernel"));
        // Cooperative matrices have no HLSL.
        if program.shader.text.contains("enable wgpu_cooperative_matrix;") {
            continue;
        }
        let options =
            hlsl::Options { shader_model: hlsl::ShaderModel::V6_6, fake_missing_bindings: true, ..Default::default() };
        let pipeline = hlsl::PipelineOptions { entry_point: Some((Compute, entry)) };
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(module, info, None)
            .unwrap_or_else(|e| panic!("{key}: HLSL: {e}"));
        assert!(text.contains("numthreads"));
    }
    checked.accepted("spv", "spirv-val", &["--target-env", "vulkan1.3"]);
}

#[test]
fn what_exceeds_an_adapter_is_refused_with_both_numbers() {
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 256, ..wgpu::Limits::default() };
    let size = |program: Program| compiled(&program).unwrap().size;
    let stream = |size: u32| stream::program(Op::Read, size, true);
    assert_eq!(size(stream(256)).within(&limits), Ok(()));
    let reason = size(stream(1024)).within(&limits).unwrap_err();
    assert!(reason.contains("1024") && reason.contains("256"), "{reason}");
    let memory = size(workgroup::program(64, 4096)).within(&limits).unwrap_err();
    assert!(memory.contains("65536 bytes of workgroup memory"), "{memory}");
}
