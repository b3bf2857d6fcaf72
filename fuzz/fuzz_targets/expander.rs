//! Texts: expanded as they are, as the value of a variable that is used twice, and as an argument of
//! a call.
#![no_main]

use kiln_make::Origin;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut make = kiln_fuzz::instance(b"");
    let mut parts = data.splitn(3, |&b| b == 0);
    let (text, x, y) = (parts.next(), parts.next(), parts.next());
    make.define(b"x", x.unwrap_or(b"a b.c %d"), Origin::File, true);
    make.define(b"y", y.unwrap_or(b"$1$(x:%=$2)"), Origin::File, true);
    let text = text.unwrap_or(b"");
    let _ = make.expand(text);
    make.fuel = Some(kiln_fuzz::FUEL);
    make.define(b"v", text, Origin::File, true);
    let _ = make.expand(b"$v $(v:a%b=c%d) $(call v,1,$(x)) $(call y,$v,3)");
});
