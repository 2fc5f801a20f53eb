//! `basic_auth_users`.

use bcrypt::HashParts;

use super::super::Secret;
use super::super::node::Node;
use super::super::reader::{Given, Path, Reader};

/// The highest cost of a hash that is taken. Each step doubles the work: 16 is some seconds for each password, and a
/// scrape has ten.
pub const MAX_BCRYPT_COST: u32 = 16;

/// One who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name, without a colon.
    pub name: String,
    /// The bcrypt hash of the password, of 60 characters.
    pub hash: Secret,
    /// The hash's cost: 4 to [`MAX_BCRYPT_COST`].
    pub cost: u32,
}

const MAKE: &str = "make one by `htpasswd -nBC 10 \"\" | tr -d ':\\n'`";

/// The users of the mapping; what is wrong with one is reported, and never shown.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Vec<User> {
    let mut users = Vec::new();
    for (name, line, value) in reader.entries(node, path).unwrap_or_default() {
        if cost(name).is_some() {
            let hint = Some("write the name first: `prometheus: $2y$10$...`".to_owned());
            reader.fault(line, path, "a hash in place of a name", hint);
            continue;
        }
        let path = path.key(name);
        if name.is_empty() || name.contains(':') {
            let hint = Some("a name has one character at least and no colon".to_owned());
            reader.fault(line, &path, "no client can send this name", hint);
            continue;
        }
        let Given::Value(hash) = reader.scalar::<String>(value, &path) else {
            continue;
        };
        match cost(&hash.value) {
            Some(cost @ 4..=MAX_BCRYPT_COST) => {
                users.push(User {
                    name: name.to_owned(),
                    hash: Secret::new(&hash.value),
                    cost,
                });
            }
            Some(cost @ 17..=31) => {
                let message = format!(
                    "a cost of {cost}: a scrape would be over before the password is verified"
                );
                reader.fault(
                    hash.line,
                    &path,
                    message,
                    Some(format!("costs are 4 to 16; {MAKE}")),
                );
            }
            Some(_) => reader.fault(
                hash.line,
                &path,
                "no cost of bcrypt",
                Some(format!("costs are 4 to 16; {MAKE}")),
            ),
            None => reader.fault(hash.line, &path, "not a bcrypt hash", Some(MAKE.to_owned())),
        }
    }
    users
}

/// The cost of a hash `$2y$10$` with 22 characters of salt and 31 of hash behind; `None` of anything else.
fn cost(hash: &str) -> Option<u32> {
    // `2x` marks hashes of a program with a mistake, which no verification repeats.
    let version = hash
        .get(..4)
        .filter(|version| ["$2a$", "$2b$", "$2y$"].contains(version));
    version
        .and(hash.parse::<HashParts>().ok())
        .map(|parts| parts.get_cost())
}
