//! What the updater is told by the process that unpacks, which a package may have taken over.
//!
//! An input is a number of descriptors and the bytes that come with them through the socket.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use vigie_update::apply::frame::{Frame, receive};
use vigie_update::apply::sandboxed::{head, listen, unless_wrong};
use vigie_update::package::PackageError;
use vigie_update::package::error::Fault;

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 14] = [
    &[2, 0, 0, 0, 0],
    &[4, 8, 0, 0, 0],
    &[4, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
    &[5, 0, 0, 0, 0],
    &[6, 2, 0, 0, 0, b'{', b'}'],
    &[7, 8, 0, 0, 0],
    &[7, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
    &[8, 0, 0, 0, 0],
    &[9, 0, 0, 0, 0],
    &[1, 0xff, 0xff, 0xff, 0xff],
    &[1, 0, 16, 16, 0],
    b"{\"fault\":\"machine\",\"english\":\"",
    b"\\u001b[2J",
    b"\",\"french\":\"\"}",
];
/// Most descriptors that come with an input, and most that a frame carries.
const SENT: u8 = 8;
const CARRIED: usize = 4;
/// Longest text of a refusal, beside what we say ourselves.
const LONGEST: usize = 1200;

/// A socket out of which these bytes come, with so many descriptors at the first of them.
fn socket(bytes: &[u8], descriptors: usize) -> UnixStream {
    let (near, far) = UnixStream::pair().unwrap();
    if bytes.is_empty() {
        return far;
    }
    let file = File::open("/dev/null").unwrap();
    let all = vec![file.as_fd(); descriptors];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(all.is_empty() || control.push(SendAncillaryMessage::ScmRights(&all)));
    // It is shorter than what a socket holds.
    let sent = sendmsg(
        near.as_fd(),
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent.unwrap(), bytes.len());
    far
}

/// The rule of frames, as plainly as it can be said: kinds and contents, and whether all were good.
fn expected(mut bytes: &[u8], descriptors: usize) -> (Vec<(u8, &[u8])>, bool) {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(5) {
        let length = u32::from_le_bytes(head[1..].try_into().unwrap()) as usize;
        let content = rest.split_at_checked(length);
        let (Some((content, rest)), 1..=9, ..=CARRIED) = (content, head[0], descriptors) else {
            return (frames, false);
        };
        frames.push((head[0], content));
        bytes = rest;
    }
    (frames, bytes.is_empty())
}

/// Frames are those of the rule, and the descriptors come with the first.
fn compare(bytes: &[u8], descriptors: usize) {
    let mut far = socket(bytes, descriptors);
    let (frames, good) = expected(bytes, descriptors);
    for (index, (kind, content)) in frames.into_iter().enumerate() {
        let frame = receive(&mut far).unwrap().unwrap();
        assert!(frame.kind as u8 == kind && frame.bytes == content);
        let carried = if index == 0 { descriptors } else { 0 };
        assert_eq!(frame.descriptors.len(), carried);
    }
    let end = receive(&mut far);
    assert_eq!(end.is_ok(), good, "{end:?}");
    assert!(!end.is_ok_and(|frame| frame.is_some()));
}

/// What the updater makes of it: words of the process are bounded, and do nothing to a screen.
fn fuzz(bytes: &[u8]) -> Answer {
    let Some((descriptors, bytes)) = bytes.split_first() else {
        return Err("empty".into());
    };
    let descriptors = usize::from(descriptors % SENT);
    compare(bytes, descriptors);
    let mut far = socket(bytes, descriptors);
    let mut next = || -> Result<Frame, PackageError> {
        let lost = |why: String| PackageError::told(Fault::Machine, &why, &why);
        let frame = receive(&mut far).map_err(|error| lost(error.to_string()))?;
        unless_wrong(frame.ok_or_else(|| lost("it has gone".into()))?)
    };
    let mut notes = 0;
    let outcome = next()
        .and_then(|frame| head(&frame))
        .and_then(|_| listen(&mut next, &mut |_| notes += 1));
    match outcome {
        Ok(unpacked) => {
            assert_eq!(unpacked.manifest.members.len(), 2);
            let written = if unpacked.written.is_some() {
                "written"
            } else {
                ""
            };
            Ok(format!(
                "{written} {}",
                if notes > 0 { "noted" } else { "" }
            ))
        }
        Err(error) => {
            let words = [error.to_string(), error.french()];
            for text in &words {
                assert!(text.chars().count() <= LONGEST, "{}", text.len());
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            Err(words[0].clone())
        }
    }
}

#[test]
fn fuzz_frames() {
    run("frames", &WORDS, fuzz);
}
