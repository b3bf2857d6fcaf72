//! A module in Rust: remembers some numbers and says them when it goes.
// SPDX-License-Identifier: GPL-2.0-or-later

use kernel::prelude::*;

module! {
    type: Hello,
    name: "rust_hello",
    authors: ["Kiln"],
    description: "A module in Rust",
    license: "GPL",
}

struct Hello {
    numbers: KVec<i32>,
}

impl kernel::Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("hello\n");
        let mut numbers = KVec::new();
        numbers.push(6, GFP_KERNEL)?;
        numbers.push(12, GFP_KERNEL)?;
        Ok(Hello { numbers })
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        pr_info!("goodbye {:?}\n", self.numbers);
    }
}
