//! The GNU make language: read, parse, expand, functions, variables, rules, into a database. No processes, no clock, no printing.
