//! What passes between the updater and a process of its own, which unpacks a package
//! ([`super::child`]) or looks into a medium ([`crate::doors::look`]): frames over a Unix socket, each a
//! kind, a length and that many bytes, with descriptors where a frame carries any.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Most descriptors that one frame carries: two slots of two devices.
const DESCRIPTORS: usize = 4;
/// Largest frame in bytes: a header, or a manifest with its changelog.
const LARGEST: usize = (1 << 20) + 4096;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To the child: the package, as a descriptor.
    Package = 1,
    /// From the child: the head of the package, as it was read.
    Head = 2,
    /// To the child: go on, with these devices.
    Go = 3,
    /// From the child: bytes done, eight bytes, little endian.
    Done = 4,
    /// From the child: the manifest; all is unpacked.
    Manifest = 5,
    /// From the child: what went wrong.
    Wrong = 6,
    /// From the child: CRC-32 of what it wrote into system and boot, four bytes each, little
    /// endian. It comes before the manifest.
    Written = 7,
    /// From who looks into a medium: a file, as a descriptor, and what is known of it.
    File = 8,
    /// From who looks into a medium: that was all.
    End = 9,
}

impl TryFrom<u8> for Kind {
    type Error = io::Error;

    fn try_from(byte: u8) -> io::Result<Self> {
        let kinds = [
            Self::Package,
            Self::Head,
            Self::Go,
            Self::Done,
            Self::Manifest,
            Self::Wrong,
            Self::Written,
            Self::File,
            Self::End,
        ];
        kinds
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or_else(|| io::Error::other("a frame of no known kind"))
    }
}

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    /// What it says.
    pub kind: Kind,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its descriptors.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends a frame.
///
/// # Errors
/// The other side has gone; there are too many descriptors.
pub fn send(
    socket: &mut UnixStream,
    kind: Kind,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut head = [0; 5];
    head[0] = kind as u8;
    head[1..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for a frame"));
    }
    // The head is short enough for one message; what follows it is a stream.
    let sent = sendmsg(
        socket.as_fd(),
        &[IoSlice::new(&head)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    if sent != head.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    socket.write_all(bytes)
}

/// Receives a frame; none where the other side has gone.
///
/// # Errors
/// What comes is no frame, breaks off within one, or carries more descriptors than one may. What
/// came with such a frame is closed.
pub fn receive(socket: &mut UnixStream) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let came = rustix::io::retry_on_intr(|| {
        let mut parts = [IoSliceMut::new(&mut head)];
        recvmsg(
            socket.as_fd(),
            &mut parts,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    // recvmsg(2): the kernel has dropped what there was no room for. What is left of it is not what
    // was sent, and would be taken for it.
    let cut = ReturnFlags::TRUNC | ReturnFlags::CTRUNC;
    if came.flags.intersects(cut) || descriptors.len() > DESCRIPTORS {
        return Err(io::Error::other("a frame with more than fits into one"));
    }
    if came.bytes == 0 {
        return Ok(None);
    }
    socket.read_exact(&mut head[came.bytes..])?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > LARGEST {
        return Err(io::Error::other("a frame that is too long"));
    }
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes)?;
    Ok(Some(Frame {
        kind: Kind::try_from(kind)?,
        bytes,
        descriptors,
    }))
}

/// Whether a socket's time limit has passed (socket(7), `SO_RCVTIMEO`).
#[must_use]
pub fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_descriptors_arrive() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"through").unwrap();
        let both = [file.as_fd(), file.as_fd()];
        send(&mut near, Kind::Go, b"abc", &both).unwrap();
        send(&mut near, Kind::Done, &[], &[]).unwrap();
        let frame = receive(&mut far).unwrap().unwrap();
        assert_eq!((frame.kind, &*frame.bytes), (Kind::Go, &b"abc"[..]));
        assert_eq!(frame.descriptors.len(), 2);
        let arrived = std::fs::File::from(frame.descriptors.into_iter().next().unwrap());
        assert_eq!(arrived.metadata().unwrap().len(), 7);
        let second = receive(&mut far).unwrap().unwrap();
        assert!(second.kind == Kind::Done && second.descriptors.is_empty());
        drop(near);
        assert!(receive(&mut far).unwrap().is_none());
    }

    #[test]
    fn what_the_kernel_cut_off_is_refused() {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

        let file = tempfile::tempfile().unwrap();
        for count in [1, DESCRIPTORS, DESCRIPTORS + 1, 3 * DESCRIPTORS] {
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let many = vec![file.as_fd(); count];
            assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
            let frame = [IoSlice::new(&[Kind::Go as u8, 0, 0, 0, 0])];
            sendmsg(near.as_fd(), &frame, &mut control, SendFlags::empty()).unwrap();
            match receive(&mut far) {
                Ok(frame) => assert_eq!(frame.unwrap().descriptors.len(), count),
                Err(error) => {
                    assert!(count > DESCRIPTORS, "{count}: {error}");
                    assert!(error.to_string().contains("more than fits"), "{error}");
                }
            }
        }
        // A message that is longer than the head, on a socket that keeps messages apart.
        let kind = SocketType::SEQPACKET;
        let (near, far) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        let [mut near, mut far] = [near, far].map(UnixStream::from);
        near.write_all(&[Kind::Done as u8, 1, 0, 0, 0, 7]).unwrap();
        drop(near);
        let error = receive(&mut far).unwrap_err();
        assert!(error.to_string().contains("more than fits"), "{error}");
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&[99, 0, 0, 0, 0][..], &[1, 255, 255, 255, 255], &[1, 2]] {
            let (mut near, mut far) = UnixStream::pair().unwrap();
            near.write_all(bytes).unwrap();
            drop(near);
            assert!(receive(&mut far).is_err(), "{bytes:?}");
        }
    }
}
