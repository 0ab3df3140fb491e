//! What a line of e2fsck is about, by how it begins (e2fsck/problem.c).

use super::Kind;

/// How lines begin, `#` standing for a number, in the order in which they are tried: the more
/// telling first.
const BEGINNINGS: [(Kind, &[&str]); 12] = [
    (
        Kind::Disk,
        &[
            "Error reading",
            "Error writing",
            "Error flushing",
            "Warning: could not read",
            "Warning: could not write",
        ],
    ),
    (
        Kind::Shared,
        &[
            "Multiply-claimed block",
            "multiply-claimed block",
            "Couldn't clone file",
            "File ",
        ],
    ),
    (
        Kind::Unattached,
        &[
            "Unconnected directory",
            "Unattached",
            "unattached",
            "/lost+found",
            "Bad or non-existent /lost+found",
            "Could not expand /lost+found",
            "Cannot allocate space for /lost+found",
            "Could not reconnect",
            "No room in lost+found",
            "Insufficient space to recover",
            "ext#fs_new_block: ",
            "ext#fs_new_inode: ",
        ],
    ),
    (
        Kind::Counts,
        &[
            "Free blocks count wrong",
            "Free inodes count wrong",
            "Directories count wrong",
            "Directory exceeds max links",
            "Directory inode # ref count",
            "Extended attribute inode # ref count",
            "Inode # ref count is",
            "Setting free ",
        ],
    ),
    (
        Kind::Bitmaps,
        &[
            "Block bitmap differences",
            "Inode bitmap differences",
            "Padding at end of",
            "Error copying in replacement",
            "Group # block bitmap does not match",
            "Group # inode bitmap does not match",
        ],
    ),
    (
        Kind::Groups,
        &[
            "Block bitmap for group",
            "Inode bitmap for group",
            "Inode table for group",
            "Group descriptor",
            "Group #",
            "Last group block bitmap",
            "One or more block group descriptor",
            "Relocating group",
            "Block # in the primary group descriptors",
            "ext#fs_check_desc",
            "Warning: Group #",
        ],
    ),
    (
        Kind::Orphans,
        &[
            "Clearing orphaned",
            "Truncating orphaned",
            "Illegal orphaned inode",
            "Illegal inode # in orphaned",
            "Already cleared",
            "Inode # was part of the orphaned",
            "Inodes that were part of a corrupted orphan",
            "Superblock has orphan file",
            "Orphan file",
            "Feature orphan_present",
            "Failed to truncate orphan",
            "Failed to initialize orphan",
            "Cannot fix corrupted orphan",
        ],
    ),
    (
        Kind::Journal,
        &[
            "Superblock has an invalid journal",
            "Superblock has_journal",
            "Superblock needs_recovery",
            "Journal ",
            "journal ",
            "External journal",
            "Can't find external journal",
            "Filesystem journal",
            "Recovery flag not set",
            "Found invalid V# journal",
            "Moving journal",
            "Error moving journal",
            "Backing up journal",
            "Clear journal",
            "Recreate journal",
            "Run journal",
        ],
    ),
    (
        Kind::Directories,
        &[
            "Entry ",
            "Duplicate entry",
            "Duplicate Entry",
            "Duplicate filename",
            "Encrypted entry",
            "Invalid inode number for '.'",
            "First entry ",
            "Second entry ",
            "Missing '.",
            "'.' ",
            "'..' ",
            "Setting filetype for",
            "Directory ",
            "Problem in HTREE",
            "Invalid HTREE",
            "HTREE directory",
            "Unexpected block in HTREE",
            "Inline directory",
            "Fixing size of inline directory",
            "Recursively looped directory",
            "Couldn't fix parent",
        ],
    ),
    (
        Kind::Superblock,
        &[
            "Superblock ",
            "superblock ",
            "Corruption found in superblock",
            "The filesystem size",
            "The superblock could not be read",
            "The primary superblock",
            "Filesystem ",
            "filesystem ",
            "Inode count in superblock",
            "inode count in superblock",
            "First_meta_bg",
            "Resize",
            "ext#fs_open#",
            "Bad required extra isize",
            "Bad desired extra isize",
            "Adding dirhash hint",
        ],
    ),
    (
        Kind::Inodes,
        &[
            "Inode ",
            "Extended attribute",
            "extended attribute",
            "Root inode",
            "root inode",
            "Special ",
            "Illegal ",
            "Too many illegal",
            "Block #",
            "Bad block",
            "Deleted inode",
            "Reserved inode",
            "Symlink ",
            "Fast symlink ",
            "EA inode",
            "Quota inode",
            "Encrypted inode",
            "Interior extent node",
            "Regular filesystem inode",
            "Timestamp(s) on inode",
            "Error while scanning inodes",
            "Error while iterating over blocks",
            "Error while reading over extent tree",
            "Failed to iterate extents",
            "i_",
        ],
    ),
    (
        Kind::Other,
        &[
            "Error ",
            "Internal error",
            "Cannot proceed without",
            "WARNING: PROGRAMMING BUG",
            "PROGRAMMING ERROR",
        ],
    ),
];

/// What a preen says after what it mended (e2fsck/problem.c, `preen_msg`).
const MENDED: [&str; 20] = [
    "FIXED.",
    "CLEARED.",
    "RELOCATED.",
    "ALLOCATED.",
    "EXPANDED.",
    "RECONNECTED.",
    "CREATED.",
    "SALVAGED.",
    "TRUNCATED.",
    "INODE CLEARED.",
    "SPLIT.",
    "MULTIPLY-CLAIMED BLOCKS CLONED.",
    "FILE DELETED.",
    "UNLINKED.",
    "HTREE INDEX CLEARED.",
    "WILL RECREATE.",
    "WILL OPTIMIZE.",
    "FLAG CLEARED.",
    "RECREATED.",
    "OPTIMIZED.",
];

/// Whether e2fsck has changed something, by what it says at the end of a line.
pub(super) fn answered_yes(text: &str) -> bool {
    text.ends_with("? yes") || MENDED.iter().any(|word| text.ends_with(word))
}

/// What a line is about; none where it tells of nothing wrong.
pub(super) fn kind(line: &str) -> Option<Kind> {
    let plain = without_numbers(line);
    let begins = |words: &&[&str]| words.iter().any(|one| plain.starts_with(one));
    let told = BEGINNINGS.iter().find(|(_, words)| begins(words));
    told.map(|(kind, _)| *kind)
        .or_else(|| of_com_err(line))
        .or_else(|| is_question(line).then_some(Kind::Other))
}

/// com_err and the log say what failed behind the name of the program.
fn of_com_err(line: &str) -> Option<Kind> {
    let said = line.strip_prefix("e2fsck: ")?;
    [
        ("journal", Kind::Journal),
        ("roup descriptor", Kind::Groups),
        ("Input/output error", Kind::Disk),
        ("short read", Kind::Disk),
        ("super-block", Kind::Superblock),
        ("uperblock", Kind::Superblock),
    ]
    .into_iter()
    .find_map(|(words, kind)| said.contains(words).then_some(kind))
}

/// A question with its reason before it; a bare one belongs to the line above.
fn is_question(line: &str) -> bool {
    let text = line.trim_end();
    let asks = text.ends_with("? yes") || text.ends_with("? no");
    asks && [". ", ") "].iter().any(|end| text.contains(end))
}

/// The beginning of a line with `#` for each run of digits.
fn without_numbers(line: &str) -> String {
    let mut plain = String::new();
    for c in line.chars().take(48) {
        let digit = c.is_ascii_digit();
        if !digit {
            plain.push(c);
        } else if !plain.ends_with('#') {
            plain.push('#');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_kind() {
        use Kind::{
            Bitmaps, Counts, Directories, Disk, Groups, Inodes, Journal, Orphans, Other, Shared,
            Superblock, Unattached,
        };
        for (line, expected) in [
            ("Pass 1: Checking inodes, blocks, and sizes", None),
            ("e2fsck 1.47.2 (1-Jan-2025)", None),
            ("state: recovering journal", None),
            ("/dev/vda7: clean, 11/128 files, 20/512 blocks", None),
            ("state: ***** FILE SYSTEM WAS MODIFIED *****", None),
            ("Fix? yes", None),
            ("Clear inode? no", None),
            ("\t(logical block 0, physical block 7, len 1)", None),
            (
                "Illegal block #12 (4211) in inode 15.  CLEARED.",
                Some(Inodes),
            ),
            ("Inode 12 has illegal block(s).  Clear? yes", Some(Inodes)),
            (
                "Inode 12 ref count is 3, should be 2.  Fix? yes",
                Some(Counts),
            ),
            (
                "Inode 9 was part of the orphaned inode list.  FIXED.",
                Some(Orphans),
            ),
            (
                "Clearing orphaned inode 13 (uid=0, gid=0, mode=0100644, size=1)",
                Some(Orphans),
            ),
            (
                "Entry 'Journal superblock' in /a (12) has deleted/unused inode 14.  Clear? yes",
                Some(Directories),
            ),
            (
                "Directory inode 12, block #0, offset 0: directory corrupted",
                Some(Directories),
            ),
            ("Unattached inode 17", Some(Unattached)),
            (
                "Unconnected directory inode 18 (was in /)",
                Some(Unattached),
            ),
            ("/lost+found not found.  Create? yes", Some(Unattached)),
            ("Multiply-claimed block(s) in inode 12: 4--7", Some(Shared)),
            ("Block bitmap differences:  +(1--8) -45", Some(Bitmaps)),
            (
                "Group 1 inode bitmap does not match checksum.",
                Some(Bitmaps),
            ),
            (
                "Group 1's inode table at 300 conflicts with some other fs block",
                Some(Groups),
            ),
            (
                "One or more block group descriptor checksums are invalid.  Fix? yes",
                Some(Groups),
            ),
            (
                "e2fsck: Group descriptors look bad... trying backup blocks...",
                Some(Groups),
            ),
            (
                "Free blocks count wrong for group #0 (1, counted=2).",
                Some(Counts),
            ),
            (
                "Superblock has an invalid journal (inode 8).",
                Some(Journal),
            ),
            (
                "Superblock needs_recovery flag is clear, but journal has data.",
                Some(Journal),
            ),
            (
                "Superblock last mount time (Thu Jan  1 2037,",
                Some(Superblock),
            ),
            (
                "e2fsck: Bad magic number in super-block while trying to open x",
                Some(Superblock),
            ),
            (
                "ext2fs_open2: Bad magic number in super-block",
                Some(Superblock),
            ),
            (
                "Error reading block 12 (Input/output error) while reading inodes.  Ignore error? yes",
                Some(Disk),
            ),
            (
                "e2fsck: Input/output error while trying to open /dev/vda7",
                Some(Disk),
            ),
            ("Something of a later e2fsck.  Fix? yes", Some(Other)),
        ] {
            assert_eq!(kind(line), expected, "{line}");
        }
    }
}
