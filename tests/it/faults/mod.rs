//! Faults against the running program, each by itself. Two accounts of twelve transfers are known; then one fault comes,
//! half of all files finish meanwhile, and the fault goes. For each fault four sentences hold, and [`stage`] asserts
//! them: a scrape still answers in time; what is known stays right, for no transfer is ever shown except as it was or as it
//! is; the fault shows in a metric; and it heals by itself, each file counted once.
//!
//! | fault | made by | shows in | heals when |
//! | --- | --- | --- | --- |
//! | half of all calls are throttled | simulator | `api_requests_total{outcome="throttled"}` | it ends |
//! | HTTP 500, 503, a proxy's page | simulator | `outcome="server_error"`, `"malformed"`, `results_up` 0 | it ends |
//! | stall, bytes that drip | simulator, gate | `outcome="timeout"`, `results_up` 0 | it ends |
//! | reset before and within the answer | simulator, gate | `outcome="network"`, `"malformed"`, `results_up` 0 | it ends |
//! | JSON cut short, of the wrong types | simulator | `outcome="malformed"`, `results_up` 0 | it ends |
//! | an answer of 100 MB | gate | `outcome="malformed"`, `results_up` 0; 4 MiB of it are read | it ends |
//! | pages without an end | gate | `results_up` 0; 1,000 pages are read | it ends |
//! | a dead account | gate, closed | `outcome="network"`, `results_up` 0 | somebody listens again |
//! | a name that does not resolve | configuration | `outcome="network"` or `"timeout"`, `results_up` 0 | the configuration names a host that is there |
//! | expired credentials, none to be had | simulator, `credential_process` | `outcome="denied"`, `results_up` 0 | there are good ones |
//! | the wall clock jumps, both ways | a clock of the test's own, in process | in nothing: ages come from the monotonic clock | at once |
//! | the machine's clock jumps | libfaketime, a peer | `outcome="denied"` | the clock is right |
//! | a full disk | a limit on file sizes | `storage_up` 0, `storage_write_errors_total` | there is room |
//! | file descriptors run out | a limit, and 200 clients that hold theirs | `process_open_fds` near `process_max_fds`, or both absent | they leave |
//! | 5,000 slow clients | the test | `process_open_fds`, bounded | they leave, or are closed |
//! | SIGTERM within a sweep | a signal | `scrape_complete` 0 in the last answer | the next start, with its storage |
//! | reloads within a sweep, one of them refused | signals | `config_last_reload_successful` 0 | the file is fixed |

mod answers;
mod gate;
mod process;
mod scrapes;
mod secrets;
mod stage;
