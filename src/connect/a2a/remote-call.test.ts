/** An agent of others as a call: its time over restarts, the task that it goes on with, and what its states mean. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isOxbowError, OxbowError, systemClock } from '../../base/index.ts'
import type { CallContext } from '../../protocol/index.ts'
import type { KeptDocuments } from '../mcp/settings.ts'
import type { Remote } from './remote.ts'
import { remoteCall } from './remote-call.ts'
import type { NamedRemote } from './settings.ts'
import type { RemoteTask } from './task-fold.ts'

const id = '01890a5d-ac96-774b-bcce-b302099a8057'
const named = (timeout_s: number, name = 'helper'): NamedRemote => ({
  name,
  settings: { url: 'https://agent.example', headers: {}, allow: [], timeout_s },
  from: 'config.toml',
  kept: { settings: null, disabled: false, approved: null },
})
type Ask = Parameters<Remote['run']>[0]
const completed: RemoteTask = { task: 'task-1', context: 'context 1', state: 'completed', text: 'Done.', files: [] } as never

function makeRig(run: (ask: Ask, signal: AbortSignal) => Promise<RemoteTask>) {
  const kept = new Map<string, unknown>()
  const cancelled: string[] = []
  const documents: KeptDocuments = {
    all: async () => [...kept].map(([name, value]) => ({ name, value })),
    async change(_of, _category, name, next) {
      const now = kept.get(name)
      const value = next(now === undefined ? null : { value: now as never })
      if (value !== undefined) kept.set(name, value)
      return (kept.get(name) ?? null) as never
    },
  }
  const remote = { run, cancel: async (task: string) => void cancelled.push(task) } as unknown as Remote
  const ask = (input: object = {}, timeoutS = 600, signal: AbortSignal = new AbortController().signal, name = 'helper') => {
    const caller = { actor: 'agent:ox', session: '', turn: '' }
    const context = { id, caller, signal, clock: systemClock, progress: () => {}, blobs: { keep: async () => 'hash' } }
    const call = remoteCall(named(timeoutS, name), remote, documents)
    return call.run({ goal: 'Work.', ...input }, context as unknown as CallContext)
  }
  return { kept, cancelled, ask }
}

/** The time limits that were set, in milliseconds; they run out only when the test says so. */
function limitsOf(t: TestContext): { readonly set: number[]; readonly over: AbortController } {
  const limits = { set: [] as number[], over: new AbortController() }
  t.mock.method(AbortSignal, 'timeout', (ms: number) => {
    limits.set.push(ms)
    return limits.over.signal
  })
  return limits
}

test('the time of a call counts from the first time that it was made, but for a moment to ask what became of its task', async (t) => {
  const limits = limitsOf(t)
  const { kept, ask } = makeRig(async () => completed)
  await ask()
  const at = systemClock.now() - 400_000
  kept.set(id, { remote: 'helper', task: 'task-1', context: '', at })
  await ask()
  kept.set(id, { remote: 'helper', task: 'task-1', context: '', at: at - 86_400_000 })
  await ask()
  assert.equal(limits.set[0], 600_000)
  assert.ok(limits.set[1]! > 100_000 && limits.set[1]! <= 200_000, String(limits.set[1]))
  assert.equal(limits.set[2], 30_000)
})

test('a repeated call goes on with its task, and keeps the time at which it began', async () => {
  const asked: Ask[] = []
  const { kept, ask } = makeRig(async (one) => {
    asked.push(one)
    await one.onTask('task-1', 'context 1')
    return completed
  })
  await ask()
  const first = kept.get(id)
  await ask()
  assert.deepEqual(
    asked.map(({ task, wasSent, message }) => [task, wasSent, message === asked[0]!.message]),
    [
      ['', false, true],
      ['task-1', true, true],
    ],
  )
  assert.deepEqual(kept.get(id), first)
  await assert.rejects(ask({}, 600, undefined, 'other'), (error) => isOxbowError(error, 'bad_input'))
})

test('a task whose time is over is cancelled and says so; one whose call is cancelled is, too; a stop leaves it', async (t) => {
  const limits = limitsOf(t)
  const hangs = async (one: Ask, signal: AbortSignal): Promise<never> => {
    await one.onTask('task-1', 'context 1')
    return new Promise((_, reject) => {
      const leave = (): void => reject(new OxbowError('cancelled', 'gone', { hint: '' }))
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave)
    })
  }
  for (const [reason, count] of [
    ['cancelled', 1],
    ['shutdown', 0],
  ] as const) {
    const { cancelled, ask } = makeRig(hangs)
    const control = new AbortController()
    const asking = assert.rejects(ask({}, 600, control.signal), (error) => isOxbowError(error, 'cancelled'))
    control.abort(reason)
    await asking
    assert.equal(cancelled.length, count, reason)
  }
  const { cancelled, ask } = makeRig(hangs)
  const asking = ask()
  limits.over.abort()
  const { output, ok } = (await asking) as { output: { status: string }; ok: boolean }
  assert.deepEqual([output.status, ok, cancelled], ['timeout', false, ['task-1']])
})

test('a context continues the conversation, or the task that waits for an answer, whatever signs it has', async () => {
  const asked: Ask[] = []
  const { ask } = makeRig(async (one) => {
    asked.push(one)
    return { ...completed, state: asked.length === 1 ? 'input_required' : 'completed', task: 'a/b', context: 'c d' }
  })
  const first = (await ask()) as { output: { status: string; context: string }; text: string; ok: boolean }
  assert.deepEqual([first.output.status, first.ok], ['input_required', false])
  assert.match(first.text, /^The agent reports: input_required\.\nDone\.\n\[context c%20d\/a%2Fb\]$/)
  const { output } = (await ask({ context: first.output.context })) as { output: { status: string; context: string } }
  assert.deepEqual([asked[1]!.continues, output.status, output.context], ['a/b', 'success', 'c%20d'])
  await assert.rejects(ask({ context: '%' }), (error) => isOxbowError(error, 'bad_input'))
})
