/**
 * The guest program. It is started by a runner, reads one envelope from stdin and reports on stdout, a JSON document a line:
 * `serve` runs until stdin ends; the other commands answer a question about the workspace and exit.
 */
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { errorTable, type GuestEnvelope, type GuestReport, toFailure } from '../types/index.ts'

/** How often the runner is told the head of the journal, when it has moved. */
const headIntervalMs = 10_000

const say = (document: object): void => void process.stdout.write(`${JSON.stringify(document)}\n`)
const report: (report: GuestReport) => void = say

// A runner that was killed cannot be told anything any more; the end of stdin says so, and stopping in order goes on.
process.stdout.on('error', () => {})

async function main(command: string): Promise<void> {
  const input = createInterface({ input: process.stdin })
  const envelope = new Promise<GuestEnvelope>((resolve, reject) => {
    input.once('line', (line) => resolve(JSON.parse(line) as GuestEnvelope))
    input.once('close', () => reject(new Error('stdin ended before an envelope came')))
  })
  const ended = new Promise<void>((resolve) => input.once('close', resolve))
  switch (command) {
    case 'serve':
      return serve(await envelope, ended)
    case 'audit-verify':
    case 'audit-show':
    case 'audit-recording':
    case 'calls': {
      const { answer } = await import('./offline.ts')
      for await (const line of answer(command, await envelope)) say(line)
      return
    }
    case 'catalog': {
      const { answerCatalog } = await import('../engine/index.ts')
      const { config, keys: env, catalogFolder: folder, question } = await envelope
      if (folder === undefined || question === undefined) throw new Error('the envelope has no question about the catalog')
      for await (const line of answerCatalog(question, { config, env, folder, now: () => new Date() })) say(line)
      return
    }
    case 'doctor': {
      const { examineMachine } = await import('../sandbox/index.ts')
      const { config, workspaceRoot, catalogFolder } = await envelope
      const cacheFolder = join(workspaceRoot, 'internal')
      const imageFolder = catalogFolder === undefined ? cacheFolder : join(dirname(catalogFolder), 'images')
      for await (const check of examineMachine({ config, shared: join(workspaceRoot, 'shared'), cacheFolder, imageFolder })) say(check)
      return
    }
    case 'wasm-run': {
      const { runToolFile } = await import('./tool-file.ts')
      const { tool } = await envelope
      if (tool === undefined) throw new Error('the envelope names no tool')
      const unwanted = new AbortController()
      void ended.then(() => unwanted.abort())
      say(await runToolFile(tool, unwanted.signal))
      return
    }
    case 'image-build': {
      const { buildImage } = await import('./image-build.ts')
      say(await buildImage(await envelope))
      return
    }
    case 'keys': {
      const { answerKeyQuestion } = await import('./key-questions.ts')
      await whileAsked(ended, async () => say(await answerKeyQuestion(await envelope)))
      return
    }
    case 'store': {
      const { upkeep } = await import('./store-upkeep.ts')
      await whileAsked(ended, async () => upkeep(await envelope, say))
      return
    }
    default:
      throw new Error(
        `no such command: ${command}; use serve, audit-verify, audit-show, audit-recording, calls, catalog, doctor, wasm-run, image-build, store or keys`,
      )
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
      : await import('./key-questions.ts').then(({ withStoredSecrets }) => withStoredSecrets(given))
  const { openGuestStore } = await import('./guest-store.ts')
  const store = openGuestStore(envelope)
  const [{ startGuest }, { startLastingGuest }] = await Promise.all([import('./guest.ts'), import('./lasting-guest.ts')])
  const mended = (): void => console.error('the store is well again, and so is the guest')
  const guest = await startLastingGuest(envelope, { openStore: openGuestStore, startGuest, mended }, store)
  report({ type: 'ready', url: guest.url, pid: process.pid })

  let told = 0
  const tellHead = async (): Promise<void> => {
    const head = await guest.head().catch(() => null)
    if (head === null || head.seq === told) return
    told = head.seq
    report({ type: 'head', ...head })
  }
  const timer = setInterval(() => void tellHead(), headIntervalMs)

  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve)
  })
  const lost = await Promise.race([ended, stopped, guest.lost.then((error) => ({ error }))])
  clearInterval(timer)
  await tellHead()
  await guest.close()
  if (lost !== undefined) throw lost.error
}

try {
  await main(process.argv[2] ?? '')
  process.stdin.destroy()
} catch (error) {
  const failure = toFailure(error, 'internal_failure', 'This is a fault of Oxbow. The log has the details.')
  console.error(error)
  report({ type: 'fatal', ...failure })
  process.exitCode = errorTable[failure.code].exit
  process.stdin.destroy()
}
