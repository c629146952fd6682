/**
 * How long the rights of a key last. Each key that is in use has a signal for the rights that it has now, which every call, turn and
 * connection of the key holds. It is aborted as soon as the key is revoked, expires, or has other rights by a role that was changed; the
 * next use then begins another one. A change by another guest on the store is found by looking again, at intervals.
 */
import { isOxbowError, OxbowError } from '../../base/index.ts'

export interface KeyLives {
  /** @param facts what the rights are @returns the signal of the key while it has these rights */
  of(id: string, facts: string): AbortSignal
  /** Looks at every key in use. */
  check(): void
}

interface Life {
  readonly facts: string
  readonly ending: AbortController
}

interface KeyLifeDeps {
  /** @returns the facts of the key now. @throws OxbowError `unauthenticated` for one that has none */
  readonly factsOf: (id: string) => Promise<string>
  readonly checkMs: number
  readonly pause: (ms: number) => Promise<void>
}

export function createKeyLives({ factsOf, checkMs, pause }: KeyLifeDeps): KeyLives {
  const lives = new Map<string, Life>()
  let isWatched = false
  const end = (id: string, life: Life, why: OxbowError): void => {
    if (lives.get(id) === life) lives.delete(id)
    life.ending.abort(why)
  }
  const look = async (id: string, life: Life): Promise<void> => {
    try {
      if ((await factsOf(id)) !== life.facts) end(id, life, otherRights)
    } catch (error) {
      // A store that cannot be read now says nothing about the key.
      if (isOxbowError(error, 'unauthenticated')) end(id, life, error)
    }
  }
  const check = (): void => {
    for (const [id, life] of lives) void look(id, life)
  }
  /** Looks again and again while a key is in use. */
  const watch = async (): Promise<void> => {
    if (isWatched) return
    for (isWatched = true; lives.size > 0; check()) await pause(checkMs)
    isWatched = false
  }
  return {
    of(id, facts) {
      const known = lives.get(id)
      if (known?.facts === facts) return known.ending.signal
      if (known !== undefined) end(id, known, otherRights)
      const life: Life = { facts, ending: new AbortController() }
      lives.set(id, life)
      void watch().catch(() => {})
      return life.ending.signal
    },
    check,
  }
}

const otherRights = new OxbowError('unauthenticated', 'The rights of this API key were changed.', {
  hint: 'Connect again: the key has its new rights then.',
})
