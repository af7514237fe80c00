//! A job: one experiment that a device can be asked to time.

use crate::profile::Variant;
use roofprobe_kernels::{Dtype, Op};
use std::fmt;

/// What to run, how, and for which ceiling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// The id of the ceiling that the answer belongs to.
    pub ceiling: String,
    /// The routine.
    pub op: Op,
    /// The type of its elements.
    pub dtype: Dtype,
    /// How it is done.
    pub variant: Variant,
}

impl fmt::Display for Job {
    /// A path-like name, such as `memory.dram.copy/avx2/nontemporal/huge/2t`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ceiling)?;
        write_variant(&self.variant, "/", f)
    }
}

impl fmt::Display for Variant {
    /// The words that distinguish one variant from another, such as `avx2 nontemporal huge 2t`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = String::new();
        write_variant(self, " ", &mut words)?;
        f.pad(words.trim_start())
    }
}

fn write_variant(variant: &Variant, separator: &str, out: &mut impl fmt::Write) -> fmt::Result {
    use crate::profile::{Pages, Stores};
    if let Some(isa) = &variant.isa {
        write!(out, "{separator}{isa}")?;
    }
    match variant.stores {
        Some(Stores::Ordinary) => write!(out, "{separator}ordinary")?,
        Some(Stores::Nontemporal) => write!(out, "{separator}nontemporal")?,
        None => {}
    }
    match variant.pages {
        Some(Pages::Base) => write!(out, "{separator}base")?,
        Some(Pages::Huge) => write!(out, "{separator}huge")?,
        None => {}
    }
    if let Some(threads) = variant.threads {
        write!(out, "{separator}{threads}t")?;
    }
    Ok(())
}
