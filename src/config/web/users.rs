//! `basic_auth_users`.

use bcrypt::HashParts;

use crate::config::Secret;
#[cfg(test)]
use crate::config::yaml::KeyKind;
use crate::config::yaml::{Field, FromNode, KeyPath, Node, Reader, Spanned};

/// Maximum cost of a hash. Each step doubles the time of a verification: a cost of 16 takes
/// seconds, and a scrape usually has ten.
pub const MAX_BCRYPT_COST: u32 = 16;

const HASH_HINT: &str = "create a hash with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`";
const COST_HINT: &str =
    "use a cost of 4 to 16: create a hash with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`";

/// A user with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name, without a colon.
    pub name: String,
    /// The bcrypt hash of the password, of 60 characters.
    pub hash: Secret,
    /// The cost of the hash: 4 to [`MAX_BCRYPT_COST`].
    pub cost: u32,
}

/// The users with a valid name and hash.
#[derive(Debug)]
pub(super) struct UsersSection {
    pub(super) users: Vec<User>,
}

impl FromNode for UsersSection {
    fn from_node(node: &Node, path: &KeyPath<'_>, reader: &mut Reader<'_>) -> Field<Self> {
        // Checked first: no message may contain a key that is a hash.
        let hashes: Vec<_> = node
            .text_keys()
            .filter(|(key, _)| cost(key).is_some())
            .collect();
        if !hashes.is_empty() {
            for (_, line) in hashes {
                reader
                    .report(line, path, "expected a user name, found a hash")
                    .with_hint("write the name first: `prometheus: $2y$10$...`");
            }
            return Field::Invalid;
        }
        let Some(entries) = reader.entries(node, path) else {
            return Field::Invalid;
        };
        let mut users = Vec::new();
        for entry in entries {
            let path = path.key(entry.key);
            if entry.key.is_empty() || entry.key.contains(':') {
                reader
                    .report(entry.line, &path, "invalid user name")
                    .with_hint("use at least one character, and no colon");
                continue;
            }
            let Field::Valid(hash) = reader.scalar::<String>(entry.value, &path) else {
                continue;
            };
            let (message, hint) = match cost(&hash.value) {
                Some(cost @ 4..=MAX_BCRYPT_COST) => {
                    users.push(User {
                        name: entry.key.to_owned(),
                        hash: Secret::new(&hash.value),
                        cost,
                    });
                    continue;
                }
                Some(cost @ 17..=31) => (
                    format!(
                        "bcrypt cost {cost} is too high: a verification takes longer than a scrape"
                    ),
                    COST_HINT,
                ),
                Some(_) => ("invalid bcrypt cost".to_owned(), COST_HINT),
                None => ("invalid bcrypt hash".to_owned(), HASH_HINT),
            };
            reader.report(hash.line, &path, message).with_hint(hint);
        }
        Field::Valid(Spanned::new(Self { users }, node.line))
    }

    #[cfg(test)]
    const KIND: KeyKind = KeyKind::Names;
}

/// Returns the cost of a hash such as `$2y$10$` with 22 characters of salt and 31 of hash, and
/// `None` for other text.
fn cost(hash: &str) -> Option<u32> {
    // `$2x$` marks hashes of a faulty implementation, which cannot be verified.
    let version = hash
        .get(..4)
        .filter(|version| ["$2a$", "$2b$", "$2y$"].contains(version));
    version
        .and(hash.parse::<HashParts>().ok())
        .map(|parts| parts.get_cost())
}
