//! A file system with files in it, made by mke2fs, and where its parts lie.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vigie_installer::toolbox::{Run, TreeTools};

use crate::support::{Random, ask};

/// Everything that mke2fs would draw by lot is the same in every run.
const UUID: &str = "0f3b7a52-9c1d-4e8f-a6b0-1234567890ab";
/// The length of a group descriptor with the feature 64bit.
const DESCRIPTOR: u64 = 64;

/// Each byte of the file that fills a volume.
pub const FILLER: u8 = 7;

/// A file on the volume.
pub struct File {
    /// Its path.
    pub path: String,
    /// The number of its inode.
    pub inode: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Of its content.
    pub digest: [u8; 32],
    /// Where its content and its inode lie, in bytes.
    pub own: Vec<Range<u64>>,
    /// Where what leads to it lies: blocks and inodes of its folders.
    pub way: Vec<Range<u64>>,
}

/// An image and where its parts lie, in bytes.
pub struct Image {
    /// The image file.
    pub path: PathBuf,
    pub superblock: Range<u64>,
    pub groups: Vec<Range<u64>>,
    pub inodes: Vec<Range<u64>>,
    pub directories: Vec<Range<u64>>,
    pub journal: Vec<Range<u64>>,
    /// The inode that holds room for more group descriptors, and its blocks of block numbers. These
    /// alone carry no checksum: where one of the numbers is turned into one of a file's block, e2fsck
    /// takes that block for numbers, too, and clears what is none in it.
    pub resize: Vec<Range<u64>>,
    pub files: Vec<File>,
    /// Whether there is a copy of the superblock.
    pub has_copies: bool,
}

/// How an image is made.
#[derive(Clone, Copy)]
pub struct Shape {
    pub block: u64,
    pub mebibytes: u64,
    /// A transaction waits in the journal.
    pub unclean: bool,
}

impl Image {
    pub fn make(tools: &TreeTools, folder: &Path, shape: Shape) -> Self {
        let source = folder.join("files");
        fill(&source);
        let path = folder.join("image");
        let file = fs::File::create(&path).unwrap();
        file.set_len(shape.mebibytes << 20).unwrap();
        let features = "none,has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,\
                        extra_isize,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr";
        Run::new(tools, "mke2fs", "making an image")
            .args(["-q", "-F", "-t", "ext4", "-L", "data-1", "-N", "512"])
            .args(["-O", features, "-I", "256", "-U", UUID])
            .args(["-E", &format!("hash_seed={UUID},lazy_itable_init=0")])
            .env("E2FSPROGS_FAKE_TIME", "1763800000")
            .args(["-b", &shape.block.to_string(), "-d"])
            .args([&source, &path])
            .output()
            .unwrap();
        let image = Layout::of(tools, &path, shape.block).image(tools, &source, path.clone());
        if shape.unclean {
            leave_unclean(tools, folder, &image, shape.block);
        }
        image
    }
}

/// Folders of several depths, files of a few bytes to many blocks, one with a hole.
fn fill(source: &Path) {
    let mut random = Random::new(1);
    for folder in ["", "cam-1", "cam-1/2026", "cam-2", "large"] {
        fs::create_dir_all(source.join(folder)).unwrap();
    }
    for number in 0..36_u64 {
        let folder = ["", "cam-1", "cam-1/2026", "cam-2"][(number % 4) as usize];
        let length = [7, 900, 5000, 40_000, 130_000][(number % 5) as usize] + random.below(500);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        fs::write(source.join(folder).join(format!("file-{number}")), bytes).unwrap();
    }
    // A folder of several blocks.
    for number in 0..120 {
        let name = format!("large/{}-{number}", "n".repeat(60));
        fs::write(source.join(name), format!("small {number}")).unwrap();
    }
}

/// What dumpe2fs says of where things are.
struct Layout {
    block: u64,
    inodes_per_group: u64,
    tables: Vec<u64>,
    descriptors: Vec<Range<u64>>,
    copies: usize,
}

impl Layout {
    fn of(tools: &TreeTools, path: &Path, block: u64) -> Self {
        let text = ask(tools, "dumpe2fs", &[], path);
        let number = |line: &str| -> u64 {
            let digits: String = line.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        let after = |words: &str| -> Vec<u64> {
            let rests = text.split(words).skip(1);
            rests.map(|rest| number(rest.trim_start())).collect()
        };
        let first = after("Primary superblock at ")[0];
        let descriptors = after("Group descriptors at ");
        let tables = after("Inode table at ");
        let length = tables.len() as u64 * DESCRIPTOR;
        Self {
            block,
            inodes_per_group: after("Inodes per group:")[0],
            tables,
            descriptors: descriptors
                .iter()
                .filter(|at| **at <= first + 1)
                .map(|at| at * block..at * block + length)
                .collect(),
            copies: after("Backup superblock at ").len(),
        }
    }

    /// Where an inode lies.
    fn inode(&self, number: u64) -> Range<u64> {
        let (group, index) = (
            (number - 1) / self.inodes_per_group,
            (number - 1) % self.inodes_per_group,
        );
        let at = self.tables[group as usize] * self.block + index * 256;
        at..at + 256
    }

    /// The inodes of one block have a fate in common: a torn block is one for all of them.
    fn blocks(&self, numbers: &[u64]) -> Vec<Range<u64>> {
        let range = |at: &u64| at * self.block..(at + 1) * self.block;
        numbers.iter().map(range).collect()
    }

    fn image(&self, tools: &TreeTools, source: &Path, path: PathBuf) -> Image {
        let paths = listed(source, "");
        let script: String = paths
            .iter()
            .chain(&["<7>".to_owned(), "<8>".to_owned()])
            .map(|path| format!("stat {path}\nblocks {path}\n"))
            .collect();
        let facts = facts(tools, &path, &script);
        let parts = |path: &String| {
            let (inode, blocks) = &facts[path];
            let mut parts = self.blocks(blocks);
            parts.push(self.inode(*inode));
            parts
        };
        let is_folder = |path: &&String| source.join(path.trim_start_matches('/')).is_dir();
        let (folders, files): (Vec<&String>, Vec<&String>) = paths.iter().partition(is_folder);
        let way = |path: &str| {
            let above = |folder: &&&String| {
                folder.as_str() == "/" || path.starts_with(&format!("{folder}/"))
            };
            folders
                .iter()
                .filter(above)
                .flat_map(|one| parts(one))
                .collect()
        };
        let file = |path: &&String| File {
            path: (*path).clone(),
            inode: facts[*path].0,
            length: fs::metadata(source.join(path.trim_start_matches('/')))
                .unwrap()
                .len(),
            digest: digest(&source.join(path.trim_start_matches('/'))),
            own: parts(path),
            way: way(path),
        };
        let used = facts.values().map(|(inode, _)| self.inode(*inode));
        Image {
            superblock: 1024..2048,
            groups: self.descriptors.clone(),
            inodes: used.collect(),
            directories: folders
                .iter()
                .flat_map(|one| self.blocks(&facts[*one].1))
                .collect(),
            journal: self.blocks(&facts["<8>"].1),
            resize: parts(&"<7>".to_owned()),
            files: files.iter().map(file).collect(),
            has_copies: self.copies > 0,
            path,
        }
    }
}

/// The inode and the blocks of each path, from `stat` and `blocks` of debugfs.
fn facts(tools: &TreeTools, image: &Path, script: &str) -> BTreeMap<String, (u64, Vec<u64>)> {
    let commands = image.with_extension("commands");
    fs::write(&commands, script).unwrap();
    let text = ask(tools, "debugfs", &["-f", commands.to_str().unwrap()], image);
    let mut facts = BTreeMap::new();
    let mut inode = 0;
    let mut asked = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Inode: ") {
            inode = rest.split_whitespace().next().unwrap().parse().unwrap();
        } else if let Some(path) = line.strip_prefix("debugfs: blocks ") {
            asked = Some(path.to_owned());
        } else if let Some(path) = asked.take() {
            let blocks = line.split_whitespace().map(|word| word.parse().unwrap());
            facts.insert(path, (inode, blocks.collect()));
        }
    }
    facts
}

/// The paths of all below a folder, itself first.
fn listed(source: &Path, at: &str) -> Vec<String> {
    let mut paths = vec![match at {
        "" => "/".to_owned(),
        at => at.to_owned(),
    }];
    let folder = source.join(at.trim_start_matches('/'));
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{at}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => paths.extend(listed(source, &path)),
            false => paths.push(path),
        }
    }
    paths
}

pub fn digest(file: &Path) -> [u8; 32] {
    Sha256::digest(fs::read(file).unwrap()).into()
}

/// Leaves a transaction in the journal: a block of a folder as it is.
fn leave_unclean(tools: &TreeTools, folder: &Path, image: &Image, block: u64) {
    let at = image.directories[0].start;
    let bytes = fs::read(&image.path).unwrap();
    let content = &bytes[at as usize..(at + block) as usize];
    journal(tools, folder, &image.path, &[at / block], content);
}

/// Leaves a transaction of some blocks in the journal, as a power cut does, with the checksums of the
/// kernel's.
pub fn journal(tools: &TreeTools, folder: &Path, image: &Path, blocks: &[u64], content: &[u8]) {
    let file = folder.join("blocks");
    fs::write(&file, content).unwrap();
    let numbers: Vec<String> = blocks.iter().map(u64::to_string).collect();
    let numbers = numbers.join(",");
    let script = folder.join("journal");
    let words = format!("jo -c\njw -b {numbers} {}\njc\n", file.display());
    fs::write(&script, words).unwrap();
    let words = ["-w", "-f", script.to_str().unwrap()];
    ask(tools, "debugfs", &words, image);
    let state = ask(tools, "dumpe2fs", &["-h"], image);
    assert!(state.contains("needs_recovery"), "{state}");
}

/// Fills a volume with a file.
pub fn fill_up(tools: &TreeTools, folder: &Path, image: &Path) {
    let filler = folder.join("filler");
    let length = fs::metadata(image).unwrap().len();
    fs::write(&filler, vec![FILLER; length as usize]).unwrap();
    // debugfs writes what there is room for, and says that there was no more.
    let write = format!("write {} filler", filler.display());
    ask(tools, "debugfs", &["-w", "-R", &write], image);
    let facts = ask(tools, "dumpe2fs", &["-h"], image);
    let full = "Free blocks:              0";
    assert!(facts.lines().any(|line| line == full), "{facts}");
}
