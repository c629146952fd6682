/** `plugins.lock`: nothing that was approved is lost or widened, whoever writes it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Home, lockPath, openHome } from '../home.ts'
import { changeLock, readLock } from './lock-file.ts'
import { checkDamagedLocks, lockedPlugin } from './lock-fixture.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-lock-'))
after(() => rmSync(root, { recursive: true }))
const names = (home: Home): readonly string[] => readLock(home).plugins.map(({ manifest }) => manifest.name)

test('processes that change the lock at once lose no change', async () => {
  const place = join(root, 'shared')
  const home = openHome({ OXBOW_HOME: place })
  changeLock(home, () => [])
  const script = (first: string): string => `
    const { openHome } = await import(${JSON.stringify(join(import.meta.dirname, '../home.ts'))})
    const { changeLock } = await import(${JSON.stringify(join(import.meta.dirname, 'lock-file.ts'))})
    const { lockedPlugin } = await import(${JSON.stringify(join(import.meta.dirname, 'lock-fixture.ts'))})
    const home = openHome({ OXBOW_HOME: ${JSON.stringify(place)} })
    for (let i = 0; i < 12; i += 1) changeLock(home, (plugins) => [...plugins, lockedPlugin('${first}' + i)])`
  const ends = ['a', 'b'].map((first) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(first)], { stdio: ['ignore', 'inherit', 'inherit'] })
    return new Promise((resolve) => child.on('exit', resolve))
  })
  assert.deepEqual(await Promise.all(ends), [0, 0])
  assert.equal(new Set(names(home)).size, 24)
  assert.ok(!existsSync(`${lockPath(home)}.owner`))
})

test('a change goes on behind a process that has died in the middle of one', () => {
  const home = openHome({ OXBOW_HOME: join(root, 'left') })
  const { pid } = spawnSync(process.execPath, ['-e', '0'])
  writeFileSync(`${lockPath(home)}.owner`, String(pid))
  changeLock(home, () => [lockedPlugin('one')])
  assert.deepEqual(names(home), ['one'])
})

test('a change that throws leaves the lock as it was, and free for others', () => {
  const home = openHome({ OXBOW_HOME: join(root, 'thrown') })
  changeLock(home, () => [lockedPlugin('one')])
  assert.throws(
    () =>
      changeLock(home, () => {
        throw new Error('no')
      }),
    /^Error: no$/,
  )
  changeLock(home, (plugins) => [...plugins, lockedPlugin('two')])
  assert.deepEqual(names(home), ['one', 'two'])
})

test('a lock or a seal with other bytes starts no plugin', () => {
  checkDamagedLocks(openHome({ OXBOW_HOME: join(root, 'damaged') }), 200)
})
