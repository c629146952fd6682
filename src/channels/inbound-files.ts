/** Reading files of a platform: what is the same for every adapter. Each checks first that the address is one of its platform. */
import { OxbowError } from '../base/index.ts'

/** Fetches a file. A redirect is refused: it would lead to an address that nobody has checked. @throws OxbowError, the reason of the signal */
export async function fetchFile(
  platform: string,
  url: URL,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly headers: Headers; readonly body: AsyncIterable<Uint8Array> }> {
  const answer = await fetch(url, { headers, redirect: 'error', signal }).catch((error: unknown) => {
    throw signal.aborted ? error : unreadable(platform, 'no answer')
  })
  if (!answer.ok || answer.body === null) throw unreadable(platform, `the server answers with ${answer.status}`)
  return { headers: answer.headers, body: answer.body }
}

/** Passes pieces on. @throws OxbowError `limit_reached` once they have more than `maxBytes` */
export async function* upTo(maxBytes: number, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const piece of pieces) {
    bytes += piece.length
    if (bytes > maxBytes) throw overLimit(maxBytes)
    yield piece
  }
}

export function overLimit(maxBytes: number): OxbowError {
  return new OxbowError('limit_reached', `The file has more than ${maxBytes} bytes.`, { hint: 'Send a smaller one, or a link to it.' })
}

/** @param platform as people write it */
export function unreadable(platform: string, why: string): OxbowError {
  return new OxbowError('tool_failed', `${platform} did not deliver the file: ${why}.`, { hint: 'Send it again.' })
}
