//! A list of exports read before the run that asks for it: the kernel's own has tens of thousands of
//! lines, and who builds a module mostly waits for a compiler before it is wanted.
//!
//! It does not know when that is, nor whether the file is still the same by then.

use super::dump::DumpModules;
use super::options::Options;
use super::run::Run;
use super::symbols::{Module, Symbols, Texts};
use super::versions::Flavor;
use crate::{Host, kernel};

/// What a run knows once it has read one dump and nothing else.
#[derive(Debug)]
pub struct Ahead {
    flavor: &'static Flavor,
    external: bool,
    texts: Texts,
    symbols: Symbols,
    modules: Vec<Module>,
    dump_modules: DumpModules,
    have_vmlinux: bool,
}

/// Reads a dump as a run for external modules (`-e`) does with its first one (`-i`); `None` if it
/// cannot be read. What there was to say about it has been said to `host`: then a run has to say it in
/// its turn, and what was read is of no use.
pub fn read_ahead(path: &[u8], host: &mut dyn Host) -> Option<Ahead> {
    let tree = path.strip_suffix(b"Module.symvers");
    let flavor = Flavor::for_release(kernel::detect(host, tree.as_slice())?)?;
    let options = Options { external: true, ..Options::default() };
    let mut run = Run::new(host, flavor, options);
    run.read_dump(path).ok()?;
    let Run { texts, symbols, modules, dump_modules, have_vmlinux, failed, .. } = run;
    let external = true;
    let ahead = Ahead { flavor, external, texts, symbols, modules, dump_modules, have_vmlinux };
    (!failed).then_some(ahead)
}

impl Run<'_> {
    /// Reads the first dump, or takes what was read of it ahead.
    pub(super) fn read_first_dump(&mut self, path: &[u8]) -> Result<(), super::Exit> {
        match self.host.ahead(path) {
            Some(ahead)
                if std::ptr::eq(ahead.flavor, self.flavor)
                    && ahead.external == self.options.external =>
            {
                self.texts = ahead.texts;
                self.symbols = ahead.symbols;
                self.modules = ahead.modules;
                self.dump_modules = ahead.dump_modules;
                self.have_vmlinux = ahead.have_vmlinux;
                self.dumps_read = 1;
                Ok(())
            }
            _ => self.read_dump(path),
        }
    }
}
