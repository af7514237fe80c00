//! Vectors whose length the CPU says.

/// Where an instruction set leaves the length of its vectors to the CPU, how many times 128 bits they have; its tables give sizes
/// for 128 bits then. The function is called where the instruction set is available alone.
pub(crate) type Scale = Option<fn() -> usize>;

/// A size of a table on this CPU.
pub(crate) fn scaled(size: usize, scale: Scale) -> usize {
    scale.map_or(size, |times| size * times())
}
