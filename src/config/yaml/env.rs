//! Expansion of `${NAME}` to the environment variable NAME.

use std::borrow::Cow;

/// Why a value cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// The variable of this name is not set.
    Unset(String),
    /// A `${` without `NAME}`.
    Malformed,
}

/// Replaces each `${NAME}` in `text` by its variable, and each `$${` by `${`. Also returns whether
/// `text` contained a variable. A variable's value is not expanded again.
pub(super) fn expand<'t>(
    text: &'t str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Cow<'t, str>, bool), ExpandError> {
    if !text.contains("${") {
        return Ok((Cow::Borrowed(text), false));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut from_env = false;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (name, tail) = after
            .split_once('}')
            .filter(|(name, _)| is_name(name))
            .ok_or(ExpandError::Malformed)?;
        out.push_str(&env(name).ok_or_else(|| ExpandError::Unset(name.to_owned()))?);
        from_env = true;
        rest = tail;
    }
    out.push_str(rest);
    Ok((Cow::Owned(out), from_env))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_once() {
        let env = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "_b2" => Some("${A}".to_owned()),
            _ => None,
        };
        let malformed = || Err(ExpandError::Malformed);
        let good = |text: &str, from_env| Ok((Cow::Owned(text.to_owned()), from_env));
        for (text, expected) in [
            ("plain $A $", good("plain $A $", false)),
            ("${A}", good("one", true)),
            ("x${A}y${A}", good("xoneyone", true)),
            ("${_b2}", good("${A}", true)),
            ("$${A}", good("${A}", false)),
            ("$$${A}", good("$${A}", false)),
            ("$$ ${A}", good("$$ one", true)),
            ("${C}", Err(ExpandError::Unset("C".to_owned()))),
            ("${", malformed()),
            ("${A", malformed()),
            ("${}", malformed()),
            ("${2A}", malformed()),
            ("${A-x}", malformed()),
            ("${ A}", malformed()),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
