//! Shaders: their sources, how each is specialised, and what a specialised one takes of an adapter's limits.
//!
//! Every file in `shaders/` is valid WGSL with its parts and its defaults. It is specialised by overrides, and, where WGSL has no
//! override for it (types, lengths of arrays in registers), by replacing one whole line by another. Loops over what is held in
//! registers are written out ([`super::unroll`]). What several files need stands once, in `shaders/parts/`.

#[cfg(not(target_arch = "wasm32"))]
mod compiled;

#[cfg(not(target_arch = "wasm32"))]
pub(super) use compiled::compiled;

use super::unroll::unrolled;

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

/// The line of a constant, and the one with `value` in its place.
pub(super) fn number(line: &'static str, value: u32) -> (&'static str, String) {
    let head = line.rsplit_once(" = ").map_or(line, |(head, _)| head);
    (line, format!("{head} = {value}u;"))
}

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
