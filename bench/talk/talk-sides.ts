/** What the benches of lifelike turns measure: guests with their launchers, the relay, and pi's agent core. */
import type { BenchContext } from '../measure.ts'
import { repositoryPath, startChild } from '../subjects/child-process.ts'
import { sessionTurns } from '../subjects/gateway-client.ts'
import { startRunner } from '../subjects/runner.ts'
import { connectRelay, startRelay } from '../relay/relay-client.ts'
import { fillLifelike } from './lifelike-memory.ts'

const turnsPerSession = 8

const withoutRecall = '[memory]\nrecall = false\n'

/** A program that is sent turns, over connections of its own. */
export interface TalkSide extends AsyncDisposable {
  /** Of a guest; null for what keeps nothing. */
  readonly database: string | null
  /** The process whose tree does the work. */
  readonly pid: number
  readonly lines: readonly TalkLine[]
}

interface TalkLine {
  /** Prepares the next turn, untimed. */
  prepare(): Promise<void>
  /** Resolves at the end of the turn. */
  turn(text: string): Promise<unknown>
}

interface GuestSideOptions {
  /** Passages of earlier talk in its memory. */
  readonly passages: number
  readonly recalls?: boolean
  readonly lines?: number
}

export async function startGuestSide(
  { modelUrl }: BenchContext,
  { passages, recalls = true, lines = 1 }: GuestSideOptions,
): Promise<TalkSide> {
  const fill = (database: string): Promise<void> => fillLifelike(database, passages)
  const pair = await startRunner(modelUrl, { fill, config: recalls ? '' : withoutRecall })
  const terminals = await Promise.all(Array.from({ length: lines }, () => pair.connect()))
  return {
    database: pair.database,
    pid: pair.runnerPid,
    lines: await Promise.all(terminals.map((terminal) => sessionTurns(terminal, turnsPerSession))),
    async [Symbol.asyncDispose]() {
      for (const terminal of terminals) terminal[Symbol.dispose]()
      await pair[Symbol.asyncDispose]()
    },
  }
}

export async function startRelaySide({ modelUrl }: BenchContext, lines = 1): Promise<TalkSide> {
  return relayFrames(await startRelay(modelUrl), lines)
}

/** @returns null where pi is not installed (`--pi`) */
export async function startPiSide({ modelUrl, pi }: BenchContext, lines = 1): Promise<TalkSide | null> {
  if (pi === null) return null
  return relayFrames(await startChild({ args: [repositoryPath('bench/relay/pi-main.ts'), modelUrl, pi] }), lines)
}

async function relayFrames(child: Awaited<ReturnType<typeof startRelay>>, lines: number): Promise<TalkSide> {
  const clients = await Promise.all(Array.from({ length: lines }, () => connectRelay(child.firstLine)))
  return {
    database: null,
    pid: child.pid,
    lines: clients.map(({ turn }) => ({ turn, prepare: async () => {} })),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]()
      await child[Symbol.asyncDispose]()
    },
  }
}
