/**
 * Whom a door lets wait for a guest that sleeps. A guest costs a process, so a stranger must not have one started: a key is looked up in the store
 * first, and proven as the guest does it. Users that do not exist and keys that are wrong get the same answer. A guest that runs is asked
 * directly: it checks each request by itself, in any case.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createRecentMap, isOxbowError, OxbowError, toError } from '../../base/index.ts'
import type { DoorParts } from '../../gateway/index.ts'
import { keyCategory, keyForm, type KeyProof, provesKey } from '../../protocol/index.ts'
import type { ServerReader } from '../../store/index.ts'
import { hookWakesPerMinute, keptKeys, keyChecksAtOnce } from '../limits.ts'
import { refusal } from './door-answers.ts'

export interface DoorKeys {
  /** Of any user, whether the guest runs or not. @throws OxbowError `unauthenticated` for what needs a key and has none */
  refuseEmpty(request: IncomingMessage): void
  /** @throws OxbowError `unauthenticated`, or `limit_reached` for whoever guesses */
  admit(request: IncomingMessage, user: string, isUpgrade: boolean): Promise<void>
}

interface DoorKeyDeps {
  readonly parts: DoorParts
  readonly store: Pick<ServerReader, 'document'>
  readonly now: () => number
}

/** What a guest that runs answers anybody: webhooks are signed, cards are published, and a page signs in with a code. */
const openPath = /^\/(?:hooks|plugins|sign-in|web\/session|a2a\/[^/]+\/\.well-known|\.well-known)(?:[/?]|$)/

/** Documents of channels, which have webhooks. */
const channelCategory = 'system/channels'

export function createDoorKeys({ parts, store, now }: DoorKeyDeps): DoorKeys {
  const { apiKeyOf, createBuckets, failuresPerMinute, guessesPerMinute, isKeyInAddress, keyIdCharacters, keyInAddress, refuseToken } = parts
  const failures = createBuckets(failuresPerMinute, now)
  const guesses = createBuckets(guessesPerMinute, now)
  const hooks = createBuckets(hookWakesPerMinute, now)
  /** The hash that a key has proven to match, by the key's own hash: the slow one is computed once. */
  const proven = createRecentMap<string, string>(keptKeys)
  let checking = 0
  // No guest that sleeps has it: whoever sends another token is refused in the words of the guest.
  const noToken = randomBytes(32).toString('base64url')

  const prove = async (user: string, key: string): Promise<void> => {
    const [, id = '', secret = ''] = keyForm.exec(key) ?? []
    const stored = id === '' ? null : proofIn(await read(store, user, keyCategory, id))
    if (stored === null || (stored.expires_at !== null && stored.expires_at <= now())) throw unknownKey
    const own = createHash('sha256').update(`${user}\n${key}`).digest('hex')
    if (proven.get(own) === stored.hash) return
    const waitS = guesses.take(key.slice(0, keyIdCharacters))
    if (waitS > 0) throw refusal('limit_reached', 'This API key was checked too often.', `Try again in ${waitS} s.`, waitS)
    if (checking >= keyChecksAtOnce)
      throw refusal('limit_reached', 'Too many API keys are being checked at once.', 'Try again in a second.', 1)
    checking += 1
    try {
      if (!(await provesKey(stored, secret))) throw unknownKey
    } finally {
      checking -= 1
    }
    proven.put(own, stored.hash)
  }

  /** Whoever sends a webhook has no key: the channel must exist, and all strangers together wake a guest a few times. */
  const admitHook = async (user: string, channel: string): Promise<void> => {
    if ((await read(store, user, channelCategory, channel)) === null) throw unknownKey
    const waitS = hooks.take(user)
    if (waitS > 0) throw refusal('limit_reached', 'Too many webhooks for a guest that sleeps.', `Try again in ${waitS} s.`, waitS)
  }

  const count = (request: IncomingMessage, error: unknown): unknown => {
    // Only requests that are refused anyway: whoever guesses from an address keeps nobody else out.
    const waitS = isOxbowError(error, 'unauthenticated') ? failures.take(String(request.headers['x-forwarded-for'] ?? '')) : 0
    return waitS > 0 ? refusal('limit_reached', 'Too many requests without a valid key.', `Try again in ${waitS} s.`, waitS) : error
  }

  return {
    refuseEmpty(request) {
      const seen = seenBy(parts, request)
      if (openPath.test(seen.url) || parts.carriesKey(seen.headers)) return
      throw count(request, toError(refuseToken(seen.headers, noToken)!))
    },
    async admit(request, user, isUpgrade) {
      const seen = seenBy(parts, request)
      try {
        if (isKeyInAddress(request.url ?? '')) throw toError(keyInAddress)
        const channel = seen.method === 'POST' ? /^\/hooks\/([\w.-]{1,50})(?:\?|$)/.exec(seen.url)?.[1] : undefined
        const key = apiKeyOf(seen.headers)
        if (key === null && channel !== undefined) return await admitHook(user, channel)
        if (key === null && /^\/web\/session(?:\?|$)/.test(seen.url) && seen.method === 'POST') throw toError(parts.usedCode)
        const refused = key === null ? refuseToken(seen.headers, noToken) : parts.refuseCookie(seen, isUpgrade)
        if (refused !== null) throw toError(refused)
        if (key !== null) await prove(user, key)
      } catch (error) {
        throw count(request, error)
      }
    },
  }
}

/** As the guest sees it: a page has a part of its key in the address. The request itself goes on as it came. */
function seenBy({ takePagePart }: DoorParts, { url = '', method = '', headers }: IncomingMessage) {
  const seen = { url, method, headers: { ...headers } }
  takePagePart(seen)
  return seen
}

/** As the guest says it. */
const unknownKey = new OxbowError('unauthenticated', 'The API key is not known, or was revoked.', {
  hint: 'Make another: `oxbow keys create NAME --right RIGHT`.',
})

/** @throws OxbowError `guest_unreachable` where the store cannot be asked */
async function read(store: Pick<ServerReader, 'document'>, user: string, category: string, name: string): Promise<string | null> {
  try {
    return await store.document(user, category, name)
  } catch (cause) {
    throw new OxbowError('guest_unreachable', 'The store cannot be asked for this key now.', { hint: 'Try again in a moment.', cause })
  }
}

function proofIn(body: string | null): KeyProof | null {
  return body === null ? null : (JSON.parse(body) as KeyProof)
}
