//! Lines for people: to the topic of the plugins' logs, and to `potok processor logs`.
//! In: a level and a format, as `println!` takes it. Out: a line. Invariant: lines over the deployment's rate are counted by the host, not kept.

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Everything.
    Trace,
    /// For developers.
    Debug,
    /// For operators.
    Info,
    /// Odd.
    Warn,
    /// Wrong.
    Error,
}

/// Writes a line. The macros of the same names are shorter.
pub fn log(level: Level, message: &str) {
    crate::host::log(level, message);
}

/// A line for whoever wants everything.
#[macro_export]
macro_rules! trace {
    ($($arg:tt)*) => { $crate::log($crate::Level::Trace, &::std::format!($($arg)*)) };
}
/// A line for developers.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => { $crate::log($crate::Level::Debug, &::std::format!($($arg)*)) };
}
/// A line for operators.
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => { $crate::log($crate::Level::Info, &::std::format!($($arg)*)) };
}
/// A line about something odd.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)*) => { $crate::log($crate::Level::Warn, &::std::format!($($arg)*)) };
}
/// A line about something wrong.
#[macro_export]
macro_rules! error {
    ($($arg:tt)*) => { $crate::log($crate::Level::Error, &::std::format!($($arg)*)) };
}
