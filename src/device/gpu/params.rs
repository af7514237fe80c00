//! Parameters of shaders: uniform structs, and what a test needs to hold them against the WGSL.

/// Declares the Rust twin of a shader's `struct Params`: plain words in the same order. `FIELDS` lists name and WGSL type of
/// each; a test compares it with the shader as naga reads it.
macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ident),* $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub(super) struct $name { $($(#[$field_doc])* pub(super) $field: $kind),* }

        impl $name {
            /// Name and type of each member, as WGSL calls them.
            pub(super) const FIELDS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($field), stringify!($kind))),*];
        }
    };
}

pub(super) use params;
