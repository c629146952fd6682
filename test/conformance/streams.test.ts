/** Every case in every framing over every wire: our adapter reads the expected answer, and so does the vendor's own client. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { collect, requestOf } from '../../src/engine/model-contract.ts'
import { bytesOf, framings } from './framing.ts'
import { readEvents } from './our-answer.ts'
import { type Replay, startReplayServer } from './replay-server.ts'
import { answers, type CaseName, caseNames, cutCall, type StreamEvent, wholeAnswer } from './streams/answers.ts'
import { openWire, type Subject, subjects } from './subjects.ts'

/** Framings in which the vendor's client is asked too. Small pieces show how it decodes; the others are about lines. */
const opinions: readonly string[] = ['as recorded', 'three bytes a piece', 'CRLF', 'keep-alive comments']

for (const subject of subjects) {
  void describe(`recorded streams of ${subject.wire.name}`, () => {
    for (const name of caseNames) {
      void it(`are parsed correctly: ${name}`, async (test) => {
        const telling = subject.streams[name]
        if ('cannot' in telling) return test.skip(telling.cannot)
        let playing: Replay = { pieces: [] }
        await using server = await startReplayServer(() => playing)
        using model = openWire(subject, server.origin)
        for (const [framing, frame] of Object.entries(framings)) {
          playing = { pieces: frame(telling) }
          const { answer, estimated } = readEvents(await collect(model, requestOf('x', { model: 'm' })))
          assert.deepEqual(answer, answers[name], framing)
          if ('finish' in answer) assert.equal(estimated, false, framing)
          if (opinions.includes(framing)) await secondOpinion(subject, name, framing, server.origin)
        }
      })
    }

    void it('have an estimated usage, marked as such, if the service reports none', async () => {
      const telling = subject.streams['text']
      assert.ok(!('cannot' in telling))
      await using server = await startReplayServer(() => ({ pieces: [bytesOf(telling.map(withoutUsage))] }))
      using model = openWire(subject, server.origin)
      const { answer, estimated } = readEvents(await collect(model, requestOf('x', { model: 'm' })))
      assert.ok('finish' in answer)
      assert.deepEqual([answer.text, answer.finish, estimated], [wholeAnswer('text').text, 'stop', true])
      assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0)
    })
  })
}

/** The event as a service sends it that counts nothing. */
function withoutUsage(event: StreamEvent): StreamEvent {
  const counts = (name: string, value: unknown): unknown => (name === 'usage' || name === 'usageMetadata' ? undefined : value)
  return event.data.startsWith('{') ? { ...event, data: JSON.stringify(JSON.parse(event.data), counts) } : event
}

async function secondOpinion({ official }: Subject, name: CaseName, framing: string, origin: string): Promise<void> {
  const expected = answers[name]
  if ('failure' in expected) await assert.rejects(official(origin), framing)
  else {
    const cut = name === 'length inside a call' ? { calls: [cutCall] } : {}
    assert.deepEqual(await official(origin), { ...expected, ...cut }, `the official client, ${framing}`)
  }
}
