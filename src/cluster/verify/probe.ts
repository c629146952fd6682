/**
 * A load that a cluster is verified with: a user of its own sends messages through every door while its guest is moved from node to node. Each
 * message is sent until it is acknowledged, with the same key, as any client does; the model is asked once for each.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage, isObject, OxbowError } from '../../base/index.ts'
import type { ClusterLink } from '../nats-link.ts'
import type { LeaseNote } from '../notes.ts'
import type { Finding } from './laws.ts'

/** Not one of a person: it stays, and is used again. */
export const probeUser = 'cluster-verify'

export interface ProbeDeps {
  readonly link: ClusterLink
  /** Of this machine, whose guests this program may speak to. */
  readonly node: string
  readonly messages: number
  /** Of the user's guest once it runs here; null: it does not. */
  readonly guestHere: () => Promise<{ readonly url: string; readonly token: string } | null>
  readonly say: (text: string) => void
}

export interface Probe {
  readonly user: string
  readonly acknowledged: readonly string[]
  readonly findings: readonly Omit<Finding, 'user'>[]
}

const guestMs = 40_000
const messageMs = 60_000
/** A request that a move has cut off may wait for nothing. */
const tryMs = 5_000
const pollMs = 100
/** Every so many messages the guest moves. */
const moveEvery = 5

/** @throws OxbowError where the load cannot begin */
export async function probeCluster(deps: ProbeDeps): Promise<Probe> {
  const { link, messages, say } = deps
  const { nodes } = await link.all()
  if (!nodes.some(({ name }) => name === deps.node))
    throw new OxbowError('bad_config', `This machine runs no node of the cluster: ${deps.node} is not up.`, {
      hint: 'Run it on a machine with a node (oxbow cluster join), or without --load.',
    })
  await bringHere(deps)
  const key = await makeKey(deps)
  const acknowledged: string[] = []
  const findings: Omit<Finding, 'user'>[] = []
  const mark = crypto.randomUUID().slice(0, 8)
  for (let i = 1; i <= messages; i += 1) {
    if (i % moveEvery === 0 && nodes.length > 1) {
      const { node } = (await link.lease(probeUser)) ?? { node: '' }
      const next = nodes[(nodes.findIndex(({ name }) => name === node) + 1) % nodes.length]!.name
      await link.writeWish({ user: probeUser }, { moveTo: next })
      say(`${probeUser} moves to ${next}`)
    }
    const text = `Message ${i} of ${mark}: answer with the one word ok.`
    const began = performance.now()
    const failure = await sendUntil(
      nodes.map(({ door }, at) => nodes[(at + i) % nodes.length]?.door ?? door),
      key,
      text,
    )
    const tookMs = Math.round(performance.now() - began)
    if (failure === null) acknowledged.push(text)
    else findings.push({ law: 'load', detail: `message ${i} was not acknowledged: ${failure}` })
    say(`message ${i} of ${messages}: ${failure === null ? `acknowledged after ${tookMs} ms` : failure}`)
  }
  return { user: probeUser, acknowledged, findings }
}

/** Has the user's guest started, on this machine. */
async function bringHere({ link, node }: ProbeDeps): Promise<void> {
  const before = await link.place(probeUser)
  const lease = await link.lease(probeUser)
  await link.writePlace(probeUser, { node: before?.node ?? '', movesTo: '', isWanted: lease !== null, failure: '' })
  if (lease === null) await link.wake(probeUser, node)
  const first = await readyOf(link, () => true)
  if (first.node === node) return
  await link.writeWish({ user: probeUser }, { moveTo: node })
  await readyOf(link, (now) => now.node === node)
}

async function readyOf(link: ClusterLink, fits: (lease: LeaseNote) => boolean): Promise<LeaseNote> {
  for (let waitedMs = 0; waitedMs < guestMs; waitedMs += pollMs) {
    const lease = await link.lease(probeUser)
    if (lease?.state === 'ready' && fits(lease)) return lease
    await sleep(pollMs)
  }
  const failure = (await link.place(probeUser))?.failure ?? ''
  throw new OxbowError('guest_unreachable', `The guest of ${probeUser} does not start here${failure === '' ? '' : `: ${failure}`}.`, {
    hint: `Look why: oxbow cluster where ${probeUser}`,
  })
}

/** A key holds on every node; the token of a guest ends with it. It expires by itself. */
async function makeKey({ guestHere }: ProbeDeps): Promise<string> {
  for (let waitedMs = 0; waitedMs < guestMs; waitedMs += pollMs) {
    const guest = await guestHere()
    if (guest === null) {
      await sleep(pollMs)
      continue
    }
    const response = await fetch(`http://${new URL(guest.url).host}/api/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${guest.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: `verify-${Date.now().toString(36)}`, rights: ['user'], expires_in_s: 3_600 }),
      signal: AbortSignal.timeout(guestMs),
    })
    const made = await response.json()
    if (isObject(made) && typeof made['key'] === 'string') return made['key']
    throw new OxbowError('guest_unreachable', `The guest of ${probeUser} made no key: ${response.status}.`, { hint: 'See oxbow logs.' })
  }
  throw new OxbowError('guest_unreachable', `The guest of ${probeUser} is not on this machine.`, { hint: 'Try again.' })
}

/** What trying again does not change. */
const certificateCodes = /^(CERT_|ERR_TLS_CERT|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/
const unknownAuthority =
  'This program does not trust the certificate of the door: name the file of its authority in NODE_EXTRA_CA_CERTS, or the address it is for in cluster.door.url'

/** @param doors in turn @returns null, or why it was not acknowledged */
async function sendUntil(doors: readonly string[], key: string, text: string): Promise<string | null> {
  const once = crypto.randomUUID()
  let last = ''
  for (let end = performance.now() + messageMs, tries = 0; performance.now() < end; tries += 1) {
    try {
      const response = await fetch(`${doors[tries % doors.length]!}/users/${probeUser}/api/v1/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async', 'idempotency-key': once },
        body: JSON.stringify({ text }),
        signal: AbortSignal.timeout(tryMs),
      })
      const body = await response.text()
      if (response.ok) return null
      last = `${response.status} ${body.slice(0, 200)}`
    } catch (error) {
      const { cause } = error as Error
      last = [error, ...(cause === undefined ? [] : [cause])].map(errorMessage).join(': ')
      if (isObject(cause) && typeof cause['code'] === 'string' && certificateCodes.test(cause['code']))
        return `${last}. ${unknownAuthority}`
    }
    await sleep(pollMs)
  }
  return last
}
