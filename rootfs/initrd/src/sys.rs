//! The system calls that no crate wraps: the ioctls of the device mapper and
//! of the loop driver. The only module with unsafe code.
#![allow(unsafe_code)] // An ioctl takes a pointer; nothing else makes it.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use vigie_initrd::dm;

/// The device-mapper commands that are used here (linux/dm-ioctl.h).
#[derive(Debug, Clone, Copy)]
pub enum DmCommand {
    /// Makes a device without a table.
    Create = 3,
    /// With no flags: makes the loaded table the live one.
    Resume = 6,
    /// Loads a table.
    LoadTable = 9,
}

const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;

/// `struct loop_config`: fd u32, block_size u32, `struct loop_info64` (232
/// bytes), reserved 8×u64.
const LOOP_CONFIG_SIZE: usize = 8 + 232 + 64;
/// `loop_info64.lo_flags`, behind five u64 and three u32.
const LOOP_FLAGS: usize = 8 + 5 * 8 + 3 * 4;
const LOOP_READ_ONLY: u32 = 1;

/// An ioctl whose argument is a buffer that the kernel reads and writes.
struct Call<'a> {
    opcode: Opcode,
    argument: &'a mut [u8],
}

// SAFETY: only made by the functions below, which pair each opcode with a
// buffer of the size that the kernel takes it to have; an empty buffer stands
// for an argument that the kernel does not look at.
unsafe impl Ioctl for Call<'_> {
    type Output = IoctlOutput;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.argument.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(
        out: IoctlOutput,
        _argument: *mut c_void,
    ) -> rustix::io::Result<IoctlOutput> {
        Ok(out)
    }
}

/// Sends a message of [`vigie_initrd::dm`] to `/dev/mapper/control`; the
/// kernel's answer takes its place.
pub fn device_mapper(control: &File, command: DmCommand, message: &mut [u8]) -> io::Result<()> {
    if message.len() < dm::HEADER_SIZE || dm::stated_size(message) != Some(message.len()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let call = Call {
        opcode: opcode::read_write::<[u8; dm::HEADER_SIZE]>(0xfd, command as u8),
        argument: message,
    };
    // SAFETY: the kernel touches no more than the size that the message
    // states, which was compared with the buffer's.
    unsafe { ioctl(control, call) }?;
    Ok(())
}

/// The number of a loop device that nobody uses, from `/dev/loop-control`.
pub fn free_loop_device(control: &File) -> io::Result<u32> {
    let call = Call {
        opcode: LOOP_CTL_GET_FREE,
        argument: &mut [],
    };
    // SAFETY: this ioctl has no argument.
    let number = unsafe { ioctl(control, call) }?;
    u32::try_from(number).map_err(io::Error::other)
}

/// Puts a file behind a loop device, read-only.
pub fn configure_loop(device: &File, backing: &File) -> io::Result<()> {
    let fd = u32::try_from(backing.as_raw_fd()).map_err(io::Error::other)?;
    let mut config = [0; LOOP_CONFIG_SIZE];
    config[..4].copy_from_slice(&fd.to_ne_bytes());
    config[LOOP_FLAGS..LOOP_FLAGS + 4].copy_from_slice(&LOOP_READ_ONLY.to_ne_bytes());
    let call = Call {
        opcode: LOOP_CONFIGURE,
        argument: &mut config,
    };
    // SAFETY: the buffer is a whole `struct loop_config`, zero but for the
    // open file and the flag.
    unsafe { ioctl(device, call) }?;
    Ok(())
}
