//! Memory for the arrays: aligned, page-policy-aware, owned by the thread that touches it first.

use crate::named::named_enum;
use std::io;

named_enum! {
    /// The page size asked of the operating system.
    pub enum Pages: "page size" {
        /// The smallest pages.
        Base = "base",
        /// Transparent huge pages, where the system has them.
        Huge = "huge",
    }
}

/// An array of f64, zeroed by the operating system and not yet backed by memory until first touched.
#[derive(Debug)]
pub struct Buffer {
    map: imp::Map,
    start: *mut f64,
    len: usize,
}

// SAFETY: the buffer owns its mapping alone; nothing in it is bound to a thread.
unsafe impl Send for Buffer {}
// SAFETY: a shared buffer is only read; writing asks for `&mut`.
unsafe impl Sync for Buffer {}

/// The size of a huge page, and the alignment of the mapping.
const HUGE_PAGE_BYTES: usize = 2 << 20;

impl Buffer {
    /// An array of `len` elements that starts `offset_bytes` (rounded down to a multiple of 64) after a 2 MiB boundary:
    /// different offsets keep several arrays from falling into the same cache sets.
    ///
    /// # Errors
    /// When the system gives no memory, or the size overflows.
    pub fn new(len: usize, pages: Pages, offset_bytes: usize) -> io::Result<Buffer> {
        let offset = offset_bytes / 64 * 64;
        // The last huge page whole: an array smaller than one would get none.
        let whole = if pages == Pages::Huge { HUGE_PAGE_BYTES } else { 1 };
        let bytes = len
            .checked_mul(size_of::<f64>())
            .and_then(|b| b.checked_add(offset))
            .and_then(|b| b.checked_next_multiple_of(whole))
            .and_then(|b| b.checked_add(HUGE_PAGE_BYTES))
            .filter(|&b| b <= isize::MAX as usize)
            .ok_or_else(|| io::Error::new(io::ErrorKind::OutOfMemory, "the size overflows"))?;
        let map = imp::Map::new(bytes, pages)?;
        let to_boundary = map.start().addr().next_multiple_of(HUGE_PAGE_BYTES) - map.start().addr();
        // SAFETY: the boundary is less than one huge page away, and the mapping was made that much larger.
        let start = unsafe { map.start().add(to_boundary + offset) }.cast();
        Ok(Buffer { map, start, len })
    }

    /// The array.
    pub fn as_slice(&self) -> &[f64] {
        // SAFETY: `len` elements lie in the mapping, aligned to 64 bytes; zeroed memory is a valid f64.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The array, to write.
    pub fn as_mut_slice(&mut self) -> &mut [f64] {
        // SAFETY: as above, and the mapping is owned alone.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// The array as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the same memory as `as_slice`; any byte of an f64 is a valid u8.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len * size_of::<f64>()) }
    }

    /// The array as bytes, to write.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        // SAFETY: as above; any bytes are valid f64s, and the mapping is owned alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len * size_of::<f64>()) }
    }

    /// The array as words of 16 bits.
    pub fn as_halves(&self) -> &[u16] {
        // SAFETY: the same memory as `as_slice`; any two bytes are a valid u16.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len * 4) }
    }

    /// The array as words of 16 bits, to write.
    pub fn as_mut_halves(&mut self) -> &mut [u16] {
        // SAFETY: as above; any bits are valid f64s, and the mapping is owned alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len * 4) }
    }

    /// The array as words of 64 bits.
    pub fn as_words(&self) -> &[u64] {
        // SAFETY: as above; a u64 has the size and alignment of an f64, and any bits are valid.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }

    /// The array as words of 64 bits, to write.
    pub(crate) fn as_mut_words(&mut self) -> &mut [u64] {
        // SAFETY: as above, and the mapping is owned alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len) }
    }

    /// The address range of the whole mapping, to find it in the system's books.
    pub fn mapping(&self) -> std::ops::Range<usize> {
        let start = self.map.start().addr();
        start..start + self.map.bytes()
    }
}

#[cfg(unix)]
mod imp {
    use super::Pages;
    use std::io;

    #[derive(Debug)]
    pub(super) struct Map {
        start: *mut u8,
        bytes: usize,
    }

    impl Map {
        pub(super) fn new(bytes: usize, pages: Pages) -> io::Result<Map> {
            // SAFETY: a fresh anonymous mapping at an address of the system's choice touches nobody's memory.
            let start = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    bytes,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANON,
                    -1,
                    0,
                )
            };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            #[cfg(target_os = "linux")]
            {
                let advice = match pages {
                    Pages::Base => libc::MADV_NOHUGEPAGE,
                    Pages::Huge => libc::MADV_HUGEPAGE,
                };
                // SAFETY: the mapping is ours. Advice only: what the system gave is looked up afterwards.
                unsafe { libc::madvise(start, bytes, advice) };
            }
            #[cfg(not(target_os = "linux"))]
            let _ = pages;
            Ok(Map { start: start.cast(), bytes })
        }

        pub(super) fn start(&self) -> *mut u8 {
            self.start
        }

        pub(super) fn bytes(&self) -> usize {
            self.bytes
        }
    }

    impl Drop for Map {
        fn drop(&mut self) {
            // SAFETY: exactly the mapping that `new` made; slices into it cannot outlive the buffer.
            unsafe { libc::munmap(self.start.cast(), self.bytes) };
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use super::Pages;
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::io;

    #[derive(Debug)]
    pub(super) struct Map {
        start: *mut u8,
        layout: Layout,
    }

    impl Map {
        pub(super) fn new(bytes: usize, _pages: Pages) -> io::Result<Map> {
            let layout = Layout::from_size_align(bytes.max(1), 64).map_err(io::Error::other)?;
            // SAFETY: the layout is not empty.
            let start = unsafe { alloc_zeroed(layout) };
            if start.is_null() {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            Ok(Map { start, layout })
        }

        pub(super) fn start(&self) -> *mut u8 {
            self.start
        }

        pub(super) fn bytes(&self) -> usize {
            self.layout.size()
        }
    }

    impl Drop for Map {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.start, self.layout) };
        }
    }
}
