/** The law of reply text: whatever is lost or told twice on the way, a screen ends with exactly what was said, once. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { CallId, TurnId } from '../base/index.ts'
import { addDelta, nothingShown, setWhole, type Shown, type Step, type TextEvent } from './follower.ts'

const turn = 'turn' as TurnId
const call = 'one' as CallId
const other = 'two' as CallId
const delta = (offset: number, text: string, of = call) => ({ turn, call: of, offset, text })
const whole = (text: string, of = call) => ({ turn, call: of, text })
const shows = (text: string): Shown => ({ call, text })

/** What a person sees: appends, and starts over when told. */
function createScreen(): { take(event: TextEvent | null): void; readonly text: Map<CallId, string>; restarts(): number } {
  const text = new Map<CallId, string>()
  let restarts = 0
  return {
    text,
    restarts: () => restarts,
    take(event) {
      if (event === null) return
      if (event.type === 'restart') restarts += 1
      text.set(event.call, event.type === 'restart' ? event.text : (text.get(event.call) ?? '') + event.text)
    },
  }
}

void describe('one step', () => {
  const cases: readonly [string, Step | null, string | null][] = [
    ['the next delta is appended', addDelta(shows('He'), delta(2, 'llo')), 'llo'],
    ['a delta that is known already shows nothing', addDelta(shows('Hello'), delta(2, 'll')), null],
    ['of a delta that overlaps only the rest is shown', addDelta(shows('Hel'), delta(1, 'ello')), 'lo'],
    ['the first delta of another step begins anew', addDelta(shows('Hello'), delta(0, 'Bye', other)), 'Bye'],
    ['a snapshot shows what is missing', setWhole(shows('Hel'), whole('Hello')), 'lo'],
    ['a snapshot of what is shown shows nothing', setWhole(shows('Hello'), whole('Hello')), null],
    ['a snapshot before the first word shows nothing', setWhole(nothingShown, whole('')), null],
  ]
  for (const [name, step, text] of cases) {
    void test(name, () => {
      assert.ok(step !== null)
      assert.equal(step.event?.text ?? null, text)
      assert.notEqual(step.event?.type, 'restart')
    })
  }

  void test('a snapshot with other text starts over', () => {
    assert.deepEqual(setWhole(shows('Hello'), whole('Help')).event, { type: 'restart', turn, call, text: 'Help' })
  })
  void test('a delta that contradicts the shown text starts over from there', () => {
    assert.equal(addDelta(shows('Hello'), delta(3, 'p me'))?.event?.text, 'Help me')
  })
  void test('a delta after a gap cannot be shown', () => {
    assert.equal(addDelta(shows('He'), delta(3, 'lo')), null)
    assert.equal(addDelta(shows('Hello'), delta(5, '!', other)), null)
  })
})

/** A reply as chunks, and for each boundary between chunks what happens to the terminal there. */
const reply = fc.array(
  fc.record({
    chunk: fc.string({ unit: 'binary', maxLength: 6 }),
    weather: fc.constantFrom('fine', 'lost', 'back', 'repeated'),
  }),
  { minLength: 1, maxLength: 30 },
)

void describe('any interleaving of disconnections', () => {
  void test('gives the full text once, with no restart', () => {
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 4 }), (replies) => {
        const screen = createScreen()
        let shown = nothingShown
        let connected = true
        const take = (step: Step | null): void => {
          assert.ok(step !== null, 'a follower that got its snapshot never meets a gap')
          shown = step.shown
          screen.take(step.event)
        }
        replies.forEach((chunks, i) => {
          const id = `call-${i}` as CallId
          let said = ''
          for (const { chunk, weather } of chunks) {
            if (weather === 'lost') connected = false
            if (weather === 'back' && !connected) {
              connected = true
              take(setWhole(shown, whole(said, id)))
            }
            if (connected) take(addDelta(shown, delta(said.length, chunk, id)))
            said += chunk
            // A snapshot that was taken before a delta, and comes after it, cannot be; one that repeats what is known can.
            if (connected && weather === 'repeated') take(setWhole(shown, whole(said, id)))
          }
          // The record reaches everyone, sooner or later, by the cursor.
          take(setWhole(shown, whole(said, id)))
          assert.equal(screen.text.get(id) ?? '', said)
          shown = nothingShown
        })
        assert.equal(screen.restarts(), 0)
      }),
    )
  })

  void test('deltas in any overlap give the same text as one', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(60), fc.nat(20)), { maxLength: 30 }),
        (said, parts) => {
          const screen = createScreen()
          let shown = nothingShown
          for (const [from, length] of [...parts, [0, said.length] as const]) {
            const step = addDelta(shown, delta(Math.min(from, said.length), said.slice(from, from + length)))
            if (step === null) continue
            shown = step.shown
            screen.take(step.event)
          }
          assert.equal(screen.text.get(call) ?? '', said)
          assert.equal(screen.restarts(), 0)
        },
      ),
    )
  })

  void test('a final text that was cleaned replaces what was streamed', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (streamed, final) => {
        const screen = createScreen()
        const first = addDelta(nothingShown, delta(0, streamed))
        screen.take(first?.event ?? null)
        screen.take(setWhole(first?.shown ?? nothingShown, whole(final)).event)
        assert.equal(screen.text.get(call) ?? '', final)
      }),
    )
  })
})
