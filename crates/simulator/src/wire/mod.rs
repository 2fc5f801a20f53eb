//! The HTTP side: connections, the order of checks of a call, faults, and the control routes.

mod control;
pub(crate) mod credential;
mod dispatch;
mod page;
mod reply;
mod serve;
