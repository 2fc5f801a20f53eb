//! What `DescribeConnector` returned of a connector.

use std::borrow::Cow;

use model::ConnectorDetails;

/// The details of a connector.
pub(super) struct Details<'a> {
    /// The status, unless it is `ACTIVE`.
    pub(super) status: Option<&'a str>,
    pub(super) class: &'static str,
    pub(super) error_message: Option<&'a str>,
    pub(super) warnings: Vec<&'static str>,
    pub(super) properties: Vec<Property<'a>>,
}

pub(super) struct Property<'a> {
    pub(super) label: &'static str,
    pub(super) value: Cow<'a, str>,
}

pub(super) fn details(details: &ConnectorDetails) -> Details<'_> {
    let or_none = |value: &str| if value.is_empty() { "none" } else { value }.to_owned();
    let stages = if details.secret_version_stages.is_empty() {
        Cow::Borrowed("AWSCURRENT")
    } else {
        Cow::Owned(details.secret_version_stages.join(", "))
    };
    let connections = details.max_concurrent_connections;
    let properties = [
        ("URL", or_none(&details.url).into()),
        ("Egress type", or_none(&details.egress_type).into()),
        (
            "Egress addresses",
            or_none(&details.egress_ip_addresses.join(", ")).into(),
        ),
        ("IP address type", or_none(&details.ip_address_type).into()),
        ("Security policy", or_none(&details.security_policy).into()),
        (
            "Maximum connections",
            connections.map_or("unknown".into(), |number| number.to_string().into()),
        ),
        (
            "Trusted host keys",
            details.trusted_host_keys.to_string().into(),
        ),
        ("Secret version stages", stages),
        (
            "Logging role",
            details.logging_role.as_deref().unwrap_or("none").into(),
        ),
    ];
    Details {
        status: Some(&*details.status).filter(|status| *status != "ACTIVE"),
        class: if &*details.status == "ERRORED" {
            "bad"
        } else {
            "warn"
        },
        error_message: details.error_message.as_deref(),
        warnings: details.warnings(),
        properties: properties
            .map(|(label, value)| Property { label, value })
            .into(),
    }
}
