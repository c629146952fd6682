/** `oxbow login`: signs a person in at a gateway elsewhere, by a code that they type in at its provider. Prints their key, for programs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isObject, OxbowError, ownValue } from '../../base/index.ts'
import { plainText } from '../../terminal/index.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'

interface Options {
  readonly json?: boolean | undefined
}

/** The gateway says how long a code works; nothing waits longer. */
const maxWaitMs = 15 * 60_000
const requestMs = 30_000

/** @param address of a gateway, or of a user behind the door of a cluster */
export async function login(address: string, { json }: Options, terminal: Terminal): Promise<number> {
  const begun = await ask(address, 'sign-in/device', {})
  const code = textOf(begun, 'user_code')
  const where = textOf(begun, 'verification_uri_complete') || textOf(begun, 'verification_uri')
  printNotice(terminal, `Open ${plainText(where)} in a browser and confirm the code ${plainText(code)}.`)
  const everyMs = Math.max(1, Number(begun['interval_s'] ?? 5)) * 1_000
  for (let waitedMs = 0; waitedMs < maxWaitMs; waitedMs += everyMs) {
    await sleep(everyMs)
    const answer = await ask(address, 'sign-in/device/token', { device: textOf(begun, 'device') })
    if (answer['pending'] === true) continue
    const key = textOf(answer, 'key')
    if (json === true) printLine(terminal, JSON.stringify({ key, user: answer['user'], expires_at: answer['expires_at'] }))
    else printLine(terminal, key)
    printNotice(terminal, 'Send it to the gateway as `Authorization: Bearer KEY`. It is not shown again.')
    return 0
  }
  throw new OxbowError('timeout', 'Nobody has confirmed the code.', { hint: 'Begin again: oxbow login ADDRESS' })
}

type Answer = Readonly<Record<string, unknown>>

async function ask(address: string, path: string, body: object): Promise<Answer> {
  const url = URL.parse(path, address.endsWith('/') ? address : `${address}/`)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new OxbowError('bad_input', 'This is no address of a gateway.', { hint: 'For example: oxbow login https://oxbow.example.com' })
  let response: Response
  try {
    response = await fetch(url, { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(requestMs) })
  } catch (cause) {
    throw new OxbowError('guest_unreachable', `${url.origin} does not answer.`, {
      hint: 'Check the address, and that Oxbow runs there.',
      cause,
    })
  }
  const answer: unknown = await response.json().catch(() => null)
  if (response.ok && isObject(answer)) return answer
  const { detail, hint } = isObject(answer) ? answer : {}
  const code =
    response.status === 404
      ? 'not_found'
      : response.status === 403
        ? 'denied'
        : response.status === 502
          ? 'sign_in_failed'
          : 'unauthenticated'
  throw new OxbowError(code, plainText(typeof detail === 'string' ? detail : `${url.origin} signs nobody in (HTTP ${response.status}).`), {
    hint: plainText(typeof hint === 'string' ? hint : 'Its administrator sets [oidc] in config.toml.'),
  })
}

function textOf(answer: Answer, field: string): string {
  const value = ownValue(answer, field)
  return typeof value === 'string' ? value : ''
}
