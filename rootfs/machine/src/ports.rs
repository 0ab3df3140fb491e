//! The wired Ethernet ports, as the kernel lists them in /sys/class/net.

use std::fs;

use serde::Serialize;
use vigie_settings::MacAddress;

use crate::source::Source;

/// `ARPHRD_ETHER` of if_arp.h.
const ETHERNET: &str = "1";
/// `NET_ADDR_PERM` of netdevice.h: the current address is the one that the port was made with.
const PERMANENT: &str = "0";

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The kernel's name for it, which may differ from one boot to the next.
    pub name: String,
    /// The hardware address that it was made with, where it can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanent: Option<MacAddress>,
    /// The hardware address that it uses now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<MacAddress>,
    /// Whether a cable leads to a device that is on; none while the port is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<bool>,
    /// Its driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// What it is connected by: "pci", "usb", "virtio".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
}

impl Port {
    /// Its address: the permanent one, else the current one.
    #[must_use]
    pub fn address(&self) -> Option<&MacAddress> {
        self.permanent.as_ref().or(self.current.as_ref())
    }

    /// Whether a hardware address is one of its own.
    #[must_use]
    pub fn has(&self, address: &MacAddress) -> bool {
        [&self.permanent, &self.current]
            .into_iter()
            .flatten()
            .any(|own| own == address)
    }
}

/// The ports, sorted by name.
pub(crate) fn read(source: &Source) -> Vec<Port> {
    let mut names: Vec<String> = fs::read_dir(source.sysfs.join("class/net"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let wired = names.into_iter().filter(|name| is_wired(source, name));
    wired.map(|name| port(source, name)).collect()
}

/// Hardware of this machine: bridges, bonds and the like have no device behind them, radios have
/// a `phy80211`, and the virtual function of a card (SR-IOV) leads to the real one by `physfn`.
fn is_wired(source: &Source, name: &str) -> bool {
    let folder = source.sysfs.join("class/net").join(name);
    let has = |entry: &str| fs::symlink_metadata(folder.join(entry)).is_ok();
    let kind = source.text(&format!("class/net/{name}/type")).known();
    kind.as_deref() == Some(ETHERNET)
        && has("device")
        && !has("phy80211")
        && !has("wireless")
        && !has("device/physfn")
}

fn port(source: &Source, name: String) -> Port {
    let of = |attribute: &str| {
        source
            .text(&format!("class/net/{name}/{attribute}"))
            .known()
    };
    let link = |path: &str| source.link(&format!("class/net/{name}/device/{path}"));
    let current: Option<MacAddress> = of("address").and_then(|text| text.parse().ok());
    // Kernels before 5.6 do not tell the permanent address; then it is the current one, unless
    // something set that.
    let is_own = of("addr_assign_type").as_deref() == Some(PERMANENT);
    let permanent = source.permanent.get(&name).cloned();
    Port {
        permanent: permanent.or_else(|| current.clone().filter(|_| is_own)),
        current,
        link: of("carrier").map(|carrier| carrier == "1"),
        driver: link("driver"),
        bus: link("subsystem"),
        name,
    }
}
