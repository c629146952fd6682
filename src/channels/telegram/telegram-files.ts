/** Reads files of Telegram in pieces. Their address has the token, so it is never part of a message. */
import type { IncomingMessage } from 'node:http'
import type { Api } from 'grammy'
import { OxbowError } from '../../base/index.ts'
import { failureOf } from './telegram-errors.ts'
import type { OpenFile } from './telegram-inbound.ts'

/** A server that stops sending is given up. */
const silentMs = 30_000

/** @param base address below which files are */
export function fileOpener(api: Api, base: string): OpenFile {
  return (id) =>
    async function* (maxBytes, signal) {
      const path = await api.getFile(id).then(
        ({ file_path: found = '' }) => found,
        (error: unknown) => {
          const failure = failureOf(error)
          throw tooBig(failure) ? overLimit(maxBytes) : unreadable('message' in failure ? failure.message : failure.why)
        },
      )
      let bytes = 0
      for await (const piece of await get(`${base}/${path}`, signal)) {
        bytes += (piece as Buffer).length
        if (bytes > maxBytes) throw overLimit(maxBytes)
        yield piece as Buffer
      }
    }
}

const tooBig = (failure: ReturnType<typeof failureOf>): boolean => 'message' in failure && /file is too big/i.test(failure.message)

function get(address: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { get: ask } = process.getBuiltinModule(address.startsWith('https:') ? 'node:https' : 'node:http')
  return new Promise((resolve, reject) => {
    const request = ask(address, { signal, timeout: silentMs }, (answer) => {
      if (answer.statusCode === 200) return resolve(answer)
      answer.resume()
      reject(unreadable(`the server answers with ${answer.statusCode}`))
    })
    request.on('timeout', () => request.destroy(unreadable('the server is silent')))
    request.on('error', (error: NodeJS.ErrnoException) => reject(signal.aborted ? signal.reason : unreadable(error.code ?? 'no answer')))
  })
}

function overLimit(maxBytes: number): OxbowError {
  return new OxbowError('limit_reached', `The file has more than ${maxBytes} bytes.`, { hint: 'Send a smaller one, or a link to it.' })
}

function unreadable(why: string): OxbowError {
  return new OxbowError('tool_failed', `Telegram did not deliver the file: ${why}.`, { hint: 'Send it again.' })
}
