//! One make instance from its arguments to its exit status: the phases in order (GNU make manual,
//! "How to Run make", "How Makefiles Are Remade").
//!
//! This file does not know how targets are brought up to date; that is kiln-exec's.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use kiln_base::Sys;
use kiln_exec::{ExecHost, Goal, Output, Slots, Status, Update};
use kiln_graph::Graph;
use kiln_make::options::{OutputSync, debug};
use kiln_make::{Fatal, Make, Origin, Result, Stream};

use crate::remake::Remade;
use crate::{Shared, makeflags, remake, text};

/// What an instance is started with.
pub struct Invocation {
    /// The arguments, the program's own name first.
    pub argv: Vec<Vec<u8>>,
    /// The environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory it starts in.
    pub sys: Arc<dyn Sys>,
    /// What the instances of this process share.
    pub shared: Arc<Shared>,
}

/// How an instance ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// Because of this signal, after cleaning up.
    Signal(i32),
}

/// Runs an instance to its end, beginning again as often as a makefile was remade.
pub fn run(mut inv: Invocation) -> Exit {
    let mut restarts = 0;
    let mut traced = false;
    loop {
        let mut instance = Instance::new(&inv, restarts, traced);
        match instance.pass(&inv) {
            Ok(Pass::Done(exit)) => return instance.end(exit),
            Ok(Pass::Restart(argv)) => {
                traced = instance.output.borrow().traced();
                instance.give_back_slots();
                inv.argv = argv;
                restarts += 1;
            }
            Err(fatal) => {
                instance.say_fatal(&fatal);
                return instance.end(Exit::Status(2));
            }
        }
    }
}

/// What one pass over the makefiles came to.
enum Pass {
    Done(Exit),
    /// A makefile was remade: begin again, with these arguments.
    Restart(Vec<Vec<u8>>),
}

/// One pass: all that GNU make keeps in global variables.
pub(crate) struct Instance {
    pub(crate) make: Make,
    pub(crate) graph: Graph,
    pub(crate) output: Rc<RefCell<Output>>,
    pub(crate) slots: Option<Slots>,
    pub(crate) restarts: u32,
}
