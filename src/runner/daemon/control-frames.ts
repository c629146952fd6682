/** Messages of the control socket as bytes, and back; see `src/protocol/host/control.ts`. */
import { OxbowError } from '../../base/index.ts'
import { maxControlBytes } from '../../protocol/index.ts'

const headBytes = 4

/** @throws OxbowError `limit_reached` for what is too long for one message */
export function controlFrame(message: object): Buffer {
  const text = Buffer.from(JSON.stringify(message))
  if (text.length > maxControlBytes) {
    throw new OxbowError(
      'limit_reached',
      `a message of ${text.length} bytes is longer than the control socket takes (${maxControlBytes})`,
      {
        hint: 'Ask for less at once.',
      },
    )
  }
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(text.length)
  return Buffer.concat([head, text])
}

export interface ControlReader {
  /** Takes bytes as they arrive. @returns null, or why they are no messages: then it must get no more */
  push(bytes: Buffer): string | null
  /** Whether a message has begun that is not whole yet. */
  isAmid(): boolean
}

/** @param onMessage receives the JSON value of each message */
export function createControlReader(onMessage: (message: unknown) => void): ControlReader {
  let parts: Buffer[] = []
  let have = 0
  /** Of the message that has begun, with its head; known when the head is. */
  let wanted = headBytes
  const take = (): string | null => {
    while (have >= wanted) {
      const joined = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
      parts = [joined]
      const length = joined.readUInt32BE(0)
      if (length === 0 || length > maxControlBytes) return `a message of ${length} bytes; it may have 1 to ${maxControlBytes}`
      wanted = headBytes + length
      if (have < wanted) return null
      const [text, rest] = [joined.toString('utf8', headBytes, wanted), joined.subarray(wanted)]
      parts = rest.length === 0 ? [] : [rest]
      have = rest.length
      wanted = headBytes
      try {
        onMessage(JSON.parse(text))
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error
        return 'a message that is not JSON'
      }
    }
    return null
  }
  return {
    push(bytes) {
      parts.push(bytes)
      have += bytes.length
      return take()
    },
    isAmid: () => have > 0,
  }
}
