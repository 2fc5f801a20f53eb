//! Integration tests: one binary, a module a subject.

mod support;
mod transfer_errors;
mod web;
