/**
 * The guest program. A runner starts it and writes one envelope to its stdin. It serves until stdin ends, or answers the envelope's
 * question and exits; its reports on stdout are one JSON document a line. Its argument only names it in process lists.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertNever, errorTable, leaveCrashMark, limitHeapGrowth, limitThreadMemory, toFailure, watchIdleMemory } from '../base/index.ts'
import type { GuestEnvelope, GuestQuestion, GuestReport } from '../config/index.ts'
import type { LastingGuest } from './lasting-guest.ts'

/** How often the runner receives the head of the journal, if it has changed. */
const headIntervalMs = 10_000
/** The same for the first record of a new journal: an audit would say that its heads were removed. */
const firstHeadMs = 500

/** With as much as the main thread has, each thread of a busy guest takes 5 MB more and is no faster. */
const threadYoungMegabytes = 2

/** After it is ready; by then it has loaded what its first turn needs, if somebody speaks with it. */
const heapGrowthMs = 1_000

/** An envelope that was written along with the start is read within it. */
const envelopeMs = 5

/** A schema is used a few times in most lives of a guest: to compile each at its first use costs more than it saves. */
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })

const say = (document: object): void => void process.stdout.write(`${JSON.stringify(document)}\n`)
const report: (report: GuestReport) => void = say

// A write to a runner that was killed fails; the end of stdin stops the guest in an orderly way.
process.stdout.on('error', () => {})

/** Arguments of the program: what it is begun for. */
const [, , command] = process.argv

/** Of the runner: its end, and what it writes behind the envelope. */
interface Input {
  readonly ended: Promise<void>
  readonly nextLine: () => Promise<string>
  readonly onLine: (listener: (line: string) => void) => void
}

async function main(): Promise<void> {
  const input = createInterface({ input: process.stdin })
  const firstLine = new Promise<string | null>((resolve) => {
    input.once('line', resolve)
    input.once('close', () => resolve(null))
  })
  const ended = new Promise<void>((resolve) => input.once('close', resolve))
  if (command === 'serve') void loadAhead(firstLine)
  const received = await firstLine
  // Whoever began this process found no use for it.
  if (received === null) return
  const envelope = JSON.parse(received) as GuestEnvelope
  const nextLine = (): Promise<string> => new Promise((resolve) => void input.once('line', resolve))
  const from: Input = { ended, nextLine, onLine: (listener) => void input.on('line', listener) }
  return envelope.question === undefined ? serve(envelope, from) : answerQuestion(envelope.question, envelope, from)
}

/**
 * Loads what a guest needs while its envelope is still being made: first what it starts with, then what serves its first terminal. Most that
 * begin a guest connect to it at once.
 */
async function loadAhead(envelope: Promise<unknown>): Promise<void> {
  let isHere = false
  void envelope.then(() => (isHere = true))
  // One that is there already goes first: whoever wrote it waits for nothing but a guest that is ready.
  await sleep(envelopeMs)
  const loads = [
    () => import('./guest-store.ts'),
    () => import('./lasting-guest.ts'),
    () => import('./host-link.ts'),
    async () => (await import('../gateway/index.ts')).loadConnections(),
    () => import('../tools/index.ts'),
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

/** Standard error is the log, which has the messages of errors. A guest that restarts itself calls this again. */
function hideInLog(hide: (text: string) => string): void {
  const write = Object.getPrototypeOf(process.stderr).write as typeof process.stderr.write
  process.stderr.write = (chunk: string | Uint8Array, ...rest: never[]) =>
    write.call(process.stderr, typeof chunk === 'string' ? hide(chunk) : chunk, ...rest)
}

async function serve(received: GuestEnvelope, { ended, onLine }: Input): Promise<void> {
  limitThreadMemory(threadYoungMegabytes)
  process.once('uncaughtExceptionMonitor', () => leaveCrashMark(received.workspaceRoot))
  // The database's worker starts before anything else is loaded.
  const { openGuestStore, withStoredSecrets } = await import('./guest-store.ts')
  const envelope = await withStoredSecrets(received)
  const store = openGuestStore(envelope)
  const [{ startLastingGuest }, { createHostLink, createHostPort }] = await Promise.all([
    import('./lasting-guest.ts'),
    import('./host-link.ts'),
  ])
  const recovered = (): void => console.error('the guest has restarted')
  const link = createHostLink(report)
  onLine(link.receive)
  const host = createHostPort({
    link,
    envelope,
    async renew(next, onFailure) {
      if (await guest.renew(next, onFailure)) report({ type: 'renewed' })
    },
  })
  const guest: LastingGuest = await startLastingGuest(envelope, { recovered, onSecrets: hideInLog, host }, store)
  // Before the guest is announced; an earlier signal ends the process at once, as a crash would.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  report({ type: 'ready', url: guest.url, pid: process.pid })
  const idleMemory = watchIdleMemory()
  setTimeout(limitHeapGrowth, heapGrowthMs).unref()

  let lastSeq = 0
  const reportHead = async (): Promise<void> => {
    const head = await guest.head().catch(() => null)
    if (head === null || head.seq === lastSeq) return
    lastSeq = head.seq
    report({ type: 'head', ...head })
  }
  const timer = setInterval(() => void reportHead(), headIntervalMs)
  const first = setInterval(() => void reportHead().then(() => lastSeq > 0 && clearInterval(first)), firstHeadMs)

  const lost = await Promise.race([ended, stopped, guest.lost.then((error) => ({ error }))])
  clearInterval(timer)
  clearInterval(first)
  idleMemory.close()
  await reportHead()
  await guest.close()
  // The runner signs what was recorded while it closed, too.
  await reportHead()
  if (lost !== undefined) throw lost.error
}

try {
  await main()
  process.stdin.destroy()
} catch (error) {
  const failure = toFailure(error, 'internal_failure', 'This is a bug in Oxbow. The log has the details.')
  console.error(error)
  report({ type: 'fatal', ...failure })
  process.exitCode = errorTable[failure.code].exit
  process.stdin.destroy()
}
