/** Refusals that become one question: what it lists, what its answer is good for, and what never leads to one. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import type { CallId, JsonObject, SessionId } from '../../src/base/index.ts'
import type { PendingApproval, RecordView } from '../../src/protocol/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
let model: TestModel
let guest: Guest

const tool = (name: string, args: JsonObject): object => ({ events: [{ tool_call: { name, arguments: args } }] })
const writes = (path: string) => tool('file_write', { path, text: 'x' })
const says = { events: [{ text: 'So.' }] }
const scattered = Array.from({ length: 10 }, (_, at) => [
  writes(`many/${at}-a.txt`),
  writes(`many/${at}-b.txt`),
  tool('file_list', { path: '.' }),
])
const turns: readonly (readonly [string, readonly object[]])[] = [
  ['Write three.', [writes('a.txt'), writes('b.txt'), writes('c.txt'), says]],
  ['Write two again.', [writes('a.txt'), writes('b.txt'), says]],
  ['Write others.', [writes('d.txt'), writes('e.txt'), writes('f.txt'), says]],
  ['Write with reads.', [writes('g.txt'), writes('h.txt'), tool('file_list', { path: '.' }), writes('g.txt'), writes('h.txt'), says]],
  ['Write many.', [...scattered.flat(), says]],
  ['Delete thrice.', [1, 2, 3].map((at) => tool('file_delete', { path: `${at}.txt` })).concat(says)],
  ['Save notes.', ['a', 'b', 'c'].map((text) => tool('memory_save', { kind: 'note', text })).concat(says)],
  ['Run programs.', [1, 2, 3].map((at) => tool('exec_run', { binary: 'touch', args: [`/shared/${at}.run`] })).concat(says)],
  ['Run it denied.', [1, 2, 3].map((at) => tool('exec_run', { binary: 'rm', args: [`/shared/${at}.run`] })).concat(says)],
  ['Ask a child.', [tool('agent_spawn', { task: 'Child: write.' }), says]],
  ['Child: write.', [writes('k1.txt'), writes('k2.txt'), writes('k3.txt'), says]],
]

const config = () => ({
  model: model.config,
  memory: { embedder: 'none' },
  agent: { rights: ['agent.spawn', 'agent.use', 'exec.run', 'file.read', 'file.write:/shared/ok', '!memory.write'] },
  approval: { calls: { 'file.delete': 'deny', 'agent.spawn': 'allow' } },
  exec: { deny: ['rm'] },
})
const start = async (): Promise<Guest> => (guest = await startGuest(envelopeFor(workspace.root, config())))

before(async () => {
  model = await startModel({ turns: turns.map(([match, steps]) => ({ match, steps: [...steps] as never })) })
  await start()
})
after(async () => {
  await guest.close()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

const call = async (name: string, input: JsonObject): Promise<any> => {
  const outcome = await guest.kernel.call(name, input)
  assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
  return outcome.output
}
const exists = (name: string): boolean => existsSync(join(workspace.root, 'shared', name))

/** A session with every record of it and of what waits in it. */
async function open(session?: SessionId) {
  const id = session ?? (await guest.kernel.createSession()).id
  const records: RecordView[] = []
  const waiting: PendingApproval[] = []
  const watchers = new Set<() => void>()
  await guest.kernel.follow(id, 0, (event) => {
    if (event.type === 'record') records.push(event.record)
    if (event.type === 'approval' && event.waits) waiting.push(event.approval)
    for (const look of watchers) look()
  })
  const until = <Found>(find: () => Found | undefined): Promise<Found> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = find()
        if (found === undefined) return
        watchers.delete(look)
        resolve(found)
      }
      watchers.add(look)
      look()
    })
  return {
    id,
    records,
    waiting,
    until,
    async send(text: string): Promise<() => Promise<unknown>> {
      const clientId = crypto.randomUUID() as CallId
      await guest.kernel.sendTurn({ session: id, clientId, text })
      return () => until(() => records.find((one) => one.call === clientId && one.phase === 'outcome'))
    },
    questions: () => records.filter(({ name, phase }) => name === 'refusal.allow' && phase === 'parked'),
    /** The list of the question that is asked now. */
    async question(): Promise<{ readonly call: CallId; readonly paths: readonly unknown[]; readonly shown: PendingApproval }> {
      await until(() => records.findLast(({ phase }) => phase === 'parked' || phase === 'decided')?.phase === 'parked' || undefined)
      const [shown] = (await call('approval.list', { session: id })) as readonly (PendingApproval & { rules: readonly unknown[] })[]
      const { calls } = JSON.parse(shown!.input) as { readonly calls?: readonly { readonly input: JsonObject }[] }
      return { call: shown!.call, paths: (calls ?? []).map(({ input }) => input['path'] ?? input['args']), shown: shown! }
    },
  }
}

const timeout = 120_000

describe('three refusals in a row', () => {
  it('are one question; a yes lets exactly these calls run, also after a restart, and is not asked again', { timeout }, async () => {
    const session = await open()
    const ended = await session.send('Write three.')
    const { call: id, paths, shown } = await session.question()
    assert.deepEqual(paths, ['a.txt', 'b.txt', 'c.txt'])
    assert.deepEqual([shown.name, shown.personal, (shown as { rules?: unknown }).rules], ['refusal.allow', true, []])
    assert.match(shown.reason ?? '', /these 3 calls were refused; a yes lets exactly them run/)
    assert.equal(exists('c.txt'), false)
    await call('call.decide', { call: id, allow: true })
    await ended()
    assert.deepEqual([exists('a.txt'), exists('b.txt'), exists('c.txt')], [false, false, true])
    assert.match(model.results().at(-1) ?? '', /has allowed this call and those that were refused before it/)

    await guest.close()
    await start()
    const later = await open(session.id)
    await (
      await later.send('Write two again.')
    )()
    assert.deepEqual([exists('a.txt'), exists('b.txt')], [true, true])
    assert.equal(later.questions().length, 1)
    const other = await open()
    await (
      await other.send('Write two again.')
    )()
    assert.match(model.results().at(-1) ?? '', /does not cover/, 'in another session it is refused')
  })

  it('are asked again after a restart, with the same list, and a no is not asked about again', { timeout }, async () => {
    const session = await open()
    await session.send('Write others.')
    const first = await session.question()
    await guest.close()
    await start()
    const later = await open(session.id)
    await later.until(() => later.questions().length === 2 || undefined)
    const again = await later.question()
    assert.deepEqual([again.call, again.paths], [first.call, ['d.txt', 'e.txt', 'f.txt']])
    await call('call.decide', { call: again.call, allow: false })
    await later.until(() => later.records.find(({ name, phase }) => name === 'turn.send' && phase === 'outcome'))
    assert.match(model.results().at(-1) ?? '', /was asked about this, and has not allowed it/)
    const parked = later.questions().length
    await (
      await later.send('Write others.')
    )()
    assert.deepEqual([exists('d.txt'), exists('e.txt'), exists('f.txt'), later.questions().length], [false, false, false, parked])
  })

  it('count for the session that the agent serves', { timeout }, async () => {
    const session = await open()
    await session.send('Ask a child.')
    const shown = await session.until(() => session.waiting.find(({ name }) => name === 'refusal.allow'))
    assert.deepEqual(
      (JSON.parse(shown.input) as { calls: readonly { input: JsonObject }[] }).calls.map(({ input }) => input['path']),
      ['k1.txt', 'k2.txt', 'k3.txt'],
    )
    await call('call.decide', { call: shown.call, allow: true })
    const child = await open(shown.session)
    await child.until(() => child.records.find(({ name, phase }) => name === 'file.write' && phase === 'outcome'))
    assert.deepEqual([exists('k1.txt'), exists('k3.txt')], [false, true])
  })

  it("of programs that are on no list are one question; the yes answers the policy's, too", { timeout }, async () => {
    const session = await open()
    const ended = await session.send('Run programs.')
    const { call: id, paths } = await session.question()
    assert.deepEqual(
      paths,
      [1, 2, 3].map((at) => [`/shared/${at}.run`]),
    )
    await call('call.decide', { call: id, allow: true })
    await ended()
    assert.deepEqual([exists('2.run'), exists('3.run')], [false, true])
    assert.equal(session.records.filter(({ phase }) => phase === 'parked').length, 1)
    // The program itself has changed the files for which the others were allowed.
    const again = await session.send('Run programs.')
    const { shown } = await session.question()
    assert.match(shown.reason ?? '', /\/shared\/3\.run changed after it was allowed/)
    await call('call.decide', { call: shown.call, allow: false })
    const { shown: next } = await session.question()
    await call('call.decide', { call: next.call, allow: true })
    const { shown: last } = await session.question()
    await call('call.decide', { call: last.call, allow: true })
    await again()
    assert.deepEqual([exists('1.run'), exists('2.run'), session.questions().length], [false, true, 1])
  })

  it('are no question where a rule denies: a call, a right, a program', { timeout }, async () => {
    writeFileSync(join(workspace.root, 'shared/1.txt'), 'x')
    for (const text of ['Delete thrice.', 'Save notes.', 'Run it denied.']) {
      const session = await open()
      await (
        await session.send(text)
      )()
      assert.equal(session.records.filter(({ phase, name }) => phase === 'refused' && name !== 'turn.send').length, 3, text)
      assert.equal(session.questions().length, 0, text)
    }
    assert.ok(exists('1.txt'))
  })
})

describe('twenty refusals of a session', () => {
  it('are one question, though calls between them went well', { timeout }, async () => {
    const few = await open()
    await (
      await few.send('Write with reads.')
    )()
    assert.equal(few.questions().length, 0, 'a call that goes well ends a row')
    const session = await open()
    const ended = await session.send('Write many.')
    const { call: id, paths } = await session.question()
    assert.equal(paths.length, 20)
    await call('call.decide', { call: id, allow: false })
    await ended()
    assert.equal(session.questions().length, 1)
    assert.equal(exists('many'), false)
  })

  it('can be shortened by the person, and only by one who may change what is allowed', { timeout }, async () => {
    const session = await open()
    const ended = await session.send('Write three.')
    const { call: id, shown } = await session.question()
    const { key } = (await call('key.create', { name: `k${Date.now()}`, rights: ['call.decide', 'session.read'] })) as { key: string }
    const view = await guest.kernel.withKey(key)
    const refused = await view.call('call.decide', { call: id, allow: true })
    assert.ok(refused.status !== 'ok' && refused.failure.message.includes('needs the right access.write'), JSON.stringify(refused))
    const { calls } = JSON.parse(shown.input) as { readonly calls: JsonObject[] }
    await call('call.decide', { call: id, allow: true, input: { calls: calls.slice(0, 1) } })
    await ended()
    await (
      await session.send('Write two again.')
    )()
    const [first, second] = model.results().slice(-2)
    assert.doesNotMatch(first ?? '', /does not cover/)
    assert.match(second ?? '', /does not cover/)
  })
})
