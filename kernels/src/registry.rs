//! The registry: what there is for an instruction set, and which kernels this CPU can run. It stands above the algorithms and
//! the instruction sets.

use crate::arch;
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::Kernels;
use crate::ops::attention::{self, AttentionEntry, AttentionKernel, LatentEntry, LatentKernel};
use crate::ops::chain::{ChainEntry, ChainKernel};
use crate::ops::matmul::{MatmulEntry, MatmulKernel, Shape};
use crate::ops::stream::{Stores, StreamEntry, StreamKernel, Ways};

impl Kernels {
    fn streams(&self) -> impl Iterator<Item = &'static StreamEntry> + use<> {
        self.streams.into_iter().flatten()
    }

    fn matmuls(&self) -> impl Iterator<Item = &'static MatmulEntry> + use<> {
        self.matmuls.iter().chain(self.block_matmuls)
    }

    fn has_chain(&self, op: Op, dtype: Dtype) -> bool {
        self.chains.iter().any(|entry| entry.op() == op && entry.shape.dtype == dtype)
    }
}

/// The tables of those instruction sets that this CPU, under this operating system, runs.
fn available() -> impl Iterator<Item = &'static Kernels> {
    arch::all().filter(|kernels| (kernels.available)())
}

impl Isa {
    /// What there is for it.
    fn kernels(self) -> &'static Kernels {
        arch::all().find(|kernels| kernels.isa == self).expect("every instruction set has a table")
    }

    /// The architecture it belongs to, named as `std::env::consts::ARCH`; `None` for portable code.
    pub fn architecture(self) -> Option<&'static str> {
        self.kernels().architecture
    }

    /// Whether this CPU, under this operating system, runs it.
    pub fn available(self) -> bool {
        (self.kernels().available)()
    }

    /// Whether a CPU may claim to have it and kill who uses it, as where a hypervisor passes on the one and not the other. It
    /// is to be tried in a process that may die.
    pub fn risky(self) -> bool {
        self.kernels().risky
    }

    /// Whether several cores share the unit that its kernels run on.
    pub fn shares_units(self) -> bool {
        self.kernels().shared
    }

    /// Bits of its vectors on this CPU, where the CPU says how long they are.
    pub fn vector_bits(self) -> Option<usize> {
        let scale = self.kernels().scale.filter(|_| self.available())?;
        Some(128 * scale())
    }

    /// Whether there are stream kernels for it, on whatever CPU. The narrow dot products add none of their own.
    pub fn has_streams(self) -> bool {
        self.kernels().streams().next().is_some()
    }

    /// Whether its stream kernels include stores past the cache.
    pub fn has_nontemporal_stores(self) -> bool {
        self.kernels().streams().any(|entry| entry.ways.stores == Stores::Nontemporal)
    }

    /// The ways in which its kernels do a stream operation, on whatever CPU.
    pub fn stream_ways(self, op: Op) -> impl Iterator<Item = Ways> {
        self.kernels().streams().filter(move |entry| entry.op() == op).flat_map(StreamEntry::all_ways)
    }

    /// Whether there is a stream kernel for it that does `op` in such a way, on whatever CPU.
    pub fn has_stream(self, op: Op, ways: Ways) -> bool {
        self.kernels().streams().any(|entry| entry.goes(op, ways))
    }

    /// Whether its reads can ask for lines ahead of time.
    pub fn has_prefetch(self) -> bool {
        self.kernels().streams().any(|entry| entry.prefetches)
    }

    /// Whether there is attention for it, on whatever CPU.
    pub fn has_attention(self) -> bool {
        self.kernels().attention.is_some()
    }

    /// The type that its attention multiplies, on whatever CPU.
    pub fn attention_arithmetic(self) -> Option<Dtype> {
        self.kernels().attention.map(AttentionEntry::arithmetic)
    }

    /// Whether its attention can go about its work in such ways.
    pub fn has_attention_working(self, ways: attention::Ways) -> bool {
        self.kernels().attention.is_some_and(|entry| entry.works(ways))
    }

    /// The type that its attention to latents multiplies, on whatever CPU; none where there is no such kernel.
    pub fn latent_arithmetic(self) -> Option<Dtype> {
        self.kernels().latents.map(LatentEntry::arithmetic)
    }

    /// Whether there is a matmul with weights stored as `weights` for it, on whatever CPU, in whatever arithmetic.
    pub fn has_matmul(self, weights: Dtype) -> bool {
        self.arithmetics(weights).next().is_some()
    }

    /// The types in which its matmuls with weights stored as `weights` multiply, on whatever CPU.
    pub fn arithmetics(self, weights: Dtype) -> impl Iterator<Item = Dtype> {
        let of_weights = self.kernels().matmuls().filter(move |entry| entry.format.weights == weights);
        of_weights.map(|entry| entry.format.arithmetic)
    }

    /// Whether its matmul with such weights in such arithmetic goes about its work in several [`Ways`](crate::ops::matmul::Ways),
    /// on whatever CPU; one that multiplies a whole tile at once has its own.
    pub fn has_matmul_ways(self, weights: Dtype, arithmetic: Dtype) -> bool {
        let mut matmuls = self.kernels().matmuls();
        matmuls
            .any(|entry| (entry.format.weights, entry.format.arithmetic) == (weights, arithmetic) && entry.has_ways())
    }

    /// Whether its matmul with such weights in such arithmetic reads tokens where they stand, on whatever CPU; others lay them out in
    /// panels, inside the call.
    pub fn reads_tokens_in_place(self, weights: Dtype, arithmetic: Dtype) -> bool {
        let mut matmuls = self.kernels().matmuls();
        let of_kind = (weights, arithmetic);
        matmuls.any(|entry| (entry.format.weights, entry.format.arithmetic) == of_kind && entry.quantise.is_none())
    }

    /// The register tiles, rows and columns, that its matmul with such weights in such arithmetic has beside the usual one, on
    /// whatever CPU.
    pub fn matmul_tiles(self, weights: Dtype, arithmetic: Dtype) -> impl Iterator<Item = [usize; 2]> {
        let of_kind =
            move |entry: &&MatmulEntry| (entry.format.weights, entry.format.arithmetic) == (weights, arithmetic);
        self.kernels().matmuls().filter(of_kind).flat_map(|entry| entry.shapes).map(Shape::extents)
    }

    /// Whether there is a multiply-accumulate chain of `dtype` for it, on whatever CPU.
    pub fn has_chain(self, dtype: Dtype) -> bool {
        self.kernels().has_chain(Op::Chain, dtype)
    }

    /// The numbers of accumulators that there are chains with, the usual one first.
    pub fn chain_counts(self, op: Op, dtype: Dtype) -> impl Iterator<Item = usize> {
        let of_kind = move |entry: &&ChainEntry| entry.op() == op && entry.shape.dtype == dtype;
        self.kernels().chains.iter().filter(of_kind).map(|entry| entry.shape.accumulators)
    }

    /// Whether there is one with additions beside the multiply-accumulates.
    pub fn has_chain_add(self, dtype: Dtype) -> bool {
        self.kernels().has_chain(Op::ChainAdd, dtype)
    }
}

impl StreamKernel {
    /// Every stream kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = StreamKernel> {
        available().flat_map(Kernels::streams).flat_map(|entry| {
            // SAFETY: of available instruction sets only.
            entry.all_ways().map(move |ways| unsafe { StreamKernel::new(entry, ways.prefetch_bytes) })
        })
    }

    /// The kernel for `op` on `isa` that works in such ways, if there is one and this CPU can run it.
    pub fn find(op: Op, isa: Isa, ways: Ways) -> Option<StreamKernel> {
        let entry =
            available().filter(|kernels| kernels.isa == isa).flat_map(Kernels::streams).find(|e| e.goes(op, ways))?;
        // SAFETY: of available instruction sets only.
        Some(unsafe { StreamKernel::new(entry, ways.prefetch_bytes) })
    }
}

impl ChainKernel {
    /// Every chain kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = ChainKernel> {
        // SAFETY: of available instruction sets only.
        available().flat_map(|kernels| kernels.chains).map(|entry| unsafe { ChainKernel::new(entry) })
    }

    /// The usual chain of multiply-accumulates, or that with additions beside them, for `dtype` on `isa`, if there is one and
    /// this CPU can run it.
    pub fn find(op: Op, dtype: Dtype, isa: Isa) -> Option<ChainKernel> {
        ChainKernel::with_chains(op, dtype, isa, None)
    }

    /// The same with so many accumulators, or with the usual number of them.
    pub fn with_chains(op: Op, dtype: Dtype, isa: Isa, accumulators: Option<usize>) -> Option<ChainKernel> {
        let of_kind = |k: &ChainKernel| k.op() == op && k.dtype() == dtype && k.isa() == isa;
        ChainKernel::all().filter(of_kind).find(|k| accumulators.is_none_or(|n| k.shape().accumulators == n))
    }

    /// Where the machine code of a chain begins, also of one that this CPU cannot run: for who disassembles it.
    pub fn code(op: Op, dtype: Dtype, isa: Isa) -> Option<usize> {
        let mut chains = isa.kernels().chains.iter();
        chains.find(|entry| entry.op() == op && entry.shape.dtype == dtype).map(|entry| entry.run as usize)
    }
}

impl MatmulKernel {
    /// Every matmul kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = MatmulKernel> {
        // SAFETY: of available instruction sets only.
        available().flat_map(Kernels::matmuls).map(|entry| unsafe { MatmulKernel::new(entry) })
    }

    /// The kernel for weights stored as `weights` on `isa` that multiplies in `arithmetic`, or in the usual one, if there is
    /// one and this CPU can run it.
    pub fn find(weights: Dtype, isa: Isa, arithmetic: Option<Dtype>) -> Option<MatmulKernel> {
        let arithmetic = arithmetic.unwrap_or(weights.usual_arithmetic());
        let mut on_isa = MatmulKernel::all().filter(|kernel| kernel.isa() == isa && kernel.weights() == weights);
        on_isa.find(|kernel| kernel.arithmetic() == arithmetic)
    }

    /// Where the machine code of the largest register tile begins, of the usual ones or of those of such rows and columns, also
    /// on a CPU that cannot run it: for who disassembles it.
    pub fn code(weights: Dtype, isa: Isa, arithmetic: Dtype, tile: Option<[usize; 2]>) -> Option<usize> {
        let mut entries = isa.kernels().matmuls().filter(|entry| entry.format.weights == weights);
        entries.find(|entry| entry.format.arithmetic == arithmetic)?.code(tile)
    }
}

impl AttentionKernel {
    /// Every attention kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = AttentionKernel> {
        // SAFETY: of available instruction sets only.
        available().filter_map(|kernels| kernels.attention).map(|entry| unsafe { AttentionKernel::new(entry) })
    }

    /// The kernel for `isa`, if there is one and this CPU can run it.
    pub fn find(isa: Isa) -> Option<AttentionKernel> {
        AttentionKernel::all().find(|kernel| kernel.isa() == isa)
    }

    /// Where the machine code for so many rows of one stream begins, also on a CPU that cannot run it: for who disassembles it.
    pub fn code(isa: Isa, rows: usize) -> Option<usize> {
        isa.kernels().attention?.code(rows)
    }
}

impl LatentKernel {
    /// Every kernel for attention to latents that this CPU can run.
    pub fn all() -> impl Iterator<Item = LatentKernel> {
        // SAFETY: of available instruction sets only.
        available().filter_map(|kernels| kernels.latents).map(|entry| unsafe { LatentKernel::new(entry) })
    }

    /// The kernel for `isa`, if there is one and this CPU can run it.
    pub fn find(isa: Isa) -> Option<LatentKernel> {
        LatentKernel::all().find(|kernel| kernel.isa() == isa)
    }
}
