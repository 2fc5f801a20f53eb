//! Floor 0: what the exporter talks about. Ids, statuses, counts and the snapshot; no AWS, no Prometheus, no YAML,
//! no tokio.

mod clock;
mod connector;
mod event;
mod hash;
mod histogram;
mod ids;
mod shard;
mod snapshot;
mod transfer;

pub use clock::{Clock, Now};
pub use connector::{Account, ConnectorDetails, ConnectorKey, ConnectorNames, ConnectorTitle};
pub use event::{Direction, Fact, FileEnd, OperationEnd, RemoteOperation, StartedTransfer};
pub use hash::stable_hash;
pub use histogram::{DURATION_BOUNDS, DURATION_SCHEMA, Durations};
pub use ids::{AccountName, ConnectorId, IdError, TransferId};
pub use shard::{Shard, ShardError};
pub use snapshot::{
    Chunk, ConnectorLabels, ConnectorView, Finished, FinishedFiles, LastSweep, MovedFiles,
    Snapshot, StateCounts, TransferView,
};
pub use transfer::{
    DOCUMENTED_FAILURE_CODES, FailureCode, FileCounts, FileResult, FileStatus, Origin, TransferKey,
    TransferState,
};
