//! An allocator that ends the run when one allocation is larger than anything the input can justify: so a decoder that
//! takes memory by what a length merely claims is found. libFuzzer's own limit needs a sanitizer, which stable lacks.
//! Memory that C code takes (zstd) is seen by libFuzzer's limit on resident memory only.

use std::alloc::{GlobalAlloc, Layout, System};

/// Largest single allocation: several times what a target allows its input to unpack to.
const ALLOCATION_LEN_MAX: usize = 16 << 20;

struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fn check(len: usize) {
    if len > ALLOCATION_LEN_MAX {
        // abort, not panic: unwinding out of an allocator is not allowed; libFuzzer writes the input on SIGABRT
        eprintln!("one allocation of {len} bytes, {ALLOCATION_LEN_MAX} are allowed");
        std::process::abort();
    }
}

// SAFETY: every call goes to the system's allocator unchanged; the check before it only ends the process.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        check(len);
        unsafe { System.realloc(pointer, layout, len) }
    }
}
