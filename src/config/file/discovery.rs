//! `discovery` as the user writes it.

use std::time::Duration;

use super::ListOf;
use crate::config::yaml::mapping;

mapping! {
    pub(in crate::config) struct DiscoverySection {
        files: ListOf<FilesEntry>,
        events: ListOf<EventsEntry>,
        cloudtrail: ListOf<CloudtrailEntry>,
        connectors: ListOf<ConnectorListEntry>,
    }
}

mapping! {
    pub(in crate::config) struct FilesEntry {
        account: String,
        paths: ListOf<String>,
        refresh_interval: Duration,
    }
}

mapping! {
    pub(in crate::config) struct EventsEntry {
        account: String,
        queue_url: String,
        endpoint_url: String,
        include: ListOf<String>,
    }
}

mapping! {
    pub(in crate::config) struct CloudtrailEntry {
        account: String,
        lookback: Duration,
        refresh_interval: Duration,
        endpoint_url: String,
        include: ListOf<String>,
    }
}

mapping! {
    pub(in crate::config) struct ConnectorListEntry {
        account: String,
        refresh_interval: Duration,
        include: ListOf<String>,
    }
}
