//! `flows` as the user writes it.

use std::time::Duration;

use super::ListOf;
#[cfg(test)]
use crate::config::yaml::KeyKind;
use crate::config::yaml::{Field, FromNode, KeyPath, Node, NodeValue, Reader, Spanned, mapping};

mapping! {
    pub(in crate::config) struct FlowEntry {
        name: String,
        connectors: ListOf<String>,
        operation: String,
        paths: ListOf<String>,
        ignore_codes: ListOf<String>,
        expect: ExpectEntry,
    }
}

mapping! {
    pub(in crate::config) struct ExpectEntry {
        by: OneOrMore,
        time_zone: String,
        days: OneOrMore,
        except: ListOf<String>,
        from: String,
        grace: Duration,
        files: i64,
        min_bytes: i64,
    }
}

/// A text, or a list of texts.
#[derive(Debug)]
pub(in crate::config) struct OneOrMore(pub(in crate::config) ListOf<String>);

impl FromNode for OneOrMore {
    fn from_node(node: &Node, path: &KeyPath<'_>, reader: &mut Reader<'_>) -> Field<Self> {
        if let NodeValue::List(_) = node.value {
            return match ListOf::from_node(node, path, reader) {
                Field::Valid(list) => Field::Valid(Spanned::new(Self(list.value), list.line)),
                Field::Absent | Field::Invalid => Field::Invalid,
            };
        }
        match String::from_node(node, path, reader) {
            Field::Valid(text) => {
                let line = text.line;
                Field::Valid(Spanned::new(Self(vec![Field::Valid(text)]), line))
            }
            Field::Absent | Field::Invalid => Field::Invalid,
        }
    }

    #[cfg(test)]
    const KIND: KeyKind = KeyKind::Scalar;
}
