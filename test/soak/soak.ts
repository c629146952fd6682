/**
 * A guest that is used for long: rounds of turns that differ, in many sessions, with a kill or a restart between them. Each round is measured when
 * what follows its turns is over, so that what ages is seen as a slope.
 */
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { median } from '../../bench/statistics.ts'
import { settleTree, treeMemory, treeProcessorMs } from '../../bench/subjects/child-process.ts'
import { type ModelServer, monotonicMs, startModelServer, toolMarks } from '../../bench/subjects/model-server.ts'
import { type BenchHome, makeHome, type RunningPair } from '../../bench/subjects/runner.ts'
import { fillLifelike } from '../../bench/talk/lifelike-memory.ts'
import { differentMessages, type TalkMessage, toldTalk } from '../../bench/talk/lifelike-talk.ts'

/** Connections that send turns at once. */
const lines = 8
const turnsPerSession = 20
const turnsPerRound = 240
/** Of earlier talk, which some of the messages ask about. */
const passages = 2_000
/** Every so many rounds the guest is killed, and so many later its launcher; and so many later both end as they should. */
const kinds = ['goes on', 'goes on', 'guest killed', 'goes on', 'launcher killed', 'goes on', 'restarted'] as const
/** Messages are made before: more than a soak of hours sends. */
const mostMessages = 60_000

export interface SoakRound {
  readonly before: (typeof kinds)[number]
  /** Turns of all rounds so far that have ended. */
  readonly turns: number
  /** For each turn of this round, of all processes. */
  readonly processorMs: number
  /** From a message to the request that the model reads, p50: what recall makes longer. */
  readonly untilAskedMs: number
  /** Share of first requests that have something from memory. */
  readonly recalled: number
  readonly databaseBytes: number
  readonly memoryBytes: number
}

export interface Soak extends AsyncDisposable {
  readonly home: BenchHome
  /** Messages whose turns have ended well, as their senders know. */
  readonly ended: ReadonlySet<string>
  round(): Promise<SoakRound>
  /** Ends the guest. @returns the messages that its journal knows as ended well, and how many turns are open */
  stop(): Promise<{ readonly ended: ReadonlySet<string>; readonly open: number }>
}

export async function openSoak(): Promise<Soak> {
  const model = await startModelServer(10)
  const home = await makeHome(model.url, { fill: (database) => fillLifelike(database, passages) })
  let pair = await home.start()
  const messages = differentMessages(toldTalk(passages), mostMessages).values()
  const ended = new Set<string>()
  let rounds = 0
  return {
    home,
    ended,
    async round() {
      const before = kinds[rounds++ % kinds.length]!
      if (before === 'goes on') return measureRound(before, { home, pair, model, messages, ended })
      // Turns are under way when the end comes.
      const going = sendTurns(pair, messages, turnsPerRound / 4, ended).catch(() => {})
      await model.seen()
      if (before === 'restarted') await pair[Symbol.asyncDispose]()
      else process.kill(before === 'guest killed' ? pair.guestPid : pair.runnerPid, 'SIGKILL')
      await going
      await pair[Symbol.asyncDispose]()
      pair = await startAgain(home)
      return measureRound(before, { home, pair, model, messages, ended })
    },
    async stop() {
      await settleTree(pair.runnerPid)
      await pair[Symbol.asyncDispose]()
      return withDatabase(home, readJournal)
    },
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]()
      await model[Symbol.asyncDispose]()
      home[Symbol.dispose]()
    },
  }
}

/** A guest that lost its launcher ends by itself, and holds the workspace until then. */
async function startAgain(home: BenchHome): Promise<RunningPair> {
  for (let tries = 0; ; tries++) {
    try {
      return await home.start()
    } catch (error) {
      if (tries === 5) throw error
    }
  }
}

interface RoundDeps {
  readonly home: BenchHome
  readonly pair: RunningPair
  readonly model: ModelServer
  readonly messages: Iterator<TalkMessage>
  readonly ended: Set<string>
}

async function measureRound(before: SoakRound['before'], { home, pair, model, messages, ended }: RoundDeps): Promise<SoakRound> {
  await settleTree(pair.runnerPid)
  await model.seen()
  const used = treeProcessorMs(pair.runnerPid)
  const sent = await sendTurns(pair, messages, turnsPerRound, ended)
  await settleTree(pair.runnerPid)
  const processorMs = (treeProcessorMs(pair.runnerPid) - used) / sent.size
  const seen = (await model.seen()).filter(({ text }) => sent.has(text))
  return {
    before,
    turns: ended.size,
    processorMs,
    untilAskedMs: median(seen.map(({ text, at }) => at - sent.get(text)!)),
    recalled: seen.filter(({ isFresh }) => isFresh).length / seen.length,
    databaseBytes: withDatabase(home, (database) => (database.pragma('page_count', { simple: true }) as number) * pageBytes),
    memoryBytes: treeMemory(pair.runnerPid).proportional,
  }
}

/** @returns when each message was sent. Rejects when the guest goes away meanwhile. */
async function sendTurns(
  pair: RunningPair,
  messages: Iterator<TalkMessage>,
  count: number,
  ended: Set<string>,
): Promise<ReadonlyMap<string, number>> {
  const sent = new Map<string, number>()
  const line = async (): Promise<void> => {
    using terminal = await pair.connect()
    let session = await terminal.open()
    for (let i = 0; i < count / lines; i++) {
      if (i > 0 && i % turnsPerSession === 0) session = await terminal.open()
      const text = (messages.next().value as TalkMessage).text + toolMarks.oneTool
      sent.set(text, monotonicMs())
      await terminal.turn(session, text)
      ended.add(text)
    }
  }
  const all = await Promise.allSettled(Array.from({ length: lines }, line))
  const failed = all.find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return sent
}

const pageBytes = 4_096

/** Reads what the guest has committed, also what is only in its log yet. */
function withDatabase<Result>(home: BenchHome, read: (database: Sqlite.Database) => Result): Result {
  const database = new Sqlite(home.database, { readonly: true })
  try {
    return read(database)
  } finally {
    database.close()
  }
}

function readJournal(database: Sqlite.Database): { ended: ReadonlySet<string>; open: number } {
  const texts = database
    .prepare<[], string>(
      `select json_extract(i.body, '$.input.text') from journal i join journal o on o.call = i.call and o.phase = 'outcome'
        where i.name = 'turn.send' and i.phase = 'intent' and json_extract(o.body, '$.status') = 'ok'`,
    )
    .pluck()
    .all()
  const open = database.prepare<[], number>(`select count(*) from open_call`).pluck().get() ?? 0
  return { ended: new Set(texts), open }
}
