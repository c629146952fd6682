import { OxbowError } from '../types/index.ts'
import { maxGuestLineBytes } from './limits.ts'

/**
 * @returns the JSON value of each line that a guest writes. Lines that are no JSON are skipped: a stray print of a library is
 * not a report. @throws OxbowError `limit_reached` for a line without end.
 */
export async function* jsonLines(stream: AsyncIterable<Buffer>, maxBytes: number = maxGuestLineBytes): AsyncGenerator {
  let parts: Buffer[] = []
  let waiting = 0
  for await (const chunk of stream) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      const value = parseLine(Buffer.concat(parts).toString('utf8'))
      parts = []
      waiting = 0
      from = end + 1
      if (value !== undefined) yield value
    }
    parts.push(chunk.subarray(from))
    waiting += chunk.length - from
    if (waiting > maxBytes) {
      throw new OxbowError('limit_reached', `the guest wrote a line of more than ${maxBytes} bytes`, {
        hint: 'Look into its log, logs/guest.log in the workspace.',
      })
    }
  }
  const last = parseLine(Buffer.concat(parts).toString('utf8'))
  if (last !== undefined) yield last
}

function parseLine(line: string): unknown {
  if (line.trim() === '') return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
