//! Mappings with known keys, declared once as a struct by [`mapping!`].

use super::field::{Field, Spanned};
use super::node::Node;
use super::reader::{KeyPath, Reader};
use super::scalar::FromScalar;
use super::suggest::suggest;

/// A type that a node of a document is read as.
pub(crate) trait FromNode: Sized {
    /// Reads `node`, and reports what is wrong with it.
    fn from_node(node: &Node, path: &KeyPath<'_>, reader: &mut Reader<'_>) -> Field<Self>;

    /// Calls `visit` for each key of a mapping and of the mappings below it.
    ///
    /// `path` is the path of the node, with `[]` for any item of a list.
    #[cfg(test)]
    fn visit_keys(_path: &str, _visit: &mut dyn FnMut(&str, KeyKind)) {}

    /// How a value of this type is written.
    #[cfg(test)]
    const KIND: KeyKind;
}

/// How the value of a key is written.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Scalar,
    List,
    /// A mapping with known keys.
    Mapping,
    /// A mapping with keys that the user chooses.
    Names,
}

impl<T: FromScalar> FromNode for T {
    fn from_node(node: &Node, path: &KeyPath<'_>, reader: &mut Reader<'_>) -> Field<Self> {
        reader.scalar(node, path)
    }

    #[cfg(test)]
    const KIND: KeyKind = KeyKind::Scalar;
}

/// A list. An invalid item is [`Field::Invalid`] and has been reported.
impl<T: FromNode> FromNode for Vec<Field<T>> {
    fn from_node(node: &Node, path: &KeyPath<'_>, reader: &mut Reader<'_>) -> Field<Self> {
        let Some(items) = reader.list(node, path) else {
            return Field::Invalid;
        };
        let items = items.iter().enumerate();
        let value = items.map(|(index, item)| T::from_node(item, &path.index(index), reader));
        Field::Valid(Spanned::new(value.collect(), node.line))
    }

    #[cfg(test)]
    fn visit_keys(path: &str, visit: &mut dyn FnMut(&str, KeyKind)) {
        let path = format!("{path}[]");
        visit(&path, T::KIND);
        T::visit_keys(&path, visit);
    }

    #[cfg(test)]
    const KIND: KeyKind = KeyKind::List;
}

/// A mapping from names that the user chooses to scalars.
#[derive(Debug)]
pub(crate) struct NamedValues<T>(pub(crate) Vec<NamedValue<T>>);

#[derive(Debug)]
pub(crate) struct NamedValue<T> {
    pub(crate) name: String,
    /// The line of the name.
    pub(crate) line: usize,
    pub(crate) value: Field<T>,
}

impl<T: FromScalar> FromNode for NamedValues<T> {
    fn from_node(node: &Node, path: &KeyPath<'_>, reader: &mut Reader<'_>) -> Field<Self> {
        let Some(entries) = reader.entries(node, path) else {
            return Field::Invalid;
        };
        let values = entries.into_iter().map(|entry| NamedValue {
            name: entry.key.to_owned(),
            line: entry.line,
            value: reader.scalar(entry.value, &path.key(entry.key)),
        });
        Field::Valid(Spanned::new(Self(values.collect()), node.line))
    }

    #[cfg(test)]
    const KIND: KeyKind = KeyKind::Names;
}

/// The entries of a mapping whose known keys are `keys`. Other keys have been reported.
pub(crate) struct KnownEntries<'n>(Vec<(&'static str, &'n Node)>);

impl<'n> KnownEntries<'n> {
    pub(crate) fn read(
        node: &'n Node,
        path: &KeyPath<'_>,
        keys: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let mut found = Vec::with_capacity(keys.len());
        for entry in reader.entries(node, path)? {
            match keys.iter().find(|key| **key == entry.key) {
                Some(key) => found.push((*key, entry.value)),
                None => report_unknown(entry.key, entry.line, path, keys, reader),
            }
        }
        Some(Self(found))
    }

    pub(crate) fn field<T: FromNode>(
        &self,
        key: &'static str,
        path: &KeyPath<'_>,
        reader: &mut Reader<'_>,
    ) -> Field<T> {
        match self.0.iter().find(|(name, _)| *name == key) {
            Some((_, node)) => T::from_node(node, &path.key(key), reader),
            None => Field::Absent,
        }
    }
}

fn report_unknown(
    key: &str,
    line: usize,
    path: &KeyPath<'_>,
    keys: &[&str],
    reader: &mut Reader<'_>,
) {
    let hint = if key == "<<" {
        "merge keys are not supported: write out the keys".to_owned()
    } else {
        let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
        let known = format!("known keys: {}", quoted.join(", "));
        match suggest(key, keys.iter().copied()) {
            Some(suggestion) => format!("did you mean `{suggestion}`? ({known})"),
            None => known,
        }
    };
    let path = path.key(key);
    let message = format!("unknown key `{}`", super::problem::escape(key));
    reader.report(line, &path, message).with_hint(hint);
}

/// Declares a mapping as the user writes it. A field is a key, and the field's type says how its
/// value is read: a scalar, a list, or another mapping. Unknown keys, suggestions and the tests of
/// the documentation follow from the declaration.
macro_rules! mapping {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_attribute:meta])* $key:ident: $type:ty,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Default)]
        $visibility struct $name {
            $($(#[$field_attribute])* $visibility $key: $crate::config::yaml::Field<$type>,)*
        }

        impl $crate::config::yaml::FromNode for $name {
            fn from_node(
                node: &$crate::config::yaml::Node,
                path: &$crate::config::yaml::KeyPath<'_>,
                reader: &mut $crate::config::yaml::Reader<'_>,
            ) -> $crate::config::yaml::Field<Self> {
                use $crate::config::yaml::{Field, KnownEntries, Spanned};
                const KEYS: &[&str] = &[$(stringify!($key)),*];
                let Some(entries) = KnownEntries::read(node, path, KEYS, reader) else {
                    return Field::Invalid;
                };
                let value = Self {
                    $($key: entries.field(stringify!($key), path, reader),)*
                };
                Field::Valid(Spanned::new(value, node.line))
            }

            #[cfg(test)]
            fn visit_keys(path: &str, visit: &mut dyn FnMut(&str, $crate::config::yaml::KeyKind)) {
                $(
                    let separator = if path.is_empty() { "" } else { "." };
                    let key = format!("{path}{separator}{}", stringify!($key));
                    visit(&key, <$type as $crate::config::yaml::FromNode>::KIND);
                    <$type as $crate::config::yaml::FromNode>::visit_keys(&key, visit);
                )*
            }

            #[cfg(test)]
            const KIND: $crate::config::yaml::KeyKind = $crate::config::yaml::KeyKind::Mapping;
        }
    };
}

pub(crate) use mapping;
