/**
 * Passes at an egress proxy that the runner has, for a guest that is isolated itself: a socket in the folder that both share, one
 * line of JSON for each question and for its answer. The runner takes the guest for hostile; a pass lets a program reach no more
 * than the egress rules do.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { type ErrorCode, type Failure, isOxbowError, toFailure } from '../../base/index.ts'
import type { EgressProxy } from '../egress/egress-proxy.ts'
import type { EgressPass, Visits } from '../egress/proxy-passes.ts'
import { maxPassHosts, maxPassLineBytes, maxServedPasses, passAnswerMs } from '../limits.ts'
import { askRunner, type Listening, listenAt, noAnswer, readLine } from './local-socket.ts'

const question = z.union([
  z.strictObject({ issue: z.array(z.string().max(260)).max(maxPassHosts) }),
  z.strictObject({ so_far: z.string().max(64) }),
  z.strictObject({ end: z.string().max(64) }),
])
type Question = z.infer<typeof question>

const row = z.strictObject({
  host: z.string(),
  port: z.int(),
  decision: z.enum(['reached', 'refused', 'failed']),
  reason: z.string(),
  connections: z.int(),
  bytesOut: z.int(),
  bytesIn: z.int(),
})
const answer = z.union([
  z.strictObject({ token: z.string() }),
  z.strictObject({ visits: z.strictObject({ rows: z.array(row), more: z.int() }) }),
  z.strictObject({
    failure: z.strictObject({
      code: z.enum(['bad_input', 'limit_reached', 'not_found', 'tool_failed']),
      message: z.string(),
      hint: z.string(),
    }),
  }),
])
type Answer = z.infer<typeof answer>

const passesSocket = (folder: string): string => join(folder, 'passes.sock')

/** The runner's end. @throws a system error when the socket cannot be made */
export function servePasses(proxy: Pick<EgressProxy, 'issue'>, folder: string): Promise<Listening> {
  const passes = new Map<string, EgressPass>()
  return listenAt(passesSocket(folder), maxServedPasses, (socket) => {
    socket.setTimeout(passAnswerMs, () => socket.destroy())
    void readLine(socket, maxPassLineBytes)
      .then((line) => answerTo(line, proxy, passes))
      .then(
        (reply) =>
          socket.end(`${JSON.stringify(reply)}\n`, (error?: Error | null) => {
            if (!error || !('token' in reply)) return
            // Who did not get a pass cannot end it.
            void passes.get(reply.token)?.end()
            passes.delete(reply.token)
          }),
        () => socket.destroy(),
      )
  })
}

/** @throws Error for what is no question */
async function answerTo(line: string, proxy: Pick<EgressProxy, 'issue'>, passes: Map<string, EgressPass>): Promise<Answer> {
  const request: Question = question.parse(JSON.parse(line))
  if ('issue' in request) {
    if (passes.size >= maxServedPasses)
      return { failure: failureOf('limit_reached', 'Too many commands with network are alive.', 'Close some.') }
    try {
      const pass = await proxy.issue('online', request.issue)
      passes.set(pass.token, pass)
      return { token: pass.token }
    } catch (error) {
      const { code, message, hint } = toFailure(error, 'tool_failed', 'Try again.')
      return { failure: failureOf(code === 'bad_input' ? code : 'tool_failed', message, hint) }
    }
  }
  const token = 'end' in request ? request.end : request.so_far
  const pass = passes.get(token)
  if (pass === undefined) return { failure: failureOf('not_found', 'There is no such pass.', 'Begin anew.') }
  if ('end' in request) passes.delete(token)
  const { rows, more } = await ('end' in request ? pass.end() : pass.soFar())
  return { visits: { rows: rows.map((each) => ({ ...each })), more } }
}

type PassFailure = Extract<Answer, { failure: unknown }>['failure']

function failureOf(code: PassFailure['code'], message: string, hint: string): PassFailure {
  return { code, message, hint } satisfies Failure & { code: ErrorCode }
}

const unknownVisit = { host: 'unknown', port: 0, decision: 'failed', connections: 1, bytesOut: 0, bytesIn: 0 } as const

/** The guest's end. */
export function connectPasses(folder: string): Pick<EgressProxy, 'issue'> {
  const ask = (request: Question) => {
    return askRunner(passesSocket(folder), request, answer, 'the network', { maxBytes: maxPassLineBytes, within: passAnswerMs })
  }
  const visits = async (request: Question): Promise<Visits> => {
    try {
      const reply = await ask(request)
      return 'visits' in reply ? reply.visits : { rows: [], more: 0 }
    } catch (error) {
      if (!isOxbowError(error, 'sandbox_failed')) throw error
      // What a command did is true, and shown, also when nobody can say whom it reached.
      return { rows: [{ ...unknownVisit, reason: error.message }], more: 0 }
    }
  }
  return {
    async issue(_profile, hosts) {
      const reply = await ask({ issue: [...hosts] })
      if (!('token' in reply)) throw noAnswer('the network', reply)
      const { token } = reply
      return { token, soFar: () => visits({ so_far: token }), end: () => visits({ end: token }) }
    },
  }
}
