//! A machine of image files: disks under a folder like /sys, their partitions as files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use vigie_disk::sysfs::Sysfs;
use vigie_disk::verity::{self, Params};
use vigie_disk::{BlockDevice, Bytes, FileDevice, SectorSize};
use vigie_installer::toolbox::{Run, Toolbox, TreeTools};
use vigie_recovery::volumes::{Installation, Inventory, inventory};
use vigie_settings::{Settings, Store};

/// The names of a system disk's partitions, by number.
pub const SYSTEM: [&str; 8] = [
    "vigie-bios",
    "vigie-esp",
    "boot-a",
    "boot-b",
    "system-a",
    "system-b",
    "state",
    "data-1",
];
pub const VERSION: &str = "5.2.0.1";

pub fn tools() -> Option<TreeTools> {
    let tree = std::env::var_os("VIGIE_TOOLS_DIR");
    if tree.is_none() {
        println!("skipped: VIGIE_TOOLS_DIR is not set");
    }
    tree.map(|tree| TreeTools::new(PathBuf::from(tree)))
}

pub struct Bench {
    pub folder: tempfile::TempDir,
    pub tools: TreeTools,
}

impl Bench {
    pub fn new() -> Option<Self> {
        let tools = tools()?;
        let folder = tempfile::tempdir().unwrap();
        Some(Self { folder, tools })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn sysfs(&self) -> Sysfs {
        Sysfs::new(self.path("sys"))
    }

    /// A partition of a disk, with an image as what is in it.
    pub fn partition(&self, disk: &str, number: usize, name: &str, image: &[u8]) {
        let kernel = format!("{disk}{number}");
        let sys = self.path("sys/block").join(disk).join(&kernel);
        fs::create_dir_all(&sys).unwrap();
        let sectors = image.len() / 512;
        for (file, text) in [
            ("partition", number.to_string()),
            ("uevent", format!("PARTNAME={name}\n")),
            ("size", sectors.to_string()),
        ] {
            fs::write(sys.join(file), text).unwrap();
        }
        fs::create_dir_all(self.path("dev")).unwrap();
        fs::write(self.path("dev").join(kernel), image).unwrap();
    }

    /// A disk with an installation in slot A, of this host.
    pub fn installation(&self, disk: &str, host: &str, uuid: &str) -> Settings {
        let mut settings = Settings::default();
        settings.system.hostname = host.parse().unwrap();
        settings.volumes.push(vigie_settings::Volume {
            name: "data-1".parse().unwrap(),
            uuid: uuid.parse().unwrap(),
            mount: "/srv/data-1".parse().unwrap(),
        });
        let (boot, system) = self.slot(VERSION);
        let empty = vec![0; 1 << 20];
        let data = self.ext4("data-1", 4, Some(uuid), None);
        let images = [&empty, &empty, &boot, &empty, &system, &empty];
        for (at, image) in images.into_iter().enumerate() {
            self.partition(disk, at + 1, SYSTEM[at], image);
        }
        self.partition(disk, 7, SYSTEM[6], &self.state(&settings));
        self.partition(disk, 8, SYSTEM[7], &data);
        settings
    }

    /// The image of a state volume with these settings, saved twice.
    pub fn state(&self, settings: &Settings) -> Vec<u8> {
        let root = tempfile::tempdir_in(self.folder.path()).unwrap();
        let store = Store::on_state_volume(root.path());
        store.save(settings).unwrap();
        store.save(settings).unwrap();
        self.ext4("state", 8, None, Some(root.path()))
    }

    pub fn ext4(&self, label: &str, mib: u64, uuid: Option<&str>, root: Option<&Path>) -> Vec<u8> {
        let path = self.path("ext4.img");
        let _ = fs::remove_file(&path);
        fs::File::create(&path).unwrap().set_len(mib << 20).unwrap();
        let mut run = Run::new(&self.tools, "mke2fs", "making an image")
            .args(["-q", "-F", "-t", "ext4", "-b", "1024", "-L", label]);
        if let Some(uuid) = uuid {
            run = run.args(["-U", uuid]);
        }
        if let Some(root) = root {
            run = run.arg("-d").arg(root);
        }
        run.arg(&path).output().unwrap();
        fs::read(path).unwrap()
    }

    /// Boot and system image of a slot, as the builder makes them.
    pub fn slot(&self, version: &str) -> (Vec<u8>, Vec<u8>) {
        let release = format!(
            "ID=vigie\nVERSION_ID=\"{version}\"\nVIGIE_ARCH=amd64\nVIGIE_HARDWARE=any\n\
             VIGIE_SECURITY_EPOCH=0\n"
        );
        // So much that the verity tree has two levels.
        let filler: Vec<u8> = (0..2_u32 << 20)
            .map(|at| (at.wrapping_mul(at) / 7) as u8)
            .collect();
        let path = self.path("system.img");
        let files = [
            ("usr/lib/os-release", release.as_bytes()),
            ("usr/bin/filler", &filler),
        ];
        self.squashfs(&files, &["-comp", "zstd", "-noD"], &path);
        let data = Bytes::new(fs::metadata(&path).unwrap().len()).align_up(Bytes::kib(4));
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(verity::formatted_size(data).get()).unwrap();
        let mut device = FileDevice::open(&path, SectorSize::S512).unwrap();
        let params = Params {
            salt: vec![7; 32],
            uuid: [9; 16],
        };
        let made = verity::format(&mut device, data, &params).unwrap();
        let cfg = format!(
            "set vigie_cmdline=\"vigie.roothash={} vigie.hashoffset={} quiet\"\n",
            hex::encode(made.root_hash),
            made.hash_offset.get()
        );
        let boot = self.path("boot.img");
        let plain = ["-comp", "gzip", "-noI", "-noD", "-noF", "-noX"];
        let files = [("boot.cfg", cfg.as_bytes()), ("vmlinuz", b"kernel")];
        self.squashfs(&files, &plain, &boot);
        (fs::read(boot).unwrap(), fs::read(path).unwrap())
    }

    fn squashfs(&self, files: &[(&str, &[u8])], how: &[&str], out: &Path) {
        let _ = fs::remove_file(out);
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        let mut command = self.tools.command("sqfstar");
        command.args(["-quiet", "-no-progress"]).args(how).arg(out);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&tar).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Opens the file of a partition for reading.
    pub fn open(&self, node: &Path) -> vigie_disk::Result<Box<dyn BlockDevice>> {
        let path = self.path("dev").join(node.file_name().unwrap());
        Ok(Box::new(FileDevice::open_read_only(
            &path,
            SectorSize::S512,
        )?))
    }

    pub fn inventory(&self) -> Inventory {
        inventory(&self.sysfs(), &|node| self.open(node), Some("SN-1"))
    }

    pub fn verify(&self, installation: &mut Installation) {
        installation.verify(&|node| self.open(node), &mut |_, _, _| {});
    }

    /// Turns a bit of the image of a partition.
    pub fn damage(&self, partition: &str, at: u64) {
        let path = self.path("dev").join(partition);
        let mut bytes = fs::read(&path).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        fs::write(path, bytes).unwrap();
    }
}
