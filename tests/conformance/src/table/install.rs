//! Installing what was built.

use kiln_testkit::{Case, Need};

use super::hello;

const INSTALL: &str = "modules_install INSTALL_MOD_PATH=$TOP/root";

/// Installs so often that Kiln knows what comes of it; then something happens, and it is done twice more. Which
/// files each step wrote is compared too.
fn again(name: &str, words: &str, change: &str) -> Case {
    after(hello(&format!("install/again-{name}")), words, change)
}

fn after(case: Case, words: &str, change: &str) -> Case {
    let mut case = case.compare_writes().build("");
    for _ in 0..4 {
        case = case.build(&format!("{INSTALL} {words}"));
    }
    case.run(&format!("{change}; make -C $KDIR M=$DIR {INSTALL} {words}"))
        .build(&format!("{INSTALL} {words}"))
}

pub(super) fn cases() -> Vec<Case> {
    let two = |name: &str| Case::new(name).example("common-kbuild").build("");
    let signed = |name: &str| {
        hello(name)
            .needs(Need::Program("openssl"))
            .own_kdir()
            .prepare("mkdir $KDIR/certs; cp $ASSETS/signing_key.x509 $KDIR/certs/")
            .build("")
    };
    let key = "CONFIG_MODULE_SIG_KEY=$ASSETS/signing_key.pem";
    vec![
        hello("install/path").build("").build(INSTALL).build(INSTALL),
        hello("install/path-from-environment")
            .build("")
            .run("INSTALL_MOD_PATH=$TOP/root make -C $KDIR M=$DIR modules_install"),
        hello("install/directory").build("").build(&format!("{INSTALL} INSTALL_MOD_DIR=gandalf")),
        hello("install/directory-nested")
            .build("")
            .build(&format!("{INSTALL} INSTALL_MOD_DIR=a/b")),
        hello("install/strip").build("").build(&format!("{INSTALL} INSTALL_MOD_STRIP=1")),
        hello("install/strip-options")
            .build("")
            .build(&format!("{INSTALL} INSTALL_MOD_STRIP=--strip-unneeded")),
        hello("install/verbose").build("").build(&format!("{INSTALL} V=1")),
        hello("install/dry-run").build("").build(&format!("{INSTALL} -n")),
        hello("install/silent").build("").build(&format!("{INSTALL} -s")),
        hello("install/nothing-built").build(INSTALL),
        hello("install/wrapper").run("make KDIR=$KDIR").build(INSTALL),
        two("install/directories").build(INSTALL).build(&format!("{INSTALL} -j2")),
        hello("install/path-with-colon").build("").build("modules_install INSTALL_MOD_PATH=$TOP/a:b"),
        hello("install/file-in-the-way")
            .build("")
            .run("mkdir -p $TOP/root/lib; : >$TOP/root/lib/modules; make -C $KDIR M=$DIR modules_install \
                  INSTALL_MOD_PATH=$TOP/root"),
        hello("install/compressed-xz").build("").build(&format!(
            "{INSTALL} CONFIG_MODULE_COMPRESS=y CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ=y"
        )),
        hello("install/not-compressed").build("").build(&format!("{INSTALL} CONFIG_MODULE_COMPRESS_ALL=")),
        hello("install/compressed-gzip").build("").build(&format!(
            "{INSTALL} CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ= CONFIG_MODULE_COMPRESS_GZIP=y"
        )),
        signed("install/signed").build(&format!("{INSTALL} {key}")),
        signed("install/signed-verbose").build(&format!("{INSTALL} {key} V=1")),
        signed("install/signed-sha512")
            .build(&format!("{INSTALL} {key} CONFIG_MODULE_SIG_HASH=sha512")),
        signed("install/signed-and-stripped")
            .build(&format!("{INSTALL} {key} INSTALL_MOD_STRIP=1")),
        signed("install/signed-not-compressed")
            .build(&format!("{INSTALL} {key} CONFIG_MODULE_COMPRESS_ALL=")),
        signed("install/signed-twice")
            .build(&format!("{INSTALL} {key}"))
            .build(&format!("{INSTALL} {key}"))
            .build(&format!("modules_sign INSTALL_MOD_PATH=$TOP/root {key}")),
        hello("install/signed-by-environment")
            .needs(Need::Program("openssl"))
            .own_kdir()
            .prepare("mkdir $KDIR/certs; cp $ASSETS/signing_key.x509 $KDIR/certs/")
            .prepare(
                "sed -i \"s|^CONFIG_MODULE_SIG_KEY=.*|CONFIG_MODULE_SIG_KEY=\\\"$ASSETS/signing_key.pem\\\"|\" \
                 $KDIR/include/config/auto.conf",
            )
            .build("")
            .run("KBUILD_SIGN_PIN=1234 make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root"),
        signed("install/signing-key-missing")
            .build(&format!("{INSTALL} CONFIG_MODULE_SIG_KEY=$TOP/absent.pem")),
        hello("install/depmod")
            .needs(Need::Program("depmod"))
            .own_kdir()
            .prepare(": >$KDIR/System.map")
            .build("")
            .build(INSTALL),
        hello("install/depmod-absent")
            .own_kdir()
            .prepare(": >$KDIR/System.map")
            .build("")
            .build(&format!("{INSTALL} DEPMOD=no-such-depmod")),
        hello("install/depmod-without-map").own_kdir().build("").build(INSTALL),
        hello("install/second-user-installs")
            .needs(Need::Root)
            .prepare("mkdir $TOP/root; chown 65534 $TOP/root")
            .build("")
            .run_as_nobody("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root"),
        hello("install/second-user-builds")
            .owned_by_nobody()
            .run_as_nobody("make -C $KDIR M=$DIR")
            .run("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root")
            .run_as_nobody("make -C $KDIR M=$DIR"),
        again("nothing", "", ":"),
        again("edited", "", "echo 'int more;' >>hello.c; make -C $KDIR M=$DIR"),
        again("touched", "", "touch hello.c; make -C $KDIR M=$DIR"),
        again("installed-edited", "", "find $TOP/root -name 'hello.ko*' -exec sh -c 'echo >>{}' \\;"),
        again("installed-removed", "", "find $TOP/root -name 'hello.ko*' -delete"),
        again("installed-mode", "", "find $TOP/root -name 'hello.ko*' -exec chmod 600 {} \\;"),
        again("input-left", "", "cp hello.ko $TOP/root/lib/modules/*/*/"),
        again("umask", "", "umask 077"),
        again("then-stripped", "", "INSTALL_MOD_STRIP=1; export INSTALL_MOD_STRIP"),
        again("stripped", "INSTALL_MOD_STRIP=1", ":"),
        again("verbose", "V=1 -j2", "touch hello.ko"),
        again("elsewhere", "", "INSTALL_MOD_DIR=gandalf; export INSTALL_MOD_DIR"),
        again("not-compressed", "CONFIG_MODULE_COMPRESS_ALL=", ":"),
        again("gzip", "CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ= CONFIG_MODULE_COMPRESS_GZIP=y", ":"),
        again("zstd", "CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ= CONFIG_MODULE_COMPRESS_ZSTD=y", ":")
            .needs(Need::Program("zstd")),
        after(
            signed("install/again-key-appears"),
            "CONFIG_MODULE_SIG_KEY=$TOP/key.pem",
            "cp $ASSETS/signing_key.pem $TOP/key.pem",
        ),
        after(signed("install/signed-again"), key, ":"),
        again("disk-full", "INSTALL_MOD_PATH=$DIR/root", "head -c 9000000 /dev/zero >fills")
            .disk(8192)
            .run("rm fills; make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$DIR/root"),
        again("other-user", "", ":")
            .needs(Need::Root)
            .run("chown -R 65534 $TOP/root")
            .run_as_nobody("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root")
            .run_as_nobody("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root")
            .build(INSTALL),
        hello("install/second-user-may-not")
            .needs(Need::Root)
            .build("")
            .run_as_nobody("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root"),
    ]
}
