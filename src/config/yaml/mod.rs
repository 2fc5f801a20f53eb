//! Reads a YAML document into typed fields, each with its line.
//!
//! ```text
//! text --parse (JSON or YAML)--> Node tree with lines --Reader, mapping!--> structs of Field<T>, and Problems
//! ```
//! Nothing stops at the first error: every problem is collected with its line and key. The module
//! imports nothing of the rest of the configuration.

mod duration;
mod env;
mod field;
mod json;
mod limits;
mod lookahead;
mod mapping;
mod node;
mod parse;
mod plain;
mod problem;
mod reader;
mod scalar;
mod suggest;
mod syntax;

pub(crate) use duration::{format_duration, parse_duration};
pub(crate) use field::{Field, Spanned};
#[cfg(test)]
pub(crate) use mapping::KeyKind;
pub(crate) use mapping::{FromNode, KnownEntries, NamedValues, mapping};
pub(crate) use node::{Node, NodeValue};
pub(crate) use parse::{Document, parse_list};
pub use problem::{Problem, Problems};
pub(crate) use problem::{ProblemList, escape};
pub(crate) use reader::{KeyPath, Reader};
pub(crate) use scalar::{FromScalar, Scalar, ScalarError};
pub(crate) use suggest::suggest;
