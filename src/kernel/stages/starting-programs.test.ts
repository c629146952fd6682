/** A program that was allowed starts only while the files are as they were, in whichever hands it runs. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import type { Profile } from '../../protocol/index.ts'
import { startsWhileUnchanged } from './running-calls.ts'

const { signal } = new AbortController()
const options = { signal, timeoutMs: 1_000 }
const command = { command: 'sh t.sh', cwd: '/shared', stdin: '', timeoutMs: 1_000, maxOutputBytes: 1_000 }

describe('a program that was allowed for files as they were', () => {
  for (const profile of ['work', 'online'] as const satisfies readonly Profile[])
    it(`does not start in the profile ${profile} once one of them has changed`, async () => {
      const files = new Map([['/shared/t.sh', 'harmless']])
      let runs = 0
      const sandbox = createFakeSandbox(files, { run: async () => ((runs += 1), {}) })
      const work = await sandbox.hands('work')
      const { digest } = await work.ask('fingerprint', { since: '', except: ['/shared/log'] }, options)
      const start = async () =>
        (await startsWhileUnchanged(sandbox, { digest, except: ['/shared/log'] }).hands(profile)).ask('exec', command, options)
      files.set('/shared/log', 'a line')
      await start()
      assert.equal(runs, 1)
      files.set('/shared/t.sh', 'exchanged')
      await assert.rejects(start(), /changed. Nothing was run|changed after this was allowed/)
      assert.equal(runs, 1)
    })
})
