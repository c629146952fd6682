/** What a machine that somebody has taken over may send on its way out, to the end that makes its connections. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { carryStreams, createStreamReader, encodeStreamHead, streamWindow } from '../../src/base/stream-carrier.ts'
import type { FuzzTarget } from './fuzz-targets.ts'

const maxStreams = 3
const data = (stream: number, text: string): Buffer => Buffer.concat([encodeStreamHead('data', stream, text.length), Buffer.from(text)])

/** Takes everything, and says nothing by itself. */
function sink(): Duplex {
  return new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() })
}

function framesOf(pieces: readonly Buffer[]): { readonly said: readonly string[]; readonly problem: string | null } {
  const said: string[] = []
  const push = createStreamReader(({ kind, stream, amount, payload }) =>
    said.push(`${kind} ${stream} ${amount} ${payload.toString('hex')}`),
  )
  let problem: string | null = null
  for (const piece of pieces) problem = push(piece)
  return { said, problem }
}

/** @param cut into pieces that follow from the bytes */
export function carrierTarget(cut: (input: Buffer) => readonly Buffer[]): FuzzTarget {
  return {
    name: 'streams of a shared port',
    maxBytes: 600,
    files: ['src/base/stream-carrier.ts'],
    seeds: [
      Buffer.concat([encodeStreamHead('open', 1), data(1, 'hello'), encodeStreamHead('end', 1)]),
      Buffer.concat([encodeStreamHead('open', 2), encodeStreamHead('close', 2), encodeStreamHead('open', 3), data(3, 'x')]),
      Buffer.concat([1, 2, 3, 4, 5].map((id) => encodeStreamHead('open', id))),
      Buffer.concat([encodeStreamHead('open', 1), encodeStreamHead('credit', 1, streamWindow)]),
    ],
    words: [
      ...(['open', 'end', 'close'] as const).map((kind) => encodeStreamHead(kind, 1)),
      encodeStreamHead('open', 2),
      encodeStreamHead('credit', 1, 1),
      data(1, 'y'),
    ],
    run(input) {
      const [whole, inPieces] = [framesOf([input]), framesOf(cut(input))]
      assert.deepEqual(inPieces, whole, 'what is read does not depend on how it comes')
      const port = sink()
      const broken: string[] = []
      const made: Duplex[] = []
      const accept = (): Duplex => {
        const near = sink()
        made.push(near)
        return near
      }
      const carrier = carryStreams(port, { maxStreams, accept, onBroken: (problem) => broken.push(problem) })
      for (const piece of cut(input)) {
        port.emit('data', piece)
        assert.ok(carrier.count() <= maxStreams)
      }
      assert.ok(broken.length <= 1)
      if (broken.length > 0) assert.ok(made.every(({ destroyed }) => destroyed))
      carrier.close()
      port.destroy()
      return `${(broken[0] ?? 'all carried').replaceAll(/\d+/g, 'N')} ${Math.min(whole.said.length, 8)} ${made.length}`
    },
  }
}
