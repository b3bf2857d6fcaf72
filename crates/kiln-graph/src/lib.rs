//! Which targets are out of date and why: goals, implicit-rule search, time stamps, reasons as values.
