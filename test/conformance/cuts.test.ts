/**
 * A stream that is cut anywhere is an error or the full answer, never a wrong one; and a character that is cut between two
 * pieces is whole again.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { modelLimits } from '../../src/engine/limits.ts'
import { collect, requestOf } from '../../src/engine/model-contract.ts'
import { noUsage } from '../../src/engine/model-problem.ts'
import type { ModelEvent } from '../../src/protocol/index.ts'
import { bytesOf, framings } from './framing.ts'
import { readEvents } from './our-answer.ts'
import { type Replay, startReplayServer } from './replay-server.ts'
import { answers, type CaseName, caseNames } from './streams/answers.ts'
import { openWire, type Subject, subjects } from './subjects.ts'
import { scaled } from '../support/scale.ts'

const bytesFor = ({ streams }: Subject, name: CaseName): Uint8Array | null => {
  const telling = streams[name]
  return 'cannot' in telling ? null : bytesOf(telling)
}

/** What the reader makes of this much of a stream; its connection ended as HTTP has it. */
function readPart({ wire }: Subject, text: string): ModelEvent[] {
  const reader = wire.createReader({ limits: modelLimits, origin: 'http://test', key: 'k', model: 'm', requestChars: 40 })
  const events: ModelEvent[] = []
  reader.feed(text, events)
  const problem = reader.problem(null)
  if (problem !== null) events.push({ type: 'error', failure: problem.failure, usage: noUsage })
  else events.push(...reader.finish())
  return events
}

/** Of a cut stream of this case nothing else may be read. */
function assertNeverWrong(name: CaseName, events: readonly ModelEvent[], where: string): void {
  const expected = answers[name]
  const { answer, estimated } = readEvents(events)
  if ('failure' in answer) {
    assert.ok(expected.text.startsWith(answer.text), `${where}: what was said before is part of it`)
    return
  }
  assert.ok('finish' in expected, `${where}: an answer that broke off is no answer`)
  // The counts may stand behind the end; then they are an estimate and say so.
  assert.deepEqual(answer, estimated ? { ...expected, usage: answer.usage } : expected, where)
}

/** The quick tests cut at every fifth byte. */
const stride = scaled(1, 5)

for (const subject of subjects) {
  void describe(`a cut stream of ${subject.wire.name}`, () => {
    for (const name of caseNames) {
      const bytes = bytesFor(subject, name)
      if (bytes === null) continue
      void it(`is an error or the full answer at each place: ${name}`, () => {
        for (let at = 0; at < bytes.length; at += stride) {
          // What a connection gives of half a character is nothing.
          const text = new TextDecoder().decode(bytes.subarray(0, at), { stream: true })
          assertNeverWrong(name, readPart(subject, text), `cut at ${at} of ${bytes.length}`)
        }
        assert.deepEqual(readEvents(readPart(subject, Buffer.from(bytes).toString())).answer, answers[name])
      })
    }

    void it('is an error or the full answer over HTTP, however the connection ends', async () => {
      let playing: Replay = { pieces: [] }
      await using server = await startReplayServer(() => playing)
      using model = openWire(subject, server.origin)
      const cases = caseNames.filter((name) => bytesFor(subject, name) !== null)
      const cut = fc.record({
        name: fc.constantFrom(...cases),
        framing: fc.constantFrom(...Object.keys(framings)),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
        end: fc.constantFrom('regular' as const, 'drop' as const),
      })
      const law = fc.asyncProperty(cut, async ({ name, framing, part, end }) => {
        const telling = subject.streams[name]
        if ('cannot' in telling) return
        const bytes = Buffer.concat(framings[framing]!(telling))
        playing = { pieces: [bytes.subarray(0, Math.floor(part * bytes.length))], end }
        assertNeverWrong(name, await collect(model, requestOf('x', { model: 'm' })), `${framing}, ${end}`)
      })
      await fc.assert(law, { numRuns: scaled(40) })
    })

    void it('is complete when it is only split, at every byte', async () => {
      const bytes = bytesFor(subject, 'text')!
      let playing: Replay = { pieces: [] }
      await using server = await startReplayServer(() => playing)
      using model = openWire(subject, server.origin)
      for (let at = 1; at < bytes.length; at += 1) {
        // Where no character is cut, every seventh place will do.
        const inside = (bytes[at]! & 0xc0) === 0x80
        if (!inside && at % (7 * stride) !== 0) continue
        playing = { pieces: [bytes.subarray(0, at), bytes.subarray(at)] }
        const { answer } = readEvents(await collect(model, requestOf('x', { model: 'm' })))
        assert.deepEqual(answer, answers['text'], `split at ${at}`)
      }
    })
  })
}
