/** Answers requests until the input ends. Requests run side by side; each has its own cancel. */
import type { Readable, Writable } from 'node:stream'
import type { Failure, HandsOp, HandsOps } from '../types/index.ts'
// Past the door of types on purpose: the door loads the schemas, which hands must start without.
import { createMessageReader, createMessageWriter, greetingId, joinContent, splitContent } from '../types/hands-frame.ts'
import { commandOperations } from './commands/run-command.ts'
import type { CommandRunner } from './commands/run-command.ts'
import { cancelled, failed, toReplyFailure } from './failure.ts'
import { fileOperations } from './files/file-operations.ts'
import { createUploads } from './transfer/put-file.ts'
import type { Uploads } from './transfer/put-file.ts'
import type { Root } from './files/workspace-path.ts'
import type { HandlersOf } from './handlers.ts'
import { maxPendingBytes, maxReplyBytes, maxRequestBytes, maxRequests } from './limits.ts'

export interface HandsOptions {
  readonly roots: readonly Root[]
  /** Absent where there is no sandbox to hold a command. */
  readonly commands?: CommandRunner
}

type Operations = HandlersOf<HandsOps>

function operations({ roots, commands }: HandsOptions, uploads: Uploads): Operations {
  return { ...fileOperations(roots, uploads), ...commandOperations(commands) }
}

/**
 * Resolves when the input ends; what was asked and not answered is told to stop.
 * @throws Error when the kernel's side breaks the protocol: then nothing can be trusted.
 */
export async function serve(input: Readable, output: Writable, options: HandsOptions): Promise<void> {
  const uploads = createUploads(options.roots)
  const ops = operations(options, uploads)
  const running = new Map<number, AbortController>()
  const writer = createMessageWriter(output)

  const reply = async (id: number, message: { ok: object } | { failure: Failure }): Promise<void> => {
    const { plain, content } = 'ok' in message ? splitContent(message.ok) : { plain: null, content: null }
    const text = JSON.stringify(plain === null ? message : { ok: plain, ...(content !== null && { bytes: content.length }) })
    const bytes = Buffer.byteLength(text) + (content?.length ?? 0)
    await (bytes > maxReplyBytes ? writer.send(id, tooLarge, null) : writer.send(id, text, content))
  }
  const answer = async (id: number, { op, body }: Request): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      if (running.size > maxRequests) throw failed('limit_reached', 'Too many requests at once.', 'Wait for some to end.')
      await reply(id, { ok: await ops[op](body as never, controller.signal) })
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
        if (running.has(id) || id === greetingId) throw new Error('a request has an id that is taken')
        void answer(id, readRequest(ops, text, content))
      },
      cancel(id, begun) {
        if (begun) void reply(id, { failure: toReplyFailure(cancelled()) })
        else running.get(id)?.abort()
      },
    },
  )
  await writer.send(greetingId, '{}', null)
  try {
    for await (const chunk of input) {
      const problem = push(chunk as Buffer)
      if (problem !== null) throw new Error(problem)
    }
  } finally {
    for (const controller of running.values()) controller.abort()
    await uploads.close()
  }
}

interface Request {
  readonly op: HandsOp
  readonly body: unknown
}

/** @throws Error for what is no request: the kernel's side never sends that. */
function readRequest(ops: Operations, text: string, content: Buffer): Request {
  const request = JSON.parse(text) as { op?: unknown; input?: unknown; bytes?: unknown } | null
  const op = request?.op
  if (typeof op !== 'string' || !Object.hasOwn(ops, op)) throw new Error('a request for no operation')
  const body = joinContent(request?.input, request?.bytes, content)
  if (typeof body !== 'object' || body === null) throw new Error('a request without its input')
  return { op: op as HandsOp, body }
}

const tooLarge = JSON.stringify({ failure: { code: 'limit_reached', message: 'The answer is too large.', hint: 'Ask for less.' } })
