import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../../base/index.ts'
import type { Phase, RecordView } from '../index.ts'
import { foldRecord, foldTurns, isOver, joinTurns, newTurnView, pendingIn, type TurnView, unreportedFailure } from './turn-fold.ts'

const turn = '01890a5d-ac96-774b-bcce-b302099a8057'
const generation = '01890a5d-ac96-774b-bcce-b302099a8058'

function record(call: string, name: string, phase: Phase, body: Json, ofTurn = turn): RecordView {
  return { seq: 1, at: 0, actor: 'agent:ox', session: 's', turn: ofTurn, call, name, phase, body } as unknown as RecordView
}

function fold(...records: readonly RecordView[]): TurnView {
  return records.reduce(foldRecord, newTurnView(turn))
}

const said = (text: string, spent: Json = { microDollars: 3, tokens: 12 }) =>
  record(generation, 'model.generate', 'outcome', {
    status: 'ok',
    message: { role: 'assistant', parts: [{ type: 'text', text }] },
    usage: { inputTokens: 10, outputTokens: 2, estimated: false },
    spent,
  })

void test('a turn with one call shows the call, its time and its cost', () => {
  const view = fold(
    record(turn, 'turn.send', 'intent', { input: { text: 'hi' } }),
    record(turn, 'turn.send', 'started', { text: 'hi' }),
    said('looking'),
    record(`${generation}.0`, 'file.read', 'intent', { input: { path: '/shared/a' } }),
    record(`${generation}.0`, 'file.read', 'outcome', { status: 'ok', ms: 3, text: 'a', ok: true }),
    said('done'),
    record(turn, 'turn.send', 'outcome', { status: 'ok', turn, reply: 'done', steps: 2, failure: null }),
  )
  assert.equal(view.status, 'ok')
  assert.equal(view.reply, 'done')
  assert.deepEqual(view.calls, [
    { call: `${generation}.0`, name: 'file.read', input: '{"path":"/shared/a"}', status: 'ok', text: 'a', ms: 3, pending: null },
  ])
  assert.deepEqual(view.usage, { inputTokens: 20, cachedTokens: 0, outputTokens: 4, reasoningTokens: 0 })
  assert.equal(view.message?.text, 'hi')
  assert.deepEqual(view.spent, { microDollars: 6, tokens: 24 })
  assert.equal(view.steps, 2)
})

void test('a turn names the model that was asked, or the one that answered in its place', () => {
  const asked = record(generation, 'model.generate', 'intent', { input: { model: 'a/b' } })
  assert.equal(fold(asked, said('done')).model, 'a/b')
  const fallback = record(generation, 'model.generate', 'outcome', {
    status: 'ok',
    model: 'c/d',
    message: { role: 'assistant', parts: [] },
  })
  assert.equal(fold(asked, fallback).model, 'c/d')
})

void test('a parked call makes the turn wait, and a decision lets it continue', () => {
  const parked = record(`${generation}.0`, 'shell.exec', 'parked', { input: '{"command":"ls"}', reason: 'policy' })
  const waiting = fold(parked)
  assert.equal(waiting.status, 'waiting')
  assert.equal(waiting.calls[0]?.input, '{"command":"ls"}')
  assert.deepEqual(
    pendingIn(waiting).map(({ call, reason }) => [call, reason]),
    [[`${generation}.0`, 'policy']],
  )
  const half = foldRecord(waiting, record(`${generation}.0`, 'shell.exec', 'decided', { allow: true, partial: true }))
  assert.deepEqual([half.status, pendingIn(half).length], ['waiting', 1])
  assert.equal(foldRecord(waiting, record(`${generation}.0`, 'shell.exec', 'decided', { allow: true, by: 'user:a' })).status, 'running')
})

void test('a refused call is refused, a command with another exit code failed, an unknown outcome unknown', () => {
  const status = (phase: Phase, body: Json) => fold(record(`${generation}.0`, 'x.y', phase, body)).calls[0]?.status
  assert.equal(status('refused', { status: 'refused', code: 'denied', text: 'no' }), 'refused')
  assert.equal(status('outcome', { status: 'ok', ok: false, text: 'exit 1' }), 'failed')
  assert.equal(status('reconciled', { status: 'unknown' }), 'unknown')
  assert.equal(status('outcome', {}), 'unknown')
})

void test('a refused call shows its input and why it was refused, without the advice to the model', () => {
  const view = fold(
    record(generation, 'model.generate', 'outcome', {
      status: 'ok',
      message: { role: 'assistant', parts: [{ type: 'tool_call', id: 'a', name: 'file_write', arguments: '{"path":"a.txt"}' }] },
    }),
    record(`${generation}.0`, 'file.write', 'refused', {
      status: 'refused',
      code: 'denied',
      message: 'file.write is denied by the policy of this workspace.',
      text: 'Error (denied): file.write is denied by the policy of this workspace. Go on without it.',
    }),
  )
  assert.deepEqual(view.calls, [
    {
      call: `${generation}.0`,
      name: 'file.write',
      input: '{"path":"a.txt"}',
      status: 'refused',
      text: 'file.write is denied by the policy of this workspace.',
      ms: null,
      pending: null,
    },
  ])
})

void test('calls of the runtime are not shown, but their cost counts', () => {
  const view = fold(record(generation, 'session.history', 'outcome', { status: 'ok', spent: { microDollars: 1, tokens: 1 } }))
  assert.deepEqual(view.calls, [])
  assert.equal(view.spent.microDollars, 1)
})

void test('a merged message names its turn', () => {
  const view = fold(record(turn, 'turn.send', 'outcome', { status: 'merged', into: 'other', reply: '' }))
  assert.equal(view.status, 'merged')
  assert.equal(view.into, 'other')
})

void test('a turn that is refused at the gate failed with the refusal', () => {
  const view = fold(record(turn, 'turn.send', 'refused', { status: 'refused', code: 'budget_exhausted', text: 'nothing left' }))
  assert.equal(view.status, 'failed')
  assert.deepEqual(view.failure, { code: 'budget_exhausted', message: 'nothing left', hint: '' })
})

void test('records of another turn change nothing', () => {
  const view = newTurnView(turn)
  assert.equal(foldRecord(view, record('c.0', 'file.read', 'intent', {}, 'other')), view)
})

void test('folding never throws, whatever a body contains, and a turn that is over stays over', () => {
  const phases: Phase[] = ['intent', 'parked', 'decided', 'started', 'outcome', 'refused', 'reconciled']
  const anyRecord = fc
    .tuple(
      fc.constantFrom(turn, generation, `${generation}.0`),
      fc.constantFrom('turn.send', 'model.generate', 'file.read'),
      fc.constantFrom(...phases),
      fc.jsonValue(),
    )
    .map(([call, name, phase, body]) => record(call, name, phase, body as Json))
  fc.assert(
    fc.property(fc.array(anyRecord), (records) => {
      let over = false
      for (let view = newTurnView(turn), at = 0; at < records.length; at++) {
        view = foldRecord(view, records[at]!)
        assert.ok(!over || isOver(view))
        over = isOver(view)
      }
    }),
  )
})

void test('a failure is reported once: not again when the reply contains it', () => {
  const failure = { code: 'model_auth', message: 'It answered 401.', hint: 'Check the key.' } as const
  assert.equal(unreportedFailure({ failure, reply: 'I had to stop: It answered 401.\nCheck the key.' }), null)
  assert.equal(unreportedFailure({ failure, reply: '' }), failure)
  assert.equal(unreportedFailure({ failure: null, reply: 'done' }), null)
})

void test('a truncated reply says so, although its turn is ok', () => {
  const failure = { code: 'limit_reached', message: 'The answer is cut.', hint: 'Go on.' }
  const view = foldRecord(
    newTurnView(turn),
    record(turn, 'turn.send', 'outcome', { status: 'ok', turn, reply: 'Once upon', steps: 1, failure }),
  )
  assert.deepEqual([view.status, view.reply, unreportedFailure(view)], ['ok', 'Once upon', failure])
})

void test('a failure worded for a model is shown to a person without its code', () => {
  const view = fold(
    record(turn, 'turn.send', 'outcome', { status: 'failed', code: 'bad_config', text: 'Error (bad_config): No key is set.' }),
  )
  assert.deepEqual(view.failure, { code: 'bad_config', message: 'No key is set.', hint: '' })
})

/** Records of a turn as a guest writes them: each request to the model comes before the calls of its answer, and the end is last. */
const history: fc.Arbitrary<readonly RecordView[]> = fc
  .record({
    steps: fc.array(
      fc.record({
        text: fc.constantFrom('', 'Looking.', 'Done.'),
        dropped: fc.boolean(),
        calls: fc.array(fc.constantFrom('ran', 'failed', 'refused', 'asked', 'asked twice', 'open', 'sent'), { maxLength: 3 }),
        late: fc.boolean(),
      }),
      { maxLength: 4 },
    ),
    end: fc.constantFrom(null, 'ok', 'failed', 'cancelled', 'limit', 'refused', 'erased'),
    merged: fc.boolean(),
  })
  .map(({ steps, end, merged }) => [
    record(turn, 'turn.send', 'intent', { input: { text: 'hi', model: 'a/b' } }),
    record(turn, 'turn.send', 'started', { text: 'hi' }),
    ...(merged ? [record('other', 'turn.send', 'started', { text: 'and', into: turn })] : []),
    ...steps.flatMap((step, at) => stepRecords(`g${at}`, step)),
    ...endRecords(end),
  ])

interface Step {
  readonly text: string
  readonly dropped: boolean
  readonly calls: readonly string[]
  readonly late: boolean
}

function stepRecords(id: string, { text, dropped, calls, late }: Step): readonly RecordView[] {
  const intent = record(id, 'model.generate', 'intent', { input: { model: 'a/b' } })
  if (dropped) return [intent, record(id, 'model.generate', 'reconciled', { status: 'abandoned', spent: { microDollars: 1, tokens: 2 } })]
  const tools = calls.map((how) => ({ type: 'tool_call', id: 'x', name: 'x_y', arguments: `{"how":"${how}"}` }))
  const message = { role: 'assistant', parts: [{ type: 'reasoning', text: 'So.' }, { type: 'text', text }, ...tools] }
  const body = { status: 'ok', message, usage: { inputTokens: 5, outputTokens: 2 }, spent: { microDollars: 3, tokens: 7 } }
  const made = calls.map((how, place) => callRecords(`${id}.${place}`, how))
  // Calls run at once: the records of different calls are interleaved.
  const ofCalls = late ? made.map((each) => each[0]!).concat(made.flatMap((each) => each.slice(1))) : made.flat()
  return [intent, record(id, 'model.generate', 'outcome', body), ...ofCalls]
}

function callRecords(call: string, how: string): readonly RecordView[] {
  const of = (phase: Phase, body: JsonObject): RecordView => record(call, how === 'sent' ? 'media.send' : 'x.y', phase, body)
  const intent = of('intent', { input: { how } })
  const outcome = of('outcome', { status: 'ok', ok: how !== 'failed', text: how, ms: 4, spent: { microDollars: 1, tokens: 0 } })
  const parked = of('parked', { input: '{"how":"asked"}', reason: 'policy' })
  const decided = of('decided', { allow: true })
  if (how === 'refused') return [of('refused', { status: 'refused', code: 'denied', message: 'No.' })]
  if (how === 'open') return [intent]
  if (how === 'asked') return [parked, decided, intent, outcome]
  if (how === 'asked twice') return [parked, of('decided', { allow: true, partial: true }), decided, intent, outcome]
  const media = { media_type: 'photo', name: 'a.png', mime_type: 'image/png', bytes: 1, pieces: [], caption: '' }
  return how === 'sent' ? [intent, of('outcome', { status: 'ok', media })] : [intent, outcome]
}

function endRecords(end: string | null): readonly RecordView[] {
  if (end === null) return []
  if (end === 'erased') return [record(turn, 'turn.send', 'outcome', { erased: 'a'.repeat(64), bytes: 3, reason: 'asked' })]
  if (end === 'refused') return [record(turn, 'turn.send', 'refused', { status: 'refused', code: 'denied', message: 'No.' })]
  const failure = end === 'ok' ? null : { code: 'limit_reached', message: 'Too much.', hint: 'Wait.' }
  return [record(turn, 'turn.send', 'outcome', { status: end, turn, reply: 'Done.', steps: 2, ms: 9, failure })]
}

void test('however a history is cut, its parts joined are the whole', () => {
  fc.assert(
    fc.property(history, fc.array(fc.nat(), { maxLength: 3 }), (records, cuts) => {
      const places = [0, ...cuts.map((cut) => cut % (records.length + 1)).sort((a, b) => a - b), records.length]
      const parts = places.slice(1).map((to, at) => fold(...records.slice(places[at], to)))
      const whole = fold(...records)
      assert.deepEqual(parts.reduce(joinTurns), whole)
      assert.deepEqual(
        parts.reduceRight((newer, older) => joinTurns(older, newer)),
        whole,
      )
      assert.deepEqual(foldTurns(records).get(turn), whole)
    }),
  )
})

void test('a record changes nothing of what it does not speak of, and records of other turns change nothing', () => {
  fc.assert(
    fc.property(history, (records) => {
      const others = records.map((one) => ({ ...one, turn: 'other', call: `other ${one.call}` }) as unknown as RecordView)
      const mixed = records.flatMap((one, at) => [others[at]!, one])
      assert.deepEqual(fold(...mixed), fold(...records))
    }),
  )
})
