/**
 * Problems with a model endpoint, as values: how statuses, error bodies and known phrases map to codes and hints. An endpoint's
 * own text is hostile: before an error may show it, it is truncated and stripped of control characters and of the key.
 */
import { type ErrorCode, type Failure, truncate } from '../base/index.ts'
import type { Usage } from '../protocol/index.ts'
import { endpointMessageChars, maxErrorDepth } from './limits.ts'

export interface Problem {
  readonly failure: Failure
  /** The same request may succeed if it is repeated soon. */
  readonly retry: boolean
  /** How long the endpoint asks to wait; null if it does not say. */
  readonly waitMs: number | null
}

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, estimated: false }

/** A failure of a model's endpoint. One whose message tells of a full context window becomes `context_overflow`. */
export function problem(code: ErrorCode, message: string, hint: string, retry = false, waitMs: number | null = null): Problem {
  const refused = code === 'model_refused' || code === 'model_overloaded'
  if (refused && overflowWords.test(message))
    return { failure: { code: 'context_overflow', message, hint: overflowHint }, retry: false, waitMs }
  return { failure: { code, message, hint }, retry, waitMs }
}

const overflowHint = 'Start a new session, or choose a model with a larger window.'

/**
 * Matches errors that say the conversation exceeds the model's window, for which services have no common code. A false match
 * costs an answer that a fallback model might have given. Wordings of OpenAI, Azure, vLLM and OpenRouter; Anthropic; Bedrock; Gemini; xAI; Groq; llama.cpp; LM Studio; Mistral.
 */
const overflowWords = new RegExp(
  [
    'context[_ ]length[_ ]exceeded',
    'maximum context length',
    'exceeds? the (?:model.?s )?(?:available )?context (?:window|size|length)',
    'context (?:window|limit|length) (?:is )?exceed',
    'exceed(?:s|ed)? (?:the )?context (?:limit|window)',
    'model_context_window_exceeded',
    'prompt is too long',
    'input is too long',
    'input token count.{0,40}exceeds',
    'maximum prompt length',
    'reduce the length of the messages',
    'greater than the context length',
    'too large for model with',
  ].join('|'),
  'i',
)

/** @param begun something had arrived before the silence */
export function stalledProblem(origin: string, begun: boolean): Problem {
  const what = begun ? 'stopped sending' : 'sent nothing'
  return problem('model_stalled', `${origin} ${what} before its time limit.`, 'Send the message again, or use another endpoint.')
}

/** The failure of a generation that its caller has stopped. */
export const cancelled: Failure = {
  code: 'cancelled',
  message: 'The generation was cancelled.',
  hint: 'Send the message again to start over.',
}

/** @returns an endpoint's text, safe to show: one short line, without the key or anything that looks like one. */
export function cleanEndpointText(text: string, key: string): string {
  let clean = text
  if (key !== '') clean = clean.replaceAll(key, '[key]')
  // Services echo a key with its middle masked: any word that begins like the key is redacted.
  if (key.length > 6) clean = clean.replaceAll(new RegExp(`${escapeRegExp(key.slice(0, 6))}[^\\s"']*`, 'g'), '[key]')
  clean = clean
    .replaceAll(/\b(?:sk|pk|rk)-[\w*.-]{4,}/g, '[key]')
    // oxlint-disable-next-line no-control-regex -- terminal escapes of a hostile endpoint must not reach a terminal
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .trim()
  return truncate(clean, endpointMessageChars)
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

export interface ErrorAnswer {
  readonly status: number
  readonly body: string
  readonly key: string
  /** Scheme, host and port; never the path or a query, which may hold secrets. */
  readonly origin: string
  readonly retryAfterMs: number | null
  /** Origin of the redirect's target, or empty. */
  readonly redirect: string
}

/** Maps an HTTP status other than 200 to a code, a message and a hint. The failure keeps the status itself. */
export function problemOfStatus(answer: ErrorAnswer): Problem {
  const found = classify(answer)
  return { ...found, failure: { ...found.failure, status: answer.status } }
}

function classify(answer: ErrorAnswer): Problem {
  const { status, origin } = answer
  const retryAfterMs = answer.retryAfterMs ?? retryDelayIn(answer.body)
  const reason = cleanEndpointText(messageIn(answer.body), answer.key)
  const sentence = `${origin} answered ${status}${reason === '' ? '' : `: ${reason}`}`
  if (status === 402 || ((status === 403 || status === 400) && creditWords.test(reason))) {
    return problem('model_refused', sentence, noCreditHint)
  }
  if (status === 401 || status === 403 || (status === 400 && answer.body.includes('API_KEY_INVALID'))) {
    return problem('model_auth', sentence, 'Check that the key is valid for this endpoint and may use this model.')
  }
  if (isQuota(answer.body)) return problem('model_rate_limited', sentence, noCreditHint)
  if (status === 429) {
    const wait = retryAfterMs === null ? 'a minute' : `${Math.ceil(retryAfterMs / 1000)} seconds`
    return problem('model_rate_limited', sentence, `Too many requests: try again in ${wait}.`, true, retryAfterMs)
  }
  if (status >= 500 || status === 408 || status === 425) {
    return problem('model_overloaded', sentence, 'The endpoint failed on its side: try again in a moment.', true, retryAfterMs)
  }
  if (status >= 300 && status < 400) {
    const target = answer.redirect === '' ? '' : ` to ${answer.redirect}`
    const hint = 'Redirects are not followed, so that the key stays with this endpoint. Set the base URL to the final address.'
    return problem('model_refused', `${origin} answered ${status}, a redirect${target}.`, hint)
  }
  if (status === 404) return problem('model_refused', sentence, 'Check the model name and the base URL.')
  if (status === 413) return problem('context_overflow', sentence, overflowHint)
  if (status >= 400) return problem('model_refused', sentence, 'The endpoint does not accept this request; its message says why.')
  return problem('model_garbled', sentence, 'The endpoint does not speak the expected protocol: check the base URL.')
}

/** Matches messages about missing credit where the status does not tell: Anthropic uses 400, xAI and Google 403. */
export const creditWords: RegExp =
  /credit balance|insufficient (?:balance|credits?|funds|quota)|(?:no|any|out of|enough|more) credits?\b|requires billing/i

const noCreditHint = 'The account has no credit left at this endpoint: add credit, or use another endpoint.'

/** Google puts the time to wait in the body (google.rpc.RetryInfo). */
function retryDelayIn(body: string): number | null {
  const seconds = /"retryDelay"\s*:\s*"(\d{1,6}(?:\.\d{1,9})?)s"/.exec(body)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1000
}

function isQuota(body: string): boolean {
  return body.includes('insufficient_quota')
}

/** The message in the usual error envelopes; else the body itself, unless it is a page. */
function messageIn(body: string): string {
  const text = body.trim()
  if (text === '' || text.startsWith('<')) return ''
  try {
    return messageOf(JSON.parse(text)) ?? ''
  } catch {
    return text
  }
}

/** Finds `error.message`, `message`, `detail` or a plain `error` text. @param depth of this value in the whole error */
export function messageOf(value: unknown, depth = 0): string | null {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null || depth > maxErrorDepth) return null
  if (Array.isArray(value)) return value.length > 0 ? messageOf(value[0], depth + 1) : null
  const record = value as Record<string, unknown>
  for (const name of ['error', 'message', 'detail', 'msg'] as const) {
    const found = record[name] === undefined ? null : messageOf(record[name], depth + 1)
    if (found !== null) return found
  }
  return null
}
