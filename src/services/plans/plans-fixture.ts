/** A guest in which plans are made by a model that plays a script, with messages and orders that go nowhere. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeWorkbench } from '../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../tools/index.ts'
import { type Json, OxbowError } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { asks, done, type Fixture, type FixtureOptions, newCallId, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'
import type { Store } from '../../store/index.ts'
import type { PlanView } from './plan-calls.ts'
import { planCategory } from './plan-record.ts'

export interface Place {
  readonly guest: Fixture
  readonly root: string
  write(name: string, content: string): void
  read(name: string): string | null
  call(name: string, input: Json): Promise<CallOutcome>
  ok<Output>(name: string, input: Json): Promise<Output>
  /** A plan whose agent makes these calls, one step each. */
  plan(...calls: readonly (readonly [string, unknown])[]): Promise<PlanView>
  /** A second guest on the same files. Closed with the first. @param store default: that of the first, where one is given */
  other(store?: Store): Promise<Fixture>
  fails(name: string, input: Json): Promise<string>
}

/** What was sent and ordered. */
export const sent: unknown[] = []
/** Whether the address `bounces` cannot be reached, and when the server says that a message is sent. */
export const address = { bounces: true, opens: Promise.resolve() }

async function sendMail(input: { readonly to?: string }) {
  if (input.to === 'bounces' && address.bounces) throw new OxbowError('tool_failed', 'It came back.', { hint: 'Try another address.' })
  sent.push(input)
  await address.opens
  return { output: { id: `real-${sent.length}` }, text: 'Sent.' }
}

/** Writes the record of a plan as it is. */
export async function put(guest: Fixture, name: string, value: unknown): Promise<void> {
  const record = { user, at: 0, actor: 'kernel', session: '', turn: '', call: newCallId(), name: 'plan.make', phase: 'exchange' }
  await guest.store.append({
    records: [{ ...record, body: JSON.stringify({ documents: [] }) }] as never,
    projections: [{ kind: 'document', category: planCategory, name, body: JSON.stringify(value), record: 0 }],
  } as never)
}

/** A message to somebody outside, with a stand-in that says as much as can be known. */
const send = testCall('mail.send', sendMail, {
  effect: 'once',
  right: 'mail.send',
  tier: 'privileged',
  labels: { adds: [], sink: true },
  planned: async (_, plan) => {
    const id = plan.newId()
    return { output: { id }, text: JSON.stringify({ id }) }
  },
})
const order = testCall('shop.order', async () => (sent.push('order'), done('Ordered.')), {
  effect: 'once',
  labels: { adds: [], sink: true },
})

/** Its agent may do what the tests need. */
export async function withPlans(run: (place: Place) => Promise<void>, options: FixtureOptions = {}): Promise<void> {
  sent.length = 0
  Object.assign(address, { bounces: true, opens: Promise.resolve() })
  await using bench = await makeWorkbench()
  chmodSync(bench.root, 0o755)
  const steps: ReturnType<typeof says>[] = []
  const whole: FixtureOptions = {
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    play: () => steps.shift() ?? says('done'),
    ...options,
    calls: [...builtinCalls({ files: true, shell: true }), send, order, ...(options.calls ?? [])],
    config: {
      agent: { rights: ['shell.run', 'file.read', 'file.write', 'state.read', 'state.write', 'scratchpad.use', 'mail.send'] },
      ...(options.config as object),
    },
  }
  await using guest = await openFixture(whole)
  await using others = new AsyncDisposableStack()
  const at = (name: string): string => join(bench.root, 'shared', name)
  const call = (name: string, input: Json): Promise<CallOutcome> => guest.kernel.call(name as never, input)
  const ok = async <Output>(name: string, input: Json): Promise<Output> => {
    const outcome = await call(name, input)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as CallOutcome & { status: 'ok' }).output as Output
  }
  await run({
    guest,
    root: bench.root,
    write(name, content) {
      mkdirSync(join(at(name), '..'), { recursive: true })
      writeFileSync(at(name), content)
      chmodSync(at(name), 0o666)
    },
    read: (name) => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : null),
    call,
    ok,
    async plan(...calls) {
      steps.push(...calls.map((one) => asks(one)), says('That is the plan.'))
      const made = await ok<PlanView>('plan.make', { text: 'Do it' })
      steps.length = 0
      return made
    },
    other: async (store) => others.use(await openFixture({ ...whole, ...(store && { store }) })),
    async fails(name, input) {
      const outcome = await call(name, input)
      assert.ok('failure' in outcome, JSON.stringify(outcome))
      return `${outcome.failure.code}: ${outcome.failure.message}`
    },
  })
}
