//! The binary `potok`: an allocator, the words of the command line, an exit code.

use std::process::ExitCode;

/// Returns memory sooner and allocates faster over threads than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(potok_host::run(std::env::args_os()))
}
