//! The log record of a listener.

/// Returns the port of a record `event=listening`.
pub(crate) fn port(record: &str) -> u16 {
    let address = record
        .split_whitespace()
        .find_map(|field| field.strip_prefix("address="));
    let port = address.and_then(|address| address.rsplit(':').next()?.parse().ok());
    port.unwrap_or_else(|| panic!("no address in `{record}`"))
}
