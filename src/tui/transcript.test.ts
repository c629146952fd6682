import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FollowEvent } from '../client/index.ts'
import type { CallId, TurnId } from '../base/index.ts'
import { createJournal, recorded } from './tui-fixture.ts'
import { emptyTranscript, type Item, takeEvent, type Transcript, withOlder } from './transcript.ts'

const fold = (events: readonly FollowEvent[], from: Transcript = emptyTranscript): Transcript => events.reduce(takeEvent, from)
const all = ({ past, live }: Transcript): readonly Item[] => [...past, ...live]
const outline = (transcript: Transcript): readonly string[] =>
  all(transcript).map((item) => {
    if (item.kind === 'call') return `call ${item.call.name} ${item.call.status}`
    return item.kind === 'end' ? `end ${item.status}` : `${item.kind} ${item.text}`
  })
const said = (turn: string, call: string, text: string): FollowEvent => ({ type: 'text', turn: turn as TurnId, call: call as CallId, text })

describe('a transcript', () => {
  it('keeps the question of an agent below the session until it is decided, whatever the turns of the session do', () => {
    const { begin } = createJournal()
    const waiting = { call: 'a.0', session: 'child', turn: 't2', name: 'shell.exec', input: '{}', agent: 'reader', at: 0 } as never
    const asked = fold([{ type: 'approval', waits: true, approval: waiting }, ...begin('t', 'list').map(recorded)])
    assert.deepEqual(
      asked.waiting.map(({ agent }) => agent),
      ['reader'],
    )
    assert.deepEqual(fold([{ type: 'approval', waits: false, approval: waiting }], asked).waiting, [])
    const reconnected = fold([{ type: 'caught_up', cursor: 3, turn: null, pending: [] }], asked)
    assert.deepEqual(reconnected.waiting, [], 'it was decided while the connection was lost')
  })

  it('has the messages, calls and answers of a turn in their order, and how it ended', () => {
    const { add, begin } = createJournal()
    const call = { type: 'tool_call', id: 'c', name: 'shell_exec', arguments: '{"command":"ls"}' }
    const transcript = fold(
      [
        ...begin('t', 'list'),
        add('t', 'g', 'model.generate', 'intent', { input: { inputTokens: 1_200 } }),
        add('t', 'g', 'model.generate', 'outcome', {
          status: 'ok',
          usage: { inputTokens: 1_300, outputTokens: 20 },
          message: { parts: [{ type: 'reasoning', text: 'hm' }, call] },
        }),
        add('t', 'g.0', 'shell.exec', 'intent', { input: { command: 'ls' } }),
        add('t', 'g.0', 'shell.exec', 'outcome', { status: 'ok', ms: 12, text: 'a.ts' }),
        add('t', 't', 'turn.send', 'outcome', { status: 'ok', reply: 'One file.' }),
      ].map(recorded),
    )
    assert.deepEqual(outline(transcript), ['user list', 'reply ', 'call shell.exec ok', 'reply One file.', 'end ok'])
    assert.equal(transcript.contextTokens, 1_320)
    assert.equal(transcript.turn, null)
    assert.deepEqual(transcript.live, [])
  })

  it('is the same whether answers were streamed or read from the journal', () => {
    const { add, begin } = createJournal()
    const records = [
      ...begin('t', 'hi'),
      add('t', 'g', 'model.generate', 'intent', { input: {} }),
      add('t', 'g', 'model.generate', 'outcome', { status: 'ok', message: { parts: [{ type: 'text', text: 'Hello there.' }] } }),
      add('t', 't', 'turn.send', 'outcome', { status: 'ok', reply: 'Hello there.' }),
    ].map(recorded)
    const streamed = [...records.slice(0, 3), said('t', 'g', 'Hello '), said('t', 'g', 'there.'), ...records.slice(3)]
    assert.deepEqual(all(fold(streamed)), all(fold(records)))
    assert.deepEqual(outline(fold(records)), ['user hi', 'reply Hello there.', 'end ok'])
  })

  it('keeps a message that waits behind the running turn, and moves it to its own', () => {
    const { add, begin, turn } = createJournal()
    const first = begin('t', 'one').map(recorded)
    const queued = add('u', 'u', 'turn.send', 'intent', { input: { text: 'two' } })
    const waiting = fold([...first, recorded(queued)])
    assert.deepEqual(
      waiting.live.map((item) => item.kind === 'user' && item.state),
      ['sent', 'queued'],
    )
    const ended = fold([recorded(add('t', 't', 'turn.send', 'outcome', { status: 'ok', reply: '' }))], waiting)
    assert.deepEqual(outline(ended), ['user one', 'end ok', 'user two'])
    const next = fold([recorded(add('u', 'u', 'turn.send', 'started', { text: 'two' }))], ended)
    assert.deepEqual(outline(next), ['user one', 'end ok', 'user two'])
    assert.equal(turn('v', 'x', 'y').length, 5)
  })

  it('shows a message that the running turn reads inside it', () => {
    const { add, begin } = createJournal()
    const transcript = fold([...begin('t', 'one'), add('t', 'm', 'turn.send', 'started', { text: 'two', into: 't' })].map(recorded))
    assert.deepEqual(outline(transcript), ['user one', 'user two'])
    assert.equal(transcript.turn?.turn, 't')
  })

  it('begins no turn with what is done in the background after one', () => {
    const { add, turn } = createJournal()
    const transcript = fold([...turn('t', 'hi', 'Hello.'), add('t', 'x.0', 'session.title', 'intent')].map(recorded))
    assert.equal(transcript.turn, null)
    assert.equal(all(transcript).length, 3)
  })

  it('says when an answer starts over, and shows only the new one', () => {
    const { add, begin } = createJournal()
    const begun = fold([...begin('t', 'hi'), add('t', 'g', 'model.generate', 'intent', { input: {} })].map(recorded))
    const cause = { model: 'b/two', why: 'It broke off.' }
    const again = fold(
      [said('t', 'g', 'Half'), { type: 'restart', turn: 't' as TurnId, call: 'g' as CallId, text: '', cause }, said('t', 'g', 'Whole')],
      begun,
    )
    assert.deepEqual(outline(again).toSorted(), ['note The answer starts over with b/two: It broke off.', 'reply Whole', 'user hi'])
  })

  it('keeps calls that wait until they are decided, also while another guest resumes', () => {
    const { add, begin } = createJournal()
    const parked = add('t', 'g.0', 'shell.exec', 'parked', { input: '{"command":"ls"}', reason: 'policy' })
    const waiting = fold([...begin('t', 'hi'), parked].map(recorded))
    const caughtUp: FollowEvent = { type: 'caught_up', cursor: 3, turn: 't' as TurnId, pending: [] }
    assert.deepEqual(fold([caughtUp], waiting).waiting, waiting.waiting)
    assert.equal(waiting.waiting.length, 1)
    const partial = recorded(add('t', 'g.0', 'shell.exec', 'decided', { allow: true, partial: true }))
    assert.equal(fold([partial], waiting).waiting.length, 1)
    assert.deepEqual(fold([recorded(add('t', 'g.0', 'shell.exec', 'decided', { allow: true }))], waiting).waiting, [])
  })

  it('takes older turns before the others, and settles what a crash cut off in them', () => {
    const { add, begin, turn } = createJournal()
    const old = [
      ...begin('a', 'first'),
      add('a', 'ag.0', 'shell.exec', 'intent', { input: { command: 'ls' } }),
      ...turn('b', 'second', 'Two.'),
    ]
    const newest = fold(turn('c', 'third', 'Three.').map(recorded))
    assert.deepEqual(
      all(withOlder(newest, old)).flatMap((item) => (item.kind === 'user' ? [item.text] : [])),
      ['first', 'second', 'third'],
    )
  })

  it('survives bodies of any shape', () => {
    const { add, begin } = createJournal()
    for (const body of [null, 1, 'x', [], { message: 'x' }, { input: 3 }, { message: { parts: [null, 1, { type: 'text', text: {} }] } }]) {
      const records = [
        ...begin('t', 'hi'),
        add('t', 'g', 'model.generate', 'outcome', body),
        add('t', 'g.0', 'x', 'outcome', body),
        add('t', 't', 'turn.send', 'outcome', body),
      ]
      assert.equal(fold(records.map(recorded)).turn, null)
    }
  })
})
