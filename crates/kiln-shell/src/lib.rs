//! The subset of sh that recipes use: run in process, start directly, or decline.

pub mod direct;
