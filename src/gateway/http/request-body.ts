/** Bodies of requests: JSON as a whole, files in pieces. A body has a size and must keep arriving, so that slow senders hold nothing for long. */
import type { IncomingMessage } from 'node:http'
import { isObject, type JsonObject, nestsDeeper, OxbowError } from '../../base/index.ts'
import { bodyGraceMs, maxInputDepth, minBodyBytesPerS } from '../limits.ts'

/**
 * The body in pieces of `pieceBytes`, the last one shorter. Nothing more is read while the consumer works.
 * @throws OxbowError `limit_reached` for a body that is too large, `cancelled` for one that ends early or arrives too slowly
 */
export async function* readPieces(request: IncomingMessage, maxBytes: number, pieceBytes: number): AsyncGenerator<Buffer, void> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const clock = watchArrival(request)
  let parts: Buffer[] = []
  let held = 0
  let bytes = 0
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      clock.arrived(part.length)
      if ((bytes += part.length) > maxBytes) throw tooLarge(maxBytes)
      parts.push(part)
      held += part.length
      while (held >= pieceBytes) {
        const whole = Buffer.concat(parts)
        clock.pause()
        yield whole.subarray(0, pieceBytes)
        clock.resume()
        held -= pieceBytes
        parts = held === 0 ? [] : [whole.subarray(pieceBytes)]
      }
    }
  } catch (error) {
    if (error instanceof OxbowError) throw error
    throw new OxbowError('cancelled', 'The body ended early, or arrived too slowly.', { hint: 'Send the request again.', cause: error })
  } finally {
    clock.stop()
  }
  if (held > 0) yield Buffer.concat(parts)
}

function tooLarge(maxBytes: number): OxbowError {
  return new OxbowError('limit_reached', `The body has more than ${maxBytes} bytes.`, { hint: 'Send less at once.' })
}

/** Ends a request whose body arrives slower than `minBodyBytesPerS` for longer than `bodyGraceMs`. */
function watchArrival(request: IncomingMessage) {
  let credit = bodyGraceMs
  let since = performance.now()
  let timer: NodeJS.Timeout | undefined
  const wait = (): void => {
    timer = setTimeout(() => request.destroy(), credit).unref()
  }
  const pause = (): void => {
    clearTimeout(timer)
    credit -= performance.now() - since
  }
  const resume = (): void => {
    since = performance.now()
    wait()
  }
  wait()
  return {
    pause,
    resume,
    arrived(bytes: number) {
      pause()
      credit = Math.min(bodyGraceMs, credit + (bytes / minBodyBytesPerS) * 1_000)
      resume()
    },
    stop: () => clearTimeout(timer),
  }
}

/** @throws OxbowError `limit_reached` for more than `maxBytes` */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of readPieces(request, maxBytes, maxBytes + 1)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

/** @returns the object that a body holds; of an empty one, an empty object @throws OxbowError `bad_input` */
export function bodyOf(request: IncomingMessage, text: string): JsonObject {
  if (text === '') return {}
  // A page can send other types without asking.
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(request.headers['content-type'] ?? ''))
    throw new OxbowError('bad_input', 'The body must be JSON.', { hint: 'Send Content-Type: application/json.' })
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new OxbowError('bad_input', 'The body is not valid JSON.', { hint: 'Send one JSON object.' })
  }
  if (nestsDeeper(body, maxInputDepth))
    throw new OxbowError('bad_input', `The body nests deeper than ${maxInputDepth} levels.`, { hint: 'Send flatter JSON.' })
  if (isObject(body)) return body
  throw new OxbowError('bad_input', 'The body must be a JSON object.', { hint: 'Send one JSON object.' })
}
