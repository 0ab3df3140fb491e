//! A block device that the kernel lets nobody write to meanwhile. A mount that reads only would otherwise
//! write all the same: of a damaged volume the superblock, into which ext4 notes the errors that it meets.

use std::io;

use anyhow::{Context, Result};
use vigie_disk::KernelDevice;

/// The kernel's own switch of a device.
pub trait Switch {
    /// Whether nobody may write.
    ///
    /// # Errors
    /// The kernel does not say.
    fn is_read_only(&self) -> io::Result<bool>;
    /// Lets nobody write, or everybody again.
    ///
    /// # Errors
    /// The kernel refuses.
    fn set_read_only(&self, read_only: bool) -> io::Result<()>;
}

impl Switch for KernelDevice {
    fn is_read_only(&self) -> io::Result<bool> {
        self.read_only()
    }

    fn set_read_only(&self, read_only: bool) -> io::Result<()> {
        Self::set_read_only(self, read_only)
    }
}

/// A protected device. It is as before when this goes.
pub struct Protected<S: Switch> {
    device: S,
    undo: bool,
}

impl<S: Switch> Protected<S> {
    /// Protects it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new(device: S) -> Result<Self> {
        let protect = || {
            let undo = !device.is_read_only()?;
            if undo {
                device.set_read_only(true)?;
            }
            io::Result::Ok(undo)
        };
        let undo = protect().context("keeping a volume from being written to")?;
        Ok(Self { device, undo })
    }
}

impl<S: Switch> Drop for Protected<S> {
    fn drop(&mut self) {
        if !self.undo {
            return;
        }
        if let Err(error) = self.device.set_read_only(false) {
            eprintln!("vigie-recovery: letting a volume be written to again: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[derive(Default)]
    struct Device {
        read_only: Cell<bool>,
        refuses: bool,
        calls: RefCell<Vec<bool>>,
    }

    impl Switch for &Device {
        fn is_read_only(&self) -> io::Result<bool> {
            Ok(self.read_only.get())
        }
        fn set_read_only(&self, read_only: bool) -> io::Result<()> {
            if self.refuses {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.calls.borrow_mut().push(read_only);
            self.read_only.set(read_only);
            Ok(())
        }
    }

    #[test]
    fn a_device_is_as_before_afterwards() {
        let device = Device::default();
        let protected = Protected::new(&device).unwrap();
        assert!(device.read_only.get());
        drop(protected);
        assert_eq!(*device.calls.borrow(), [true, false]);
        // One that was so before stays so, such as an array that was started read-only.
        let already = Device {
            read_only: Cell::new(true),
            ..Device::default()
        };
        drop(Protected::new(&already).unwrap());
        assert!(already.read_only.get() && already.calls.borrow().is_empty());
        let refuses = Device {
            refuses: true,
            ..Device::default()
        };
        assert!(Protected::new(&refuses).is_err());
    }
}
