//! A sparse disk in memory: only what was written takes room.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::{BlockDevice, check_range};
use crate::error::Result;
use crate::units::{Bytes, SectorSize};

const PAGE: u64 = 4096;
/// Pages of one chunk: 1 MiB.
const PAGES: usize = 256;
const CHUNK: u64 = PAGE * PAGES as u64;

/// A disk in memory. Cloning it is a snapshot that shares what neither side
/// changes, and costs one step for each MiB that holds anything.
///
/// Two disks are equal where they have the same size and read the same.
#[derive(Clone)]
pub struct MemoryDevice {
    chunks: BTreeMap<u64, Arc<Chunk>>,
    size: Bytes,
    sector_size: SectorSize,
}

/// The pages of a MiB; none where nothing but zeros was written.
#[derive(Clone)]
struct Chunk([Option<Arc<[u8]>>; PAGES]);

impl Chunk {
    fn blank() -> Self {
        Self([const { None }; PAGES])
    }

    fn is_blank(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

impl MemoryDevice {
    /// A disk that reads as zeros.
    pub fn new(size: Bytes, sector_size: SectorSize) -> Self {
        Self {
            chunks: BTreeMap::new(),
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

    /// Makes a range what it is on another disk, at the same place; pages that lie
    /// in it as a whole are shared, not copied.
    ///
    /// # Errors
    /// One of the disks ends before.
    pub fn take_from(&mut self, other: &Self, offset: Bytes, length: Bytes) -> Result<()> {
        check_range(self.name(), self.size, offset, length.get())?;
        check_range(other.name(), other.size, offset, length.get())?;
        self.zero(offset, length)?;
        let (from, to) = (offset.get(), (offset + length).get());
        for (number, theirs) in other.chunks.range(from / CHUNK..to.div_ceil(CHUNK)) {
            let base = number * CHUNK;
            if from <= base && base + CHUNK <= to {
                self.chunks.insert(*number, Arc::clone(theirs));
                continue;
            }
            for (index, page) in theirs.0.iter().enumerate() {
                let at = base + index as u64 * PAGE;
                let (start, end) = (from.max(at), to.min(at + PAGE));
                let Some(page) = page.as_ref().filter(|_| start < end) else {
                    continue;
                };
                if end - start == PAGE {
                    *self.page(at / PAGE) = Some(Arc::clone(page));
                } else {
                    self.store(start, &page[(start - at) as usize..(end - at) as usize]);
                }
            }
        }
        Ok(())
    }

    /// The place for a page, made its own where it was shared.
    fn page(&mut self, page: u64) -> &mut Option<Arc<[u8]>> {
        let chunk = self.chunks.entry(page / PAGES as u64);
        let chunk = chunk.or_insert_with(|| Arc::new(Chunk::blank()));
        &mut Arc::make_mut(chunk).0[(page % PAGES as u64) as usize]
    }

    fn store(&mut self, offset: u64, data: &[u8]) {
        for (number, within, range) in pieces(offset, data.len()) {
            let piece = &data[range];
            let page = self.page(number);
            if piece.len() == PAGE as usize {
                *page = Some(piece.into());
                continue;
            }
            let page = page.get_or_insert_with(|| vec![0; PAGE as usize].into());
            Arc::make_mut(page)[within..within + piece.len()].copy_from_slice(piece);
        }
    }

    /// Forgets whole pages.
    fn forget(&mut self, pages: std::ops::Range<u64>) {
        let per_chunk = PAGES as u64;
        let chunks = pages.start / per_chunk..pages.end.div_ceil(per_chunk);
        let held: Vec<u64> = self
            .chunks
            .range(chunks)
            .map(|(number, _)| *number)
            .collect();
        for number in held {
            let Entry::Occupied(mut entry) = self.chunks.entry(number) else {
                continue;
            };
            let base = number * per_chunk;
            let first = pages.start.saturating_sub(base) as usize;
            let last = (pages.end - base).min(per_chunk) as usize;
            if last - first < PAGES {
                Arc::make_mut(entry.get_mut()).0[first..last].fill(None);
            }
            if last - first == PAGES || entry.get().is_blank() {
                entry.remove();
            }
        }
    }
}

impl PartialEq for MemoryDevice {
    fn eq(&self, other: &Self) -> bool {
        let numbers = self.chunks.keys().chain(other.chunks.keys());
        (self.size, self.sector_size) == (other.size, other.sector_size)
            && numbers
                .into_iter()
                .all(|number| same_chunk(self.chunks.get(number), other.chunks.get(number)))
    }
}

impl Eq for MemoryDevice {}

fn same_chunk(one: Option<&Arc<Chunk>>, other: Option<&Arc<Chunk>>) -> bool {
    if let (Some(one), Some(other)) = (one, other)
        && Arc::ptr_eq(one, other)
    {
        return true;
    }
    let page = |chunk: Option<&Arc<Chunk>>, index: usize| chunk.and_then(|it| it.0[index].clone());
    (0..PAGES).all(|index| match (page(one, index), page(other, index)) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(&one, &other) || one == other,
        (Some(page), None) | (None, Some(page)) => page.iter().all(|byte| *byte == 0),
    })
}

impl fmt::Debug for MemoryDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, chunks) = (self.size.get(), self.chunks.len());
        write!(f, "disk in memory of {size} bytes, {chunks} MiB not blank")
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
            let chunk = self.chunks.get(&(page / PAGES as u64));
            match chunk.and_then(|chunk| chunk.0[(page % PAGES as u64) as usize].as_ref()) {
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
        if whole.start < whole.end {
            self.forget(whole.clone());
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

    /// Any sequence of writes, zeroings, copies and snapshots reads as the same on plain bytes.
    #[test]
    fn it_reads_as_plain_bytes_do() {
        const SIZE: usize = 3 << 20;
        let mut random = 5_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        let mut disk = MemoryDevice::new(Bytes::new(SIZE as u64), SectorSize::S512);
        let mut plain = vec![0_u8; SIZE];
        let mut snapshot = (disk.clone(), plain.clone());
        for step in 0..100 {
            let offset = next(SIZE);
            let most = [100, 10_000, SIZE][next(3)].min(SIZE - offset);
            let length = next(most + 1);
            let (at, count) = (Bytes::new(offset as u64), Bytes::new(length as u64));
            let range = offset..offset + length;
            match next(5) {
                0 | 1 => {
                    let data = vec![next(255) as u8 + 1; length];
                    disk.write_at(at, &data).unwrap();
                    plain[range].copy_from_slice(&data);
                }
                2 => {
                    disk.zero(at, count).unwrap();
                    plain[range].fill(0);
                }
                3 => {
                    disk.take_from(&snapshot.0, at, count).unwrap();
                    plain[range.clone()].copy_from_slice(&snapshot.1[range]);
                }
                _ => snapshot = (disk.clone(), plain.clone()),
            }
            for (disk, plain) in [(&disk, &plain), (&snapshot.0, &snapshot.1)] {
                let read = crate::device::read_vec(disk, Bytes::ZERO, SIZE).unwrap();
                assert!(read == *plain, "step {step}");
                assert!(*disk == MemoryDevice::from_bytes(plain, SectorSize::S512));
            }
            assert_eq!(disk == snapshot.0, plain == snapshot.1, "step {step}");
        }
        assert!(
            disk.take_from(&snapshot.0, Bytes::mib(3), Bytes::new(1))
                .is_err()
        );
    }
}
