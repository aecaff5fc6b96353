//! Keeps freed memory in the process, for the next step's tensors.
//!
//! A training step allocates and frees the same tensors again and again. glibc gives large blocks back to the kernel
//! each time, which then hands out zeroed pages one fault at a time: about a tenth of a step on a CPU.

/// Blocks up to this size come from the heap rather than from a mapping of their own (glibc's own upper limit).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAP_BLOCK: i32 = 32 << 20;

/// Asks glibc's allocator to keep what is freed. Elsewhere it does nothing.
pub(super) fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "mallopt is a C function")]
    // SAFETY: mallopt only sets two numbers under the allocator's own lock; a value that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, HEAP_BLOCK);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
