/** Locks of plugins for tests: an entry, and what becomes of damaged ones. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { parseManifest } from '../../plugins/index.ts'
import type { LockedPlugin } from '../../protocol/index.ts'
import { type Home, lockPath } from '../home.ts'
import { changeLock, readLock } from './lock-file.ts'

export function lockedPlugin(name: string): LockedPlugin {
  return {
    manifest: parseManifest(JSON.stringify({ name, version: '1.0.0', sdk: '*', entry: 'index.js' })),
    source: { from: 'folder', path: '/nowhere' },
    folder: '1.0.0-0',
    root: '',
    tree_hash: '0'.repeat(64),
    signer: '',
    approved_by: 'ann',
    approved_at: 1,
    enabled: true,
  }
}

/** Replaces parts of the lock, of its seal, or both by random bytes: it has what was approved, or nothing and a reason. */
export function checkDamagedLocks(home: Home, runs: number): void {
  changeLock(home, () => [lockedPlugin('one'), lockedPlugin('two')])
  const files = [lockPath(home), join(home.runner, 'plugins.seal')].map((path) => ({ path, good: readFileSync(path) }))
  const whole = JSON.stringify(readLock(home).plugins)
  const damage = fc.record({ at: fc.nat(), cut: fc.nat(40), put: fc.uint8Array({ maxLength: 40 }), all: fc.boolean() })
  fc.assert(
    fc.property(fc.tuple(fc.option(damage), fc.option(damage)), (damages) => {
      for (const [i, { path, good }] of files.entries()) {
        const { at = 0, cut = 0, put = new Uint8Array(), all = false } = damages[i] ?? {}
        const start = at % (good.length + 1)
        writeFileSync(path, all ? put : Buffer.concat([good.subarray(0, start), put, good.subarray(start + cut)]))
      }
      const { plugins, problem } = readLock(home)
      if (problem === '') assert.equal(JSON.stringify(plugins), whole)
      else assert.match(problem, /no plugin is started: it is not as Oxbow has written it\.$/)
      if (problem !== '') assert.deepEqual(plugins, [])
    }),
    { numRuns: runs },
  )
}
