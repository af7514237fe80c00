//! Vectors in registers: an instruction set names its intrinsics. These macros know no architecture.

/// Makes a vector of a register by naming the intrinsics of [`Vector`](super::Vector)'s methods.
macro_rules! vector {
    ($(#[$doc:meta])* $name:ident($register:ty), [$element:ty; $lanes:literal], $registers:ty,
     splat: $splat:expr, load: $load:expr, store: $store:expr, $(stream: $stream:expr,)? $(stream_pair: $pair:expr,)?
     $(halves_joined: $joined:expr,)?
     add: $add:expr, add_bits: $add_bits:expr $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name($register);

        impl $crate::simd::Vector for $name {
            type Registers = $registers;
            type Element = $element;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(value: $element) -> Self {
                // SAFETY: by contract.
                Self(unsafe { ($splat)(value) })
            }
            #[inline(always)]
            unsafe fn load_from(from: *const $element) -> Self {
                // SAFETY: by contract; the load is an unaligned one.
                Self(unsafe { ($load)(from.cast()) })
            }
            #[inline(always)]
            unsafe fn store_to(self, to: *mut $element) {
                // SAFETY: by contract; the store is an unaligned one.
                unsafe { ($store)(to.cast(), self.0) }
            }
            $(
                const NONTEMPORAL: bool = true;
                #[inline(always)]
                unsafe fn stream_to(self, to: *mut $element) {
                    // SAFETY: by contract.
                    unsafe { ($stream)(to.cast(), self.0) }
                }
            )?
            $(
                const NONTEMPORAL: bool = true;
                const STREAMS_PAIRS: bool = true;
                #[inline(always)]
                unsafe fn stream_pair_to(pair: [Self; 2], to: *mut $element) {
                    // SAFETY: by contract.
                    unsafe { ($pair)(to.cast(), pair[0].0, pair[1].0) }
                }
            )?
            $(
                #[inline(always)]
                fn halves_joined(self, other: Self) -> [Self; 2] {
                    // SAFETY: a vector is made by a token, which proves its instruction set.
                    let [lower, upper] = unsafe { ($joined)(self.0, other.0) };
                    [Self(lower), Self(upper)]
                }
            )?
            $crate::simd::intrinsics! {
                add(other) = $add;
                add_bits(other) = $add_bits;
            }
        }
    };
}
pub(crate) use vector;

/// Methods of a vector that are one intrinsic each, of the vector itself and of others.
macro_rules! intrinsics {
    ($($method:ident($($argument:ident),*) = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $method(self $(, $argument: Self)*) -> Self {
            // SAFETY: a vector is made by a token, which proves its instruction set.
            Self(unsafe { ($intrinsic)(self.0 $(, $argument.0)*) })
        }
    )*};
}
pub(crate) use intrinsics;
