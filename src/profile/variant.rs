//! How a job is done: one type for each family of jobs, with all that such a job has to say.

use super::{AccessLayout, CpuList, Recurrence, Reduction, Tile, VariantKeys, Word};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::ops::stream::{Checksum, Stores, Ways};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Declares the families: for each one its keys, and behind `optional` those that a job need not have.
macro_rules! families {
    ($($(#[$doc:meta])* $family:ident {
        $($key:ident: $type:ty),* $(; optional $($option:ident: $option_type:ty),+)?
    })*) => {
        /// How a job is done. A profile has its keys alone: [`Variant::keys`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Variant {
            $($(#[$doc])* $family($family),)*
        }

        impl Variant {
            /// The keys as a profile has them.
            pub fn keys(&self) -> VariantKeys {
                match self { $(Variant::$family(variant) => variant.keys(),)* }
            }

            /// The name of the family.
            pub const fn family(&self) -> &'static str {
                match self { $(Variant::$family(_) => stringify!($family),)* }
            }

            /// The variant of the family of that name with exactly these keys; `None` where they are not those of the family.
            pub fn of_family(family: &str, keys: &VariantKeys) -> Option<Variant> {
                match family {
                    $(stringify!($family) => $family::of(keys).map(Variant::$family),)*
                    _ => None,
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Hash)]
            pub struct $family {
                $(#[doc = concat!("As [`VariantKeys::", stringify!($key), "`].")] pub $key: $type,)*
                $($(#[doc = concat!("As [`VariantKeys::", stringify!($option), "`].")]
                    pub $option: Option<$option_type>,)+)?
            }

            impl $family {
                fn keys(&self) -> VariantKeys {
                    VariantKeys {
                        $($key: Some(self.$key.into()),)*
                        $($($option: self.$option.clone().map(Into::into),)+)?
                        ..VariantKeys::default()
                    }
                }

                fn of(keys: &VariantKeys) -> Option<$family> {
                    let variant = $family {
                        $($key: keys.$key.clone()?.try_into().ok()?,)*
                        $($($option: match keys.$option.clone() {
                            Some(value) => Some(value.try_into().ok()?),
                            None => None,
                        },)+)?
                    };
                    (variant.keys() == *keys).then_some(variant)
                }
            }

            impl From<$family> for Variant {
                fn from(variant: $family) -> Variant {
                    Variant::$family(variant)
                }
            }
        )*
    };
}

families! {
    /// A stream over arrays.
    Stream {
        isa: Isa, threads: u32, pages: Pages, footprint_bytes: u64;
        optional cpus: CpuList, memory_node: u32, stores: Stores, checksum: Checksum, streams: u32, unroll: u32, window_bytes: u64, prefetch_bytes: u32, page_ahead_lines: u32
    }
    /// A chase of dependent loads.
    Chase { threads: u32, pages: Pages, footprint_bytes: u64, window_bytes: u64, stride_bytes: u32 }
    /// Chains of multiply-accumulates in registers.
    Chain { isa: Isa, threads: u32; optional cpus: CpuList, chains: u32 }
    /// A product with weights.
    Matmul {
        isa: Isa, threads: u32, pages: Pages, m: u64, n: u64, k: u64, copies: u32;
        optional cpus: CpuList, arithmetic: Dtype, streams: u32, prefetch_bytes: u32, page_ahead_lines: u32, tile: Tile,
        row_block: u32, column_block: u32, block_bytes: u64, packed: bool
    }
    /// Attention over a cache of keys and values.
    Attention {
        isa: Isa, threads: u32, pages: Pages, m: u64, copies: u32, heads: u64, kv_heads: u64, head_dim: u64, context: u64;
        optional value_dim: u64, arithmetic: Dtype, streams: u32, span: u64, prefetch_bytes: u32
    }
    /// What brings the threads of a team together.
    Team { threads: u32 }
    /// GPU: a stream over arrays.
    GpuStream { footprint_bytes: u64, workgroup_size: u32, workgroups: u32, layout: AccessLayout }
    /// GPU: a chase of dependent loads.
    GpuChase { footprint_bytes: u64, window_bytes: u64, stride_bytes: u32, workgroup_size: u32 }
    /// GPU: the same in workgroup memory.
    WorkgroupChase { footprint_bytes: u64, workgroup_size: u32 }
    /// GPU: atomic additions to words of all workgroups.
    GpuAtomic { footprint_bytes: u64, workgroup_size: u32, workgroups: u32 }
    /// GPU: the same to words of each workgroup.
    WorkgroupAtomic { footprint_bytes: u64, workgroup_size: u32, workgroups: u32 }
    /// GPU: reads of single words of workgroup memory at a distance.
    WorkgroupStride { footprint_bytes: u64, stride_bytes: u32, workgroup_size: u32, workgroups: u32 }
    /// GPU: reads of workgroup memory, of which each workgroup has the footprint.
    WorkgroupRead { footprint_bytes: u64, workgroup_size: u32, workgroups: u32 }
    /// GPU: chains of multiply-accumulates in registers.
    GpuChain { workgroup_size: u32, workgroups: u32, vector: u32, chains: u32; optional recurrence: Recurrence }
    /// GPU: chains of products of cooperative matrices.
    MatrixChain { tile: Tile, workgroup_size: u32, workgroups: u32, chains: u32 }
    /// GPU: a product with weights.
    GpuMatmul {
        m: u64, n: u64, k: u64, copies: u32, tile: Tile, workgroup_size: u32;
        optional arithmetic: Dtype, layout: AccessLayout, vector: u32, reduction: Reduction, staged: bool, split_k: u32, matrix: Tile
    }
    /// GPU: attention over a cache of keys and values.
    GpuAttention {
        m: u64, copies: u32, heads: u64, kv_heads: u64, head_dim: u64, context: u64, workgroup_size: u32, workgroups: u32,
        layout: AccessLayout, vector: u32, reduction: Reduction;
        optional tile: Tile
    }
    /// GPU: a copy between host and device, whole or part by part, or within the device.
    Transfer { footprint_bytes: u64; optional window_bytes: u64 }
    /// GPU: an empty dispatch or submission.
    Launch {}
}

impl Matmul {
    /// A product of `m` tokens with `copies` times `n` rows of `k` weights, with no word about how: what a device does by itself.
    pub fn plain(isa: Isa, threads: u32, pages: Pages, [m, n, k]: [u64; 3], copies: u32) -> Matmul {
        Matmul {
            isa,
            threads,
            pages,
            m,
            n,
            k,
            copies,
            cpus: None,
            arithmetic: None,
            streams: None,
            prefetch_bytes: None,
            page_ahead_lines: None,
            tile: None,
            row_block: None,
            column_block: None,
            block_bytes: None,
            packed: None,
        }
    }
}

impl GpuMatmul {
    /// A product of one token with one row of one weight, in tiles and workgroups of that size, with no word about how.
    pub fn plain(tile: Tile, workgroup_size: u32) -> GpuMatmul {
        GpuMatmul {
            m: 1,
            n: 1,
            k: 1,
            copies: 1,
            tile,
            workgroup_size,
            arithmetic: None,
            layout: None,
            vector: None,
            reduction: None,
            staged: None,
            split_k: None,
            matrix: None,
        }
    }
}

impl TryFrom<Word<Isa>> for Isa {
    type Error = ();

    fn try_from(word: Word<Isa>) -> Result<Isa, ()> {
        word.known().ok_or(())
    }
}

impl TryFrom<Word<Tile>> for Tile {
    type Error = ();

    fn try_from(word: Word<Tile>) -> Result<Tile, ()> {
        word.known().ok_or(())
    }
}

impl TryFrom<Word<Dtype>> for Dtype {
    type Error = ();

    fn try_from(word: Word<Dtype>) -> Result<Dtype, ()> {
        word.known().ok_or(())
    }
}

impl Variant {
    /// The instruction set, where the family has one.
    pub fn isa(&self) -> Option<Isa> {
        match self {
            Variant::Stream(Stream { isa, .. })
            | Variant::Chain(Chain { isa, .. })
            | Variant::Matmul(Matmul { isa, .. })
            | Variant::Attention(Attention { isa, .. }) => Some(*isa),
            _ => None,
        }
    }
}

impl Stream {
    /// A walk over so many bytes, with no word about how.
    pub fn plain(isa: Isa, threads: u32, pages: Pages, footprint_bytes: u64) -> Stream {
        Stream {
            isa,
            threads,
            pages,
            footprint_bytes,
            cpus: None,
            memory_node: None,
            stores: None,
            checksum: None,
            streams: None,
            unroll: None,
            window_bytes: None,
            prefetch_bytes: None,
            page_ahead_lines: None,
        }
    }

    /// The same stream, doing `op` in such a way. Only what is out of the ordinary is named.
    pub fn walked(self, op: Op, ways: Ways) -> Stream {
        let unusual = |value: usize, usual: usize| (value != usual).then_some(value as u32);
        let usual = Ways::side_by_side(ways.streams);
        Stream {
            stores: (op != Op::Read).then_some(ways.stores),
            checksum: Some(ways.checksum).filter(|checksum| *checksum != usual.checksum),
            streams: unusual(ways.streams, 1),
            unroll: unusual(ways.unroll, usual.unroll),
            prefetch_bytes: unusual(ways.prefetch_bytes, usual.prefetch_bytes),
            page_ahead_lines: unusual(ways.page_ahead_lines, usual.page_ahead_lines),
            ..self
        }
    }

    /// The way in which it is done.
    pub fn ways(&self) -> Ways {
        let given = |key: Option<u32>, usual: usize| key.map_or(usual, |value| value as usize);
        let usual = Ways::side_by_side(given(self.streams, 1));
        Ways {
            stores: self.stores.unwrap_or(usual.stores),
            checksum: self.checksum.unwrap_or(usual.checksum),
            streams: usual.streams,
            unroll: given(self.unroll, usual.unroll),
            prefetch_bytes: given(self.prefetch_bytes, usual.prefetch_bytes),
            page_ahead_lines: given(self.page_ahead_lines, usual.page_ahead_lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_walked_in_the_way_that_its_keys_name() {
        let stream = Stream::plain(Isa::Portable, 1, Pages::Base, 4096);
        for op in [Op::Read, Op::Copy] {
            for isa in Isa::ALL {
                for ways in isa.stream_ways(op) {
                    assert_eq!(stream.clone().walked(op, ways).ways(), ways, "{op} {isa}");
                }
            }
        }
        // As profiles had it before there were others.
        assert_eq!(stream.clone().walked(Op::Read, Ways::READ), stream);
        let copied = Stream { stores: Some(Stores::Nontemporal), ..stream.clone() };
        assert_eq!(stream.walked(Op::Copy, Ways::plain(Stores::Nontemporal)), copied);
    }
}
