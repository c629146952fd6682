/** Reads files of Telegram in pieces. Their address has the token, so it is never part of a message. */
import type { IncomingMessage } from 'node:http'
import type { Api } from 'grammy'
import { isOxbowError } from '../../base/index.ts'
import { overLimit, unreadable, upTo } from '../inbound-files.ts'
import { failureOf } from './telegram-errors.ts'
import type { OpenFile } from './telegram-inbound.ts'

const platform = 'Telegram'
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
          throw tooBig(failure) ? overLimit(maxBytes) : unreadable(platform, 'message' in failure ? failure.message : failure.why)
        },
      )
      yield* upTo(maxBytes, (await get(`${base}/${path}`, signal)) as AsyncIterable<Buffer>)
    }
}

const tooBig = (failure: ReturnType<typeof failureOf>): boolean => 'message' in failure && /file is too big/i.test(failure.message)

function get(address: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { get: ask } = process.getBuiltinModule(address.startsWith('https:') ? 'node:https' : 'node:http')
  return new Promise((resolve, reject) => {
    const request = ask(address, { signal, timeout: silentMs }, (answer) => {
      if (answer.statusCode === 200) return resolve(answer)
      answer.resume()
      reject(unreadable(platform, `the server answers with ${answer.statusCode}`))
    })
    request.on('timeout', () => request.destroy(unreadable(platform, 'the server is silent')))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) return reject(signal.reason)
      reject(isOxbowError(error) ? error : unreadable(platform, error.code ?? 'no answer'))
    })
  })
}
