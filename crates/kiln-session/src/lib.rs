//! One invocation: arguments and environment in, exit status out. The only crate that knows that
//! kbuild exists.

pub mod makeflags;
pub mod switches;
pub mod text;
pub mod toolhost;
