//! Floor 2: AWS behind traits.
//!
//! | module | holds |
//! | --- | --- |
//! | `ports` | the traits, in domain types |
//! | [`sdk`] | their implementations with the AWS SDK |
//! | [`session`] | credentials, Region, time-outs and retries of an account |
//! | [`limiter`] | concurrency and request rate of an account, as a decorator |
//! | [`observer`] | metrics of every attempt, and the limiter's feedback |
//! | [`preflight`] | the checks of `check --live` |
//!
//! Retries are the SDK's: three attempts a call, bounded by its retry quota; see [`session`].

mod classify;
mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod limiter;
pub mod observer;
mod ports;
pub mod preflight;
mod results;
pub mod sdk;
pub mod session;

#[cfg(feature = "dynamodb")]
pub(crate) use classify::call as classify_call;
pub use error::{AttemptOutcome, ErrorKind, TransferError};
pub use ports::{
    ApiFuture, Attempt, AttemptObserver, CloudTrailApi, CloudTrailEvent, CloudTrailPage,
    ConnectionApi, ConnectionTest, ConnectorsApi, ConnectorsPage, IdentityApi, Operation,
    QUEUE_BATCH, QueueApi, QueueDepth, QueueMessage, ResultsPage, TransferApi, UndeletedMessage,
};
pub use results::{MAX_PAGES, all_file_results};
