/** Leases as keys of a bucket in NATS: what a node writes, it writes at the revision that it knows, so that two never both have one. */
import type { KV } from '@nats-io/kv'
import type { LeasePort } from './lease.ts'

/** A key has letters, digits, - and _ only; any other name is written in base64. */
export const keyOf = (user: string): string => (/^[\w-]+$/.test(user) ? user : `=${Buffer.from(user).toString('base64url')}`)
/** @returns the name that a key was made of */
export const userOf = (key: string): string => (key.startsWith('=') ? Buffer.from(key.slice(1), 'base64url').toString() : key)

const wrongRevision = 10_071
/** NATS’ code for a stream that is not there. */
export const noStream = 10_059

/** @returns the code of an error of NATS, or undefined */
export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
const isConflict = (error: unknown): boolean => codeOf(error) === wrongRevision

/** The keys of leases in their bucket, by revision: of users, and of places for hands. */
export function leasePort(bucket: KV): LeasePort {
  return {
    async create(user, value) {
      try {
        return await bucket.create(keyOf(user), value)
      } catch (error) {
        if (isConflict(error)) return null
        throw error
      }
    },
    async update(user, value, revision) {
      try {
        return await bucket.update(keyOf(user), value, revision)
      } catch (error) {
        if (!isConflict(error)) throw error
        // A change whose answer was lost has taken place: what it says names this node, so no other has written it.
        const entry = await bucket.get(keyOf(user)).catch(() => null)
        return entry !== null && entry.operation === 'PUT' && entry.revision > revision && entry.string() === value ? entry.revision : null
      }
    },
    async remove(user, revision) {
      await bucket.delete(keyOf(user), { previousSeq: revision }).catch((error: unknown) => {
        if (!isConflict(error)) throw error
      })
    },
  }
}
