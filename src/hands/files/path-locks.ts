/**
 * Serializes changes to files by real path: requests of different sessions are concurrent, and each reads, checks and replaces a file
 * atomically. A move, a delete or an unpack locks everything below its folder.
 *
 * A request locks all its paths at once and waits only for earlier requests, so there are no deadlocks.
 *
 * Scope: one process answers all file calls of a guest, so they are serialized with each other. Commands, other hands on the same folder
 * and programs of the host are not. Against those a change checks the file again right before its rename (`isUnchanged` in file-state.ts);
 * a race of some microseconds remains between that check and the rename.
 */
import { realpath } from 'node:fs/promises'
import { cancelled, failed, isFailureError, throwIfCancelled } from '../failure.ts'
import { isInside, resolveNew, type Root, toNamedPlace, toPlace } from './workspace-path.ts'

export interface PathLocks {
  /**
   * @param resolve returns the real paths; called again after a wait, because a link or folder in the path may have changed meanwhile
   * @throws the failure `cancelled` when the request is cancelled while it waits; what `resolve` and `work` throw
   */
  run<Output>(resolve: () => Promise<readonly string[]>, signal: AbortSignal, work: () => Promise<Output>): Promise<Output>
}

interface Holder {
  readonly paths: readonly string[]
  readonly released: Promise<void>
}

/** A path that keeps changing is a failure, not an endless wait. */
const maxTries = 10

/** Lets one request at a time work on a path, those above and those below it. */
export function createPathLocks(): PathLocks {
  const holders = new Set<Holder>()

  /** @returns the release function, and whether it waited */
  const acquire = async (paths: readonly string[], signal: AbortSignal): Promise<{ release: () => void; waited: boolean }> => {
    const { promise: released, resolve } = Promise.withResolvers<void>()
    const holder: Holder = { paths, released }
    const earlier = [...holders].filter((each) => overlap(each.paths, paths)).map((each) => each.released)
    holders.add(holder)
    const release = (): void => {
      holders.delete(holder)
      resolve()
    }
    try {
      if (earlier.length > 0) await orCancelled(Promise.all(earlier), signal)
      return { release, waited: earlier.length > 0 }
    } catch (error) {
      release()
      throw error
    }
  }
  return {
    async run(resolve, signal, work) {
      for (let tries = 0; tries < maxTries; tries += 1) {
        const paths = await resolve()
        throwIfCancelled(signal)
        const { release, waited } = await acquire(paths, signal)
        try {
          if (waited && (await resolve()).join('\0') !== paths.join('\0')) continue
          return await work()
        } finally {
          release()
        }
      }
      throw failed('tool_failed', 'The path keeps changing.', 'Try again when no other program moves its folders.')
    },
  }
}

function overlap(some: readonly string[], others: readonly string[]): boolean {
  return some.some((one) => others.some((other) => one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`)))
}

async function orCancelled(waiting: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(cancelled())
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([waiting, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** @returns the real path of each file or future file, with every link followed. @throws `path_refused` or `bad_input` */
export function contentPaths(roots: readonly Root[], paths: readonly string[]): Promise<readonly string[]> {
  return Promise.all(
    paths.map(async (path) => {
      const place = toPlace(roots, path)
      const real = await realpath(place.real).catch(() => null)
      return real !== null && isInside(roots, real) ? real : resolveNew(roots, place)
    }),
  )
}

/** @returns the real path of each name itself: only its folder is resolved. @throws as contentPaths */
export function namePaths(roots: readonly Root[], paths: readonly string[]): Promise<readonly string[]> {
  return Promise.all(
    paths.map(async (path) => {
      const place = toPlace(roots, path)
      if (place.isRoot) return place.real
      const named = await toNamedPlace(roots, place).catch((error: unknown) => {
        if (isFailureError(error)) throw error
        return null
      })
      return named === null ? resolveNew(roots, place) : named.real
    }),
  )
}
