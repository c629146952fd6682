import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import { ownSearchPath } from '../host-programs.ts'
import { launchProgram } from './launched-program.ts'

const plan = await planBubblewrap(ownSearchPath())
const skip = 'code' in plan ? plan.message : process.getuid?.() !== 0 ? 'only root makes devices' : false

/** @returns what it says and its exit code */
async function run(script: string, devices: readonly string[]): Promise<string> {
  assert.ok(!('code' in plan))
  const program = ['/usr/bin/sh', '-c', script]
  const { child, exited, gone, diagnostics } = launchProgram({
    launcher: plan,
    program: () => program,
    descriptors: [],
    folders: [],
    devices,
    memoryMb: 64,
    maxFileMb: 1,
  })
  child.stdin!.end()
  let said = ''
  child.stdout!.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const code = await exited
  await gone
  return `${said}${diagnostics()}${code}`
}

it('a program opens the devices that it is given, by the group that may, and no others', { skip }, async (t) => {
  const folder = mkdtempSync('/run/oxbow-devices-')
  t.after(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o755)
  const made = (name: string, gid: number, mode: number): string => {
    const path = join(folder, name)
    execFileSync('mknod', [path, 'c', '1', '3'])
    chownSync(path, 0, gid)
    chmodSync(path, mode)
    return path
  }
  // As Debian leaves /dev/kvm; as one that is for root alone, which a program without rights cannot open.
  const [grouped, rootly] = [made('grouped', 61_234, 0o660), made('rootly', 0, 0o660)]
  assert.equal(await run(`exec 9<>${grouped} && id -G`, [grouped]), '60999 65534\n0')
  assert.match(await run(`exec 9<>${rootly}`, [rootly]), /Permission denied/)
  assert.match(await run(`exec 9<>${grouped}`, []), /nonexistent|No such file/)
  const below = ['/dev/fuse', '/dev/net/tun', '/dev/vda'].find((path) => existsSync(path))
  if (below !== undefined) assert.equal(await run(`test -e ${below} && ! touch /dev/other 2>/dev/null && echo there`, [below]), 'there\n0')
})
