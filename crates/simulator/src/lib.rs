//! A simulated AWS for SFTP connectors: the API of Transfer Family, the event history of
//! CloudTrail, an SQS queue with the events that EventBridge would send, and faults on request.
//! Files follow scripts; a seed makes every run the same. Clients reach it over HTTP with any AWS
//! SDK.
//!
//! | route | answer |
//! | --- | --- |
//! | `POST /` | the operations of [`ApiOperation::ALL`], selected by `X-Amz-Target` |
//! | `GET /_simulator/` | these routes as plain text |
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

mod api;
mod deliveries;
mod domain;
mod fleet;
mod profiles;
mod simulator;
#[cfg(test)]
mod testing;
mod timer;
mod wire;

pub use deliveries::Feed;
pub use domain::{
    ApiOperation, Calls, ConnectorSpec, Egress, End, Expiry, Faults, FileScript, LifeScript,
    Profile, Protocol, SplitMix64, ThrottleError, UnknownConnector, failure_message,
};
pub use fleet::{Fleet, Started};
pub use simulator::{Settings, Simulator};
pub use timer::{Timer, TokioTimer};
pub use wire::credential::{AccessKeys, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};

pub(crate) use simulator::lock;
