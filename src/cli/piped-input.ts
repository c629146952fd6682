/** Text that is piped into `oxbow run`. */
import { OxbowError } from '../types/index.ts'
import { maxPipedBytes, silentPipeMs } from './limits.ts'

/**
 * @param hasPrompt with a prompt, a pipe that stays silent is taken for inherited and left alone; without one it is waited for
 * @returns what was piped, decoded; empty for a terminal. @throws OxbowError `limit_reached` over 1 MiB, `bad_input` for text that is not UTF-8.
 */
export async function readPiped(input: NodeJS.ReadStream, hasPrompt: boolean, silentMs: number = silentPipeMs): Promise<string> {
  if (input.isTTY) return ''
  const chunks: Buffer[] = []
  let bytes = 0
  const silent = hasPrompt ? setTimeout(() => input.destroy(), silentMs) : undefined
  try {
    for await (const chunk of input) {
      clearTimeout(silent)
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes > maxPipedBytes) {
        throw new OxbowError('limit_reached', `more than ${maxPipedBytes} bytes were piped in`, {
          hint: 'Put the text into a file of the workspace and ask about the file.',
        })
      }
    }
  } catch (error) {
    // The silent pipe that was let go.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  } finally {
    clearTimeout(silent)
  }
  return decode(Buffer.concat(chunks))
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trimEnd()
  } catch (cause) {
    throw new OxbowError('bad_input', 'what was piped in is not UTF-8 text', {
      hint: 'Put the file into the workspace and name it instead.',
      cause,
    })
  }
}
