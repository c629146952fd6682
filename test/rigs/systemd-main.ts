/**
 * Runs the process tier under a real systemd: Debian as its installer leaves it, in an emulated machine, with people who log in
 * and services that are started. A person starts it, as root; Debian's packages are downloaded once, and it takes some minutes:
 *
 *     apt-get install debootstrap qemu-system-x86 e2fsprogs lz4
 *     node test/rigs/systemd-main.ts [FOLDER [PATTERN]]
 *
 * Debian is kept in the folder. PATTERN is a regular expression over the names of the situations. Its exit code is 0 when all tests have passed.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { findPtyAddon } from '../../src/sandbox/hands/pty-addon.ts'
import { findKernelPackage, loadKernel, moduleNames } from '../../src/sandbox/micro-vm/kernel-file.ts'
import { buildAbuse } from '../isolation/abuse-program.ts'
import { bootMachine, x64Machine } from '../kernels/boot-machine.ts'
import { initScript } from '../kernels/guest-scripts.ts'
import { addRepository } from '../kernels/machine-tree.ts'
import { tellReports } from '../kernels/situation-report.ts'
import { debian, run, startWith } from './debian-tree.ts'
import { systemdFiles } from './systemd-scripts.ts'
import { systemdSituations } from './systemd-situations.ts'

const diskMb = 1_024

async function main(kept: string, pattern: string): Promise<boolean> {
  await mkdir(kept, { recursive: true })
  const situations = systemdSituations.filter(({ name }) => new RegExp(pattern).test(name))
  const source = await debian(kept)
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-kernel-'))
  try {
    const tree = join(folder, 'tree')
    await run('cp', ['-a', source, tree])
    const addon = { name: '@lydell/node-pty-linux-x64', folder: dirname(findPtyAddon()!) }
    const warm = ['test/kernels/inside-situation.ts', 'test/isolation/kill-process.full.test.ts']
    await addRepository(tree, { node: process.execPath, addon, abuse: await buildAbuse(), warm })
    for (const [path, text] of Object.entries(systemdFiles(situations))) {
      await mkdir(dirname(join(tree, path)), { recursive: true })
      await writeFile(join(tree, path), text, { mode: path.startsWith('opt/') ? 0o755 : 0o644 })
    }
    await startWith(tree, 'rig.service')
    const kernels = join(kept, 'kernel')
    await mkdir(kernels, { recursive: true })
    const { vmlinux, modules } = await loadKernel(await findKernelPackage(null, kernels), folder)
    await writeFile(join(folder, 'vmlinux'), vmlinux)
    const lines = bootMachine({
      model: x64Machine,
      folder,
      kernel: join(folder, 'vmlinux'),
      modules,
      busybox: join(tree, 'usr/bin/busybox'),
      init: initScript(moduleNames, { isWritable: true, next: '/sbin/init' }),
      tree,
      signal: new AbortController().signal,
      writableMb: diskMb,
    })
    const { seen, isWell } = await tellReports(lines)
    return isWell && seen.length === situations.length
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

process.exitCode = (await main(resolve(process.argv[2] ?? join(tmpdir(), 'oxbow-systemd')), process.argv[3] ?? '')) ? 0 : 1
