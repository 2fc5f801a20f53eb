//! The runtime's own figures, told when an exposition is made.

use tokio::runtime::Handle;

use super::App;
use crate::metrics::self_metrics::RuntimeStats;

impl App {
    /// Tells how the runtime does; of no use outside one.
    pub(super) fn tell_runtime(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let metrics = runtime.metrics();
        let workers = metrics.num_workers();
        self.metrics.runtime.record(RuntimeStats {
            workers,
            alive_tasks: metrics.num_alive_tasks(),
            global_queue_depth: metrics.global_queue_depth(),
            busy: (0..workers)
                .map(|worker| metrics.worker_total_busy_duration(worker))
                .sum(),
        });
    }
}
