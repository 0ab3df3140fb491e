//! A sparse disk in memory: only what was written takes room.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{BlockDevice, check_range};
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

const PAGE: u64 = 4096;

/// A disk in memory. Cloning it is a snapshot that shares what neither side changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryDevice {
    pages: BTreeMap<u64, Arc<[u8]>>,
    size: Bytes,
    sector_size: SectorSize,
}

impl MemoryDevice {
    /// A disk that reads as zeros.
    pub fn new(size: Bytes, sector_size: SectorSize) -> Self {
        Self {
            pages: BTreeMap::new(),
            size,
            sector_size,
        }
    }

    /// A disk that holds these bytes, as large as they are.
    pub fn from_bytes(bytes: &[u8], sector_size: SectorSize) -> Self {
        let mut disk = Self::new(Bytes::new(bytes.len() as u64), sector_size);
        disk.store(0, bytes);
        disk
    }

    fn store(&mut self, offset: u64, data: &[u8]) {
        for (page, within, range) in pieces(offset, data.len()) {
            let piece = &data[range];
            let page = self
                .pages
                .entry(page)
                .or_insert_with(|| vec![0; PAGE as usize].into());
            Arc::make_mut(page)[within..within + piece.len()].copy_from_slice(piece);
        }
    }
}

/// Cuts a range into (page, offset in the page, range in the buffer).
fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < length).then(|| {
            let at = offset + done as u64;
            let within = (at % PAGE) as usize;
            let step = (PAGE as usize - within).min(length - done);
            let piece = (at / PAGE, within, done..done + step);
            done += step;
            piece
        })
    })
}

impl BlockDevice for MemoryDevice {
    fn name(&self) -> &str {
        "disk in memory"
    }

    fn size(&self) -> Bytes {
        self.size
    }

    fn sector_size(&self) -> SectorSize {
        self.sector_size
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> Result<()> {
        check_range(self.name(), self.size, offset, buffer.len() as u64)?;
        for (page, within, range) in pieces(offset.get(), buffer.len()) {
            let piece = &mut buffer[range];
            match self.pages.get(&page) {
                Some(bytes) => piece.copy_from_slice(&bytes[within..within + piece.len()]),
                None => piece.fill(0),
            }
        }
        Ok(())
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> Result<()> {
        check_range(self.name(), self.size, offset, data.len() as u64)?;
        self.store(offset.get(), data);
        Ok(())
    }

    fn zero(&mut self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(self.name(), self.size, offset, length.get())?;
        let end = offset + length;
        let whole = offset.get().div_ceil(PAGE)..end.get() / PAGE;
        let held: Vec<u64> = if whole.start < whole.end {
            self.pages
                .range(whole.clone())
                .map(|(page, _)| *page)
                .collect()
        } else {
            Vec::new()
        };
        for page in held {
            self.pages.remove(&page);
        }
        // The ragged edges, less than a page each.
        let head_end = end.get().min(whole.start * PAGE);
        self.store(offset.get(), &vec![0; (head_end - offset.get()) as usize]);
        let tail = (whole.end * PAGE).max(head_end);
        if tail < end.get() {
            self.store(tail, &vec![0; (end.get() - tail) as usize]);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroing_hits_exactly_its_range() {
        for (offset, length) in [
            (0, 0),
            (0, 1),
            (1, 4094),
            (1, 4096),
            (4096, 4096),
            (100, 9000),
            (4095, 2),
            (8192, 4096 * 3),
        ] {
            let mut disk = MemoryDevice::from_bytes(&[7; 32 * 1024], SectorSize::S512);
            disk.zero(Bytes::new(offset), Bytes::new(length)).unwrap();
            let mut all = vec![1; 32 * 1024];
            disk.read_at(Bytes::ZERO, &mut all).unwrap();
            for (at, byte) in all.iter().enumerate() {
                let inside = (offset..offset + length).contains(&(at as u64));
                assert_eq!(
                    *byte,
                    if inside { 0 } else { 7 },
                    "byte {at} after zeroing {length} at {offset}"
                );
            }
        }
    }
}
