//! A simulated AWS for SFTP connectors: the API of Transfer Family, the event history of
//! CloudTrail, an SQS queue with the events that EventBridge would send, and faults on request.
//! Files follow scripts; a seed makes every run the same. Clients reach it over HTTP with any AWS
//! SDK.
//!
//! | route | answer |
//! | --- | --- |
//! | `POST /` | the operations of [`ApiOperation::ALL`], selected by `X-Amz-Target` |
//! | `GET /` | a page with the state |
//! | `GET /_simulator/` | the control routes as plain text |
//! | `GET /_simulator/openapi.json` | the control routes as OpenAPI |
//! | `GET /_simulator/state` | the state as JSON |
//! | `POST /_simulator/reset` | return to the initial state, and start the [`Scenario`] again |
//! | `GET`, `PUT /_simulator/time` | the time of the account; its speed, and a jump |
//! | `GET`, `PUT`, `POST /_simulator/rules` | the [`Rule`]s for transfers that clients start |
//! | `GET`, `DELETE /_simulator/queue` | the queue URL; remove all messages, future events included |
//! | `GET`, `DELETE /_simulator/calls` | the calls so far; reset the counts |
//! | `GET`, `PUT /_simulator/faults` | the [`Faults`] |
//! | `PUT /_simulator/connectors/{connector}` | a [`ConnectorSpec`] |
//! | `PUT /_simulator/transfers/{connector}/{transfer}` | a list of [`FileScript`]s; `?age=8d` backdates the start, `?direction=send` |
//!
//! AWS does not document the answer for an unknown or expired transfer: [`Expiry`] has both
//! variants.
//!
//! `domain` holds the account and knows no HTTP; `api` performs operations on it; `wire` speaks
//! HTTP.

mod account_clock;
mod api;
mod deliveries;
mod domain;
mod fleet;
mod profiles;
#[cfg(feature = "standalone")]
mod scenario_file;
mod simulator;
mod snapshot;
#[cfg(test)]
mod testing;
mod timer;
mod wire;

pub use account_clock::MAX_SPEED;
pub use deliveries::Feed;
pub use domain::{
    ApiOperation, Calls, ConnectorSpec, Egress, End, Expiry, Faults, FileScript, LifeScript,
    PlannedTransfer, Profile, Protocol, Rule, Scenario, SplitMix64, Step, ThrottleError,
    UnknownConnector, failure_message,
};
pub use fleet::{Fleet, Started};
#[cfg(feature = "standalone")]
pub use scenario_file::{ScenarioError, shipped_scenarios};
pub use simulator::{Settings, Simulator};
pub use timer::{Timer, TokioTimer};
pub use wire::credential::{AccessKeys, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};

pub(crate) use simulator::lock;
