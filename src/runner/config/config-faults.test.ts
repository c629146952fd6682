/** Configuration files on a disk that is full or read-only, and files that are somebody else's. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { type Home, openHome, openWorkspace, parseUser } from '../home.ts'
import { changeFile } from './config-file.ts'
import { loadConfig } from './config-layers.ts'

/** @param size of a file system in memory at `disk`, where the file of the home is a link to, and the file of the machine */
function withDisk(t: TestContext, size: string, check: (of: { home: Home; disk: string; file: string; load(): number }) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-faults-'))
  const disk = join(root, 'disk')
  mkdirSync(disk)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'oxbow-test', disk], { encoding: 'utf8' })
  try {
    if (mounted.status !== 0) return t.skip(`no file system of ${size} can be mounted here: ${mounted.stderr.trim()}`)
    const home = openHome({ OXBOW_HOME: join(root, 'home'), OXBOW_MACHINE_CONFIG: join(disk, 'machine.toml') })
    const workspace = openWorkspace(home, parseUser('default'))
    const file = join(home.root, 'config.toml')
    symlinkSync(join(disk, 'config.toml'), file)
    check({ home, disk, file, load: () => loadConfig(home, workspace).turn.max_turns })
  } finally {
    if (mounted.status === 0) spawnSync('umount', [disk])
    rmSync(root, { recursive: true, force: true })
  }
}

const turns = (value: number) => [{ key: ['turn', 'max_turns'], value }]

function refused(work: () => unknown, says: RegExp): void {
  assert.throws(work, (error) => isOxbowError(error) && ['bad_config', 'store_full'].includes(error.code) && says.test(error.message))
}

void test('on a full disk a change is refused, the file stays whole, and with space the same change works', (t) => {
  withDisk(t, '64k', ({ home, disk, file, load }) => {
    changeFile(home, file, turns(3))
    const before = readFileSync(file, 'utf8')
    writeFileSync(join(disk, 'filling'), '')
    try {
      for (;;) writeFileSync(join(disk, 'filling'), Buffer.alloc(4_096), { flag: 'a' })
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    }
    refused(() => changeFile(home, file, turns(4)), /ENOSPC|full/)
    assert.equal(readFileSync(file, 'utf8'), before)
    assert.equal(load(), 3)
    rmSync(join(disk, 'filling'))
    changeFile(home, file, turns(5))
    assert.deepEqual([load(), readdirSync(disk)], [5, ['config.toml']])
  })
})

void test('files on a read-only disk are read, and a change of one is refused with the reason', (t) => {
  withDisk(t, '64k', ({ home, disk, file, load }) => {
    writeFileSync(home.machineConfig, '[turn]\nmax_turns = 7\n')
    const mounted = spawnSync('mount', ['-o', 'remount,ro', disk], { encoding: 'utf8' })
    if (mounted.status !== 0) return t.skip(`the disk cannot be made read-only here: ${mounted.stderr.trim()}`)
    assert.equal(load(), 7)
    refused(() => changeFile(home, file, turns(4)), /read-only|EROFS/)
    assert.equal(load(), 7)
  })
})

void test('a file that belongs to neither the administrator nor whoever runs this is refused, also behind a link', (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can make files of others')
  const [own, other] = [65_534, 65_533]
  const root = mkdtempSync(join(tmpdir(), 'oxbow-owners-'))
  try {
    const file = join(root, 'config.toml')
    chownSync(root, own, own)
    const code = `import { loadConfig } from ${JSON.stringify(import.meta.resolve('./config-layers.ts'))}
import { openHome, openWorkspace, parseUser } from ${JSON.stringify(import.meta.resolve('../home.ts'))}
const home = openHome({ OXBOW_HOME: ${JSON.stringify(root)}, OXBOW_MACHINE_CONFIG: ${JSON.stringify(join(root, 'none'))} })
try { console.log(loadConfig(home, openWorkspace(home, parseUser('default'))).turn.max_turns) } catch (error) { console.log(error.message) }`
    const load = (): string => {
      const ran = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
        uid: own,
        gid: own,
        cwd: '/',
        encoding: 'utf8',
        env: {},
      })
      return ran.stdout.trim() || ran.stderr
    }
    for (const [owner, says] of [
      [own, /^7$/],
      [0, /^7$/],
      [other, /belongs to another user \(uid 65533\)$/],
    ] as const) {
      writeFileSync(file, '[turn]\nmax_turns = 7\n', { mode: 0o644 })
      chownSync(file, owner, owner)
      assert.match(load(), says, `owner ${owner}`)
    }
    rmSync(file)
    const target = join(root, 'elsewhere.toml')
    writeFileSync(target, '[turn]\nmax_turns = 7\n', { mode: 0o644 })
    chownSync(target, other, other)
    symlinkSync(target, file)
    assert.match(load(), /belongs to another user/)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
