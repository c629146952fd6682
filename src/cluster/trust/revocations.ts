/**
 * Nodes that were removed: their certificates do not hold any more, whatever date they end. Each node keeps the list on its disk as well as NATS
 * does, and fills in what the other lacks: so it survives the loss of either.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { z } from 'zod'
import { writeWhole } from '../../base/index.ts'
import { revokeAheadMs } from '../limits.ts'
import { commonNameOf, issuedAtOf, nodeNameForm } from './certificates.ts'

/** By the names of nodes: certificates from before this time, in unix milliseconds, do not hold. */
const listSchema = z.record(z.string().max(100), z.number())
const file = 'revoked.json'
/** Certificates tell time in seconds. */
const certificateStepMs = 1_000

/**
 * @returns the time from before which certificates of a node that is removed now do not hold: a while ahead, because the clock of the machine with
 * the authority may be, and because a node that hears of its removal first may have its certificate renewed there
 */
export function revokedFrom(now: number): number {
  return now + revokeAheadMs
}

export interface Revocations {
  isRevoked(name: string, issuedAt: number): boolean
  /** Certificates of a node from before `at` do not hold from now on, and its connections end. */
  add(name: string, at: number): void
  list(): ReadonlyMap<string, number>
  /** @returns when a certificate that a node gets now counts as given out: one that has joined again was not removed */
  issueAt(name: string, now: number): number
  /** Ends the connection when the node at its other end is removed. */
  watch(socket: TLSSocket): void
}

/** @param now by which what NATS tells is judged: whoever can write there ends nodes, but not for good */
export function openRevocations(folder: string, now: () => number = Date.now): Revocations {
  const path = join(folder, file)
  const known = existsSync(path) ? listSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) : {}
  const list = new Map(Object.entries(known))
  const sockets = new Set<TLSSocket>()
  const revocations: Revocations = {
    isRevoked: (name, issuedAt) => issuedAt <= (list.get(name) ?? -Infinity),
    add(name, at) {
      if (!nodeNameForm.test(name) || at <= (list.get(name) ?? -Infinity) || !(at <= now() + 2 * revokeAheadMs)) return
      list.set(name, at)
      for (const socket of sockets) if (socket.authorized && peerOf(socket, revocations) === null) socket.destroy()
      try {
        writeWhole(path, JSON.stringify(Object.fromEntries(list)))
      } catch {
        // Such as a full disk. NATS tells it again after the next start.
      }
    },
    list: () => list,
    issueAt: (name, at) => Math.max(at, (list.get(name) ?? -Infinity) + certificateStepMs),
    watch(socket) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    },
  }
  return revocations
}

/** @returns the node at the other end, or null for anybody else */
export function peerOf(socket: TLSSocket, revocations: Pick<Revocations, 'isRevoked'>): string | null {
  if (!socket.authorized) return null
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Buffer }
  if (raw === undefined) return null
  const certificate = new X509Certificate(raw)
  // It is looked at again for each request: a certificate may end while its connection lasts.
  if (certificate.validToDate.getTime() < Date.now()) return null
  const name = commonNameOf(certificate)
  // A certificate of a server, such as NATS, has a name that no node can have.
  return !nodeNameForm.test(name) || revocations.isRevoked(name, issuedAtOf(certificate)) ? null : name
}
