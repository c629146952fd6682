/** One POST whose answer is one JSON text, over the same exchange as a streamed answer: same limits, same refusals, one try. */
import { cancelled, type Problem, problem, problemOfStatus } from '../model-problem.ts'
import { type Endpoint, type Exchange, startExchange } from './http-exchange.ts'

export type JsonAnswer = { readonly value: unknown } | { readonly problem: Problem }

/** Never rejects. @param maxChars of the answer; a longer one is refused */
export function postJson(endpoint: Endpoint, path: string, body: string, maxChars: number, signal: AbortSignal): Promise<JsonAnswer> {
  return new Promise((resolve) => {
    const stopped: JsonAnswer = { problem: { failure: cancelled, retry: false, waitMs: null } }
    if (signal.aborted) return resolve(stopped)
    let text: string[] = []
    let chars = 0
    let exchange: Exchange | null = null
    const settle = (answer: JsonAnswer): void => {
      signal.removeEventListener('abort', onAbort)
      exchange?.stop()
      resolve(answer)
    }
    const onAbort = (): void => settle(stopped)
    const send = (again: boolean): void => {
      text = []
      chars = 0
      exchange = startExchange(endpoint, path, [Buffer.from(body)], {
        json: true,
        onBytes: null,
        onText: (piece) => {
          text.push(piece)
          chars += piece.length
          if (chars <= maxChars) return true
          settle({ problem: garbled(endpoint, 'sent an answer that is too long') })
          return false
        },
        onEnd: (cut, staleSocket) => {
          // A connection that was kept open was dead: once more, at once, on a new one.
          if (staleSocket && again) return send(false)
          if (cut === null) resolve(readJson(endpoint, text.join('')))
          else resolve({ problem: cut })
          signal.removeEventListener('abort', onAbort)
        },
      })
    }
    signal.addEventListener('abort', onAbort)
    send(true)
  })
}

function readJson(endpoint: Endpoint, text: string): JsonAnswer {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { problem: garbled(endpoint, 'sent something that is not JSON') }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: garbled(endpoint, 'sent JSON that is not an object') }
  }
  // Services that wrap an error in a 200 are answered as if they had used a status.
  const { error } = value as { error?: unknown }
  if (error === undefined || error === null) return { value }
  const { key, origin } = endpoint
  return { problem: problemOfStatus({ status: 400, body: text, key, origin, retryAfterMs: null, redirect: '' }) }
}

function garbled({ origin }: Endpoint, what: string): Problem {
  return problem('model_garbled', `${origin} ${what}.`, 'The endpoint does not speak the protocol that was expected: check the base URL.')
}
