/** Requests of this machine to the door for nodes of another: over TLS, to a node that the cluster's authority has named. */
import { X509Certificate } from 'node:crypto'
import type { Agent } from 'node:https'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { z } from 'zod'
import { errorTable, type ErrorCode, OxbowError } from '../../base/index.ts'
import { commonNameOf, issuedAtOf, nodeNameForm } from './certificates.ts'
import type { NodeIdentity } from './node-identity.ts'
import type { Revocations } from './revocations.ts'

const answerMs = 5_000
const maxAnswerBytes = 100_000

/** By what another node is known: the authority alone, or with what this node shows itself. */
export type Trust = Pick<NodeIdentity, 'ca'> & Partial<Pick<NodeIdentity, 'cert' | 'key'>>

/** @param node that is to answer; absent: any of the cluster @returns options of a connection over TLS */
function tlsTo({ ca, cert, key }: Trust, node?: string, isRevoked: Revocations['isRevoked'] = () => false) {
  return {
    ca,
    ...(cert !== undefined && key !== undefined && { cert, key }),
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    // Nodes are known by the names in their certificates, whatever their addresses are.
    checkServerIdentity(_host: string, { raw }: PeerCertificate) {
      const certificate = new X509Certificate(raw)
      const name = commonNameOf(certificate)
      if (isRevoked(name, issuedAtOf(certificate))) return new Error(`the node ${name} was removed`)
      const isWanted = node === undefined ? nodeNameForm.test(name) : name === node
      return isWanted ? undefined : new Error(`another node answers: ${name}`)
    },
  } as const
}

/** Connections to one node, which are kept until it is removed. */
export function agentTo(trust: Trust, node: string, { isRevoked, watch }: Pick<Revocations, 'isRevoked' | 'watch'>): Agent {
  const { Agent } = process.getBuiltinModule('node:https')
  // No session is taken up again: who answers is checked for each connection.
  const agent = new Agent({
    ...tlsTo(trust, node, isRevoked),
    maxCachedSessions: 0,
    keepAlive: true,
    maxSockets: Infinity,
    maxFreeSockets: 64,
  })
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...asked) => {
    const socket = connect(...asked)
    watch(socket as TLSSocket)
    return socket
  }
  return agent
}

interface NodeRequest {
  readonly url: string
  readonly path: string
  /** Null: whoever answers; what it says is checked in another way. */
  readonly trust: Trust | null
  readonly node?: string
  readonly body?: unknown
}

/** @returns what the node answers, from JSON. @throws OxbowError as the node refuses, or the system's error where it cannot be reached */
export function askNode({ url, path, trust, node, body }: NodeRequest): Promise<unknown> {
  const { request } = process.getBuiltinModule('node:https')
  const tls = trust === null ? { rejectUnauthorized: false } : tlsTo(trust, node)
  return new Promise((resolve, reject) => {
    const asking = request(new URL(path, url), {
      ...tls,
      agent: false,
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }) },
      signal: AbortSignal.timeout(answerMs),
    })
    asking.once('error', reject)
    asking.once('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length > maxAnswerBytes) asking.destroy(new Error('it answers too much'))
      })
      response.once('error', reject)
      response.once('end', () => {
        const answer = parse(text)
        if (response.statusCode === 200) resolve(answer)
        else reject(refusalOf(answer, response.statusCode ?? 0))
      })
    })
    asking.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** As doors refuse (RFC 9457). */
const problem = z.object({ code: z.string(), detail: z.string(), hint: z.string() })

function refusalOf(answer: unknown, status: number): Error {
  const told = problem.safeParse(answer).data
  if (told === undefined || !Object.hasOwn(errorTable, told.code)) return new Error(`HTTP ${status}`)
  return new OxbowError(told.code as ErrorCode, told.detail, { hint: told.hint })
}

const health = z.object({ node: z.string(), at: z.number() })

/** @returns by how much the clock of the node is ahead, in ms, to within the time of the request; null: it does not answer at its door for nodes */
export async function askClock(
  trust: Trust,
  { url, name }: { readonly url: string; readonly name: string },
  now: () => number,
): Promise<number | null> {
  const sentAt = now()
  const answer = health.safeParse(await askNode({ url, path: '/healthz', trust, node: name }).catch(() => null)).data
  return answer?.node === name ? answer.at - (sentAt + now()) / 2 : null
}
