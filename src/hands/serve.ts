/** Answers requests until the input ends. Requests run side by side; each has its own cancel. */
import type { Readable, Writable } from 'node:stream'
import type { HandsOp, HandsOps } from '../types/index.ts'
// Past the door of types on purpose: the door loads the schemas, which hands must start without.
import { createMessageReader, encodeMessage, greetingId } from '../types/hands-frame.ts'
import { commandOperations } from './commands/run-command.ts'
import type { CommandRunner } from './commands/run-command.ts'
import { failed, toReplyFailure } from './failure.ts'
import { fileOperations } from './files/file-operations.ts'
import type { Root } from './files/workspace-path.ts'
import type { HandlersOf } from './handlers.ts'
import { maxReplyBytes, maxRequestBytes, maxRequests } from './limits.ts'

export interface HandsOptions {
  readonly roots: readonly Root[]
  /** Absent where there is no sandbox to hold a command. */
  readonly commands?: CommandRunner
}

type Operations = HandlersOf<HandsOps>

function operations({ roots, commands }: HandsOptions): Operations {
  return { ...fileOperations(roots), ...commandOperations(commands) }
}

/** Resolves when the input ends. @throws Error when the kernel's side breaks the protocol: then nothing can be trusted. */
export async function serve(input: Readable, output: Writable, options: HandsOptions): Promise<void> {
  const ops = operations(options)
  const running = new Map<number, AbortController>()

  const reply = async (id: number, message: object): Promise<void> => {
    let text = JSON.stringify(message)
    if (Buffer.byteLength(text) > maxReplyBytes) {
      text = JSON.stringify({ failure: { code: 'limit_reached', message: 'The answer is too large.', hint: 'Ask for less.' } })
    }
    for (const frame of encodeMessage(id, text)) {
      // Waits for the reader, so that a slow one costs hands no memory.
      if (!output.write(frame)) await new Promise((resolve) => output.once('drain', resolve))
    }
  }
  const answer = async (id: number, op: HandsOp, body: never): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      if (running.size > maxRequests) throw failed('limit_reached', 'Too many requests at once.', 'Wait for some to end.')
      await reply(id, { ok: await ops[op](body, controller.signal) })
    } catch (error) {
      await reply(id, { failure: toReplyFailure(error) })
    } finally {
      running.delete(id)
    }
  }
  const push = createMessageReader(
    { messageBytes: maxRequestBytes, pendingBytes: maxRequestBytes },
    {
      message(id, text) {
        const { op, input: body } = JSON.parse(text) as { op: HandsOp; input: never }
        void answer(id, op, body)
      },
      cancel: (id) => running.get(id)?.abort(),
    },
  )
  await reply(greetingId, {})
  for await (const chunk of input) {
    const problem = push(chunk as Buffer)
    if (problem !== null) throw new Error(problem)
  }
  for (const controller of running.values()) controller.abort()
}
