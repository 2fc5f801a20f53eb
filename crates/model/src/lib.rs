//! Floor 0: the domain. Ids, statuses, counts, facts and the snapshot; no AWS, Prometheus, YAML or
//! tokio.

mod clock;
mod connection;
mod connector;
mod counted;
mod counts;
mod facts;
mod flow;
mod hash;
mod histogram;
mod ids;
mod ownership;
mod polling;
mod shard;
mod snapshot;
mod statuses;
mod text;

pub use clock::{Clock, Millis, Now, millis, time};
pub use connection::{ConnectionFailure, LastConnectionTest, TestedConnection};
pub use connector::{Account, ConnectorDetails, ConnectorNames, ConnectorTitle, ListedConnectors};
pub use counted::counted;
pub use counts::FileCounts;
pub use facts::{
    Direction, Fact, FileEnd, FileResult, Listing, OperationEnd, RemoteOperation, TransferStart,
};
pub use flow::{FlowState, FlowTitle, FlowView, FlowWindow};
pub use hash::{stable_hash, stable_hash_of};
pub use histogram::{DURATION_BOUNDS, HISTOGRAM_SCHEMA, Histogram, SIZE_BOUNDS};
pub use ids::{AccountName, ConnectorId, ConnectorKey, IdError, TransferId, TransferKey};
pub use ownership::{ConnectorGroups, Ownership};
pub use polling::{QUEUE_DEPTH_INTERVAL, QUEUE_LONG_POLL, RESULTS_PAGE_SIZE};
pub use shard::{Shard, ShardError};
pub use snapshot::{
    Chunk, ConnectorLabels, ConnectorView, Finished, FinishedFiles, LastSweep, MovedFiles,
    Snapshot, StateCounts, TransferView,
};
pub use statuses::{
    DOCUMENTED_FAILURE_CODES, FailureCode, FileStatus, Origin, PerTransfer, TransferState,
};
pub use text::{is_invisible, visible, visible_lines};
