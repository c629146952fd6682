/**
 * The guest program. A runner starts it and writes one envelope to its stdin. It serves until stdin ends, or answers the envelope's
 * question and exits; its reports on stdout are one JSON document a line. Its argument only names it in process lists.
 */
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  assertNever,
  errorTable,
  leaveCrashMark,
  limitHeapGrowth,
  limitThreadMemory,
  toFailure,
  watchIdleMemory,
  type Log,
} from '../base/index.ts'
import type { GuestEnvelope, GuestQuestion, GuestReport } from '../config/index.ts'

/** With as much as the main thread has, each thread of a busy guest takes 5 MB more and is no faster. */
const threadYoungMegabytes = 2

/** After it is ready; by then it has loaded what its first turn needs, if somebody speaks with it. */
const heapGrowthMs = 1_000

/** After the guest is ready: to load what writes logs must not delay it. */
const logMs = 200

/** An envelope that was written along with the start is read within it. */
const envelopeMs = 5

/** A schema is used a few times in most lives of a guest: to compile each at its first use costs more than it saves. */
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })

const say = (document: object): void => void process.stdout.write(`${JSON.stringify(document)}\n`)
const report: (report: GuestReport) => void = say

// A write to a runner that was killed fails; the end of stdin stops the guest in an orderly way.
process.stdout.on('error', () => {})

/** Arguments of the program: what it is begun for, and `spare` where nobody waits for it yet. */
const [, , command, begunAs] = process.argv
const isSpare = begunAs === 'spare'

/** Of the runner: its end, and what it writes behind the envelope. */
interface Input {
  readonly ended: Promise<void>
  readonly nextLine: () => Promise<string>
  readonly onLine: (listener: (line: string) => void) => void
}

async function main(): Promise<void> {
  const input = createInterface({ input: process.stdin })
  const [firstLine, rehearsal] = takeLines(input, isSpare)
  const ended = new Promise<void>((resolve) => input.once('close', resolve))
  if (command === 'serve') void loadAhead(firstLine, rehearsal)
  const received = await firstLine
  // Whoever began this process found no use for it.
  if (received === null) return
  const envelope = JSON.parse(received) as GuestEnvelope
  const nextLine = (): Promise<string> => new Promise((resolve) => void input.once('line', resolve))
  const from: Input = { ended, nextLine, onLine: (listener) => void input.on('line', listener) }
  return envelope.question === undefined ? serve(envelope, from) : answerQuestion(envelope.question, envelope, from)
}

/** @returns the line with the envelope, and where one comes before it, the configuration of a rehearsal; null: the input has ended */
function takeLines(input: Interface, hasRehearsal: boolean): readonly [Promise<string | null>, Promise<string | null>] {
  const envelope = Promise.withResolvers<string | null>()
  const rehearsal = Promise.withResolvers<string | null>()
  const others = hasRehearsal ? [rehearsal, envelope] : [envelope]
  const take = (line: string): void => {
    others.shift()?.resolve(line)
    if (others.length === 0) input.off('line', take)
  }
  input.on('line', take)
  input.once('close', () => others.forEach(({ resolve }) => resolve(null)))
  return [envelope.promise, rehearsal.promise]
}

/**
 * Loads what a guest needs while its envelope is still being made: first what it starts with, then what serves its first terminal. Most that
 * begin a guest connect to it at once.
 */
async function loadAhead(envelope: Promise<unknown>, rehearsal: Promise<string | null>): Promise<void> {
  let isHere = false
  void envelope.then(() => (isHere = true))
  // One that is there already goes first: whoever wrote it waits for nothing but a guest that is ready.
  await sleep(envelopeMs)
  const loads = [
    () => import('./guest-store.ts'),
    () => import('./serving.ts'),
    async () => (await import('../gateway/index.ts')).loadConnections(),
    () => import('../tools/index.ts'),
    ...(isSpare ? [async () => (await import('./ahead/rehearse.ts')).rehearse(await rehearsal)] : []),
  ]
  for (const load of loads) {
    if (isHere) return
    // Whatever cannot be loaded fails where it is needed.
    await load().catch(() => {})
  }
}

async function answerQuestion(question: GuestQuestion, envelope: GuestEnvelope, { ended, nextLine }: Input): Promise<void> {
  const { config, keys: env, catalogFolder: folder } = envelope
  switch (question.command) {
    case 'audit-verify':
    case 'audit-show':
    case 'audit-recording':
    case 'audit-export':
    case 'audit-traces':
    case 'calls': {
      const { answer } = await import('./offline.ts')
      for await (const line of answer(question, envelope)) say(line)
      return
    }
    case 'catalog': {
      const { answerCatalog } = await import('../engine/index.ts')
      if (folder === undefined) throw new Error('the envelope names no folder of the catalog')
      const { pluginModels } = await import('./plugin-source.ts')
      const deps = { config, env, folder, now: () => new Date(), ...pluginModels(envelope) }
      for await (const line of answerCatalog(question.catalog, deps)) say(line)
      return
    }
    case 'doctor': {
      const { examine } = await import('./health-checks.ts')
      for await (const check of examine(envelope)) say(check)
      return
    }
    case 'config-check': {
      const { checkConfig } = await import('./config-check.ts')
      return checkConfig(envelope)
    }
    case 'wasm-run': {
      const { runToolFile } = await import('./sandbox-questions.ts')
      const cancelled = new AbortController()
      void ended.then(() => cancelled.abort())
      return say(await runToolFile(question.tool, cancelled.signal))
    }
    case 'images': {
      const { answerImages } = await import('./sandbox-questions.ts')
      return say(await answerImages(question.images, envelope))
    }
    case 'keys': {
      const { answerKeyQuestion } = await import('./guest-store.ts')
      return untilCancelled(ended, async () => say(await answerKeyQuestion(question.keys, envelope)))
    }
    case 'store': {
      const { upkeep } = await import('./store-upkeep.ts')
      return untilCancelled(ended, async () => upkeep(question.store, envelope, { say, nextLine }))
    }
    default:
      return assertNever(question)
  }
}

/**
 * Exits as soon as the program that asked has ended, because nobody wants the change any more. Upkeep survives a kill at any moment;
 * a step that cannot be interrupted is finished first.
 */
async function untilCancelled(ended: Promise<void>, work: () => Promise<void>): Promise<void> {
  let isOver = false
  void ended.then(() => {
    if (isOver) return
    console.error('stopped, because the command that asked has ended. Run it again to continue.')
    process.exit(errorTable.cancelled.exit)
  })
  try {
    await work()
  } finally {
    isOver = true
  }
}

/** The log of a guest until what writes it is loaded, which is after the start: lines wait. */
interface EarlyLog extends Log {
  /** Loads what writes; the lines that wait go first. Never rejects. */
  open(): Promise<void>
}

function createEarlyLog(load: () => Promise<Log>): EarlyLog {
  let log: Log | null = null
  let problem = ''
  const waiting: ((log: Log) => void)[] = []
  const use = (work: (log: Log) => void): void => void (log === null ? waiting.push(work) : work(log))
  let loading: Promise<void> | undefined
  const open = (): Promise<void> =>
    (loading ??= load().then(
      (loaded) => {
        log = loaded
        waiting.forEach((work) => work(loaded))
      },
      (error: unknown) => void (problem = String(error)),
    ))
  return {
    open,
    write(role, level, msg, fields, at = Date.now()) {
      use((own) => own.write(role, level, msg, fields, at))
    },
    settle: (how) => use((own) => own.settle(how)),
    problem: () => log?.problem() ?? problem,
    async close() {
      await open()
      await log?.close()
    },
  }
}

/** The log of a guest that serves; none before. */
const opened: { log?: EarlyLog } = {}

async function serve(received: GuestEnvelope, { ended, onLine }: Input): Promise<void> {
  limitThreadMemory(threadYoungMegabytes)
  if (isSpare) process.chdir(received.workspaceRoot)
  process.once('uncaughtExceptionMonitor', () => leaveCrashMark(received.workspaceRoot))
  const ownLog = createEarlyLog(async () => (await import('./guest-log.ts')).openGuestLog(received))
  opened.log = ownLog
  // Standard error has messages of errors: in the log they are without secrets.
  process.stderr.write = (chunk: string | Uint8Array) => {
    ownLog.write('guest', 'warn', String(chunk).trimEnd())
    return true
  }
  // The database's worker starts before anything else is loaded.
  const { openGuestStore, withStoredSecrets } = await import('./guest-store.ts')
  const envelope = await withStoredSecrets(received)
  const store = openGuestStore(envelope)
  const { serveGuest } = await import('./serving.ts')
  const guest = await serveGuest(envelope, { report, onLine, ended, log: ownLog, onSecrets: (hide) => ownLog.settle({ hide }) }, store)
  // Before the guest is announced; an earlier signal ends the process at once, as a crash would.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  report({ type: 'ready', url: guest.url, pid: process.pid })
  setTimeout(() => void ownLog.open(), logMs).unref()
  ownLog.write('guest', 'info', 'the guest is ready', { url: guest.url, pid: process.pid, version: envelope.version })
  const idleMemory = watchIdleMemory()
  setTimeout(limitHeapGrowth, heapGrowthMs).unref()

  const lost = await Promise.race([ended, stopped, guest.lost.then((error) => ({ error }))])
  idleMemory.close()
  await guest.close()
  if (lost !== undefined) throw lost.error
  ownLog.write('guest', 'info', 'the guest has ended in order', { pid: process.pid })
  await ownLog.close()
}

try {
  await main()
  process.stdin.destroy()
} catch (error) {
  const failure = toFailure(error, 'internal_failure', 'This is a bug in Oxbow. The log has the details.')
  const { log } = opened
  // What failed as it may is told to whoever asked; in the log it would be an error of this installation.
  if (log === undefined) {
    if (failure.code === 'internal_failure') console.error(error)
  } else {
    log.write('guest', 'fatal', failure.message, { code: failure.code, error: inspect(error) })
    await log.close()
  }
  report({ type: 'fatal', ...failure })
  process.exitCode = errorTable[failure.code].exit
  process.stdin.destroy()
}
