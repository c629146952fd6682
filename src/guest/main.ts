/**
 * The guest program. It is started by a runner, reads one envelope from stdin and reports on stdout, a JSON document a line:
 * it serves until stdin ends,
 * or answers the one question of the envelope and exits. Its argument only names it in a list of processes.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { assertNever, errorTable, type GuestEnvelope, type GuestQuestion, type GuestReport, toFailure } from '../types/index.ts'

/** How often the runner is told the head of the journal, when it has moved. */
const headIntervalMs = 10_000

const say = (document: object): void => void process.stdout.write(`${JSON.stringify(document)}\n`)
const report: (report: GuestReport) => void = say

// A runner that was killed cannot be told anything any more; the end of stdin says so, and stopping in order goes on.
process.stdout.on('error', () => {})

async function main(): Promise<void> {
  const input = createInterface({ input: process.stdin })
  const given = new Promise<GuestEnvelope>((resolve, reject) => {
    input.once('line', (line) => resolve(JSON.parse(line) as GuestEnvelope))
    input.once('close', () => reject(new Error('stdin ended before an envelope came')))
  })
  const ended = new Promise<void>((resolve) => input.once('close', resolve))
  const envelope = await given
  return envelope.question === undefined ? serve(envelope, ended) : answerQuestion(envelope.question, envelope, ended)
}

async function answerQuestion(question: GuestQuestion, envelope: GuestEnvelope, ended: Promise<void>): Promise<void> {
  const { config, keys: env, workspaceRoot, catalogFolder: folder } = envelope
  switch (question.command) {
    case 'audit-verify':
    case 'audit-show':
    case 'audit-recording':
    case 'calls': {
      const { answer } = await import('./offline.ts')
      for await (const line of answer(question, envelope)) say(line)
      return
    }
    case 'catalog': {
      const { answerCatalog } = await import('../engine/index.ts')
      if (folder === undefined) throw new Error('the envelope names no folder of the catalog')
      for await (const line of answerCatalog(question.catalog, { config, env, folder, now: () => new Date() })) say(line)
      return
    }
    case 'doctor': {
      const { examineMachine } = await import('../sandbox/index.ts')
      const { sandboxFolders } = await import('./host-ways.ts')
      const shared = join(workspaceRoot, 'shared')
      for await (const check of examineMachine({ config, shared, ...sandboxFolders(envelope) })) say(check)
      return
    }
    case 'wasm-run': {
      const { runToolFile } = await import('./tool-file.ts')
      const unwanted = new AbortController()
      void ended.then(() => unwanted.abort())
      return say(await runToolFile(question.tool, unwanted.signal))
    }
    case 'image-build': {
      const { buildImage } = await import('./image-build.ts')
      return say(await buildImage(question.image, envelope))
    }
    case 'keys': {
      const { answerKeyQuestion } = await import('./store-upkeep.ts')
      return whileAsked(ended, async () => say(await answerKeyQuestion(question.keys, envelope)))
    }
    case 'store': {
      const { upkeep } = await import('./store-upkeep.ts')
      return whileAsked(ended, async () => upkeep(question.store, envelope, say))
    }
    default:
      return assertNever(question)
  }
}

/**
 * Ends where it stands when the program that asked has ended: a person who stopped it, or its machine that did, wants nothing changed any
 * more. Upkeep survives a kill at any moment, so this end is as good as any other; a step that cannot be left is finished first.
 */
async function whileAsked(ended: Promise<void>, work: () => Promise<void>): Promise<void> {
  let isOver = false
  void ended.then(() => {
    if (isOver) return
    console.error('whoever asked has ended: stopped here. The same command goes on, or begins anew.')
    process.exit(errorTable.cancelled.exit)
  })
  try {
    await work()
  } finally {
    isOver = true
  }
}

async function serve(given: GuestEnvelope, ended: Promise<void>): Promise<void> {
  // Loaded only where there may be some.
  const envelope =
    (given.wantedKeys?.length ?? 0) === 0
      ? given
      : await import('./store-upkeep.ts').then(({ withStoredSecrets }) => withStoredSecrets(given))
  const { openGuestStore } = await import('./guest-store.ts')
  const store = openGuestStore(envelope)
  const [{ startGuest }, { startLastingGuest }] = await Promise.all([import('./guest.ts'), import('./lasting-guest.ts')])
  const mended = (): void => console.error('the store is well again, and so is the guest')
  const guest = await startLastingGuest(envelope, { openStore: openGuestStore, startGuest, mended }, store)
  // Before anybody knows that it serves: until here a signal ends the process where it stands, as a crash would.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  report({ type: 'ready', url: guest.url, pid: process.pid })

  let told = 0
  const tellHead = async (): Promise<void> => {
    const head = await guest.head().catch(() => null)
    if (head === null || head.seq === told) return
    told = head.seq
    report({ type: 'head', ...head })
  }
  const timer = setInterval(() => void tellHead(), headIntervalMs)

  const lost = await Promise.race([ended, stopped, guest.lost.then((error) => ({ error }))])
  clearInterval(timer)
  await tellHead()
  await guest.close()
  if (lost !== undefined) throw lost.error
}

try {
  await main()
  process.stdin.destroy()
} catch (error) {
  const failure = toFailure(error, 'internal_failure', 'This is a fault of Oxbow. The log has the details.')
  console.error(error)
  report({ type: 'fatal', ...failure })
  process.exitCode = errorTable[failure.code].exit
  process.stdin.destroy()
}
