import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { reseedProgram } from './guest-init.ts'
import { packInitramfs } from './vm-image.ts'

const skip = process.platform === 'linux' && process.arch === 'x64' ? false : 'the program is made for Linux on x86_64'

it('the program that seeds the random generator anew does what only root may', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-reseed-'))
  try {
    const program = join(folder, 'reseed')
    await writeFile(program, reseedProgram(), { mode: 0o755 })
    // RNDRESEEDCRNG needs CAP_SYS_ADMIN: random(4). EPERM is 1, and the lower bits of -1 are 127.
    const isRoot = process.getuid?.() === 0
    const stepDown = isRoot ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'] : ['env']
    assert.equal(spawnSync(stepDown[0]!, [...stepDown.slice(1), program]).status, 127)
    if (isRoot) assert.equal(spawnSync(program).status, 0)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('the first files of a machine are what cpio reads', async (t) => {
  const packed = packInitramfs(['bin'], [{ path: 'bin/odd', data: Buffer.from('12345'), mode: 0o755 }])
  const { status, stdout } = spawnSync('sh', ['-c', 'cpio -tv --quiet'], { input: gunzipSync(packed), encoding: 'utf8' })
  if (status === 127) return t.skip('cpio is not installed: apt-get install cpio')
  assert.equal(status, 0)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/))
  assert.deepEqual(
    lines.map((parts) => [parts[0], parts.at(-1)]),
    [
      ['drwxr-xr-x', 'bin'],
      ['crw-------', 'dev/console'],
      ['-rwxr-xr-x', 'bin/odd'],
    ],
  )
})
