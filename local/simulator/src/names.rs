//! Enums whose values have names for people, and places in a list.

/// Declares an enum, and a list of its values with their names.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $all:ident, { $($value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $text] $value,)+
        }

        /// All of them, with their names for people.
        pub const $all: &[($name, &str)] = &[$(($name::$value, $text),)+];

        impl $name {
            /// Its place in the list.
            pub(crate) fn place(self) -> usize {
                $all.iter().position(|(known, _)| *known == self).unwrap_or_default()
            }
        }
    };
}

pub(crate) use named;
