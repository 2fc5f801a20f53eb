//! One fault at a time against the running program. Two accounts with twelve transfers each have
//! been polled, then a fault begins, half of all files finish, and the fault ends. [`stage`]
//! asserts for each fault that scrapes are answered in time, that every transfer is exported with
//! its old or its new files, that a metric shows the fault, and that the exporter recovers on its
//! own with each file counted once.
//!
//! | fault | caused by | visible in | ends when |
//! | --- | --- | --- | --- |
//! | half of all calls are throttled | simulator | `api_requests_total{outcome="throttled"}` | it ends |
//! | HTTP 500, 503, the page of a proxy | simulator | `outcome="server_error"`, `"malformed"`, `results_up` 0 | it ends |
//! | stalled and very slow responses | simulator, gate | `outcome="timeout"`, `results_up` 0 | it ends |
//! | reset before and within the response | simulator, gate | `outcome="network"`, `"malformed"`, `results_up` 0 | it ends |
//! | truncated JSON, wrong types | simulator | `outcome="malformed"`, `results_up` 0 | it ends |
//! | a response of 100 MB | gate | `outcome="malformed"`, `results_up` 0; 1 MiB of it is read | it ends |
//! | endless pages | gate | `results_up` 0; 1,000 pages are read | it ends |
//! | latency, cuts, resets and slow closes of connections | toxiproxy, a peer | `scrape_complete` 0 | they end |
//! | an unreachable account | gate, closed | `outcome="network"`, `results_up` 0 | the port listens again |
//! | a name that does not resolve | configuration | `outcome="network"` or `"timeout"`, `results_up` 0 | the configuration names an existing host |
//! | expired or no credentials | simulator, `credential_process` | `outcome="denied"`, `results_up` 0 | credentials are valid |
//! | the wall clock jumps, in both directions | a clock in the test, in process | nothing: ages use the monotonic clock | at once |
//! | the machine's clock jumps | libfaketime, a peer | `outcome="denied"` | the clock is correct |
//! | a full disk | a limit on file sizes | `storage_up` 0, `storage_write_errors_total` | there is space |
//! | file descriptors run out | a limit, and 200 idle clients | `process_open_fds` near `process_max_fds`, or both absent | the clients disconnect |
//! | 5,000 slow clients | the test | `process_open_fds`, bounded | they disconnect or are closed |
//! | SIGTERM within a sweep | a signal | `scrape_complete` 0 in the last response | the next start, with its storage |
//! | reloads within a sweep, one of them rejected | signals | `config_last_reload_successful` 0 | the file is corrected |

mod answers;
mod gate;
mod process;
mod scrapes;
mod secrets;
mod stage;
mod toxiproxy;
