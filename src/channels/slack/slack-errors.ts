/** What a failed request to Slack means: docs.slack.dev, "Errors" of each method. */
import { ErrorCode } from '@slack/web-api'
import { isObject, OxbowError, truncate } from '../../base/index.ts'
import type { Sent } from '../port.ts'
import { noAnswer } from '../retries.ts'

/** How a request failed. `unformatted`: the blocks are not valid. `scope`: the app lacks a permission, which is named. */
export type SlackFailure =
  | Exclude<Sent, { ok: true }>
  | { readonly ok: false; readonly why: 'unformatted' | 'scope'; readonly message: string }

const revoked = new Set([
  'invalid_auth',
  'not_authed',
  'account_inactive',
  'token_revoked',
  'token_expired',
  'not_allowed_token_type',
  'app_uninstalled',
])
const gone = new Set([
  'channel_not_found',
  'not_in_channel',
  'is_archived',
  'message_not_found',
  'cant_update_message',
  'edit_window_closed',
  'thread_not_found',
  'user_disabled',
  'team_access_not_granted',
])
/** The request may have been done. */
const unclear = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout'])
const unformatted = new Set(['invalid_blocks', 'invalid_blocks_format', 'msg_too_long', 'msg_blocks_too_long'])
/** @param error whatever the library has thrown */
export function slackFailure(error: unknown): SlackFailure {
  if (!isObject(error)) return { ok: false, why: 'unknown', message: 'the request failed' }
  const { code } = error as { readonly code?: unknown }
  if (code === ErrorCode.RateLimitedError) return { ok: false, why: 'throttled', retryAfterMs: Number(error['retryAfter']) * 1_000 }
  if (code === ErrorCode.PlatformError) return platformFailure((error as unknown as { data: Answer }).data)
  if (code === ErrorCode.HTTPError) return { ok: false, why: 'unknown', message: `Slack answers with ${Number(error['statusCode'])}` }
  const causes = [error, error['original'], isObject(error['original']) ? error['original']['cause'] : null]
  const cause = causes
    .flatMap((each) => (isObject(each) && typeof each['code'] === 'string' ? [each['code']] : []))
    .find((each) => /^E[A-Z_]+$/.test(each))
  return noAnswer(cause)
}

interface Answer {
  readonly error: string
  readonly needed?: string
}

function platformFailure({ error, needed = '' }: Answer): SlackFailure {
  const message = truncate(error, 200)
  if (revoked.has(error)) return { ok: false, why: 'revoked', message }
  if (gone.has(error)) return { ok: false, why: 'gone', message }
  if (unclear.has(error)) return { ok: false, why: 'unknown', message }
  if (unformatted.has(error)) return { ok: false, why: 'unformatted', message }
  if (error === 'ratelimited' || error === 'rate_limited') return { ok: false, why: 'throttled', retryAfterMs: 1_000 }
  if (error === 'missing_scope') return { ok: false, why: 'scope', message: needed }
  return { ok: false, why: 'refused', message }
}

/** As the port has it. */
export function sentOf(failure: SlackFailure): Exclude<Sent, { ok: true }> {
  if (failure.why === 'throttled') return failure
  if (failure.why === 'unformatted') return { ...failure, why: 'refused' }
  if (failure.why === 'scope') return { ok: false, why: 'refused', message: `the app lacks the scope ${failure.message}` }
  return { ...failure, why: failure.why }
}

/** @returns an error whose hint says what a person can do; no token is in it */
export function startError(error: unknown, what: 'bot' | 'app'): OxbowError {
  const failure = slackFailure(error)
  if (failure.why === 'revoked') return badToken(what, 'is refused by Slack')
  if (failure.why === 'scope') return lacksScopes([failure.message])
  const why = failure.why === 'throttled' ? 'too many requests' : failure.message
  return new OxbowError('guest_unreachable', `Slack cannot be reached: ${why}.`, {
    hint: 'It is tried again. Check the connection of this machine to the internet.',
  })
}

/** Both tokens come in one piece of JSON. */
export function badToken(what: 'bot' | 'app', why: string): OxbowError {
  const where =
    what === 'bot'
      ? 'The token of the bot begins with xoxb-: api.slack.com/apps, your app, OAuth & Permissions.'
      : 'The token of the app begins with xapp- and needs the scope connections:write: api.slack.com/apps, your app, Basic Information.'
  return new OxbowError('unauthenticated', `The token of the ${what} ${why}.`, {
    hint: `${where} Pipe both in: {"token": "xoxb-…", "app_token": "xapp-…"} to oxbow channel add slack --token-stdin.`,
  })
}

/** @param scopes that are missing */
export function lacksScopes(scopes: readonly string[]): OxbowError {
  return new OxbowError('bad_config', `The Slack app lacks the scopes ${scopes.join(', ')}.`, {
    hint: 'Add them at api.slack.com/apps, your app, OAuth & Permissions, install it again, then: oxbow channel test slack.',
  })
}
