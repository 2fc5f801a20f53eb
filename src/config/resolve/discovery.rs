//! `discovery`.

use std::collections::HashMap;
use std::time::Duration;

use super::accounts::AccountIndex;
use super::{EMPTY_LIST, REQUIRED, Resolver, check};
use crate::config::file::{
    CloudtrailEntry, ConnectorListEntry, DiscoverySection, EventsEntry, FilesEntry, ListOf,
};
use crate::config::plan::{CloudtrailPlan, ConnectorsPlan, DiscoveryPlan, EventsPlan, FilesPlan};
use crate::config::yaml::{Field, Spanned, escape};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

const INCLUDE_HINT: &str = "use connector IDs with `*`, `?` and `[...]`, such as `c-*`";
const PATHS_HINT: &str = "list at least one path, with `*` and `**` for any name and any directories, such as `/etc/aws-transfer-exporter/targets/*.yml`";
const FIFO: &str =
    "FIFO queues are not supported: a message that cannot be used would block those behind it";
const QUEUE_URL_HINT: &str = "use the URL of the queue, such as `https://sqs.eu-central-1.amazonaws.com/123456789012/transfer-events`";

impl DiscoverySection {
    /// Returns true if a source is listed, valid or not.
    pub(super) fn is_used(field: &Field<Self>) -> bool {
        match field {
            Field::Absent => false,
            Field::Invalid => true,
            Field::Valid(Spanned { value, .. }) => {
                !(value.files.is_absent()
                    && value.events.is_absent()
                    && value.cloudtrail.is_absent()
                    && value.connectors.is_absent())
            }
        }
    }
}

impl Resolver {
    pub(super) fn discovery(
        &mut self,
        field: &Field<DiscoverySection>,
        accounts: &AccountIndex,
    ) -> DiscoveryPlan {
        let Some(section) = field.value() else {
            return DiscoveryPlan::default();
        };
        let section = &section.value;
        self.unique_queues(&section.events);
        DiscoveryPlan {
            files: self.sources("files", &section.files, accounts, Self::files),
            events: self.sources("events", &section.events, accounts, Self::events),
            cloudtrail: self.sources(
                "cloudtrail",
                &section.cloudtrail,
                accounts,
                Self::cloudtrail,
            ),
            connectors: self.sources(
                "connectors",
                &section.connectors,
                accounts,
                Self::connector_list,
            ),
        }
    }

    /// Resolves the entries of a list of sources with `resolve`, which gets the key of the entry.
    fn sources<T, P>(
        &mut self,
        name: &str,
        field: &Field<ListOf<T>>,
        accounts: &AccountIndex,
        resolve: fn(&mut Self, &str, &Spanned<T>, &AccountIndex) -> Option<P>,
    ) -> Vec<P> {
        if let Some(list) = field.value()
            && list.value.is_empty()
        {
            self.report(list.line, format!("discovery.{name}"), EMPTY_LIST)
                .with_hint("remove the key");
        }
        field
            .items()
            .filter_map(|(index, entry)| {
                resolve(self, &format!("discovery.{name}[{index}]"), entry, accounts)
            })
            .collect()
    }

    fn files(
        &mut self,
        key: &str,
        entry: &Spanned<FilesEntry>,
        accounts: &AccountIndex,
    ) -> Option<FilesPlan> {
        let Spanned {
            value: entry, line, ..
        } = entry;
        // With several accounts, the entries of the files can name theirs.
        let account = match &entry.account {
            Field::Absent => accounts.default.clone(),
            field => self.account_of(field, *line, format!("{key}.account"), accounts),
        };
        let paths_key = format!("{key}.paths");
        if entry.paths.is_absent() {
            self.report(*line, &paths_key, REQUIRED)
                .with_hint(PATHS_HINT);
        }
        let paths = self.globs(&entry.paths, &paths_key, "invalid path", PATHS_HINT);
        let refresh_interval = self.duration(
            &entry.refresh_interval,
            &format!("{key}.refresh_interval"),
            SECOND..=DAY,
            FilesPlan::REFRESH_INTERVAL,
        );
        (!paths.is_empty()).then_some(FilesPlan {
            account,
            paths,
            refresh_interval,
        })
    }

    fn events(
        &mut self,
        key: &str,
        entry: &Spanned<EventsEntry>,
        accounts: &AccountIndex,
    ) -> Option<EventsPlan> {
        let Spanned {
            value: entry, line, ..
        } = entry;
        let account = self.account_of(&entry.account, *line, format!("{key}.account"), accounts);
        let queue_key = format!("{key}.queue_url");
        if entry.queue_url.is_absent() {
            self.report(*line, &queue_key, REQUIRED)
                .with_hint(QUEUE_URL_HINT);
        }
        let queue_url = self.checked(
            &entry.queue_url,
            || queue_key,
            check::is_queue_url,
            "invalid queue URL",
            QUEUE_URL_HINT,
        );
        if let Some(url) = entry.queue_url.value()
            && check::is_fifo_queue(&url.value)
        {
            self.report(url.line, format!("{key}.queue_url"), FIFO)
                .with_hint("use a standard queue: the order of events does not matter");
        }
        let endpoint_url = self.endpoint_url(&entry.endpoint_url, &format!("{key}.endpoint_url"));
        let include = self.include(&entry.include, key);
        Some(EventsPlan {
            account: account?,
            queue_url: queue_url?,
            endpoint_url,
            include,
        })
    }

    /// Reports queues that appear twice: the readers would each get a part of the messages.
    fn unique_queues(&mut self, field: &Field<ListOf<EventsEntry>>) {
        let mut first: HashMap<String, (usize, usize)> = HashMap::new();
        for (index, entry) in field.items() {
            let Some(url) = entry.value.queue_url.value() else {
                continue;
            };
            let queue = queue_identity(&url.value);
            let Some((line, other)) = first.get(&queue) else {
                first.insert(queue, (url.line, index));
                continue;
            };
            let message = format!(
                "duplicate queue, first used in line {line} by `discovery.events[{other}]`"
            );
            self.report(
                url.line,
                format!("discovery.events[{index}].queue_url"),
                message,
            )
            .with_hint("remove one of the two: a queue may carry events of several accounts");
        }
    }

    fn cloudtrail(
        &mut self,
        key: &str,
        entry: &Spanned<CloudtrailEntry>,
        accounts: &AccountIndex,
    ) -> Option<CloudtrailPlan> {
        let Spanned {
            value: entry, line, ..
        } = entry;
        let account = self.account_of(&entry.account, *line, format!("{key}.account"), accounts);
        let lookback = self.duration(
            &entry.lookback,
            &format!("{key}.lookback"),
            MINUTE..=7 * DAY,
            CloudtrailPlan::LOOKBACK,
        );
        let refresh_interval = self.duration(
            &entry.refresh_interval,
            &format!("{key}.refresh_interval"),
            SECOND..=DAY,
            CloudtrailPlan::REFRESH_INTERVAL,
        );
        let endpoint_url = self.endpoint_url(&entry.endpoint_url, &format!("{key}.endpoint_url"));
        let include = self.include(&entry.include, key);
        Some(CloudtrailPlan {
            account: account?,
            lookback,
            refresh_interval,
            endpoint_url,
            include,
        })
    }

    fn connector_list(
        &mut self,
        key: &str,
        entry: &Spanned<ConnectorListEntry>,
        accounts: &AccountIndex,
    ) -> Option<ConnectorsPlan> {
        let Spanned {
            value: entry, line, ..
        } = entry;
        let account = self.account_of(&entry.account, *line, format!("{key}.account"), accounts);
        let refresh_interval = self.duration(
            &entry.refresh_interval,
            &format!("{key}.refresh_interval"),
            10 * SECOND..=DAY,
            ConnectorsPlan::REFRESH_INTERVAL,
        );
        let include = self.include(&entry.include, key);
        Some(ConnectorsPlan {
            account: account?,
            refresh_interval,
            include,
            labels_from_tags: Vec::new(),
        })
    }

    fn include(&mut self, field: &Field<ListOf<String>>, key: &str) -> Vec<String> {
        self.globs(
            field,
            &format!("{key}.include"),
            "invalid pattern",
            INCLUDE_HINT,
        )
    }

    /// Returns the valid globs of a list.
    fn globs(
        &mut self,
        field: &Field<ListOf<String>>,
        key: &str,
        message: &str,
        hint: &str,
    ) -> Vec<String> {
        if let Some(list) = field.value()
            && list.value.is_empty()
        {
            self.report(list.line, key, EMPTY_LIST).with_hint(hint);
        }
        let mut globs = Vec::new();
        for (index, glob) in field.items() {
            let message = match glob::Pattern::new(&glob.value) {
                Ok(_) if check::is_printable(&glob.value, 4_096) => {
                    globs.push(glob.value.clone());
                    continue;
                }
                // The error is one of a few sentences, but a hidden value must not show which.
                Err(error) if !glob.hidden => format!("{message}: {}", escape(error.msg)),
                _ => message.to_owned(),
            };
            self.report(glob.line, format!("{key}[{index}]"), message)
                .with_hint(hint);
        }
        globs
    }
}

/// Returns a queue's URL with its scheme and host in lower case.
fn queue_identity(url: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    url[..path].to_ascii_lowercase() + &url[path..]
}
