/** The question about refused calls by each way in, and what ends it: an editor, a program that speaks MCP, a schedule, time, and number. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { methods } from '@agentclientprotocol/sdk'
import { choose, openEditor } from '../../src/acp/acp-fixture.ts'
import type { CallId, JsonObject, SessionId } from '../../src/base/index.ts'
import type { PendingApproval } from '../../src/protocol/index.ts'
import { metaOf, openRig, type Rig, textOf } from '../mcp-server/mcp-rig.ts'
import { startModel, type TestModel } from '../support/model.ts'

const writes = (path: string) => ({ events: [{ tool_call: { name: 'file_write', arguments: { path, text: 'x' } } }] })
const three = (name: string): readonly object[] => [1, 2, 3].map((at) => writes(`${name}${at}.txt`))
const rounds = ['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Editor', 'Program', 'Schedule', 'Late', 'Manual', 'Listed']
const timeout = 120_000

let model: TestModel
const rigs: Rig[] = []
before(async () => {
  const turns = rounds.map((round) => ({ match: `${round}.`, steps: [...three(round), { events: [{ text: 'So.' }] }] }))
  model = await startModel({ turns } as never)
})
after(async () => {
  await Promise.all(rigs.map((rig) => rig[Symbol.asyncDispose]()))
  await model[Symbol.asyncDispose]()
})

async function open(approval: JsonObject = {}): Promise<Rig> {
  const rig = await openRig({ model: model.config, memory: { embedder: 'none' }, agent: { rights: ['file.read'] }, approval })
  rigs.push(rig)
  return rig
}
const exists = (rig: Rig, name: string): boolean => existsSync(join(rig.workspace.root, 'shared', name))
const waiting = (rig: Rig): Promise<readonly PendingApproval[]> => rig.output('approval.list', {})

/** Sends a message, and answers what asks. @returns the calls that asked, in order, and the result of the last call */
async function converse(rig: Rig, text: string, answer: (name: string, nth: number) => boolean | null, session?: SessionId) {
  const id = session ?? (await rig.guest.kernel.createSession()).id
  const asked: string[] = []
  const over = Promise.withResolvers<void>()
  const clientId = crypto.randomUUID() as CallId
  const stop = await rig.guest.kernel.follow(id, 0, (event) => {
    if (event.type !== 'record' || event.record.turn !== clientId) return
    const { call, name, phase } = event.record
    if (phase === 'parked') {
      const allow = answer(name, asked.push(name))
      if (allow !== null) rig.guest.kernel.approve(call, allow).catch(over.reject)
    }
    if (name === 'turn.send' && phase === 'outcome') over.resolve()
  })
  await rig.guest.kernel.sendTurn({ session: id, clientId, text })
  await over.promise
  stop()
  return { id, asked, said: model.results().at(-1) ?? '' }
}

describe('the question about refused calls', () => {
  it('is put to the person of an editor that allows whatever asks, who can allow the calls only once', { timeout }, async () => {
    const rig = await open()
    let option = 'reject'
    const over = { kernel: rig.guest.kernel, store: undefined as never }
    await using editor = await openEditor({ over, permit: () => choose(option) })
    for (const [chosen, name] of [
      ['reject', 'Editor'],
      ['allow', 'One'],
    ] as const) {
      option = chosen
      const session = await editor.begin('/shared')
      await editor.agent.request(methods.agent.session.setMode, { sessionId: session, modeId: 'approve' })
      await editor.say(session, `${name}.`)
      assert.equal(exists(rig, `${name}3.txt`), chosen === 'allow')
    }
    const asked = editor.asked.filter(({ toolCall }) => JSON.stringify(toolCall).includes('refused'))
    assert.equal(asked.length, 2)
    for (const { options } of asked) assert.ok(options.every(({ kind }) => kind !== 'allow_always'))
    assert.match(JSON.stringify(asked[0]!.toolCall), /Editor1\.txt[^]*Editor2\.txt[^]*Editor3\.txt/)
  })

  it('is not put to a program that speaks MCP, whatever its key may decide', { timeout }, async () => {
    const rig = await open()
    const { key } = await rig.key('turn.send', 'session.read', 'call.decide', 'access.write')
    const program = await rig.program(key, { answers: () => assert.fail('it was asked') })
    const first = await program.callTool({ name: 'turn_send', arguments: { text: 'Program.' } })
    assert.match(textOf(first), /refusal\.allow/)
    const [{ call, name }] = (await waiting(rig)) as [PendingApproval]
    assert.equal(name, 'refusal.allow')
    const later = program.callTool({ name: 'call_result', arguments: { call: metaOf(first)['oxbow/call']! } })
    await rig.guest.kernel.approve(call, true)
    assert.match(textOf(await later), /^So\./)
    assert.ok(exists(rig, 'Program3.txt'))
  })

  it('waits for the person in the run of a schedule', { timeout }, async () => {
    const rig = await open()
    const cadence = { type: 'cron', expression: '0 7 1 1 *', time_zone: 'Europe/Berlin' }
    const { id } = await rig.output('schedule.create', { name: 'three', goal: 'Schedule.', cadence })
    const cursor = await rig.cursor()
    await rig.output('schedule.trigger', { id })
    const { fields } = await rig.next('approval_requested', cursor)
    await rig.guest.kernel.approve(fields.call, true)
    await rig.next('schedule_ended', cursor)
    assert.ok(exists(rig, 'Schedule3.txt'))
  })

  it('that nobody answers in time is no answer: the calls are refused, and asked about again', { timeout }, async () => {
    const rig = await open({ expire_s: 1 })
    const late = await converse(rig, 'Late.', () => null)
    assert.deepEqual(late.asked, ['refusal.allow'])
    assert.match(late.said, /needs the right file\.write/)
    assert.doesNotMatch(late.said, /has not allowed it/)
    const again = await converse(rig, 'Late.', () => true, late.id)
    assert.deepEqual([again.asked, exists(rig, 'Late3.txt')], [['refusal.allow'], true])
  })

  it('comes at most five times in a session', { timeout }, async () => {
    const rig = await open()
    let session: SessionId | undefined
    let asked: readonly string[] = []
    for (const round of rounds.slice(0, 6)) {
      const turn = await converse(rig, `${round}.`, () => false, session)
      session = turn.id
      asked = [...asked, ...turn.asked]
    }
    assert.equal(asked.length, 5)
  })

  it("answers the policy's question too, except in the mode manual", { timeout }, async () => {
    const calls = { 'file.write': 'ask' }
    const listed = await converse(await open({ calls }), 'Listed.', () => true)
    assert.deepEqual(listed.asked, ['refusal.allow'])
    const rig = await open({ calls, mode: 'manual' })
    const manual = await converse(rig, 'Manual.', (name) => name === 'refusal.allow')
    assert.deepEqual(manual.asked, ['refusal.allow', 'file.write'])
    assert.equal(exists(rig, 'Manual3.txt'), false)
  })
})
