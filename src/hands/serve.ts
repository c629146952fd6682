/** Answers requests until the input ends. Requests run concurrently; each can be cancelled. */
import type { Readable, Writable } from 'node:stream'
import type { Failure } from '../base/index.ts'
import type { FilesState, HandsOp, HandsOps, HandlersOf } from '../protocol/index.ts'
import { createMessageReader, createMessageWriter, greetingId, joinContent, splitContent } from '../protocol/index.ts'
import { openArchives } from './archive/unpack-folder.ts'
import { openBrowser } from './browser/browser-operations.ts'
import type { BrowserOptions } from './browser/chromium-launch.ts'
import { type Fingerprints, openFingerprints } from './commands/fingerprint.ts'
import { memoryFolder } from './commands/kept-memory.ts'
import { commandOperations, type CommandOptions, type CommandRunner } from './commands/run-command.ts'
import { cancelled, failed, toReplyFailure } from './failure.ts'
import { fileOperations } from './files/file-operations.ts'
import { createPathLocks } from './files/path-locks.ts'
import type { Root } from './files/workspace-path.ts'
import { endLimitMs, maxPendingBytes, maxReplyBytes, maxRequestBytes, maxRequests } from './limits.ts'
import { openSessions } from './sessions/session-keeper.ts'
import { openSnapshots } from './find/snapshot-folder.ts'
import { surveyOperations } from './find/survey-folder.ts'
import { createUploads } from './transfer/put-file.ts'
import { sweepUploads } from './transfer/transfers.ts'
import { openWatches } from './watch/watch-folder.ts'

export interface HandsOptions {
  readonly roots: readonly Root[]
  /** Absent without a sandbox. */
  readonly commands?: CommandRunner
  /** Absent without a sandbox. */
  readonly sessions?: CommandOptions
  /** Absent in every profile but `browser`. */
  readonly browser?: BrowserOptions
}

type Operations = HandlersOf<HandsOps>

interface Families {
  readonly ops: Operations
  /** Ends what outlives a request. */
  close(): Promise<unknown>
}

function openFamilies({ roots, commands, sessions: place, browser: options }: HandsOptions, shutdown: Operations['shutdown']): Families {
  const swept = sweepUploads(roots)
  const uploads = createUploads(roots)
  const locks = createPathLocks()
  const archives = openArchives(roots, locks)
  const sessions = openSessions(place)
  const browser = openBrowser(options)
  const watches = openWatches(roots)
  const running = (): number => (commands?.usage() ?? []).reduce((sum, { processes }) => sum + processes, 0)
  const fingerprints = openFingerprints(commands === undefined ? roots : [...roots, memoryFolder], running)
  const commandOps = commandOperations(commands, roots)
  return {
    ops: {
      shutdown,
      ...fileOperations(roots, uploads, locks),
      ...archives.ops,
      ...surveyOperations(roots),
      ...openSnapshots(roots),
      ...watches.ops,
      ...commandOps,
      ...sessions.ops,
      ...browser.ops,
      fingerprint: fingerprints.take,
      exec: afterCheck(fingerprints, commandOps.exec),
      sessionOpen: afterCheck(fingerprints, sessions.ops.sessionOpen),
      sessionWrite: afterCheck(fingerprints, sessions.ops.sessionWrite),
    },
    close() {
      watches.close()
      void swept.then((sweeping) => sweeping.stop())
      return Promise.allSettled([uploads.close(), archives.close(), sessions.close(), browser.close()])
    },
  }
}

/** What was allowed for the files as they were begins only if they still are. */
function afterCheck<Input extends { readonly unchanged?: FilesState | undefined }, Output>(
  { assertUnchanged }: Fingerprints,
  operation: (input: Input, signal: AbortSignal) => Promise<Output>,
): (input: Input, signal: AbortSignal) => Promise<Output> {
  return async (input, signal) => {
    assertUnchanged(input.unchanged)
    return operation(input, signal)
  }
}

interface Work {
  readonly controller: AbortController
  readonly ended: Promise<void>
}

/**
 * Resolves when the input ends or a shutdown has been answered, and all requests have stopped.
 * @throws Error when the kernel's side breaks the protocol: then nothing can be trusted.
 */
export async function serve(input: Readable, output: Writable, options: HandsOptions): Promise<void> {
  const running = new Map<number, Work>()
  const over = Promise.withResolvers<void>()
  let stopping = false
  const stopAll = async (spared?: AbortSignal): Promise<void> => {
    stopping = true
    const others = [...running.values()].filter((work) => work.controller.signal !== spared)
    for (const { controller } of others) controller.abort()
    await within(endLimitMs, Promise.allSettled([...others.map((work) => work.ended), families.close()]))
  }
  const families = openFamilies(options, async (_input, signal) => {
    await stopAll(signal)
    return {}
  })
  const writer = createMessageWriter(output)

  const reply = async (id: number, message: { ok: object } | { failure: Failure }): Promise<void> => {
    const { plain, content } = 'ok' in message ? splitContent(message.ok) : { plain: null, content: null }
    const text = JSON.stringify(plain === null ? message : { ok: plain, ...(content !== null && { bytes: content.length }) })
    const bytes = Buffer.byteLength(text) + (content?.length ?? 0)
    await (bytes > maxReplyBytes ? writer.send(id, tooLarge, null) : writer.send(id, text, content))
  }
  const answer = async (id: number, { op, body }: Request, signal: AbortSignal): Promise<void> => {
    try {
      if (stopping) throw cancelled()
      if (running.size > maxRequests) throw failed('limit_reached', 'Too many requests at once.', 'Wait for some to end.')
      await reply(id, { ok: await families.ops[op](body as never, signal) })
      if (op === 'shutdown') over.resolve()
    } catch (error) {
      await reply(id, { failure: toReplyFailure(error) })
    } finally {
      running.delete(id)
    }
  }
  const push = createMessageReader(
    { messageBytes: maxRequestBytes, pendingBytes: maxPendingBytes },
    {
      message(id, text, content) {
        if (running.has(id) || id === greetingId) throw new Error('a request has an id that is in use')
        const request = readRequest(families.ops, text, content)
        const controller = new AbortController()
        const begun = Promise.withResolvers<void>()
        running.set(id, { controller, ended: begun.promise })
        begun.resolve(answer(id, request, controller.signal))
      },
      cancel(id, begun) {
        if (begun) void reply(id, { failure: toReplyFailure(cancelled()) })
        else running.get(id)?.controller.abort()
      },
    },
  )
  const readAll = async (): Promise<void> => {
    for await (const chunk of input) {
      const problem = push(chunk as Buffer)
      if (problem !== null) throw new Error(problem)
    }
  }
  await writer.send(greetingId, '{}', null)
  try {
    await Promise.race([readAll(), over.promise])
  } finally {
    await stopAll()
    // Flush the last replies before the process exits.
    await within(endLimitMs, new Promise<void>((resolve) => void output.write('', () => resolve())))
  }
}

/** Waits at most `limitMs`. */
async function within(limitMs: number, settled: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([settled, new Promise((resolve) => (timer = setTimeout(resolve, limitMs)))])
  clearTimeout(timer)
}

interface Request {
  readonly op: HandsOp
  readonly body: unknown
}

/** @throws Error for a malformed request: the kernel's side never sends one. */
function readRequest(ops: Operations, text: string, content: Buffer): Request {
  const request = JSON.parse(text) as { op?: unknown; input?: unknown; bytes?: unknown } | null
  const op = request?.op
  if (typeof op !== 'string' || !Object.hasOwn(ops, op)) throw new Error('a request for an unknown operation')
  const body = joinContent(request?.input, request?.bytes, content)
  if (typeof body !== 'object' || body === null) throw new Error('a request without its input')
  return { op: op as HandsOp, body }
}

const tooLarge = JSON.stringify({ failure: { code: 'limit_reached', message: 'The answer is too large.', hint: 'Ask for less.' } })
