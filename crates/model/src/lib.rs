//! Floor 0: the domain. Ids, statuses, counts, facts and the snapshot; no AWS, Prometheus, YAML or
//! tokio.

mod clock;
mod connector;
mod counts;
mod facts;
mod hash;
mod histogram;
mod ids;
mod polling;
mod shard;
mod snapshot;
mod statuses;

pub use clock::{Clock, Now};
pub use connector::{Account, ConnectorDetails, ConnectorNames, ConnectorTitle};
pub use counts::FileCounts;
pub use facts::{
    Direction, Fact, FileEnd, FileResult, OperationEnd, RemoteOperation, TransferStart,
};
pub use hash::stable_hash;
pub use histogram::{DURATION_BOUNDS, DURATION_SCHEMA, Durations};
pub use ids::{AccountName, ConnectorId, ConnectorKey, IdError, TransferId, TransferKey};
pub use polling::{QUEUE_DEPTH_INTERVAL, QUEUE_LONG_POLL, RESULTS_PAGE_SIZE};
pub use shard::{Shard, ShardError};
pub use snapshot::{
    Chunk, ConnectorLabels, ConnectorView, Finished, FinishedFiles, LastSweep, MovedFiles,
    Snapshot, StateCounts, TransferView,
};
pub use statuses::{DOCUMENTED_FAILURE_CODES, FailureCode, FileStatus, Origin, TransferState};
