//! Enums whose variants have names: how ids, files and the command line write them.

use std::fmt;

/// A name that stands for nothing of its kind. Its message lists the names that do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: Vec<&'static str>,
}

impl UnknownName {
    /// `name` is not one of the `known` names of a `kind`.
    pub fn new(kind: &'static str, name: &str, known: &[&'static str]) -> UnknownName {
        UnknownName { kind, name: name.to_owned(), known: known.to_vec() }
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} \"{}\" (known: {})", self.kind, self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownName {}

/// Declares an enum with a name for each variant: `ALL`, `name()`, `Display` and `FromStr`. Names are read in
/// either case.
#[macro_export]
macro_rules! named_enum {
    ($(#[$meta:meta])* pub enum $type:ident: $kind:literal {
        $($(#[$doc:meta])* $variant:ident = $name:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            /// Every variant, in the order of declaration.
            pub const ALL: [$type; [$($name),*].len()] = [$($type::$variant),*];

            /// The name in ids, in files and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(name: &str) -> std::result::Result<$type, Self::Err> {
                let found = $type::ALL.into_iter().find(|value| value.name().eq_ignore_ascii_case(name));
                found.ok_or_else(|| $crate::UnknownName::new($kind, name, &$type::ALL.map($type::name)))
            }
        }
    };
}
pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    use crate::buffer::Pages;
    use crate::ops::stream::Stores;
    use crate::{Dtype, Isa, Op};
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    fn read_back<T: FromStr + Display + Debug + PartialEq>(all: &[T]) {
        for value in all {
            let name = value.to_string();
            assert_eq!(name.parse().ok().as_ref(), Some(value));
            assert_eq!(name.to_uppercase().parse().ok().as_ref(), Some(value));
        }
    }

    #[test]
    fn every_name_is_read_back() {
        read_back(&Dtype::ALL);
        read_back(&Isa::ALL);
        read_back(&Op::ALL);
        read_back(&Pages::ALL);
        read_back(&Stores::ALL);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "past".parse::<Stores>().unwrap_err();
        assert_eq!(error.to_string(), "unknown kind of stores \"past\" (known: ordinary, nontemporal, string)");
        assert!("".parse::<Isa>().is_err() && "dance".parse::<Op>().is_err() && "q9_9".parse::<Dtype>().is_err());
    }
}
