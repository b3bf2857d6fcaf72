//! The kinds of device tables: the members of an entry, and how an entry becomes an alias.
//!
//! Structures are those of the kernels' `mod_devicetable.h`, aliases those of `scripts/mod/file2alias.c`.
//! Most aliases are a row of fields; the others have a function in `special` or `usb`.

use super::Scheme::{self, V5_10, V6_1, V6_12, V7_2, V7_3};
use super::special::{self, Handler};
use super::usb;
use Shape::{Closed, Format, Open, Special};
use When::{Always, Equal, Flag, Not};

/// When a field is written; otherwise it is a `*`.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Always,
    /// Unless it has this value.
    Not(u64),
    /// If one of these bits of `match_flags` is set.
    Flag(u64),
    /// If another field has this value.
    Equal(&'static str, u64),
}

/// What is written before a field, the field's name, and when.
pub(super) type Item = (&'static str, &'static str, When);

/// How an entry becomes an alias.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// This text, and a `*` at the end.
    Open(&'static str, &'static [Item]),
    /// This text, and nothing more.
    Closed(&'static str, &'static [Item]),
    /// A text with fields in braces: `{name:02X}` as `printf` would, `{name:s}` for a text.
    Format(&'static str),
    /// Something else.
    Special(Handler),
}

/// A kind of table.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// What the check of the table's size calls it.
    pub(super) checked_as: &'static str,
    first: Scheme,
    /// Members of an entry, and from which scheme on.
    members: &'static [(Scheme, &'static str)],
    shapes: &'static [(Scheme, Shape)],
}

impl Kind {
    /// The kind of this name, if the scheme has it.
    pub(super) fn find(name: &[u8], scheme: Scheme) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name.as_bytes() == name && kind.first <= scheme)
    }

    pub(super) fn members(&self, scheme: Scheme) -> &'static str {
        newest(self.members, scheme).unwrap_or("")
    }

    pub(super) fn shape(&self, scheme: Scheme) -> Shape {
        newest(self.shapes, scheme).unwrap_or(Format(""))
    }
}

/// The last row of a list that the scheme has.
fn newest<T: Copy>(rows: &[(Scheme, T)], scheme: Scheme) -> Option<T> {
    rows.iter().rev().find(|row| row.0 <= scheme).map(|row| row.1)
}

const ANY8: When = Not(0xff);
const ANY16: When = Not(0xffff);
const ANY32: When = Not(0xffff_ffff);
const SET: When = Not(0);

macro_rules! kinds {
    ($($name:literal $(as $checked:literal)?, $first:ident,
        [$($mfrom:ident $members:literal),+], [$($sfrom:ident $shape:expr),+];)*) => {
        static KINDS: &[Kind] = &[$(Kind {
            name: $name,
            checked_as: kinds!(@checked $name $($checked)?),
            first: $first,
            members: &[$(($mfrom, $members)),+],
            shapes: &[$(($sfrom, $shape)),+],
        }),*];
    };
    (@checked $name:literal) => { $name };
    (@checked $name:literal $checked:literal) => { $checked };
}

kinds! {
    "hid", V5_10, [V5_10 "bus:2 group:2 vendor:4 product:4 data:w"],
        [V5_10 Closed("hid:", &[("b", "bus", ANY16), ("g", "group", SET), ("v", "vendor", ANY32),
            ("p", "product", ANY32)])];
    "ieee1394", V5_10,
        [V5_10 "match_flags:4 vendor_id:4 model_id:4 specifier_id:4 version:4 data:w"],
        [V5_10 Open("ieee1394:", &[("ven", "vendor_id", Flag(1)), ("mo", "model_id", Flag(2)),
            ("sp", "specifier_id", Flag(4)), ("ver", "version", Flag(8))])];
    "pci", V5_10,
        [V5_10 "vendor:4 device:4 subvendor:4 subdevice:4 class:4 class_mask:4 data:w",
         V6_1 "vendor:4 device:4 subvendor:4 subdevice:4 class:4 class_mask:4 data:w override_only:4"],
        [V5_10 Special(special::pci)];
    "ccw", V5_10, [V5_10 "match_flags:2 cu_type:2 dev_type:2 cu_model:1 dev_model:1 info:w"],
        [V5_10 Open("ccw:", &[("t", "cu_type", Flag(1)), ("m", "cu_model", Flag(2)),
            ("dt", "dev_type", Flag(4)), ("dm", "dev_model", Flag(8))])];
    "ap", V5_10,
        [V5_10 "match_flags:2 dev_type:1 info:w", V7_3 "match_flags:2 dev_type:1"],
        [V5_10 Format("ap:t{dev_type:02X}*")];
    "css", V5_10, [V5_10 "match_flags:1 type:1 data:w"], [V5_10 Format("css:t{type:01X}")];
    "serio", V5_10, [V5_10 "type:1 extra:1 id:1 proto:1"],
        [V5_10 Open("serio:", &[("ty", "type", ANY8), ("pr", "proto", ANY8), ("id", "id", ANY8),
            ("ex", "extra", ANY8)])];
    "acpi", V5_10,
        [V5_10 "id:1*9 data:w cls:4 cls_msk:4", V6_1 "id:1*16 data:w cls:4 cls_msk:4"],
        [V5_10 Special(special::acpi_raw), V6_12 Special(special::acpi)];
    "pcmcia", V5_10,
        [V5_10 "match_flags:2 manf_id:2 card_id:2 func_id:1 function:1 device_no:1 hash1:4 hash2:4 \
            hash3:4 hash4:4 prod_id:w*4 info:w cisfile:w"],
        [V5_10 Open("pcmcia:", &[("m", "manf_id", Flag(1)), ("c", "card_id", Flag(2)),
            ("f", "func_id", Flag(4)), ("fn", "function", Flag(8)), ("pfn", "device_no", Flag(0x100)),
            ("pa", "hash1", Flag(0x10)), ("pb", "hash2", Flag(0x20)), ("pc", "hash3", Flag(0x40)),
            ("pd", "hash4", Flag(0x80))])];
    "vio", V5_10, [V5_10 "type:1*32 compat:1*32"], [V5_10 Special(special::vio)];
    "input", V5_10,
        [V5_10 "match_flags:w bustype:2 vendor:2 product:2 version:2 ev:w/31 key:w/767 rel:w/15 \
            abs:w/63 msc:w/7 led:w/15 snd:w/7 ff:w/127 sw:w/16 prop:w/31 info:w"],
        [V5_10 Special(special::input)];
    "eisa", V5_10, [V5_10 "sig:1*8 data:w"], [V5_10 Format("eisa:s{sig:s}*")];
    "parisc", V5_10, [V5_10 "hw_type:1 hversion_rev:1 hversion:2 sversion:4"],
        [V5_10 Open("parisc:", &[("t", "hw_type", ANY8), ("hv", "hversion", ANY16),
            ("rev", "hversion_rev", ANY8), ("sv", "sversion", ANY32)])];
    "sdio", V5_10, [V5_10 "class:1 vendor:2 device:2 data:w"],
        [V5_10 Open("sdio:", &[("c", "class", ANY8), ("v", "vendor", ANY16), ("d", "device", ANY16)])];
    "ssb", V5_10, [V5_10 "vendor:2 coreid:2 revision:1 pad:1"],
        [V5_10 Open("ssb:", &[("v", "vendor", ANY16), ("id", "coreid", ANY16),
            ("rev", "revision", ANY8)])];
    "bcma", V5_10, [V5_10 "manuf:2 id:2 rev:1 class:1"],
        [V5_10 Open("bcma:", &[("m", "manuf", ANY16), ("id", "id", ANY16), ("rev", "rev", ANY8),
            ("cl", "class", ANY8)])];
    "virtio", V5_10, [V5_10 "device:4 vendor:4"],
        [V5_10 Open("virtio:", &[("d", "device", ANY32), ("v", "vendor", ANY32)])];
    "vmbus", V5_10, [V5_10 "guid:1*16 data:w"], [V5_10 Special(special::vmbus)];
    "rpmsg", V5_10, [V5_10 "name:1*32", V6_1 "name:1*32 data:w"], [V5_10 Format("rpmsg:{name:s}")];
    "i2c", V5_10, [V5_10 "name:1*20 data:w"], [V5_10 Format("i2c:{name:s}")];
    "i3c", V5_10, [V5_10 "match_flags:1 dcr:1 manuf_id:2 part_id:2 extra_info:2 data:w"],
        [V5_10 Closed("i3c:", &[("dcr", "dcr", Flag(1)), ("manuf", "manuf_id", Flag(2)),
            ("part", "part_id", Flag(4)), ("ext", "extra_info", Flag(8))])];
    "slim", V6_12, [V6_12 "manf_id:2 prod_code:2 dev_index:2 instance:2 data:w"],
        [V6_12 Format("slim:{manf_id:x}:{prod_code:x}:*")];
    "spi", V5_10, [V5_10 "name:1*32 data:w"], [V5_10 Format("spi:{name:s}")];
    "dmi", V5_10, [V5_10 "callback:w ident:w matches:1*320 data:w"], [V5_10 Special(special::dmi)];
    "platform", V5_10, [V5_10 "name:1*20 data:w", V7_2 "name:1*24 data:w"],
        [V5_10 Format("platform:{name:s}")];
    "mdio", V5_10, [V5_10 "phy_id:4 phy_id_mask:4"], [V5_10 Special(special::mdio)];
    "zorro", V5_10, [V5_10 "id:4 data:w"], [V5_10 Closed("zorro:", &[("i", "id", ANY32)])];
    "isapnp", V5_10, [V5_10 "card_vendor:2 card_device:2 vendor:2 function:2 data:w"],
        [V5_10 Special(special::isapnp)];
    "ipack", V5_10, [V5_10 "format:1 vendor:4 device:4"],
        [V5_10 Open("ipack:", &[("f", "format", ANY8), ("v", "vendor", ANY32),
            ("d", "device", ANY32)])];
    "amba", V5_10, [V5_10 "id:4 mask:4 data:w"], [V5_10 Special(special::amba)];
    "mipscdmm", V5_10, [V5_10 "type:1"], [V5_10 Format("mipscdmm:t{type:02X}*")];
    "x86cpu", V5_10,
        [V5_10 "vendor:2 family:2 model:2 steppings:2 feature:2 flags:2 data:w",
         V7_2 "vendor:2 family:2 model:2 steppings:2 feature:2 flags:2 platform_mask:1 type:1 data:w"],
        [V5_10 Special(special::x86cpu)];
    "cpu", V5_10, [V5_10 "feature:2"], [V5_10 Format("cpu:type:*:feature:*{feature:04X}*")];
    "mcb", V7_2, [V7_2 "device:2 data:w"], [V7_2 Format("mcb:16z{device:03d}")];
    "mei", V5_10, [V5_10 "name:1*32 uuid:1*16 version:1 info:w"], [V5_10 Special(special::mei)];
    "rapidio", V5_10, [V5_10 "did:2 vid:2 asm_did:2 asm_vid:2"],
        [V5_10 Open("rapidio:", &[("v", "vid", ANY16), ("d", "did", ANY16), ("av", "asm_vid", ANY16),
            ("ad", "asm_did", ANY16)])];
    "ulpi", V5_10, [V5_10 "vendor:2 product:2 data:w"],
        [V5_10 Format("ulpi:v{vendor:04x}p{product:04x}")];
    "hdaudio", V5_10, [V5_10 "vendor_id:4 rev_id:4 api_version:1 name:w data:w"],
        [V5_10 Open("hdaudio:", &[("v", "vendor_id", SET), ("r", "rev_id", SET),
            ("a", "api_version", SET)])];
    "sdw", V5_10, [V5_10 "mfg_id:2 part_id:2 sdw_version:1 class_id:1 data:w"],
        [V5_10 Open("sdw:", &[("m", "mfg_id", SET), ("p", "part_id", SET), ("v", "sdw_version", SET),
            ("c", "class_id", SET)])];
    "fslmc", V5_10, [V5_10 "vendor:2 obj_type:1*16"],
        [V5_10 Format("fsl-mc:v{vendor:08X}d{obj_type:s}")];
    "tbsvc", V5_10,
        [V5_10 "match_flags:4 protocol_key:1*9 protocol_id:4 protocol_version:4 \
            protocol_revision:4 data:w"],
        [V5_10 Special(special::tbsvc)];
    "typec", V5_10, [V5_10 "svid:2 mode:1 data:w"],
        [V5_10 Closed("typec:", &[("id", "svid", Always), ("m", "mode", Not(7))]),
         V7_2 Format("typec:id{svid:04X}")];
    "tee", V5_10, [V5_10 "uuid:1*16"], [V5_10 Special(special::tee)];
    "wmi", V5_10, [V5_10 "guid_string:1*37 context:w"],
        [V5_10 Special(special::wmi_as_is), V7_2 Special(special::wmi)];
    "mhi", V5_10, [V5_10 "chan:1*32 data:w"], [V5_10 Format("mhi:{chan:s}")];
    "mhi_ep", V6_1, [V6_1 "chan:1*32 data:w"], [V6_1 Format("mhi_ep:{chan:s}")];
    "auxiliary", V6_1, [V6_1 "name:1*32 data:w", V7_2 "name:1*40 data:w"],
        [V6_1 Format("auxiliary:{name:s}")];
    "ssam", V6_1, [V6_1 "match_flags:1 domain:1 category:1 target:1 instance:1 function:1 data:w"],
        [V6_1 Closed("ssam:", &[("d", "domain", Always), ("c", "category", Always),
            ("t", "target", Flag(1)), ("i", "instance", Flag(2)), ("f", "function", Flag(4))])];
    "dfl", V6_1, [V6_1 "type:2 feature_id:2 data:w"],
        [V6_1 Open("dfl:", &[("t", "type", Always), ("f", "feature_id", Always)])];
    "ishtp", V6_1, [V6_1 "guid:1*16 data:w"], [V6_1 Special(special::ishtp)];
    "cdx", V6_12,
        [V6_12 "vendor:2 device:2 subvendor:2 subdevice:2 class:4 class_mask:4 override_only:4"],
        [V6_12 Special(special::cdx)];
    "vchiq", V6_12, [V6_12 "name:1*32"], [V6_12 Format("vchiq:{name:s}")];
    "coreboot", V6_12, [V6_12 "tag:4 data:w"], [V6_12 Format("coreboot:t{tag:08X}")];
    "of", V5_10, [V5_10 "name:1*32 type:1*32 compatible:1*128 data:w"], [V5_10 Special(special::of)];
    "usb", V5_10,
        [V5_10 "match_flags:2 idVendor:2 idProduct:2 bcdDevice_lo:2 bcdDevice_hi:2 bDeviceClass:1 \
            bDeviceSubClass:1 bDeviceProtocol:1 bInterfaceClass:1 bInterfaceSubClass:1 \
            bInterfaceProtocol:1 bInterfaceNumber:1 info:W"],
        [V5_10 Special(usb::entry)];
    "pnp", V5_10, [V5_10 "id:1*8 data:w"], [V5_10 Special(special::pnp)];
    "pnp_card" as "pnp", V5_10, [V5_10 "id:1*8 data:w devs:1*64"], [V5_10 Special(special::pnp_card)];
}

/// The fields of a CDX alias.
pub(super) const CDX: &[Item] = &[
    ("v", "vendor", ANY16),
    ("d", "device", ANY16),
    ("sv", "subvendor", ANY16),
    ("sd", "subdevice", ANY16),
    ("c", "class", Equal("class_mask", 0x00ff_ffff)),
];

/// The fields of a PCI alias, without its class.
pub(super) const PCI: &[Item] = &[
    ("v", "vendor", ANY32),
    ("d", "device", ANY32),
    ("sv", "subvendor", ANY32),
    ("sd", "subdevice", ANY32),
];

/// The fields of a processor alias.
pub(super) const X86CPU: &[Item] =
    &[("ven", "vendor", ANY16), ("fam", "family", SET), ("mod", "model", SET)];

/// The fields of an input alias before its bit groups.
pub(super) const INPUT: &[Item] = &[
    ("b", "bustype", Flag(1)),
    ("v", "vendor", Flag(2)),
    ("p", "product", Flag(4)),
    ("e", "version", Flag(8)),
];

/// The fields of a Thunderbolt service's alias after its key.
pub(super) const TBSVC: &[Item] = &[
    ("p", "protocol_id", Flag(2)),
    ("v", "protocol_version", Flag(4)),
    ("r", "protocol_revision", Flag(8)),
];

/// The version in the alias of a management engine's client.
pub(super) const MEI_VERSION: &[Item] = &[(":", "version", ANY8)];

/// The fields of a USB alias before and after the device's release number.
pub(super) const USB_BEFORE: &[Item] = &[("v", "idVendor", Flag(1)), ("p", "idProduct", Flag(2))];
/// See [`USB_BEFORE`].
pub(super) const USB_AFTER: &[Item] = &[
    ("dc", "bDeviceClass", Flag(0x10)),
    ("dsc", "bDeviceSubClass", Flag(0x20)),
    ("dp", "bDeviceProtocol", Flag(0x40)),
    ("ic", "bInterfaceClass", Flag(0x80)),
    ("isc", "bInterfaceSubClass", Flag(0x100)),
    ("ip", "bInterfaceProtocol", Flag(0x200)),
    ("in", "bInterfaceNumber", Flag(0x400)),
];
