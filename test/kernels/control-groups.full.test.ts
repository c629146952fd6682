/**
 * Control groups of version 2, on a kernel that has no others: Debian's kernel is booted in an emulated machine with nothing but
 * cgroup2, and the process tier's own suites run inside, in each situation in which Oxbow may find itself.
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'
import { findPtyAddon } from '../../src/sandbox/hands/pty-addon.ts'
import { findKernelPackage, loadKernel } from '../../src/sandbox/micro-vm/kernel-file.ts'
import { isOxbowError } from '../../src/base/index.ts'
import { buildAbuse } from '../isolation/abuse-program.ts'
import { bootMachine, x64Machine } from './boot-machine.ts'
import { initScript, startScript } from './guest-scripts.ts'
import { addInstalled, addRepository, makeFolders } from './machine-tree.ts'
import { readReports } from './situation-report.ts'
import { chosenSituations } from './situations.ts'

/** A machine under load takes several times as long as an idle one. */
const timeout = 1_800_000
/** Of inside-situation.ts: all of them were seen, and the status was told in any case. */
const insideTests = 6
const needed = {
  'qemu-system-x86_64': 'qemu-system-x86',
  mke2fs: 'e2fsprogs',
  busybox: 'busybox-static',
  lz4: 'lz4',
  dpkg: 'dpkg',
  bwrap: 'bubblewrap',
}

test('the process tier under control groups of version 2, on a kernel of its own', { timeout }, async (t) => {
  const situations = chosenSituations(process.env)
  const missing = Object.entries(needed).filter(([program]) => findProgram(program, ownSearchPath()) === null)
  if (missing.length > 0) return t.skip(`install with: apt-get install ${missing.map(([, name]) => name).join(' ')}`)
  if (process.arch !== 'x64') return t.skip('the machine is made of this system’s own programs, and its model is of x86_64')
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-kernel-'))
  try {
    const kernel = await findKernel(folder)
    if ('skip' in kernel) return t.skip(kernel.skip)
    const tree = join(folder, 'tree')
    const addon = findPtyAddon()
    assert.ok(addon !== null)
    await makeFolders(tree)
    await addInstalled(tree, [process.execPath, addon])
    const name = '@lydell/node-pty-linux-x64'
    const warm = ['test/kernels/inside-situation.ts', ...situations.flatMap(({ suites }) => suites)]
    await addRepository(tree, { node: process.execPath, addon: { name, folder: join(addon, '..') }, abuse: await buildAbuse(), warm })
    await writeFile(join(tree, 'opt/start'), startScript(situations), { mode: 0o755 })
    const init = initScript(kernel.modules.map((each) => each.name))
    const busybox = findProgram('busybox', ownSearchPath())!
    const lines = bootMachine({ model: x64Machine, folder, tree, init, busybox, signal: t.signal, ...kernel })
    const seen: string[] = []
    for await (const report of readReports(shown(lines))) {
      seen.push(report.name)
      await t.test(`for ${report.name}: ${report.passed.length} tests, ${report.seconds} s by its own clock`, () => {
        assert.deepEqual([report.exitCode, report.failed], [0, []], report.text)
        assert.ok(report.passed.length >= 2 && report.passed.length + report.skipped.length >= insideTests, report.text)
        // What is skipped was not handed down there, by the table of situations.
        const limits = situations.find((each) => each.name === report.name)?.expects.limits ?? []
        for (const line of report.skipped) assert.ok(limits.length < 3 && line.includes('handed down'), line)
      })
    }
    t.diagnostic(`gone through: ${seen.join('; ')}`)
    assert.deepEqual(
      seen,
      situations.map((each) => each.name),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/** Shows what has passed while it goes on: minutes without a word look like a hang. */
async function* shown(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  for await (const line of lines) {
    if (/^\s+(?:not )?ok |^@/.test(line)) process.stderr.write(`  inside: ${line.trim()}\n`)
    yield line
  }
}

/** The one of the tests with machines: its package is downloaded once (27 MB). */
async function findKernel(
  folder: string,
): Promise<{ kernel: string; modules: Awaited<ReturnType<typeof loadKernel>>['modules'] } | { skip: string }> {
  const kept = join(tmpdir(), `oxbow-test-machines-${process.getuid?.() ?? 0}`, 'kernel')
  await mkdir(kept, { recursive: true, mode: 0o700 })
  try {
    const { vmlinux, modules } = await loadKernel(await findKernelPackage(null, kept), folder)
    await writeFile(join(folder, 'vmlinux'), vmlinux)
    return { kernel: join(folder, 'vmlinux'), modules }
  } catch (error) {
    if (!isOxbowError(error, 'sandbox_missing') || process.env['CI'] === 'true') throw error
    return { skip: `${error.message} ${error.hint}` }
  }
}
