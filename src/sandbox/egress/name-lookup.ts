/**
 * Names to addresses, as the machine resolves them (hosts file included). The system's resolver cannot be stopped and holds one
 * of the few threads that file access needs too: few look-ups run at once, and whoever gives up waits no longer.
 */
import { OxbowError } from '../../types/index.ts'
import { maxLookups } from '../limits.ts'
import { createSlots } from './slots.ts'

/** @throws OxbowError `not_found`, or the signal's reason */
export type ResolveName = (host: string, signal: AbortSignal) => Promise<readonly string[]>

/** @returns every address of the name */
export type Lookup = (host: string) => Promise<readonly string[]>

export function createNameLookup(lookup: Lookup = systemLookup, lookups: number = maxLookups): ResolveName {
  const inSlot = createSlots(lookups)
  return async (host, signal) => {
    const looking = inSlot(signal, () => lookup(host))
    const addresses = await untilAborted(looking, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      throw noAddress(host, error)
    })
    if (addresses.length === 0) throw noAddress(host, undefined)
    return addresses
  }
}

async function systemLookup(host: string): Promise<readonly string[]> {
  const found = await process.getBuiltinModule('node:dns').promises.lookup(host, { all: true })
  return found.map(({ address }) => address)
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const stop = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function noAddress(host: string, cause: unknown): OxbowError {
  return new OxbowError('not_found', `No address is known for ${host}.`, { hint: 'Check the spelling of the host.', cause })
}
