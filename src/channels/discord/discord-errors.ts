/** What a failed request to Discord means: discord.com/developers/docs/topics/opcodes-and-status-codes. */
import { isObject, OxbowError, truncate } from '../../base/index.ts'
import type { Sent } from '../port.ts'
import { noAnswer } from '../retries.ts'

/** How a request failed, as the port has it. */
export type DiscordFailure = Exclude<Sent, { ok: true }>

/** Unknown channel, message, user; no access; cannot write to this user; no permission; archived thread. */
const gone: ReadonlySet<unknown> = new Set([10_003, 10_008, 10_013, 50_001, 50_007, 50_013, 50_083])
/** @param error whatever the library has thrown; its own message may have an address with a token */
export function discordFailure(error: unknown): DiscordFailure {
  if (!isObject(error)) return { ok: false, why: 'unknown', message: 'the request failed' }
  const { status, code, rawError, retryAfter, timeToReset } = error as unknown as Fields
  if (typeof retryAfter === 'number') return { ok: false, why: 'throttled', retryAfterMs: Math.max(retryAfter, timeToReset ?? 0, 1) }
  if (typeof status !== 'number') return notAnswered(error)
  const message = truncate(isObject(rawError) && typeof rawError['message'] === 'string' ? rawError['message'] : `status ${status}`, 200)
  if (status === 401) return { ok: false, why: 'revoked', message }
  if (status >= 500) return { ok: false, why: 'unknown', message }
  return { ok: false, why: gone.has(code) || status === 403 || status === 404 ? 'gone' : 'refused', message }
}

interface Fields {
  readonly status?: unknown
  readonly code?: unknown
  readonly rawError?: unknown
  readonly retryAfter?: unknown
  readonly timeToReset?: number
}

function notAnswered(error: object): DiscordFailure {
  // The library forgets a token that was refused, and asks for one from then on.
  if (error instanceof Error && error.message.startsWith('Expected token to be set'))
    return { ok: false, why: 'revoked', message: 'the token was refused' }
  const cause = 'cause' in error && isObject(error.cause) ? error.cause : error
  const code = 'code' in cause && typeof cause.code === 'string' && /^[A-Z_]+$/.test(cause.code) ? cause.code : ''
  return noAnswer(code)
}

/** @returns an error without the token */
export function badToken(why: string): OxbowError {
  return new OxbowError('unauthenticated', `The token of the bot ${why}.`, {
    hint: 'Make one at discord.com/developers/applications, your application, Bot, Reset Token, then: oxbow channel add discord --token-stdin.',
  })
}

/** The gateway would end the connection, or every message would be empty. */
export function lacksIntent(): OxbowError {
  return new OxbowError('bad_config', 'The bot may not read messages: the intent Message Content is off.', {
    hint: 'Turn it on at discord.com/developers/applications, your application, Bot, Privileged Gateway Intents, then: oxbow channel test discord.',
  })
}

/** @returns an error whose hint says what a person can do */
export function startError(error: unknown): OxbowError {
  const failure = discordFailure(error)
  if (failure.why === 'revoked') return badToken('is refused by Discord')
  return new OxbowError(
    'guest_unreachable',
    `Discord cannot be reached: ${failure.why === 'throttled' ? 'too many requests' : failure.message}.`,
    {
      hint: 'It is tried again. Check the connection of this machine to the internet.',
    },
  )
}

/** @returns whether an interaction was answered before */
export const isAnswered = (error: unknown): boolean => isObject(error) && (error as unknown as Fields).code === 40_060
