//! Assigns messages of a queue to configured accounts.
//!
//! | message | account |
//! | --- | --- |
//! | event with `account` and `region` | the configured account with that AWS account ID and Region: the queue's account if it has them, else the first |
//! | event without `account` | as if it named the AWS account ID of the queue's account |
//! | event without `region` | any Region |
//! | event that no known ID matches, while the ID of the queue's account is not known | the queue's account, if the Region is its own |
//! | any other event | none: [`Unrouted`] |
//! | plain message | the queue's account |

use std::fmt;
use std::sync::Arc;

use super::{ConnectorFilter, EventFilter};
use model::Account;

/// A configured account and its AWS account ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRoute {
    /// The account, whose name is a label and no AWS account ID.
    pub account: Account,
    /// The AWS account ID, if it is known.
    pub id: Option<Arc<str>>,
}

/// Assigns messages of one queue.
#[derive(Clone, Copy, Debug)]
pub struct MessageRouting<'a> {
    /// The account of the queue.
    pub queue: &'a AccountRoute,
    /// The other configured accounts.
    pub others: &'a [AccountRoute],
    /// The connectors whose messages are used.
    pub connectors: &'a ConnectorFilter,
}

/// AWS account ID and Region of an event that belongs to no configured account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrouted {
    /// The AWS account ID; empty if the event has none.
    pub account_id: String,
    /// The Region; empty if the event has none.
    pub region: String,
}

/// Longest text of [`Unrouted`].
const MAX_TEXT: usize = 64;

impl Unrouted {
    fn new(account_id: Option<&str>, region: Option<&str>) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().chars().take(MAX_TEXT).collect();
        Self {
            account_id: text(account_id),
            region: text(region),
        }
    }
}

impl fmt::Display for Unrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.account_id, self.region)
    }
}

impl<'a> MessageRouting<'a> {
    /// Returns the filter for messages of the queue's account.
    pub(super) fn queue_account(&self) -> EventFilter<'a> {
        self.filter(self.queue)
    }

    /// Returns the filter for an event with these `account` and `region`.
    pub(super) fn route(
        &self,
        account_id: Option<&str>,
        region: Option<&str>,
    ) -> Result<EventFilter<'a>, Unrouted> {
        let has_region =
            |route: &AccountRoute| region.is_none_or(|region| *region == *route.account.region);
        let id = account_id.or(self.queue.id.as_deref());
        let mut routes = std::iter::once(self.queue).chain(self.others);
        let known =
            routes.find(|route| has_region(route) && id.is_some() && route.id.as_deref() == id);
        let fallback = || (self.queue.id.is_none() && has_region(self.queue)).then_some(self.queue);
        known
            .or_else(fallback)
            .map(|route| self.filter(route))
            .ok_or_else(|| Unrouted::new(account_id, region))
    }

    fn filter(&self, route: &'a AccountRoute) -> EventFilter<'a> {
        EventFilter {
            account: &route.account,
            connectors: self.connectors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::AccountName;

    fn route(name: &str, id: Option<&str>, region: &str) -> AccountRoute {
        AccountRoute {
            account: Account {
                name: AccountName::new(name),
                region: region.into(),
            },
            id: id.map(Into::into),
        }
    }

    fn name_of(
        routes: &[AccountRoute],
        account_id: Option<&str>,
        region: Option<&str>,
    ) -> Option<String> {
        let connectors = ConnectorFilter::default();
        let routing = MessageRouting {
            queue: &routes[0],
            others: &routes[1..],
            connectors: &connectors,
        };
        let filter = routing.route(account_id, region);
        filter.ok().map(|filter| filter.account.name.to_string())
    }

    #[test]
    fn events_belong_to_the_account_of_their_number_and_region() {
        let routes = [
            route("one", Some("111111111111"), "eu-central-1"),
            route("two", Some("222222222222"), "eu-central-1"),
            route("one-us", Some("111111111111"), "us-east-1"),
            route("one-again", Some("111111111111"), "us-east-1"),
            route("unknown", None, "eu-west-1"),
        ];
        for (id, region, expected) in [
            (Some("111111111111"), Some("eu-central-1"), Some("one")),
            (Some("222222222222"), Some("eu-central-1"), Some("two")),
            // Of two names for one account and Region, the first.
            (Some("111111111111"), Some("us-east-1"), Some("one-us")),
            (Some("222222222222"), Some("us-east-1"), None),
            (Some("333333333333"), Some("eu-central-1"), None),
            (Some("333333333333"), Some("eu-west-1"), None),
            (Some("222222222222"), None, Some("two")),
            (None, Some("eu-central-1"), Some("one")),
            (None, Some("us-east-1"), Some("one-us")),
            (None, Some("eu-west-1"), None),
            (None, None, Some("one")),
        ] {
            let found = name_of(&routes, id, region);
            assert_eq!(found.as_deref(), expected, "{id:?} {region:?}");
        }
    }

    #[test]
    fn the_account_of_the_queue_comes_first_among_names_for_one_account() {
        let names = ["b", "a", "c"].map(|name| route(name, Some("111111111111"), "eu-central-1"));
        let found = name_of(&names, Some("111111111111"), Some("eu-central-1"));
        assert_eq!(found.as_deref(), Some("b"));
    }

    #[test]
    fn events_belong_to_the_queues_account_while_its_number_is_not_known() {
        let routes = [
            route("one", None, "eu-central-1"),
            route("two", Some("222222222222"), "eu-central-1"),
        ];
        for (id, region, expected) in [
            (Some("111111111111"), Some("eu-central-1"), Some("one")),
            (Some("222222222222"), Some("eu-central-1"), Some("two")),
            (Some("111111111111"), Some("us-east-1"), None),
            (None, Some("eu-central-1"), Some("one")),
            (None, Some("us-east-1"), None),
        ] {
            let found = name_of(&routes, id, region);
            assert_eq!(found.as_deref(), expected, "{id:?} {region:?}");
        }
    }
}
