/** Programs that were refused, and allowed for a session: they run for the files as they were when the person was asked, and for no others. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import type { CallId, JsonObject, SessionId } from '../../src/base/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
const shared = (name: string): string => join(workspace.root, 'shared', name)
const put = (name: string, text: string): void => writeFileSync(shared(name), text)

const tool = (name: string, args: JsonObject): object => ({ events: [{ tool_call: { name, arguments: args } }] })
const runs = (...args: string[]): object => tool('exec_run', { binary: 'sh', args })
const writes = (path: string): object => tool('file_write', { path, text: 'new text' })
const says = { events: [{ text: 'So.' }] }
const turns: readonly (readonly [string, readonly object[]])[] = [
  ['Run three.', [runs('-c', 'exit 1'), runs('-c', 'exit 2'), runs('outer.sh'), says]],
  ['Run it.', [runs('outer.sh'), says]],
  ['Run another of the list.', [runs('-c', 'exit 1'), says]],
  ['Write three.', [writes('a.txt'), writes('b.txt'), writes('c.txt'), says]],
]

let model: TestModel
let guest: Guest
// The policy asks about no program: what asks is that files have changed.
const start = async (): Promise<Guest> =>
  (guest = await startGuest(
    envelopeFor(workspace.root, {
      model: model.config,
      memory: { embedder: 'none' },
      agent: { rights: ['exec.run', 'file.read'] },
      approval: { calls: { 'exec.run': 'allow' } },
    }),
  ))
before(async () => {
  model = await startModel({ turns: turns.map(([match, steps]) => ({ match, steps: [...steps] as never })) })
  await start()
})
after(async () => {
  await guest.close()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

interface Asked {
  readonly name: string
  readonly reason: string
  readonly personal: boolean
}

/** Sends a message. @param answer to each question; null: the guest stops instead @returns the session, what was asked, and what the last call said */
async function converse(text: string, answer: (asked: Asked) => boolean, session?: SessionId) {
  const id = session ?? (await guest.kernel.createSession()).id
  const asked: Asked[] = []
  const over = Promise.withResolvers<void>()
  const clientId = crypto.randomUUID() as CallId
  const stop = await guest.kernel.follow(id, 0, (event) => {
    if (event.type !== 'record' || event.record.turn !== clientId) return
    const { call, name, phase } = event.record
    const { reason = '', personal = false } = (event.record.body ?? {}) as Partial<Asked>
    if (phase === 'parked') {
      asked.push({ name, reason, personal })
      guest.kernel.approve(call, answer({ name, reason, personal })).catch(over.reject)
    }
    if (name === 'turn.send' && phase === 'outcome') over.resolve()
  })
  await guest.kernel.sendTurn({ session: id, clientId, text })
  await over.promise
  stop()
  return { id, asked, said: model.results().at(-1) ?? '' }
}

const timeout = 60_000
const never = (): boolean => assert.fail('it asks')
const harmless = (): void => {
  put('outer.sh', 'F=inner; . ./$F.sh\n')
  put('inner.sh', 'echo harmless\n')
}
/** A session in which `sh outer.sh` is allowed. */
async function allowed(): Promise<SessionId> {
  harmless()
  const { id, asked, said } = await converse('Run three.', () => true)
  assert.deepEqual(
    asked.map(({ name }) => name),
    ['refusal.allow'],
  )
  assert.match(said, /harmless/)
  return id
}

describe('a program that was refused', () => {
  it('asks by itself where a file that it names nowhere was exchanged between question and yes', { timeout }, async () => {
    for (const isAllowed of [false, true]) {
      harmless()
      const { id, asked, said } = await converse('Run three.', ({ name }) => {
        if (name !== 'refusal.allow') return isAllowed
        put('inner.sh', 'echo exchanged\n')
        return true
      })
      assert.deepEqual(
        asked.map(({ name, personal }) => [name, personal]),
        [
          ['refusal.allow', true],
          ['exec.run', true],
        ],
        said,
      )
      assert.match(asked[1]!.reason, /\/shared\/inner\.sh changed after it was allowed/)
      assert.equal(/\bexchanged\b/.test(said), isAllowed)
      // A no was for once, and what was allowed meanwhile is not asked again.
      const later = await converse('Run it.', () => false, id)
      assert.deepEqual([later.asked.length, /\bexchanged\b/.test(later.said)], isAllowed ? [0, true] : [1, false])
    }
  })

  it('asks where a file that it names was exchanged, too', { timeout }, async () => {
    harmless()
    const { asked, said } = await converse('Run three.', ({ name }) => {
      if (name === 'refusal.allow') put('outer.sh', 'echo exchanged\n')
      return name === 'refusal.allow'
    })
    assert.equal(asked.length, 2, said)
    assert.match(asked[1]!.reason, /\/shared\/outer\.sh changed after it was allowed/)
  })

  it('runs unasked while no file has changed, also after a restart, and asks once one has', { timeout }, async () => {
    const id = await allowed()
    assert.match((await converse('Run it.', never, id)).said, /harmless/)
    assert.doesNotMatch((await converse('Run another of the list.', never, id)).said, /is on no list/)
    await guest.close()
    await start()
    assert.match((await converse('Run it.', never, id)).said, /harmless/)
    put('inner.sh', 'echo exchanged\n')
    for (const text of ['Run it.', 'Run another of the list.']) {
      const { asked, said } = await converse(text, () => false, id)
      assert.deepEqual(
        asked.map(({ name, personal }) => [name, personal]),
        [['exec.run', true]],
      )
      assert.match(asked[0]!.reason, /changed after it was allowed/)
      assert.doesNotMatch(said, /\bexchanged\n/)
    }
    put('outer.sh', 'echo exchanged\n')
    const named = await converse('Run it.', () => false, id)
    assert.match(named.asked[0]?.reason ?? 'not asked', /\/shared\/outer\.sh/)
    await guest.close()
    put('inner.sh', 'echo once more\n')
    await start()
    const later = await converse('Run it.', () => false, id)
    assert.match(later.asked[0]?.reason ?? 'not asked', /a file changed after it was allowed/)
  })
})

describe('a file that was refused', () => {
  it('asks by itself where its path leads elsewhere between question and yes', { timeout }, async () => {
    put('elsewhere.txt', 'old')
    const { asked, said } = await converse('Write three.', ({ name }) => {
      if (name !== 'refusal.allow') return false
      rmSync(shared('c.txt'), { force: true })
      symlinkSync('elsewhere.txt', shared('c.txt'))
      return true
    })
    assert.equal(asked.length, 2, said)
    assert.match(asked[1]!.reason, /c\.txt changed after it was allowed/)
    assert.equal(readFileSync(shared('elsewhere.txt'), 'utf8'), 'old')
  })
})
