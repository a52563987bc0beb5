//! What the room promises, tried with native guests on a log in memory.

mod failures;
mod guests;
mod inputs;
mod lifecycle;
mod simulation;
mod state;
mod timers;
