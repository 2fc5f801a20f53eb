//! Where transfers are learned from.

use std::time::Duration;

use super::Resolver;
use super::accounts::Accounts;
use crate::config::check;
use crate::config::discovery::{
    CloudtrailEntry, ConnectorsEntry, DiscoverySection, EventsEntry, FilesEntry,
};
use crate::config::error::shown;
use crate::config::plan::{CloudtrailPlan, ConnectorsPlan, DiscoveryPlan, EventsPlan, FilesPlan};
use crate::config::reader::Given;
use model::AccountName;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const ENDPOINT_HINT: &str = "scheme, host and port: `http://127.0.0.1:4777`";
const INCLUDE_HINT: &str = "connector ids with `*`, `?` and `[...]`: `c-*`";

impl Resolver {
    pub(super) fn discovery(
        &mut self,
        given: &DiscoverySection,
        accounts: &Accounts,
    ) -> DiscoveryPlan {
        fn each<T>(entries: &[Option<T>]) -> impl Iterator<Item = (usize, &T)> {
            entries
                .iter()
                .enumerate()
                .filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
        }
        DiscoveryPlan {
            files: each(&given.files)
                .filter_map(|(i, entry)| self.files(i, entry, accounts))
                .collect(),
            events: each(&given.events)
                .filter_map(|(i, entry)| self.events(i, entry, accounts))
                .collect(),
            cloudtrail: each(&given.cloudtrail)
                .filter_map(|(i, entry)| self.cloudtrail(i, entry, accounts))
                .collect(),
            connectors: each(&given.connectors)
                .filter_map(|(i, entry)| self.connector_lists(i, entry, accounts))
                .collect(),
        }
    }

    fn files(
        &mut self,
        index: usize,
        entry: &FilesEntry,
        accounts: &Accounts,
    ) -> Option<FilesPlan> {
        let key = |name: &str| format!("discovery.files[{index}].{name}");
        // Each entry of a file may name its account.
        let account = match &entry.account {
            Given::Absent => accounts.only.clone(),
            given => self.account_of(given, entry.line, key("account"), accounts),
        };
        let hint = "list one path at least, `*` and `**` allowed: `/etc/aws-transfer-exporter/targets/*.yml`";
        if entry.paths.is_absent() {
            self.fault(entry.line, key("paths"), "missing", hint);
        }
        let paths = self.patterns(&entry.paths, &key("paths"), "not a path", hint);
        let default = FilesPlan::REFRESH_INTERVAL;
        let interval = key("refresh_interval");
        let refresh_interval =
            self.length(&entry.refresh_interval, &interval, SECOND, DAY, default);
        (!paths.is_empty()).then_some(FilesPlan {
            account,
            paths,
            refresh_interval,
        })
    }

    fn events(
        &mut self,
        index: usize,
        entry: &EventsEntry,
        accounts: &Accounts,
    ) -> Option<EventsPlan> {
        let key = |name: &str| format!("discovery.events[{index}].{name}");
        let account = self.account_of(&entry.account, entry.line, key("account"), accounts);
        let hint = "the queue's URL: `https://sqs.eu-central-1.amazonaws.com/123456789012/transfer-events`";
        if entry.queue_url.is_absent() {
            self.fault(entry.line, key("queue_url"), "missing", hint);
        }
        let queue_url = self.checked(
            &entry.queue_url,
            || key("queue_url"),
            check::queue_url,
            "not the URL of a queue",
            hint,
        );
        let endpoint_url = self.endpoint(&entry.endpoint_url, &key("endpoint_url"));
        let include = self.patterns(
            &entry.include,
            &key("include"),
            "not a pattern",
            INCLUDE_HINT,
        );
        Some(EventsPlan {
            account: account?,
            queue_url: queue_url?,
            endpoint_url,
            include,
        })
    }

    fn cloudtrail(
        &mut self,
        index: usize,
        entry: &CloudtrailEntry,
        accounts: &Accounts,
    ) -> Option<CloudtrailPlan> {
        let key = |name: &str| format!("discovery.cloudtrail[{index}].{name}");
        let account = self.account_of(&entry.account, entry.line, key("account"), accounts);
        let lookback = self.length(
            &entry.lookback,
            &key("lookback"),
            Duration::from_mins(1),
            7 * DAY,
            CloudtrailPlan::LOOKBACK,
        );
        let default = CloudtrailPlan::REFRESH_INTERVAL;
        let interval = key("refresh_interval");
        let refresh_interval =
            self.length(&entry.refresh_interval, &interval, SECOND, DAY, default);
        let endpoint_url = self.endpoint(&entry.endpoint_url, &key("endpoint_url"));
        let include = self.patterns(
            &entry.include,
            &key("include"),
            "not a pattern",
            INCLUDE_HINT,
        );
        Some(CloudtrailPlan {
            account: account?,
            lookback,
            refresh_interval,
            endpoint_url,
            include,
        })
    }

    fn connector_lists(
        &mut self,
        index: usize,
        entry: &ConnectorsEntry,
        accounts: &Accounts,
    ) -> Option<ConnectorsPlan> {
        let key = |name: &str| format!("discovery.connectors[{index}].{name}");
        let account = self.account_of(&entry.account, entry.line, key("account"), accounts);
        let default = ConnectorsPlan::REFRESH_INTERVAL;
        let interval = key("refresh_interval");
        let refresh_interval = self.length(
            &entry.refresh_interval,
            &interval,
            10 * SECOND,
            DAY,
            default,
        );
        let include = self.patterns(
            &entry.include,
            &key("include"),
            "not a pattern",
            INCLUDE_HINT,
        );
        Some(ConnectorsPlan {
            account: account?,
            refresh_interval,
            include,
        })
    }

    fn endpoint(&mut self, given: &Given<String>, key: &str) -> Option<String> {
        let at = given.value()?;
        if let Err(message) = check::endpoint_url(&at.value) {
            self.fault(at.line, key, message, ENDPOINT_HINT);
        }
        Some(at.value.clone())
    }

    /// The sound ones of a list of globs.
    fn patterns(
        &mut self,
        given: &Given<Vec<Given<String>>>,
        key: &str,
        message: &str,
        hint: &str,
    ) -> Vec<String> {
        let Some(list) = given.value() else {
            return Vec::new();
        };
        if list.value.is_empty() {
            self.fault(list.line, key, "an empty list", hint);
        }
        let mut sound = Vec::new();
        for (index, at) in list
            .value
            .iter()
            .enumerate()
            .filter_map(|(i, given)| Some((i, given.value()?)))
        {
            match glob::Pattern::new(&at.value) {
                Ok(_) if check::printable(&at.value, 4_096) => sound.push(at.value.clone()),
                Ok(_) => self.fault(at.line, format!("{key}[{index}]"), message, hint),
                Err(error) => {
                    let why = if at.hidden {
                        message.to_owned()
                    } else {
                        format!("{message}: {}", shown(error.msg))
                    };
                    self.fault(at.line, format!("{key}[{index}]"), why, hint);
                }
            }
        }
        sound
    }

    pub(super) fn account_of(
        &mut self,
        given: &Given<String>,
        line: usize,
        key: String,
        accounts: &Accounts,
    ) -> Option<AccountName> {
        match given {
            Given::Value(at) => {
                if let Some((name, _)) = accounts.known.get(&at.value) {
                    return Some(name.clone());
                }
                if accounts.complete {
                    let hint = accounts.meant(at);
                    self.fault(at.line, key, at.saying("no account has this name"), &hint);
                }
                None
            }
            Given::Absent => {
                if accounts.only.is_none() && accounts.plans.len() > 1 {
                    let message = format!("missing: there are {} accounts", accounts.plans.len());
                    self.fault(line, key, message, &accounts.shown());
                }
                accounts.only.clone()
            }
            Given::Faulty => None,
        }
    }
}
