/**
 * Runs the micro VM tier with KVM where there is no processor for it: in an emulated machine whose processor can hold machines (AMD's
 * SVM, which QEMU emulates), with Debian's kernel and its kvm_amd. A person starts it, as root; it takes some minutes:
 *
 *     apt-get install qemu-system-x86 e2fsprogs lz4 busybox-static bubblewrap
 *     node test/rigs/kvm-main.ts
 *     node test/rigs/kvm-main.ts --msb FOLDER
 *
 * It goes through the contract of every sandbox: with QEMU, and there the hostile program too, or with microsandbox, whose package for this system was unpacked in FOLDER:
 * npm pack @superradcompany/microsandbox-linux-x64-gnu@0.6.18. Its exit code is 0 when all tests have passed.
 */
import assert from 'node:assert/strict'
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { findPtyAddon } from '../../src/sandbox/hands/pty-addon.ts'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'
import { buildRootTree, isRootTree } from '../../src/sandbox/image/root-tree.ts'
import { findKernelPackage, loadKernel } from '../../src/sandbox/micro-vm/kernel-file.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { buildAbuse } from '../isolation/abuse-program.ts'
import { bootMachine, x64Machine } from '../kernels/boot-machine.ts'
import { beginMark, cacheScript, deviceScript, downMark, endMark, initScript } from '../kernels/guest-scripts.ts'
import { addInstalled, addRepository, insideNode, makeFolders, readModules, repository } from '../kernels/machine-tree.ts'
import { tellReports } from '../kernels/situation-report.ts'

const msb = process.argv[2] === '--msb' ? resolve(process.argv[3] ?? '') : null
const suites =
  msb === null
    ? ['src/sandbox/micro-vm/micro-vm-contract.full.test.ts', 'test/isolation/abuse-micro-vm.full.test.ts']
    : ['src/sandbox/micro-vm/microsandbox-contract.full.test.ts']
const insideImage = '/opt/image'
/** The program and its library, and the root of its machines. */
const insideMsb = { package: '/opt/msb', root: '/opt/msb-root' }
/** Modules of a machine with KVM, loaded after its own. */
const kvmModules = ['irqbypass', 'kvm', 'kvm-amd']
const packages = ['qemu-system-x86', 'qemu-system-common', 'e2fsprogs']
const firmware = ['/usr/share/qemu', '/usr/share/seabios']
const diskMb = 2_048

/** With the clock of this machine: one that counts instructions stands still in QEMU 7.2 once a machine runs inside. */
const machine = {
  ...x64Machine,
  hasOwnClock: false,
  arguments: x64Machine.arguments.map((argument) => (argument === 'qemu64,+rdrand' ? `${argument},+svm,+npt` : argument)),
}

const start = `#!/bin/bash
exec >/dev/$(ls /sys/class/virtio-ports) 2>&1 </dev/null
export PATH=/usr/local/bin:/usr/bin:/usr/sbin:${insideMsb.package}/bin HOME=/root CI=true
export OXBOW_TEST_IMAGE=${insideImage} OXBOW_TEST_MSB_IMAGE=${insideMsb.root}
${deviceScript}
mount -t tmpfs -o mode=755 tmpfs /run
chmod 1777 /tmp
${cacheScript([0])}
export NODE_COMPILE_CACHE=/run/cache-0
mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox ip link set lo up
# As udev leaves it on Debian.
chown 0:104 /dev/kvm; chmod 660 /dev/kvm
cd ${repository}
echo '${beginMark} a processor that holds machines'
${insideNode} --test --test-isolation=none --test-reporter=tap ${suites.join(' ')}
echo "${endMark} $? $(cut -d' ' -f1 /proc/uptime)"
echo "${downMark} $(cut -d' ' -f1 /proc/uptime)"
busybox reboot -f
`

/** A machine inside an emulated one is slow and uses this machine's clock: limits are longer there. */
async function slowDown(tree: string): Promise<void> {
  const limits = {
    'src/sandbox/limits.ts': /(?<=^export const (?:boot|snapshot|restore)TimeoutMs = )[\d_]+/gm,
    'test/isolation/describe-abuse.ts': /(?<=timeout: )[\d_]+/g,
    'test/isolation/run-abuse.ts': /(?<=^const timeoutMs = )[\d_]+/gm,
  }
  for (const [file, limit] of Object.entries(limits)) {
    const path = join(tree, repository, file)
    const text = await readFile(path, 'utf8')
    const slow = text.replaceAll(limit, '2_400_000')
    assert.notEqual(slow, text, file)
    await writeFile(path, slow)
  }
}

async function addMicrosandbox(tree: string, folder: string): Promise<void> {
  await cp(folder, join(tree, insideMsb.package), { recursive: true })
  await chmod(join(tree, insideMsb.package, 'bin/msb'), 0o755)
  const built = await buildRootTree(join(tree, '..', 'msb-root'), { extras: [], files: [], searchPath: ownSearchPath() })
  assert.ok(isRootTree(built))
  await rename(built.root, join(tree, insideMsb.root))
}

async function main(): Promise<boolean> {
  const { limits, skip } = await vmFixture()
  assert.ok(skip === false, String(skip))
  const image = limits.micro_vm!.image
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-kernel-'))
  try {
    const tree = join(folder, 'tree')
    const addon = findPtyAddon()
    assert.ok(addon !== null)
    await makeFolders(tree)
    await addInstalled(tree, [process.execPath, addon, ...(msb === null ? [] : [join(msb, 'bin/msb')])], packages)
    for (const place of firmware) await cp(place, join(tree, place), { recursive: true })
    const parts = { name: '@lydell/node-pty-linux-x64', folder: dirname(addon) }
    await addRepository(tree, { node: process.execPath, addon: parts, abuse: await buildAbuse(), warm: suites })
    await slowDown(tree)
    if (msb !== null) await addMicrosandbox(tree, msb)
    await mkdir(join(tree, insideImage))
    await cp(image, join(tree, insideImage), { recursive: true })
    await writeFile(join(tree, 'opt/start'), start, { mode: 0o755 })
    const packageFile = await findKernelPackage(null, join(dirname(image), 'kernel'))
    const { vmlinux, modules } = await loadKernel(packageFile, folder)
    await writeFile(join(folder, 'vmlinux'), vmlinux)
    const all = [...modules, ...(await readModules(packageFile, folder, kvmModules))]
    const lines = bootMachine({
      model: machine,
      folder,
      kernel: join(folder, 'vmlinux'),
      modules: all,
      busybox: findProgram('busybox', ownSearchPath())!,
      init: initScript(
        all.map(({ name }) => name),
        { isWritable: true },
      ),
      tree,
      signal: new AbortController().signal,
      writableMb: diskMb,
    })
    return (await tellReports(lines)).isWell
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

process.exitCode = (await main()) ? 0 : 1
