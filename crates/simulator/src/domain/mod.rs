//! The simulated account: connectors, transfers, the event history, the queue and the faults. No
//! HTTP, no JSON of AWS's wire except in events, no clock.

mod account;
mod calls;
mod connector;
mod end;
mod event;
mod faults;
mod history;
mod operation;
mod queue;
mod random;
mod remote;
mod rules;
mod scenario;
mod script;
pub(crate) mod span;
mod started_transfer;
mod text;
mod upcoming_ends;

pub use calls::Calls;
pub use connector::{ConnectorSpec, Egress, Protocol, UnknownConnector};
pub use faults::{Expiry, Faults, ThrottleError};
pub use operation::ApiOperation;
pub use random::SplitMix64;
pub use rules::Rule;
pub use scenario::{PlannedTransfer, Scenario, Step};
pub use script::{End, FileScript, LifeScript, Profile, failure_message};

pub(crate) use account::{Lookup, SimulatedAccount};
pub(crate) use connector::HOST_KEY;
pub(crate) use event::EventSource;
pub(crate) use faults::{Dice, Disruption};
pub(crate) use history::Position;
pub(crate) use operation::Service;
pub(crate) use queue::{Body, Message, QUEUE, QUEUE_RETENTION, Receipt};
pub(crate) use remote::RemoteKind;
pub(crate) use scenario::Timeline;
pub(crate) use span::parse as parse_duration;
pub(crate) use started_transfer::{Start, StartedTransfer};
