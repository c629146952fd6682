/** What a call does with files is what its description says: hands do nothing else for it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Call, CallContext } from '../../protocol/index.ts'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { asks, done, inOrder, openFixture, says, testCall } from '../kernel-fixture.ts'

const command = { command: 'ls', cwd: '/shared', stdin: '', timeoutMs: 1_000, maxOutputBytes: 1_000 }

type Act = (context: CallContext, options: { signal: AbortSignal; timeoutMs: number }) => Promise<unknown>

const acts: Readonly<Record<'changes a file' | 'starts a program' | 'waits for a program that sees files', Act>> = {
  'changes a file': async ({ sandbox }, options) =>
    (await sandbox.hands('work')).ask('write', { path: '/shared/new.txt', text: 'new' }, options),
  'starts a program': async ({ sandbox }, options) => (await sandbox.hands('work')).ask('exec', command, options),
  'waits for a program that sees files': ({ whileProgram }) => whileProgram({ folders: ['/shared'] }, async () => {}),
}

/** @returns whether it was done, and whether the file is there */
async function tried(
  files: Call['files'],
  act: Act,
): Promise<{ readonly isDone: boolean; readonly isRun: boolean; readonly left: string[] }> {
  const there = new Map<string, string>()
  const sandbox = createFakeSandbox(there, { run: async () => ((isRun = true), {}) })
  let isRun = false
  let isDone = false
  const run: Call['run'] = async (_, context) => {
    await act(context, { signal: context.signal, timeoutMs: 1_000 })
    isDone = true
    return done('done')
  }
  const calls = [testCall('test.act', run, files === undefined ? {} : { files })]
  await using fixture = await openFixture({ sandbox, calls, play: inOrder(asks(['test_act']), says('done')) })
  await fixture.turn('act')
  return { isDone, isRun, left: [...there.keys()] }
}

describe('a call that says nothing of files', () => {
  for (const [what, act] of Object.entries(acts))
    it(`is refused when it ${what}`, async () => assert.deepEqual(await tried(undefined, act), { isDone: false, isRun: false, left: [] }))
})

describe('a call that says that it writes files', () => {
  it('may change them', async () => assert.deepEqual((await tried('writes', acts['changes a file'])).left, ['/shared/new.txt']))
  it('starts no program', async () => assert.equal((await tried('writes', acts['starts a program'])).isRun, false))
  it('waits for none', async () => assert.equal((await tried('writes', acts['waits for a program that sees files'])).isDone, false))
})

describe('a call that says that its programs may do anything with files', () => {
  for (const [what, act] of Object.entries(acts)) it(`may do so: it ${what}`, async () => assert.ok((await tried('workspace', act)).isDone))
})
