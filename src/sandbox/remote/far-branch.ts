/**
 * Hands on another node, as a guest sees them. It asks the node of its own machine for a place, which other nodes offer, and speaks with
 * whoever has it through that node: about a version, whose files it brings where they are missing, and then with hands over it. It never
 * hands over more than that: no right, no secret, no way to the store; each call is decided here before its request goes there, and each
 * connection of its programs to the network (see far-egress.ts).
 */
import type { Socket } from 'node:net'
import { type Clock, once, OxbowError, systemClock } from '../../base/index.ts'
import {
  type ElsewhereRequest,
  type FarBranch,
  type Hands,
  type HandsElsewhere,
  type Profile,
  type Sandbox,
  sandboxTiers,
  type SandboxStatus,
} from '../../protocol/index.ts'
import { untrustedError } from '../hands/hands-reply.ts'
import type { EgressProxy } from '../egress/egress-proxy.ts'
import { keepHands } from '../keep-hands.ts'
import { farLostMs, farPingMs, farWaitMs, maxChangesLineBytes, maxPassLineBytes, passAnswerMs } from '../limits.ts'
import {
  aliveByte,
  doneByte,
  elsewhereAnswer,
  type ElsewhereQuestion,
  farAnswer,
  farProtocol,
  type FarAnswer,
  type FarQuestion,
} from './far-protocol.ts'
import { openHomeEgress } from './far-egress.ts'
import { askRunner, readLine } from './local-socket.ts'
import { connectHands } from './remote-hands.ts'

export interface ElsewhereDeps {
  /** Socket of the node on this machine. */
  readonly path: string
  /** Of the workspace: hands elsewhere are isolated as well or better. */
  readonly status: () => SandboxStatus
  /** By which commands there have network. */
  readonly proxy: Pick<EgressProxy, 'openSome'>
  readonly clock?: Pick<Clock, 'monotonicMs'>
}

export function connectElsewhere(deps: ElsewhereDeps): HandsElsewhere {
  const open = new Set<FarBranch>()
  return {
    close: async () => void (await Promise.all([...open].map((branch) => branch.close()))),
    async open(request) {
      const place = await askNode(deps, { want: request.branch, labels: [...request.labels] }, request)
      if (!('node' in place)) throw wrongAnswer('the node of this machine')
      const { node, epoch } = place
      const hello = `${JSON.stringify({ to: request.branch, epoch } satisfies ElsewhereQuestion)}\n`
      const hold = await holdPlace(deps, hello, node, request.signal)
      const end = async (atOnce = false): Promise<void> => {
        await hold.end(atOnce)
        await askNode(deps, { drop: request.branch }, { signal: AbortSignal.timeout(passAnswerMs) }).catch(() => {})
      }
      try {
        const made = await openBranch(deps, { request, node, hello, hold, end })
        open.add(made)
        void hold.lost.then(() => open.delete(made))
        return made
      } catch (error) {
        // A node that does not keep to the protocol is not waited for.
        await end(true)
        throw error
      }
    },
  }
}

function askNode(
  { path }: ElsewhereDeps,
  question: ElsewhereQuestion,
  { signal }: Pick<ElsewhereRequest, 'signal'>,
): Promise<Exclude<ReturnType<(typeof elsewhereAnswer)['parse']>, { failure: unknown }>> {
  return askRunner(path, question, elsewhereAnswer, 'hands on other nodes', {
    maxBytes: maxPassLineBytes,
    within: farWaitMs + passAnswerMs,
    signal,
  })
}

function wrongAnswer(node: string, why = 'it does not answer what it was asked'): OxbowError {
  return new OxbowError('sandbox_failed', `Hands on ${node} cannot be used: ${why}.`, {
    hint: 'See the output of that node; `oxbow cluster nodes` lists all. Every node needs the same version of Oxbow.',
  })
}

interface Hold {
  /** Waits until the other end answers, or is lost. */
  isThere(): Promise<boolean>
  /** Resolves when it is over: true without `end`. */
  readonly lost: Promise<boolean>
  onLost(listener: () => void): void
  /** @param atOnce nobody waits for the last process there */
  end(atOnce: boolean): Promise<void>
}

/** @throws OxbowError `sandbox_failed` for a node that does not answer, or not as it should */
async function holdPlace({ path, clock = systemClock }: ElsewhereDeps, hello: string, node: string, signal: AbortSignal): Promise<Hold> {
  const socket: Socket = process.getBuiltinModule('node:net').connect(path)
  socket.on('error', () => socket.destroy())
  const stop = (): void => void socket.destroy()
  signal.addEventListener('abort', stop)
  socket.setTimeout(passAnswerMs, stop)
  socket.write(`${hello}${JSON.stringify({ hold: farProtocol } satisfies FarQuestion)}\n`)
  const answer = await readLine(socket, maxPassLineBytes)
    .then((line) => farAnswer.parse(JSON.parse(line)))
    .catch(() => null)
  signal.removeEventListener('abort', stop)
  socket.setTimeout(0)
  if (answer === null || !('held' in answer)) {
    stop()
    signal.throwIfAborted()
    throw answer !== null && 'failure' in answer ? untrustedError(answer.failure) : wrongAnswer(node)
  }
  let state: 'held' | 'lost' | 'ended' = 'held'
  let heardAt = clock.monotonicMs()
  const asking = new Set<(isThere: boolean) => void>()
  const tell = (isThere: boolean): void => {
    for (const each of asking) each(isThere)
    asking.clear()
  }
  const over = Promise.withResolvers<boolean>()
  const listeners: (() => void)[] = []
  const lose = (): void => {
    clearInterval(timer)
    socket.destroy()
    tell(false)
    if (state !== 'held') return
    state = 'lost'
    for (const listener of listeners) listener()
    over.resolve(true)
  }
  const timer = setInterval(() => {
    if (clock.monotonicMs() - heardAt >= farLostMs) lose()
    else if (!socket.writableNeedDrain) socket.write(aliveByte)
  }, farPingMs).unref()
  socket.on('data', () => {
    heardAt = clock.monotonicMs()
    tell(true)
  })
  socket.once('close', lose)
  socket.resume()
  return {
    isThere() {
      if (state !== 'held') return Promise.resolve(false)
      socket.write(aliveByte)
      return new Promise((resolve) => asking.add(resolve))
    },
    lost: over.promise,
    onLost: (listener) => void listeners.push(listener),
    async end(atOnce) {
      if (state !== 'held') return
      state = 'ended'
      clearInterval(timer)
      over.resolve(false)
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      socket.setTimeout(passAnswerMs, stop)
      // It closes the connection when the last process of the branch has ended.
      socket.write(doneByte)
      if (atOnce) stop()
      await closed
    },
  }
}

interface Opening {
  readonly request: ElsewhereRequest
  readonly node: string
  readonly hello: string
  readonly hold: Hold
  readonly end: (atOnce?: boolean) => Promise<void>
}

type Answered<Field extends string> = Extract<FarAnswer, Record<Field, unknown>>

async function openBranch(deps: ElsewhereDeps, { request, node, hello, hold, end }: Opening): Promise<FarBranch> {
  const { path } = deps
  const { version, fill, signal } = request
  const ask = async <Field extends 'ready' | 'made' | 'changes'>(
    question: FarQuestion,
    field: Field,
    stop: AbortSignal,
    maxBytes = maxPassLineBytes,
  ): Promise<Answered<Field>> => {
    const answer = await askRunner(path, question, farAnswer, `hands on ${node}`, { hello, signal: stop, maxBytes, toldBy: untrustedError })
    if (field in answer) return answer as Answered<Field>
    throw wrongAnswer(node)
  }
  const start = (question: FarQuestion): ReturnType<typeof connectHands> => connectHands(path, `${hello}${JSON.stringify(question)}\n`)
  const found = await ask({ begin: version }, 'ready', signal)
  if (found.version !== version) throw wrongAnswer(node, 'it has another version')
  if (sandboxTiers.indexOf(found.tier) < sandboxTiers.findIndex((tier) => tier === deps.status().tier))
    throw wrongAnswer(node, `its tier is ${found.tier}, and here it is ${deps.status().tier}`)
  const status = statusThere(node, found)
  if (!found.ready) {
    const base = once(async () => {
      const started = await start({ fill: 'work' })
      hold.onLost(() => void started.kill())
      return started
    })
    const within: Pick<Sandbox, 'hands'> = { hands: async (): Promise<Hands> => (await base()).hands }
    try {
      await fill(within)
    } finally {
      await (await base.made())?.kill()
    }
  }
  const { made } = await ask({ make: version }, 'made', signal)
  if (made !== version) throw wrongAnswer(node, 'its branch is of another version')
  const egress = openHomeEgress(deps.proxy, () => connectEgress(path, hello, node))
  const startHands = async (profile: Profile): ReturnType<typeof connectHands> => {
    if (profile !== 'online') return start({ hands: 'work' })
    await egress.open()
    const started = await start({ hands: 'online' })
    return { ...started, hands: egress.over(started.hands) }
  }
  const own = keepHands(status, { start: startHands, close: egress.close }, () => undefined)
  hold.onLost(() => void own.close())
  return {
    node,
    sandbox: own,
    isThere: hold.isThere,
    async changes(ignore, stop) {
      return (await ask({ changes: [...ignore] }, 'changes', stop, maxChangesLineBytes)).changes
    },
    async close() {
      await own.close()
      await end()
    },
  }
}

/** @throws OxbowError `sandbox_failed` */
async function connectEgress(path: string, hello: string, node: string): Promise<Socket> {
  const socket = process.getBuiltinModule('node:net').connect(path)
  const stop = (): void => void socket.destroy()
  socket.on('error', stop)
  socket.setTimeout(passAnswerMs, stop)
  socket.write(`${hello}${JSON.stringify({ egress: 'online' } satisfies FarQuestion)}\n`)
  const answer = await readLine(socket, maxPassLineBytes)
    .then((line) => farAnswer.parse(JSON.parse(line)))
    .catch(() => null)
  socket.setTimeout(0)
  if (answer !== null && 'carries' in answer) return socket
  stop()
  throw wrongAnswer(node, answer !== null && 'failure' in answer ? answer.failure.message : undefined)
}

function statusThere(node: string, { tier, provider, online }: Answered<'ready'>): SandboxStatus {
  return {
    asked: tier,
    tier,
    provider: `${provider} on ${node}`,
    files: true,
    shell: true,
    profiles: online ? ['work', 'online'] : ['work'],
    ...(!online && {
      lacking: {
        online: {
          why: `hands on ${node} do not have`,
          hint: '`oxbow doctor` on that node says why; or let this agent work at home: leave `hands` out.',
        },
      },
    }),
    problem: null,
    limits: [],
    degraded: [],
  }
}
