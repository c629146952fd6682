/**
 * Files of plugins for an isolated guest, which cannot see them: its runner counts and clears the folders of their data, and checks their
 * packages itself before it starts a host. A line of JSON for each question and for its answer.
 */
import { join } from 'node:path'
import { z } from 'zod'
import type { PluginFiles } from '../../protocol/index.ts'
import { maxPassLineBytes, maxServedQuestions } from '../limits.ts'
import { askRunner, failedAnswer, failedAnswerTo, type Listening, listenAt, readLine } from './local-socket.ts'

const question = z.strictObject({
  ask: z.enum(['bytes', 'hasDatabase', 'clear']),
  plugin: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,200}$/i),
  /** Absent: all of it is counted. */
  enough: z.number().optional(),
})
type Question = z.infer<typeof question>

const answer = z.union([
  /** Null: it cannot be counted. */
  z.strictObject({ bytes: z.number().nullable() }),
  z.strictObject({ found: z.boolean() }),
  failedAnswer,
])
type Answer = z.infer<typeof answer>

const pluginsSocket = (folder: string): string => join(folder, 'plugins.sock')

/** The runner's end. @throws a system error when the socket cannot be made */
export function servePluginFiles(files: PluginFiles, folder: string): Promise<Listening> {
  return listenAt(pluginsSocket(folder), maxServedQuestions, (socket) => {
    readLine(socket, maxPassLineBytes)
      .then((line) => answerTo(files, question.parse(JSON.parse(line))))
      .then((reply) => socket.end(`${JSON.stringify(reply)}\n`))
      .catch(() => socket.destroy())
  })
}

async function answerTo(files: PluginFiles, { ask, plugin, enough }: Question): Promise<Answer> {
  try {
    if (ask === 'hasDatabase') return { found: await files.hasDatabase(plugin) }
    if (ask === 'clear') {
      await files.clear(plugin)
      return { found: false }
    }
    const bytes = await files.bytes(plugin, enough)
    return { bytes: Number.isFinite(bytes) ? bytes : null }
  } catch (error) {
    return failedAnswerTo(error, 'internal_failure')
  }
}

/** The guest's end. */
export function connectPluginFiles(folder: string): PluginFiles {
  const ask = (asked: Question) => askRunner(pluginsSocket(folder), asked, answer, 'files of plugins', { maxBytes: maxPassLineBytes })
  return {
    // The runner checks each package before it starts it.
    check: () => Promise.resolve(),
    async bytes(plugin, enough) {
      const reply = await ask({ ask: 'bytes', plugin, ...(enough !== undefined && Number.isFinite(enough) && { enough }) })
      return 'bytes' in reply ? (reply.bytes ?? Infinity) : Infinity
    },
    async hasDatabase(plugin) {
      const reply = await ask({ ask: 'hasDatabase', plugin })
      return 'found' in reply && reply.found
    },
    clear: async (plugin) => void (await ask({ ask: 'clear', plugin })),
    // The runner finds the folder by the name.
    state: (plugin) => plugin,
  }
}
