//! Ids are read and written as they are.

use super::*;

/// Ids of every kind.
const IDS: [&str; 30] = [
    "memory.l1.read",
    "memory.dram.read_sustained",
    "memory.hbm.gather",
    "memory.workgroup.read",
    "memory.cache.copy",
    "memory.vram.triad",
    "memory.read.threads",
    "memory",
    "compute.f32",
    "compute.fp8",
    "compute.f16.coopmat",
    "compute.f32.single",
    "compute.f32.sustained",
    "compute.i8.avx512vnni",
    "compute.f64.avx2.fma_add",
    "compute.f64.sve2.fma_add",
    "compute.f32.sme.threads",
    "matmul.q4_k.m1",
    "matmul.q4_k.m01",
    "attention.f16.decode",
    "attention.f16.decode.g1d64",
    "attention.f16.decode.context",
    "attention.f16.prefill_long",
    "latency.l3",
    "latency.resident",
    "overhead.fork_join",
    "transfer.h2d",
    "compute.f32.class1",
    "memory.dram.read.node0_node1",
    "memory.read.threads.class0",
];

#[test]
fn an_id_is_written_as_it_was_read_and_a_known_one_is_made_of_what_it_names() {
    for text in IDS {
        let id: CeilingId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        if !matches!(id.kind(), IdKind::Other(_)) {
            assert_eq!(CeilingId::from(id.kind().clone()), id);
        }
    }
    for wrong in ["", "memory.", "weather.rain", "memory..read", "Memory.dram.read", "memory.dram read", "cube.f32"] {
        assert!(wrong.parse::<CeilingId>().is_err(), "{wrong}");
    }
}

#[test]
fn an_id_is_asked_by_meaning() {
    let id = |text: &str| text.parse::<CeilingId>().unwrap();
    assert_eq!(
        (id("memory.l2.copy").level(), id("memory.l2.copy").access()),
        (Some(MemoryLevel::Cache(2)), Some(Op::Copy))
    );
    assert_eq!((id("matmul.q4_k.m16").dtype(), id("matmul.q4_k.m16").tokens()), (Some(Dtype::Q4K), Some(16)));
    let curve = id("matmul.q4_k.m16.n");
    assert_eq!(
        (curve.dtype(), curve.tokens(), &curve),
        (Some(Dtype::Q4K), None, &CeilingId::matmul_curve(Dtype::Q4K, 16, "n"))
    );
    assert_eq!((id("matmul.q4_k.m016").tokens(), id("matmul.q4_k.m0").tokens()), (None, None));
    assert_eq!(id("compute.f64.avx2.fma_add").isa(), Some(Isa::Avx2));
    assert!(id("compute.f64.avx2.fma_add").is_fma_add() && id("compute.f16.coopmat").is_cooperative());
    assert_eq!(id("attention.f16.prefill_long").unit(), Unit::GflopPerS);
    assert_eq!(id("attention.f16.decode.g1d64").second_unit(), Some(Unit::GflopPerS));
    assert_eq!([id("latency.l1").unit(), id("overhead.submit").unit()], [Unit::Ns, Unit::Us]);
    assert_eq!(CeilingId::transfer(Op::Download), "transfer.d2h");
    let near = CeilingId::memory(MemoryLevel::Dram, Op::Read).of_part(Part::Node(1));
    assert_eq!((near.as_str(), near.part(), near.level()), ("memory.dram.read.node1", Some(Part::Node(1)), None));
    assert_eq!(near.whole(), CeilingId::memory(MemoryLevel::Dram, Op::Read).kind());
    assert_eq!(id("attention.f16.prefill.node1").unit(), Unit::GflopPerS);
}
