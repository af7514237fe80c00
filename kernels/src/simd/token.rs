//! Tokens, made alike for every instruction set.

/// Makes a token: its name, its instruction set, a vector type that it makes, whether it prefetches, its architecture, and
/// the features that are both looked for and enabled.
macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $isa:expr, vectors: $vector:ty, prefetches: $prefetches:literal,
     $detected:ident, $architecture:tt, [$($feature:tt),*]) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name(
            #[cfg(target_arch = $architecture)] (),
            #[cfg(not(target_arch = $architecture))] std::convert::Infallible,
        );

        impl $crate::simd::Token for $name {
            const ISA: $crate::isa::Isa = $isa;
            const ARCHITECTURE: Option<&'static str> = Some($architecture);
            const PREFETCHES: bool = $prefetches;
            type Registers = <$vector as $crate::simd::Vector>::Registers;

            #[cfg(target_arch = $architecture)]
            fn new() -> Option<$name> {
                ($(std::arch::$detected!($feature))&&*).then_some($name(()))
            }
            #[cfg(not(target_arch = $architecture))]
            fn new() -> Option<$name> {
                None
            }

            #[cfg(target_arch = $architecture)]
            #[target_feature($(enable = $feature),*)]
            unsafe fn run<K: $crate::simd::Kernel<$name>>(input: K::Input<'_>) -> K::Output {
                K::run($name(()), input)
            }
            #[cfg(not(target_arch = $architecture))]
            unsafe fn run<K: $crate::simd::Kernel<$name>>(_input: K::Input<'_>) -> K::Output {
                unreachable!("{} belongs to {}", $isa, $architecture)
            }
        }
    };
}
pub(crate) use token;
