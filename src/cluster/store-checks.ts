/** Whether the store, and the bucket of large contents, work from this machine, for `oxbow cluster doctor`. */
import { errorMessage, isOxbowError } from '../base/index.ts'
import type { ClusterConfig } from '../config/index.ts'
import { bucketOf, loadStoredLeases, tryBucket } from '../store/index.ts'

interface StoreCheck {
  readonly check: 'store' | 'blobs'
  readonly ok: boolean
  readonly detail: string
  readonly hint: string
}

/** An address of several servers is no URL. @returns the servers, without user and password */
export function hostsOf(address: string): string {
  return /^[^:]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(address)?.[1] ?? '?'
}

/** @param address of the store; empty: it is a file. Never throws. */
export async function checkStore(address: string): Promise<StoreCheck> {
  const hint = 'Move it: oxbow store move postgres://oxbow@host/oxbow, and set store.url on every node.'
  if (address === '') return { check: 'store', ok: false, detail: 'a file of this machine, which other nodes cannot reach', hint }
  try {
    const users = (await (await loadStoredLeases()).storedLeases(address)).length
    const detail = `Postgres at ${hostsOf(address)}, with ${users} ${users === 1 ? 'user' : 'users'} of the cluster`
    return { check: 'store', ok: true, detail, hint: '' }
  } catch (error) {
    return { check: 'store', ok: false, detail: errorMessage(error), hint: isOxbowError(error) ? error.hint : '' }
  }
}

/** Writes, reads and removes an object. @param environment of the node @returns null where the database keeps large contents. Never throws. */
export async function checkBlobs(
  { blobs }: Pick<ClusterConfig, 'blobs'>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<StoreCheck | null> {
  try {
    const place = bucketOf(blobs, environment)
    if (place === null) return null
    await tryBucket(place)
    const detail = `the bucket ${blobs.bucket} at ${URL.parse(blobs.endpoint)?.host ?? blobs.region} takes and gives contents`
    return { check: 'blobs', ok: true, detail, hint: '' }
  } catch (error) {
    return { check: 'blobs', ok: false, detail: errorMessage(error), hint: isOxbowError(error) ? error.hint : '' }
  }
}
