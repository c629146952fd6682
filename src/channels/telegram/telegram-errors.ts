/** What a failed request to Telegram means. Its messages have no token: the library's own may have the address, which does. */
import type { GrammyError } from 'grammy'
import { isObject, truncate } from '../../base/index.ts'
import type { Sent } from '../port.ts'
import { noAnswer } from '../retries.ts'

/** How a request failed. `conflict`: another program receives with this token. `unformatted`: the format was not understood. */
export type TelegramFailure =
  | Exclude<Sent, { ok: true }>
  | { readonly ok: false; readonly why: 'conflict' | 'unformatted' | 'same' | 'webhook'; readonly message: string }
  | { readonly ok: false; readonly why: 'moved'; readonly to: string; readonly message: string }

/** Texts of Telegram that have no code of their own. */
const gone =
  /chat not found|message to edit not found|message can't be edited|user is deactivated|PEER_ID_INVALID|topic_(?:closed|deleted)/i

/** @param error whatever the library has thrown */
export function failureOf(error: unknown): TelegramFailure {
  if (!isObject(error)) return { ok: false, why: 'unknown', message: 'the request failed' }
  if (error['name'] !== 'GrammyError') return notAnswered(error)
  const { error_code: code, description, parameters } = error as unknown as GrammyError
  const message = truncate(description, 200)
  if (code === 429) return { ok: false, why: 'throttled', retryAfterMs: (parameters.retry_after ?? 1) * 1_000 }
  // An unknown token is an address that does not exist.
  if (code === 401 || code === 404) return { ok: false, why: 'revoked', message }
  if (code === 409) return { ok: false, why: /webhook/i.test(description) ? 'webhook' : 'conflict', message }
  if (parameters.migrate_to_chat_id !== undefined) return { ok: false, why: 'moved', to: String(parameters.migrate_to_chat_id), message }
  if (code === 403 || gone.test(description)) return { ok: false, why: 'gone', message }
  if (/message is not modified/i.test(description)) return { ok: false, why: 'same', message }
  if (/can't parse entities/i.test(description)) return { ok: false, why: 'unformatted', message }
  return { ok: false, why: code >= 500 ? 'unknown' : 'refused', message }
}

function notAnswered(error: object): TelegramFailure {
  const cause = 'error' in error && isObject(error['error']) ? error['error'] : error
  return noAnswer('code' in cause ? cause['code'] : undefined)
}
