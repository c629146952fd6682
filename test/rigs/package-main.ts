/**
 * Installs the Debian package on a machine of its own, with a real systemd: Debian in an emulated machine, two persons with guests of the
 * machine's daemon, a third with a daemon of her own; its services are killed, its power is cut, it starts again, and the package is purged.
 * A person starts it, as root, after `npm run build`; it takes about a quarter of an hour:
 *
 *     apt-get install debootstrap qemu-system-x86 e2fsprogs lz4
 *     node test/rigs/package-main.ts [FOLDER [PACKAGE]]
 *     node test/rigs/package-main.ts --container [FOLDER [PACKAGE]]
 *
 * With --container, which needs podman and takes some minutes, systemd runs in a container of this machine's kernel: what needs control groups of version 2 or
 * a quota is named and not tried where this machine has none, and the power is cut by a kill of all processes.
 * Debian is kept in the folder. PACKAGE is a .deb; without it one is made of the build. Its exit code is 0 when all tests have passed.
 */
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { findKernelPackage, loadKernel } from '../../src/sandbox/micro-vm/kernel-file.ts'
import { bootMachine, makeDisk, x64Machine } from '../kernels/boot-machine.ts'
import { beginMark, downMark, endMark, initScript } from '../kernels/guest-scripts.ts'
import { readModules, repository } from '../kernels/machine-tree.ts'
import { tellReports } from '../kernels/situation-report.ts'
import { debian, run, startWith } from './debian-tree.ts'

const diskMb = 2_048
/** With a journal, because the power is cut, and with quotas of users. */
const diskOptions = ['-O', 'quota', '-E', 'quotatype=usrquota']
const quotaModules = ['quota_tree', 'quota_v2']
const parts = ['installed', 'started again'] as const

const service = `[Unit]
After=systemd-logind.service dbus.service multi-user.target
[Service]
Type=simple
ExecStart=/opt/rig/start
TimeoutStopSec=5
[Install]
WantedBy=multi-user.target
`

/** The first part ends without a word to the system, as when the power is cut. */
const start = `#!/bin/bash
exec >/dev/$(ls /sys/class/virtio-ports) 2>&1 </dev/null
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
cd /
part=${JSON.stringify(parts[0])}
[ -e /opt/rig/over ] && part=${JSON.stringify(parts[1])}
echo "@systemd $(systemctl --version | head -1), $(uname -r), $(systemctl is-system-running)"
echo "${beginMark} $part"
/opt/rig/node --test --test-isolation=none --test-reporter=tap "/opt/rig/inside-\${part/ /-}.ts"
echo "${endMark} $? $(cut -d' ' -f1 /proc/uptime)"
touch /opt/rig/over; sync /opt/rig/over
echo "${downMark} $(cut -d' ' -f1 /proc/uptime)"
[ "$part" = installed ] && { sleep 2; echo b > /proc/sysrq-trigger; }
busybox reboot -f
`

async function packageOf(folder: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return resolve(given)
  const out = join(folder, 'packages')
  await run(process.execPath, [join(repository, 'scripts/package/main.ts'), out])
  return join(
    out,
    (await readdir(out)).find((name) => name.endsWith('.deb'))!,
  )
}

async function tryInMachine(tree: string, folder: string, kept: string): Promise<boolean> {
  const kernels = join(kept, 'kernel')
  await mkdir(kernels, { recursive: true })
  const packageFile = await findKernelPackage(null, kernels)
  const { vmlinux, modules } = await loadKernel(packageFile, folder)
  await writeFile(join(folder, 'vmlinux'), vmlinux)
  const all = [...modules, ...(await readModules(packageFile, folder, quotaModules))]
  const disk = join(folder, 'root.ext4')
  await makeDisk(disk, tree, diskMb, diskOptions)
  const init = initScript(
    all.map(({ name }) => name),
    { isWritable: true, mount: ',usrquota', next: '/sbin/init' },
  )
  const signal = new AbortController().signal
  const kernel = join(folder, 'vmlinux')
  const machine = { model: x64Machine, folder, kernel, modules: all, busybox: join(tree, 'usr/bin/busybox'), init, disk, signal }
  for (const part of parts) {
    const { seen, isWell } = await tellReports(bootMachine(machine))
    if (!isWell || seen[0] !== part) return false
  }
  return true
}

async function tryInContainer(tree: string, folder: string): Promise<boolean> {
  await run('chroot', [tree, 'systemctl', 'disable', 'rig.service'])
  const podman = (...args: readonly string[]) =>
    spawnSync('podman', ['--root', join(folder, 'images'), '--runroot', join(folder, 'run'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
  const options = ['--privileged', '--systemd=always', '--network=host', '--ulimit=nofile=16384:16384', '--ulimit=nproc=16384:16384']
  podman('run', '--detach', '--name', 'rig', ...options, '--rootfs', tree, '/sbin/init')
  try {
    return parts.every((part, at) => {
      if (at > 0) podman('kill', 'rig')
      if (at > 0) podman('start', 'rig')
      podman('exec', 'rig', 'sh', '-c', 'until [ -S /run/dbus/system_bus_socket ]; do sleep 0.2; done; systemctl is-system-running --wait')
      const test = [
        '/opt/rig/node',
        '--test',
        '--test-isolation=none',
        '--test-reporter=spec',
        `/opt/rig/inside-${part.replace(' ', '-')}.ts`,
      ]
      return podman('exec', '--env', 'LANG=C.UTF-8', 'rig', ...test).status === 0
    })
  } finally {
    podman('rm', '--force', '--time', '1', 'rig')
  }
}

async function main(kept: string, given: string | undefined): Promise<boolean> {
  const source = await debian(kept)
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-package-rig-'))
  try {
    const tree = join(folder, 'tree')
    await run('cp', ['-a', source, tree])
    const rig = join(tree, 'opt/rig')
    await mkdir(rig)
    await copyFile(await packageOf(folder, given), join(rig, 'oxbow.deb'))
    await copyFile(process.execPath, join(rig, 'node'))
    for (const name of ['inside-machine.ts', 'inside-load.ts', 'inside-installed.ts', 'inside-started-again.ts'])
      await copyFile(join(import.meta.dirname, name), join(rig, name))
    await writeFile(join(rig, 'start'), start, { mode: 0o755 })
    await writeFile(join(tree, 'etc/systemd/system/rig.service'), service)
    await run('chroot', [tree, 'useradd', '--create-home', '--shell', '/bin/bash', '--uid', '1002', 'carol'])
    await startWith(tree, 'rig.service')
    return await (inContainer ? tryInContainer(tree, folder) : tryInMachine(tree, folder, kept))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const words = process.argv.slice(2)
const inContainer = words[0] === '--container'
const [kept = join(tmpdir(), 'oxbow-systemd'), given] = inContainer ? words.slice(1) : words
process.exitCode = (await main(resolve(kept), given)) ? 0 : 1
