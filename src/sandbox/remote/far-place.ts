/** One place that a node has given to a branch of a guest elsewhere: what that may ask for, and its end, whatever brings it. */
import type { Socket } from 'node:net'
import { type Clock, once, OxbowError } from '../../base/index.ts'
import type { BranchChange, Sandbox } from '../../protocol/index.ts'
import { farLeaseMs, maxChangesLineBytes, maxFarConnections, maxPassLineBytes } from '../limits.ts'
import type { FarPlaces, FarVersion } from './far-places.ts'
import { aliveByte, doneByte, type FarAnswer, farProtocol, farQuestion, type FarQuestion } from './far-protocol.ts'
import { failedAnswerTo, readLine } from './local-socket.ts'
import { relayHands } from './remote-hands.ts'

/** Why a place ends. `done`: its guest has said so. `cut`: nothing is heard of the guest. */
export type FarEnd = 'done' | 'cut' | 'closed'

export interface FarPlace {
  /** @param socket of a connection that was let in */
  serve(socket: Socket): void
  isHeld(): boolean
  /** Ends it where its guest was not heard for too long; needs nothing but the clock. */
  check(): void
  /** Resolves when every process of it has ended. Never rejects. */
  end(why: FarEnd): Promise<void>
  /** Resolves once it has ended. */
  readonly ended: Promise<FarEnd>
}

export interface FarPlaceDeps {
  readonly places: FarPlaces
  readonly user: string
  /** Name of the branch on this machine. */
  readonly name: string
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/** The version of a place, and the branch over it. */
interface Work {
  answer(asked: Exclude<FarQuestion, { hold: unknown } | { hands: unknown } | { fill: unknown } | { egress: unknown }>): Promise<FarAnswer>
  /** Carries connections of its programs from now on. */
  carry(socket: Socket): Promise<void>
  /** @returns what hands are asked for @throws OxbowError where no hands of this kind are there now */
  sandbox(kind: 'fill' | 'hands'): Promise<Sandbox>
  end(): Promise<void>
}

interface Begun {
  readonly version: FarVersion
  readonly id: string
  /** Ends the turn of whoever fills it; null: nobody does. */
  filled: ((isWhole: boolean) => Promise<void>) | null
  branch: Promise<Sandbox> | null
}

function createWork({ places, user, name }: FarPlaceDeps, signal: AbortSignal): Work {
  let begun: Promise<Begun> | null = null
  const egress = once(() => places.egress(name))
  const begin = async (id: string): Promise<Begun> => {
    const version = await places.open(user, id)
    const filled = version.isReady() ? null : await version.toFill()
    if (!version.isReady()) return { version, id, filled, branch: null }
    // Somebody else has filled it meanwhile.
    await filled?.(true)
    return { version, id, filled: null, branch: null }
  }
  const only = async (): Promise<Begun> => {
    if (begun !== null) return begun
    throw refused('This place has no version yet.')
  }
  return {
    async answer(asked) {
      if ('begin' in asked) {
        const { id, version } = await (begun ??= begin(asked.begin))
        const { tier, provider, profiles } = version.sandbox.status
        return { version: id, ready: version.isReady(), online: profiles.includes('online'), tier: tier as 'process', provider }
      }
      const has = await only()
      if ('changes' in asked) return { changes: await changesOf(has.version.sandbox, name, asked.changes, signal) }
      if (asked.make !== has.id) throw refused('This place has another version.')
      await has.filled?.(true)
      has.filled = null
      has.branch ??= makeBranch(has.version.sandbox, name, signal)
      await has.branch
      return { made: has.id }
    },
    async carry(socket) {
      const { carry } = await egress()
      socket.write(`${JSON.stringify({ carries: 'online' } satisfies FarAnswer)}\n`)
      carry(socket)
    },
    async sandbox(kind) {
      const { filled, branch, version } = await only()
      if (kind === 'fill' && filled !== null) return version.sandbox
      if (kind === 'hands' && branch !== null) return branch
      throw refused('There are no hands of this kind here now.')
    },
    async end() {
      const had = await begun?.catch(() => null)
      await (await egress.made()?.catch(() => null))?.close()
      if (!had) return
      await had.filled?.(false)
      await had.version.sandbox.branches?.drop(name).catch(() => {})
      await had.version.release().catch(() => {})
    },
  }
}

export function openFarPlace(deps: FarPlaceDeps): FarPlace {
  const { clock } = deps
  const sockets = new Set<Socket>()
  const over = Promise.withResolvers<FarEnd>()
  const gone = new AbortController()
  const work = createWork(deps, gone.signal)
  let heardAt = clock.monotonicMs()
  let hold: Socket | null = null
  let ending: Promise<void> | null = null

  const endAll = async (why: FarEnd): Promise<void> => {
    gone.abort('cancelled')
    for (const socket of sockets) if (socket !== hold) socket.destroy()
    await work.end()
    // The guest knows by this that no process is left.
    hold?.destroy()
    over.resolve(why)
  }
  const end = (why: FarEnd): Promise<void> => (ending ??= endAll(why))
  const keepAlive = (socket: Socket): void => {
    if (hold !== null) return void socket.destroy()
    hold = socket
    heardAt = clock.monotonicMs()
    socket.write(`${JSON.stringify({ held: farProtocol } satisfies FarAnswer)}\n`)
    socket.on('data', (bytes) => {
      heardAt = clock.monotonicMs()
      if (bytes.includes(doneByte)) void end('done')
      else if (!socket.writableNeedDrain) socket.write(aliveByte)
    })
    socket.once('close', () => void end('cut'))
    socket.resume()
  }
  const serve = async (socket: Socket): Promise<void> => {
    const asked = farQuestion.parse(JSON.parse(await readLine(socket, maxPassLineBytes)))
    if ('hold' in asked) return keepAlive(socket)
    if (hold === null || ending !== null) throw refused('Nobody holds this place.')
    if ('hands' in asked) relayHands(socket, await work.sandbox('hands'), asked.hands)
    else if ('fill' in asked) relayHands(socket, await work.sandbox('fill'), 'work')
    else if ('egress' in asked) await work.carry(socket)
    else socket.end(`${JSON.stringify(await work.answer(asked))}\n`)
    socket.resume()
  }
  return {
    isHeld: () => hold !== null,
    ended: over.promise,
    end,
    check() {
      if (clock.monotonicMs() - heardAt >= farLeaseMs) void end('cut')
    },
    serve(socket) {
      if (sockets.size >= maxFarConnections || ending !== null) {
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      serve(socket).catch((error: unknown) => {
        if (!(error instanceof OxbowError)) socket.destroy()
        else socket.end(`${JSON.stringify(failedAnswerTo(error, 'sandbox_failed'))}\n`)
      })
    },
  }
}

function refused(why: string): OxbowError {
  return new OxbowError('sandbox_failed', why, { hint: 'Try again.' })
}

async function makeBranch({ branches }: Sandbox, name: string, signal: AbortSignal): Promise<Sandbox> {
  if (branches === undefined) throw refused('This node has no branches of files.')
  await branches.create(name, signal)
  return branches.open(name)
}

async function changesOf(
  { branches }: Sandbox,
  name: string,
  ignore: readonly string[],
  signal: AbortSignal,
): Promise<readonly BranchChange[] | null> {
  const changes = (await branches?.changes(name, ignore, signal)) ?? null
  if (changes === null || JSON.stringify(changes).length < maxChangesLineBytes) return changes
  throw new OxbowError('limit_reached', `Commands have changed ${changes.length} files and folders, too many to bring back.`, {
    hint: 'Name what can be made again in versions.ignore, or remove it.',
  })
}
